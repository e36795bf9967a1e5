"""The results of a study's trainings, stored as each training finishes and reused by every search that needs it.

    DIR/build.json, DIR/trainings/   a BuildDirectory of the trainings that ran their whole schedule, like those of
                                     nas-bench build: calibrated and merged, they become a benchmark table
    DIR/curves/                      a ShardedLog of CURVES, one row per training, whole or stopped early
    DIR/relied/                      a ShardedLog of LOWER_BOUNDS on the seconds of trainings that were unfinished when
                                     a search proceeded

A training is identified by architecture, schedule, number of epochs and seed. A training also yields the results of
fewer epochs of the same schedule, charged the seconds of those epochs. If several trainings apply, the shortest is
used. It was started first, since no training is started if a longer one applies. Results therefore never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa

from benchmarks.costs import CostModel
from benchmarks.outcomes import Outcome
from experiments.factory.directory import BuildDirectory
from experiments.storage.sharded_log import Row, ShardedLog

TRAINING_COLUMNS = [
    ("architecture", pa.int32()),  # official index
    ("schedule", pa.string()),  # its number of epochs, which determines the learning rates
    ("epochs", pa.int32()),  # number of epochs trained
    ("seed", pa.int64()),
]
CURVES = pa.schema(
    [
        *TRAINING_COLUMNS,
        ("train_seconds", pa.list_(pa.float64())),  # host seconds of the steps of each epoch
        ("valid_seconds", pa.list_(pa.float64())),  # host seconds of the validation pass after each epoch
        ("valid_accuracy", pa.list_(pa.float64())),  # percent; NaN if the loss is NaN: the training failed
        ("test_accuracy", pa.float64()),  # percent, after the last epoch trained; NaN as above
    ]
)
LOWER_BOUNDS = pa.schema(
    [
        *TRAINING_COLUMNS,
        ("seconds", pa.float64()),  # lower bound on the seconds of its steps, used by a search
    ]
)


class Training(NamedTuple):
    """The identity of a training: the first `epochs` epochs of a schedule."""

    architecture: int
    schedule: str
    epochs: int
    seed: int


class Curves(NamedTuple):
    """The result of a training: the columns of CURVES after its identity."""

    train_seconds: Sequence[float]
    valid_seconds: Sequence[float]
    valid_accuracy: Sequence[float]
    test_accuracy: float

    def outcome(self, epoch: int, cost_model: CostModel) -> Outcome:
        """Validation accuracy after `epoch` epochs, and the seconds charged for it under a cost model."""
        seconds = sum(self.train_seconds[:epoch])
        if cost_model != "train_only":
            first_pass = epoch - 1 if cost_model == "nats" else 0
            seconds += sum(self.valid_seconds[first_pass:epoch])
        return Outcome(self.valid_accuracy[epoch - 1], seconds)


class Trained(NamedTuple):
    """Everything that is stored about a finished training."""

    curves: Curves
    whole: Row | None
    """The columns of TRAININGS after the key; None if the training did not run its whole schedule."""


class TrainingRecords:
    """The trainings of a directory, opened by `training_records`."""

    def __init__(
        self,
        curves: dict[Training, Curves],
        lower_bounds: dict[Training, float],
        append: Mapping[str, Callable[[Sequence[Row]], None]],
        whole: set[tuple[Any, ...]],
    ) -> None:
        self.curves, self.lower_bounds = curves, lower_bounds
        self._append, self._whole = append, whole

    def add(self, training: Training, trained: Trained) -> None:
        """Store the result of a training on disk."""
        key = (training.architecture, training.schedule, training.seed)
        if trained.whole is not None and key not in self._whole:
            self._append["trainings"]([(*key, *trained.whole)])
            self._whole.add(key)
        self._append["curves"]([(*training, *trained.curves)])
        self.curves[training] = trained.curves

    def add_lower_bound(self, training: Training, seconds: float) -> None:
        """Store that an unfinished training takes at least `seconds`, as a search has used this lower bound."""
        if seconds > self.lower_bounds.get(training, 0.0):
            self._append["lower_bounds"]([(*training, seconds)])
            self.lower_bounds[training] = seconds

    def outcome(self, training: Training, source: Training, cost_model: CostModel) -> Outcome:
        """The score and charge of `training`, taken from the finished training `source`.

        The charge is never below a lower bound that a search has used, even if that attempt was lost and the next one
        was faster.
        """
        outcome = self.curves[source].outcome(training.epochs, cost_model)
        return outcome._replace(seconds=max(outcome.seconds, self.lower_bounds.get(training, 0.0)))


@contextmanager
def training_records(directory: BuildDirectory) -> Iterator[TrainingRecords]:
    """Open a directory of trainings to read and extend it.

    Raises:
        InputError: another process is writing there.
    """
    curves = ShardedLog(directory.path / "curves", CURVES, key_columns=4)
    lower_bounds = ShardedLog(directory.path / "relied", LOWER_BOUNDS, key_columns=5)
    with directory.trainings.writer() as whole, curves.writer() as add, lower_bounds.writer() as bound:
        held = {Training(*row[:4]): Curves(*row[4:]) for row in _rows(curves)}
        known: dict[Training, float] = {}
        for *training, seconds in _rows(lower_bounds):  # ascending in seconds
            known[Training(*training)] = seconds
        append = {"trainings": whole.append, "curves": add.append, "lower_bounds": bound.append}
        yield TrainingRecords(held, known, append, directory.trainings.keys())


def _rows(log: ShardedLog) -> Iterator[tuple[Any, ...]]:
    return (tuple(row.values()) for row in log.table().to_pylist())
