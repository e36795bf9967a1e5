"""Networks under training, by PyTorch or by compiled code, behind one interface."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from supernets.candidate_network import CandidateNetwork
from supernets.images.labelled import Batch, LabelledImages
from supernets.images.tasks import ImageTask
from supernets.images.training_batches import TrainingBatches
from supernets.settings import TrainConfig
from supernets.training.epochs import Measurement, evaluate, train_epoch
from supernets.training.native.network import NativeNetwork, Sgd, serves
from supernets.training.replicas import check_alike, side_by_side


class Trainee(Protocol):
    """K networks side by side and the code that trains them."""

    task: ImageTask
    config: TrainConfig
    batches: TrainingBatches
    typical_batch: int  # an evaluation of so many images takes as long per image as one of a whole split

    def train_epoch(self, batches: Iterable[Batch], rate: float) -> list[Measurement]:
        """Train on batches of `self.batches`, in steps of `config.batch_size` images; returns K measurements."""

    def evaluate(self, split: LabelledImages) -> list[Measurement]:
        """Evaluate the networks in evaluation mode; returns K measurements."""


class PyTorchTrainee:
    """K networks side by side in one, trained by PyTorch."""

    def __init__(
        self, network: nn.Module, task: ImageTask, config: TrainConfig, networks: int, device: torch.device | str
    ) -> None:
        self.task, self.config = task.to(device), config
        self.batches = TrainingBatches(self.task, config.batch_size)
        self.typical_batch = config.evaluation_batch_size
        self._network, self._networks = network.to(device), networks
        if config.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        self._optimizer = torch.optim.SGD(
            network.parameters(),
            lr=config.learning_rate,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def train_epoch(self, batches: Iterable[Batch], rate: float) -> list[Measurement]:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return train_epoch(self._network, self._optimizer, batches, self.config)

    def evaluate(self, split: LabelledImages) -> list[Measurement]:
        return evaluate(self._network, split, self.task.normalisation, self.config, self._networks)


class CompiledTrainee:
    """One network, trained by compiled code on several small batches per call."""

    BATCHES_AT_ONCE = 16

    def __init__(self, network: CandidateNetwork, task: ImageTask, config: TrainConfig) -> None:
        self.task, self.config = task.to("cpu"), config
        self.batches = TrainingBatches(self.task, config.batch_size * self.BATCHES_AT_ONCE)
        self.typical_batch = 4 * config.batch_size
        height, width = task.image_shape[1:]
        self._network = NativeNetwork(network, (height, width), config.batch_size)

    def train_epoch(self, batches: Iterable[Batch], rate: float) -> list[Measurement]:
        config = self.config
        step = Sgd(rate, config.momentum, config.nesterov, config.weight_decay)
        return self._measured(batches, lambda images, labels: self._network.train(images, labels.squeeze(1), step))

    def evaluate(self, split: LabelledImages) -> list[Measurement]:
        return self._measured(
            split.batches(self.config.evaluation_batch_size),
            lambda images, labels: self._network.evaluate(self.task.normalisation(images), labels),
        )

    @staticmethod
    def _measured(batches: Iterable[Batch], work: Callable[[Tensor, Tensor], tuple[float, int]]) -> list[Measurement]:
        start = time.perf_counter()
        losses, rights, sizes = zip(*((*work(*batch), len(batch.labels)) for batch in batches), strict=True)
        images = sum(sizes)
        return [Measurement(sum(losses) / images, 100 * sum(rights) / images, time.perf_counter() - start)]


def trainees_of(
    networks: Sequence[nn.Module], task: ImageTask, config: TrainConfig, device: torch.device | str
) -> Sequence[Trainee]:
    """One trainee per network if compiled code serves them, else one for all networks side by side.

    Raises:
        InputError: the networks differ in more than their numbers of channels.
    """
    candidates = [network for network in networks if isinstance(network, CandidateNetwork)]
    if len(candidates) < len(networks):
        return [PyTorchTrainee(network, task, config, 1, device) for network in networks]
    configs = [network.config for network in candidates]
    check_alike(configs)
    if not config.mixed_precision and serves(configs, task, config.batch_size, device):
        return [CompiledTrainee(network, task, config) for network in candidates]
    return [PyTorchTrainee(side_by_side(candidates), task, config, len(networks), device)]
