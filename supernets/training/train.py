"""The training procedure of NAS-Bench-201 and NATS-Bench, for any network and image task.

Dong, Liu, Musial, Gabrys: "NATS-Bench", TPAMI 2021, https://arxiv.org/abs/2009.00437, table 2: SGD with Nesterov
momentum and weight decay on all parameters, cross entropy, and a learning rate that falls once per epoch by

    lr(e) = lr(0) (1 + cos(pi e / E)) / 2,   e = 0 .. E - 1,

so that the last epoch still learns. Departure from the official loop: the images of a batch are augmented together on
the device instead of one by one on the host, which changes the random stream but no distribution.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.errors import InputError
from supernets.candidate_network import CandidateConfig
from supernets.images.labelled import Batch
from supernets.images.tasks import ImageTask
from supernets.settings import TrainConfig, learning_rate
from supernets.training.epochs import Measurement
from supernets.training.trainees import PyTorchTrainee, Trainee, trainees_of

Beat = Callable[[float], None]
"""Called every few steps with the seconds of one training so far; never more than the final record will hold."""


@dataclass(frozen=True)
class TrainingRecord:
    """The recipe and the results of one training; the tuples have one entry per epoch."""

    task: str
    split: str  # the `split` of the task
    config: TrainConfig
    images: Mapping[str, int]  # split -> number of images
    learning_rates: tuple[float, ...]
    measurements: Mapping[str, tuple[Measurement, ...]]
    """Split -> its measurements. 'train': averages over the epoch while the network changes, in training mode; 'valid'
    and 'test': after the epoch, in evaluation mode. Without `test_every_epoch`, 'test' has only the last epoch."""

    def pooled(self, *splits: str) -> tuple[Measurement, ...]:
        """The measurements of several splits pooled: 'valid' and 'test' together are the official 'ori-test'."""
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


def train_candidates(
    networks: Sequence[CandidateConfig],
    task: ImageTask,
    config: TrainConfig,
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    *,
    stop_after: int | None = None,
    beat: Beat | None = None,
) -> list[TrainingRecord]:
    """Build and train each network from its seed.

    If compiled code `serves` these networks, it trains them one after the other; otherwise PyTorch trains all side by
    side, which is faster than one by one. Networks of other classes than CandidateNetwork are trained one by one. The
    weights of each network, the order of its images and their augmentation come from its own seed. How it is trained,
    and with which other networks, affects the results of a training only by rounding.

    Args:
        networks: configs of the same `structure`, equal or not.
        stop_after: the number of epochs to train, out of the `config.epochs` of the learning rate schedule; None for
            all.
        beat: called during the training; if networks are trained in turn, with the seconds of the current one.

    Raises:
        InputError: a network does not fit the task's images or classes; the numbers of seeds and networks differ, or
            are 0; the networks cannot be trained side by side; `stop_after` is not one of the epochs.
    """
    for network in networks:
        if (network.in_channels, network.num_classes) != (task.image_shape[0], task.num_classes):
            raise InputError(
                f"{task.name} has {task.image_shape[0]} colour channels and {task.num_classes} classes, the network is "
                f"for {network.in_channels} and {network.num_classes}: set in_channels and num_classes of its config"
            )
    if not seeds or len(seeds) != len(networks):
        raise InputError(f"each network needs one seed, got {len(networks)} networks and {len(seeds)} seeds")
    last = config.epochs if stop_after is None else stop_after
    if not 1 <= last <= config.epochs:
        raise InputError(f"training stops after 1 to {config.epochs} epochs, the length of its schedule; got {last}")
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
    candidates = [network.build(rng) for network, rng in zip(networks, rngs, strict=True)]
    trainees = trainees_of(candidates, task, config, device)
    if len(trainees) == 1:
        return _train(trainees[0], rngs, last, beat)
    return [record for one, rng in zip(trainees, rngs, strict=True) for record in _train(one, [rng], last, beat)]


def train_candidate(
    network: CandidateConfig, task: ImageTask, config: TrainConfig, seed: int, device: torch.device | str = "cpu"
) -> TrainingRecord:
    """`train_candidates` for one network and one seed."""
    return train_candidates([network], task, config, [seed], device)[0]


def train(
    network: nn.Module, task: ImageTask, config: TrainConfig, rng: torch.Generator, device: torch.device | str = "cpu"
) -> TrainingRecord:
    """Train `network`, which maps images to (features, logits), in place on `device` in PyTorch.

    Everything random is drawn from `rng`, on the CPU. On a CPU the same network, task, config and state of `rng` give
    the same record, except for the seconds.
    """
    return _train(PyTorchTrainee(network, task, config, 1, device), [rng], config.epochs)[0]


def _train(
    trainee: Trainee, rngs: Sequence[torch.Generator], last: int, beat: Beat | None = None
) -> list[TrainingRecord]:
    """Train K networks side by side up to epoch `last`, each on the images its `rng` draws; returns their records."""
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
    """Yield the batches; after each, call `beat` with the seconds `before` this epoch plus its own so far."""
    start = time.perf_counter()
    for batch in batches:
        yield batch
        beat(before + (time.perf_counter() - start) / networks)
