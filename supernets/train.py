"""The training that made NAS-Bench-201 and NATS-Bench, for any network and image task.

Dong, Liu, Musial, Gabrys: "NATS-Bench", TPAMI 2021, https://arxiv.org/abs/2009.00437, table 2: SGD with Nesterov
momentum and weight decay on all parameters, cross entropy, and a learning rate that falls once per epoch by

    lr(e) = lr(0) (1 + cos(pi e / E)) / 2,   e = 0 .. E - 1,

so that the last epoch still learns. Departure from the official loop: the images of a batch are varied together on the
device instead of one by one on the host, which changes the random stream but no distribution.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.data import ImageTask, LabelledImages, TrainingBatches
from supernets.data_augmentation import Normalisation
from supernets.devices import wait_for
from supernets.native import NativeNetwork, Sgd, serves
from supernets.replicas import check_alike, side_by_side


@dataclass(frozen=True)
class TrainConfig:
    """The recipe; the defaults are the published 12-epoch one."""

    epochs: int = 12  # E
    batch_size: int = 256
    learning_rate: float = 0.1  # lr(0)
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    evaluation_batch_size: int = 256
    mixed_precision: bool = False  # bfloat16 where PyTorch deems it safe: faster on recent GPUs, slower on most CPUs
    channels_last: bool = False  # memory layout of images and weights: faster on CPUs, and on GPUs in mixed precision
    test_every_epoch: bool = True  # else after the last epoch only

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.evaluation_batch_size) < 1 or self.learning_rate <= 0:
            raise InputError(f"epochs and batch sizes are at least 1 and the learning rate is above 0, got {self}")
        if min(self.momentum, self.weight_decay) < 0 or (self.nesterov and not self.momentum):
            raise InputError(f"momentum (of Nesterov's kind above 0) and weight decay are at least 0, got {self}")


SCHEDULES: dict[str, dict[str, TrainConfig]] = {
    "tss": {"12": TrainConfig(epochs=12), "200": TrainConfig(epochs=200)},
    "sss": {"01": TrainConfig(epochs=1), "12": TrainConfig(epochs=12), "90": TrainConfig(epochs=90)},
}
"""Space -> the schedules of its published trainings, as the tables name them."""


Batch = tuple[Tensor, Tensor]
"""Images and labels."""
Beat = Callable[[float], None]
"""Told after every few steps the seconds of one training's steps so far: at most those that its record will have."""


class Measurement(NamedTuple):
    """One pass over a split."""

    loss: float  # cross entropy in nats, mean over images
    accuracy: float  # percent
    seconds: float  # of host time for the pass; of a pass of networks side by side, an equal part


@dataclass(frozen=True)
class TrainingRecord:
    """What one training was and gave; epoch e is at position e - 1 of every tuple of all epochs."""

    task: str
    split: str  # how the task's images were split
    config: TrainConfig
    images: Mapping[str, int]  # split -> number of images
    learning_rates: tuple[float, ...]
    measurements: Mapping[str, tuple[Measurement, ...]]
    """Split -> its measurements. 'train': averages while the network changes, in training mode; 'valid' and 'test':
    after the epoch, in evaluation mode. Without `test_every_epoch`, 'test' has the last epoch alone."""

    def pooled(self, *splits: str) -> tuple[Measurement, ...]:
        """The measurements of several splits as if of one: 'valid' and 'test' give the official 'ori-test'."""
        sizes = [self.images[split] for split in splits]
        epochs = zip(*(self.measurements[split] for split in splits), strict=True)
        return tuple(_pooled(parts, sizes) for parts in epochs)


def _pooled(parts: Iterable[Measurement], sizes: list[int]) -> Measurement:
    losses, accuracies, seconds = zip(*parts, strict=True)
    loss, accuracy = (
        sum(value * size for value, size in zip(values, sizes, strict=True)) / sum(sizes)
        for values in (losses, accuracies)
    )
    return Measurement(loss, accuracy, sum(seconds))


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """lr(e) of the epoch e = 0 .. E - 1."""
    return config.learning_rate * (1 + math.cos(math.pi * epoch / config.epochs)) / 2


def train_candidates(
    networks: Sequence[NetworkConfig],
    task: ImageTask,
    config: TrainConfig,
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    *,
    stop_after: int | None = None,
    beat: Beat | None = None,
) -> list[TrainingRecord]:
    """Builds and trains each network from its seed.

    Small ones are trained by compiled code where it `serves`, one after the other; elsewhere all are trained side by
    side in PyTorch, which is cheaper than one by one. The weights of each network, its order of images and their
    variation all come from its own seed. What a training gives depends on how and beside which others it is done by
    rounding alone.

    Args:
        networks: equal ones with different seeds, or others of one `structure`.
        stop_after: epochs to train of the `config.epochs` for which the learning rates are; None for all.
        beat: with several networks, told of the one in training.

    Raises:
        InputError: a network is for other images or classes than the task has; there are not as many seeds as networks,
            and at least one; the networks cannot stand side by side; `stop_after` is not one of the epochs.
    """
    for network in networks:
        if (network.in_channels, network.num_classes) != (task.image_shape[0], task.num_classes):
            raise InputError(
                f"{task.name} has {task.image_shape[0]} colour channels and {task.num_classes} classes, the network is "
                f"for {network.in_channels} and {network.num_classes}: set in_channels and num_classes of NetworkConfig"
            )
    if not seeds or len(seeds) != len(networks):
        raise InputError(f"each network is trained from its seed, got {len(networks)} networks and {len(seeds)} seeds")
    last = config.epochs if stop_after is None else stop_after
    if not 1 <= last <= config.epochs:
        raise InputError(f"a training stops after 1 to {config.epochs} epochs, those of its schedule; got {last}")
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
    candidates = [CandidateNetwork(network, rng) for network, rng in zip(networks, rngs, strict=True)]
    trainees = _trainees(candidates, task, config, device)
    if len(trainees) == 1:
        return _train(trainees[0], rngs, last, beat)
    return [record for one, rng in zip(trainees, rngs, strict=True) for record in _train(one, [rng], last, beat)]


def train_candidate(
    network: NetworkConfig, task: ImageTask, config: TrainConfig, seed: int, device: torch.device | str = "cpu"
) -> TrainingRecord:
    """`train_candidates` of one seed."""
    return train_candidates([network], task, config, [seed], device)[0]


def train(
    network: nn.Module, task: ImageTask, config: TrainConfig, rng: torch.Generator, device: torch.device | str = "cpu"
) -> TrainingRecord:
    """Trains `network`, which maps images to (features, logits), in place on `device` and in PyTorch.

    Draws from `rng`, on the CPU.

    On a CPU the same network, task, config and state of `rng` give the same record, times aside.
    """
    return _train(_InPyTorch(network, task, config, 1, device), [rng], config.epochs)[0]


class _Trainee(Protocol):
    """K networks side by side, and what trains them."""

    task: ImageTask
    config: TrainConfig
    batches: TrainingBatches
    typical_batch: int  # images of a split, of which each takes as long as it does in a pass over the whole split

    def train_epoch(self, batches: Iterable[Batch], rate: float) -> list[Measurement]:
        """What `self.batches` gives for the K networks, in steps of `config.batch_size` images."""

    def evaluate(self, split: LabelledImages) -> list[Measurement]:
        """The networks as they are, in evaluation mode."""


class _InPyTorch:
    """K networks side by side in one."""

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


class _Compiled:
    """One network; several of its small batches are trained on in one call."""

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
        losses, rights, sizes = zip(*((*work(*batch), len(batch[1])) for batch in batches), strict=True)
        images = sum(sizes)
        return [Measurement(sum(losses) / images, 100 * sum(rights) / images, time.perf_counter() - start)]


def _trainees(
    networks: Sequence[CandidateNetwork], task: ImageTask, config: TrainConfig, device: torch.device | str
) -> Sequence[_Trainee]:
    """One for each of the networks, or one for all side by side; InputError if these differ in more than channels."""
    configs = [network.config for network in networks]
    check_alike(configs)
    if not config.mixed_precision and serves(configs, task, config.batch_size, device):
        return [_Compiled(network, task, config) for network in networks]
    return [_InPyTorch(side_by_side(networks), task, config, len(networks), device)]


def _train(
    trainee: _Trainee, rngs: Sequence[torch.Generator], last: int, beat: Beat | None = None
) -> list[TrainingRecord]:
    """Trains K networks side by side up to epoch `last`, each with the images its `rng` draws; a record of each."""
    task, config = trainee.task, trainee.config
    rates = tuple(learning_rate(config, epoch) for epoch in range(last))
    measurements: dict[str, list[list[Measurement]]] = {split: [] for split in ("train", *task.evaluation)}
    for epoch, rate in enumerate(rates, start=1):
        batches = trainee.batches.epochs(rngs)
        if beat:
            before = sum(measured[0].seconds for measured in measurements["train"])
            batches = _beating(batches, before, len(rngs), beat)
        measurements["train"].append(trainee.train_epoch(batches, rate))
        for split, images in task.evaluation.items():
            if split != "test" or config.test_every_epoch or epoch == last:
                measurements[split].append(trainee.evaluate(images))
    sizes = {"train": len(task.train)} | {split: len(images) for split, images in task.evaluation.items()}
    curves = {split: list(zip(*epochs, strict=True)) for split, epochs in measurements.items()}
    return [
        TrainingRecord(task.name, task.split, config, sizes, rates, {split: curves[split][k] for split in curves})
        for k in range(len(rngs))
    ]


def _beating(batches: Iterator[Batch], before: float, networks: int, beat: Beat) -> Iterator[Batch]:
    """The same batches. `beat` is told after each what the training has taken: `before`, and this epoch so far."""
    start = time.perf_counter()
    for batch in batches:
        yield batch
        beat(before + (time.perf_counter() - start) / networks)


def train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[tuple[Tensor, Tensor]], config: TrainConfig
) -> list[Measurement]:
    """One step per batch of normalised images and labels, as `TrainingBatches.epochs` gives them for K networks.

    Averages, for each network, what each step saw before it changed the network.
    """
    network.train()
    meter = _Meter()
    for images, labels in batches:
        optimizer.zero_grad()
        losses, logits = _forward(network, images, labels, config)
        losses.sum().backward()
        optimizer.step()
        meter.add(losses.detach(), logits.detach(), labels)
    return meter.measurements()


@torch.inference_mode()
def evaluate(
    network: nn.Module, split: LabelledImages, normalisation: Normalisation, config: TrainConfig, networks: int = 1
) -> list[Measurement]:
    """`networks` networks side by side as they are, in evaluation mode, on a split on their device."""
    network.eval()
    meter = _Meter()
    for images, labels in split.batches(config.evaluation_batch_size):
        labels = labels.unsqueeze(1).expand(-1, networks)
        losses, logits = _forward(network, normalisation(images).repeat(1, networks, 1, 1), labels, config)
        meter.add(losses, logits, labels)
    return meter.measurements()


def _forward(network: nn.Module, images: Tensor, labels: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """The batch's mean cross entropies (K,) and the logits (B, num_classes, K), from (B, K) labels."""
    if config.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=config.mixed_precision):
        _features, logits = network(images)
        logits = logits.view(*labels.shape, -1).transpose(1, 2)
        return functional.cross_entropy(logits, labels, reduction="none").mean(dim=0), logits


class _Meter:
    """Collects the batches of a pass on their device; the host waits for the device only at the end."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []  # (K,) each
        self._correct: list[Tensor] = []  # (K,) each
        self._sizes: list[int] = []
        self._start = time.perf_counter()

    def add(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        self._losses.append(losses)
        self._correct.append((logits.argmax(dim=1) == labels).sum(dim=0))
        self._sizes.append(len(labels))

    def measurements(self) -> list[Measurement]:
        """Of each of the K networks."""
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        losses = sizes @ torch.stack(self._losses).cpu().double() / sizes.sum()
        correct = torch.stack(self._correct).sum(dim=0).tolist()
        wait_for(self._losses[0].device)
        seconds = (time.perf_counter() - self._start) / len(correct)
        return [
            Measurement(loss, 100 * right / sum(self._sizes), seconds)
            for loss, right in zip(losses.tolist(), correct, strict=True)
        ]


class ImageSeconds(NamedTuple):
    """What a network costs on its device."""

    train: float  # seconds per image of a training step
    evaluation: float  # seconds per image of a pass in evaluation mode


def time_per_image(
    network: NetworkConfig, task: ImageTask, config: TrainConfig, device: torch.device | str = "cpu", repeats: int = 5
) -> ImageSeconds:
    """The medians of `repeats` whole batches of training and of evaluation, after one of each that is not counted.

    As `train_candidates` would train the network.
    """
    rng = torch.Generator().manual_seed(0)
    (trainee,) = _trainees([CandidateNetwork(network, rng)], task, config, device)
    images, labels = (part[: config.batch_size] for part in next(trainee.batches.epochs([rng])))
    split = next(iter(trainee.task.evaluation.values())).head(trainee.typical_batch)
    train = [trainee.train_epoch([(images, labels)], config.learning_rate)[0].seconds for _ in range(repeats + 1)]
    evaluation = [trainee.evaluate(split)[0].seconds for _ in range(repeats + 1)]
    return ImageSeconds(median(train[1:]) / len(labels), median(evaluation[1:]) / len(split))


def latency(network: nn.Module, images: Tensor, repeats: int = 10) -> float:
    """Seconds for a batch of normalised images to pass through the network on its device, in evaluation mode.

    The mean of `repeats` passes after one that is not counted; NATS-Bench took batches of 256.
    """
    network.eval()
    with torch.inference_mode():
        network(images)
        wait_for(images.device)
        start = time.perf_counter()
        for _ in range(repeats):
            network(images)
        wait_for(images.device)
    return (time.perf_counter() - start) / repeats
