"""Training architectures for a search, in this process or on Ray."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from experiments.execution.calls import TORCH, Beat, Calls
from experiments.execution.resources import Resources
from experiments.factory.directory import BuildHeader
from experiments.factory.factory import network_of, prepare, row_of
from experiments.factory.images import Images, check_images
from experiments.studies.training_records import Curves, Trained, Training
from supernets.training.devices import single_threaded
from supernets.training.epochs import Measurement
from supernets.training.train import train_candidates


def train(header: BuildHeader, images: Images, device: str, training: Training, beat: Beat | None = None) -> Trained:
    """Train one network, on one thread of this process.

    Raises:
        InputError: the images on this machine are not those of the build.
    """
    task = images.task()
    check_images(header, task)
    config = header.recipe_of(training.schedule)
    network = network_of(header, training.architecture)
    with single_threaded():
        (record,) = train_candidates(
            [network], task, config, [training.seed], device, stop_after=training.epochs, beat=beat
        )
    steps, valid, test = (record.measurements[split] for split in ("train", "valid", "test"))
    curves = Curves(
        [measured.seconds for measured in steps],
        [measured.seconds for measured in valid],
        [_accuracy(measured) for measured in valid],
        _accuracy(test[-1]),
    )
    return Trained(curves, row_of(record) if training.epochs == config.epochs else None)


def _accuracy(measured: Measurement) -> float:
    """The accuracy in percent; NaN if the loss is not finite, as it would be that of a constant prediction."""
    return measured.accuracy if math.isfinite(measured.loss) else math.nan


class Trainer(Protocol):
    """Runs trainings, one or more at a time."""

    def begin(self, training: Training) -> None:
        """Start a training now, or when a worker is free."""

    def finished(self) -> list[tuple[Training, Trained]]:
        """The trainings finished since the last call; waits a moment for one, or runs one in this process."""

    def beats(self) -> Mapping[Training, float]:
        """The seconds that the steps of unfinished trainings have taken so far, for those with a new report."""


class LocalTrainer:
    """Runs trainings in this process, one after the other, when their results are requested."""

    def __init__(self, work: Callable[[Training], Trained]) -> None:
        self._work = work
        self._waiting: deque[Training] = deque()

    def begin(self, training: Training) -> None:
        self._waiting.append(training)

    def finished(self) -> list[tuple[Training, Trained]]:
        training = self._waiting[0]
        trained = self._work(training)
        self._waiting.popleft()
        return [(training, trained)]

    def beats(self) -> Mapping[Training, float]:
        return {}


@contextmanager
def trainer(header: BuildHeader, images: Images, resources: Resources) -> Iterator[Trainer]:
    """A trainer in this process if there are no workers, otherwise on Ray."""
    if not resources.workers:
        yield LocalTrainer(partial(train, header, images, resources.device))
        return
    prepare(header, images, 0, resources.device)
    from experiments.execution.ray_tasks import RayTasks  # imports Ray

    calls: Calls[Training, Trained] = Calls(
        function=train, shared=(header, images, resources.device), beats=True, libraries=TORCH
    )
    with RayTasks.open(calls, resources) as tasks:
        yield tasks
