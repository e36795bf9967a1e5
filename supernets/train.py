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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.data import ImageTask, LabelledImages, TrainingBatches
from supernets.data_augmentation import Normalisation


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
    channels_last: bool = False  # memory layout of images and weights: faster on GPUs with mixed precision

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.evaluation_batch_size) < 1 or self.learning_rate <= 0:
            raise InputError(f"epochs and batch sizes are at least 1 and the learning rate is above 0, got {self}")


SCHEDULES: dict[str, dict[str, TrainConfig]] = {
    "tss": {"12": TrainConfig(epochs=12), "200": TrainConfig(epochs=200)},
    "sss": {"01": TrainConfig(epochs=1), "12": TrainConfig(epochs=12), "90": TrainConfig(epochs=90)},
}
"""Space -> the schedules of its published trainings, as the tables name them."""


class Measurement(NamedTuple):
    """One pass over a split."""

    loss: float  # cross entropy in nats, mean over images
    accuracy: float  # percent
    seconds: float  # of host time for the pass


@dataclass(frozen=True)
class TrainingRecord:
    """What one training was and gave; epoch e is at position e - 1 of every tuple."""

    task: str
    split: str  # how the task's images were split
    config: TrainConfig
    images: Mapping[str, int]  # split -> number of images
    learning_rates: tuple[float, ...]
    measurements: Mapping[str, tuple[Measurement, ...]]
    """Split -> its measurements. 'train': averages while the network changes, in training mode; 'valid' and 'test':
    after the epoch, in evaluation mode."""

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


def train_candidate(
    network: NetworkConfig, task: ImageTask, config: TrainConfig, seed: int, device: torch.device | str = "cpu"
) -> TrainingRecord:
    """Builds and trains the network; its weights, the order of images and their variation all come from `seed`.

    Raises:
        InputError: the network is for other images or classes than the task has.
    """
    if (network.in_channels, network.num_classes) != (task.image_shape[0], task.num_classes):
        raise InputError(
            f"{task.name} has {task.image_shape[0]} colour channels and {task.num_classes} classes, the network is "
            f"for {network.in_channels} and {network.num_classes}: set in_channels and num_classes of NetworkConfig"
        )
    rng = torch.Generator().manual_seed(seed)
    return train(CandidateNetwork(network, rng), task, config, rng, device)


def train(
    network: nn.Module, task: ImageTask, config: TrainConfig, rng: torch.Generator, device: torch.device | str = "cpu"
) -> TrainingRecord:
    """Trains `network`, which maps images to (features, logits), in place on `device`; draws from `rng`, on the CPU.

    On a CPU the same network, task, config and state of `rng` give the same record, times aside.
    """
    task = task.to(device)
    network.to(device)
    if config.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        fused=True,
    )
    batches = TrainingBatches(task, config.batch_size)
    rates = tuple(learning_rate(config, epoch) for epoch in range(config.epochs))
    measurements: dict[str, list[Measurement]] = {split: [] for split in ("train", *task.evaluation)}
    for rate in rates:
        for group in optimizer.param_groups:
            group["lr"] = rate
        measurements["train"].append(train_epoch(network, optimizer, batches.epoch(rng), config))
        for split, images in task.evaluation.items():
            measurements[split].append(evaluate(network, images, task.normalisation, config))
    return TrainingRecord(
        task=task.name,
        split=task.split,
        config=config,
        images={"train": len(task.train)} | {split: len(images) for split, images in task.evaluation.items()},
        learning_rates=rates,
        measurements={split: tuple(values) for split, values in measurements.items()},
    )


def train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[tuple[Tensor, Tensor]], config: TrainConfig
) -> Measurement:
    """One step per batch of normalised images and labels. Averages what each step saw before it changed the network."""
    network.train()
    meter = _Meter()
    for images, labels in batches:
        optimizer.zero_grad()
        loss, logits = _forward(network, images, labels, config)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        meter.add(loss.detach(), logits.detach(), labels)
    return meter.measurement()


@torch.inference_mode()
def evaluate(
    network: nn.Module, split: LabelledImages, normalisation: Normalisation, config: TrainConfig
) -> Measurement:
    """The network as it is, in evaluation mode, on a split on its device."""
    network.eval()
    meter = _Meter()
    for images, labels in split.batches(config.evaluation_batch_size):
        loss, logits = _forward(network, normalisation(images), labels, config)
        meter.add(loss, logits, labels)
    return meter.measurement()


def _forward(network: nn.Module, images: Tensor, labels: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """The batch's mean cross entropy, and the logits (B, num_classes)."""
    if config.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=config.mixed_precision):
        _features, logits = network(images)
        return functional.cross_entropy(logits, labels), logits


class _Meter:
    """Collects the batches of a pass on their device; the host waits for the device only at the end."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._correct: list[Tensor] = []
        self._sizes: list[int] = []
        self._start = time.perf_counter()

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self._losses.append(loss)
        self._correct.append((logits.argmax(dim=1) == labels).sum())
        self._sizes.append(len(labels))

    def measurement(self) -> Measurement:
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        loss = torch.stack(self._losses).cpu().double() @ sizes / sizes.sum()
        correct = torch.stack(self._correct).sum().item()
        _wait_for(self._losses[0].device)
        return Measurement(loss.item(), 100 * correct / sum(self._sizes), time.perf_counter() - self._start)


def latency(network: nn.Module, images: Tensor, repeats: int = 10) -> float:
    """Seconds for a batch of normalised images to pass through the network on its device, in evaluation mode.

    The mean of `repeats` passes after one that is not counted; NATS-Bench took batches of 256.
    """
    network.eval()
    with torch.inference_mode():
        network(images)
        _wait_for(images.device)
        start = time.perf_counter()
        for _ in range(repeats):
            network(images)
        _wait_for(images.device)
    return (time.perf_counter() - start) / repeats


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
