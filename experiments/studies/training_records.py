"""What the real trainings of a study gave, kept as each one finishes, for whoever asks for the same one again.

    DIR/build.json, DIR/trainings/   a BuildDirectory of the trainings that ran their whole schedule, as others of
                                     nas-bench build: calibrated and merged, they are a benchmark table
    DIR/curves/                      a ShardedLog of CURVES, one row per training, whole or stopped early
    DIR/relied/                      a ShardedLog of RELIED, what was known of a training before it finished

A training is named by architecture, schedule, epochs trained and seed. One of more epochs of the same schedule answers
for fewer, too, and is then charged its own seconds up to there. Of several, the shortest answers: it was there before
the question, since the longer ones would have been no reason to make it. So an answer never changes.
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
    ("schedule", pa.string()),  # its number of epochs, for which the learning rates are
    ("epochs", pa.int32()),  # how many of them were trained
    ("seed", pa.int64()),
]
CURVES = pa.schema(
    [
        *TRAINING_COLUMNS,
        ("train_seconds", pa.list_(pa.float64())),  # host seconds of the steps of each epoch
        ("valid_seconds", pa.list_(pa.float64())),  # of the validation pass after each epoch
        ("valid_accuracy", pa.list_(pa.float64())),  # percent; NaN where the loss was no number: the training failed
        ("test_accuracy", pa.float64()),  # percent, after the last epoch trained; NaN as above
    ]
)
RELIED = pa.schema(
    [
        *TRAINING_COLUMNS,
        ("seconds", pa.float64()),  # of steps that it had taken when a search went on without waiting for its end
    ]
)


class Training(NamedTuple):
    """The name of a training: the first `epochs` epochs of a schedule."""

    architecture: int
    schedule: str
    epochs: int
    seed: int


class Curves(NamedTuple):
    """What a training gave: the columns of CURVES that follow its name."""

    train_seconds: Sequence[float]
    valid_seconds: Sequence[float]
    valid_accuracy: Sequence[float]
    test_accuracy: float

    def outcome(self, epoch: int, cost_model: CostModel) -> Outcome:
        """The validation accuracy after `epoch` epochs, and what it is charged under the cost model."""
        seconds = sum(self.train_seconds[:epoch])
        if cost_model != "train_only":
            first_pass = epoch - 1 if cost_model == "nats" else 0
            seconds += sum(self.valid_seconds[first_pass:epoch])
        return Outcome(self.valid_accuracy[epoch - 1], seconds)


class Trained(NamedTuple):
    """What a training leaves behind."""

    curves: Curves
    whole: Row | None
    """The columns of TRAININGS that follow its key, if it ran its whole schedule."""


class TrainingRecords:
    """The trainings of a directory, as `evaluations` opens it."""

    def __init__(
        self,
        curves: dict[Training, Curves],
        relied: dict[Training, float],
        append: Mapping[str, Callable[[Sequence[Row]], None]],
        whole: set[tuple[Any, ...]],
    ) -> None:
        self.curves, self.relied = curves, relied
        self._append, self._whole = append, whole

    def add(self, training: Training, trained: Trained) -> None:
        """Keep what a training gave; it survives this process from now on."""
        key = (training.architecture, training.schedule, training.seed)
        if trained.whole is not None and key not in self._whole:
            self._append["trainings"]([(*key, *trained.whole)])
            self._whole.add(key)
        self._append["curves"]([(*training, *trained.curves)])
        self.curves[training] = trained.curves

    def rely(self, training: Training, seconds: float) -> None:
        """Keep that an unfinished training takes at least `seconds`, since a search has acted upon it."""
        if seconds > self.relied.get(training, 0.0):
            self._append["relied"]([(*training, seconds)])
            self.relied[training] = seconds

    def outcome(self, training: Training, source: Training, cost_model: CostModel) -> Outcome:
        """The score and charge of `training`, for which the finished training `source` answers.

        It is never charged less than a search has relied upon, even if that attempt died and another one was faster.
        """
        outcome = self.curves[source].outcome(training.epochs, cost_model)
        return outcome._replace(seconds=max(outcome.seconds, self.relied.get(training, 0.0)))


@contextmanager
def evaluations(directory: BuildDirectory) -> Iterator[TrainingRecords]:
    """The trainings that a directory holds, and more to come.

    Raises:
        InputError: another process is writing there.
    """
    curves = ShardedLog(directory.path / "curves", CURVES, key_columns=4)
    relied = ShardedLog(directory.path / "relied", RELIED, key_columns=5)
    with directory.trainings.writer() as whole, curves.writer() as add, relied.writer() as rely:
        held = {Training(*row[:4]): Curves(*row[4:]) for row in _rows(curves)}
        known: dict[Training, float] = {}
        for *training, seconds in _rows(relied):  # ascending in seconds
            known[Training(*training)] = seconds
        append = {"trainings": whole.append, "curves": add.append, "relied": rely.append}
        yield TrainingRecords(held, known, append, directory.trainings.keys())


def _rows(log: ShardedLog) -> Iterator[tuple[Any, ...]]:
    return (tuple(row.values()) for row in log.table().to_pylist())
