"""The training that made NAS-Bench-201 and NATS-Bench, for any network and image task.

Dong, Liu, Musial, Gabrys: "NATS-Bench", TPAMI 2021, https://arxiv.org/abs/2009.00437, table 2: SGD with Nesterov
momentum and weight decay on all parameters, cross entropy, and a learning rate that falls once per epoch by

    lr(e) = lr(0) (1 + cos(pi e / E)) / 2,   e = 0 .. E - 1,

so that the last epoch still learns. Departure from the official loop: the images of a batch are varied together on the
device instead of one by one on the host, which changes the random stream but no distribution.
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
"""Called every few steps with the seconds of one training so far: at most those that its record will have."""


@dataclass(frozen=True)
class TrainingRecord:
    """The recipe and the results of one training; the tuples have one entry per epoch."""

    task: str
    split: str  # how the task's images were split
    config: TrainConfig
    images: Mapping[str, int]  # split -> number of images
    learning_rates: tuple[float, ...]
    measurements: Mapping[str, tuple[Measurement, ...]]
    """Split -> its measurements. 'train': averages while the network changes, in training mode; 'valid' and 'test':
    after the epoch, in evaluation mode. Without `test_every_epoch`, 'test' has the last epoch only."""

    def pooled(self, *splits: str) -> tuple[Measurement, ...]:
        """The measurements of several splits taken together: 'valid' and 'test' are the official 'ori-test'."""
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

    Small networks are trained by compiled code where it `serves`, one after the other; elsewhere all are trained side
    by side in PyTorch, which is cheaper than one by one. Networks of other classes than CandidateNetwork are trained
    one by one. The weights of each network, its order of images and their variation all come from its own seed. What a
    training gives depends on how, and beside which others, it is done only by rounding.

    Args:
        networks: equal ones with different seeds, or others of one `structure`.
        stop_after: the number of epochs to train, out of the `config.epochs` of the learning rate schedule; None for
            all.
        beat: with several networks, called with the seconds of the one in training.

    Raises:
        InputError: a network is for other images or classes than the task has; there are not as many seeds as networks,
            and at least one; the networks cannot stand side by side; `stop_after` is not one of the epochs.
    """
    for network in networks:
        if (network.in_channels, network.num_classes) != (task.image_shape[0], task.num_classes):
            raise InputError(
                f"{task.name} has {task.image_shape[0]} colour channels and {task.num_classes} classes, the network is "
                f"for {network.in_channels} and {network.num_classes}: set in_channels and num_classes of its config"
            )
    if not seeds or len(seeds) != len(networks):
        raise InputError(f"each network is trained from its seed, got {len(networks)} networks and {len(seeds)} seeds")
    last = config.epochs if stop_after is None else stop_after
    if not 1 <= last <= config.epochs:
        raise InputError(f"a training stops after 1 to {config.epochs} epochs, those of its schedule; got {last}")
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
    candidates = [network.build(rng) for network, rng in zip(networks, rngs, strict=True)]
    trainees = trainees_of(candidates, task, config, device)
    if len(trainees) == 1:
        return _train(trainees[0], rngs, last, beat)
    return [record for one, rng in zip(trainees, rngs, strict=True) for record in _train(one, [rng], last, beat)]


def train_candidate(
    network: CandidateConfig, task: ImageTask, config: TrainConfig, seed: int, device: torch.device | str = "cpu"
) -> TrainingRecord:
    """`train_candidates` of one seed."""
    return train_candidates([network], task, config, [seed], device)[0]


def train(
    network: nn.Module, task: ImageTask, config: TrainConfig, rng: torch.Generator, device: torch.device | str = "cpu"
) -> TrainingRecord:
    """Train `network`, which maps images to (features, logits), in place on `device` in PyTorch.

    Everything random is drawn from `rng`, on the CPU.

    On a CPU the same network, task, config and state of `rng` give the same record, times aside.
    """
    return _train(PyTorchTrainee(network, task, config, 1, device), [rng], config.epochs)[0]


def _train(
    trainee: Trainee, rngs: Sequence[torch.Generator], last: int, beat: Beat | None = None
) -> list[TrainingRecord]:
    """Train K networks side by side up to epoch `last`, each on the images its `rng` draws; a record of each."""
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
    """The same batches; after each, `beat` is called with the seconds `before` this epoch plus those of it so far."""
    start = time.perf_counter()
    for batch in batches:
        yield batch
        beat(before + (time.perf_counter() - start) / networks)
