"""Training as the oracle of a search: architectures are trained when a searcher proposes them, and never twice.

The clock of a search counts the seconds of each training, measured in the process that trained. With W open trials, the
searcher learns the outcome of the trial that ends first on this clock, no matter which result arrives first: the search
proceeds as soon as every unfinished training has taken so long that it cannot end earlier. Hence a search depends only
on its settings and the kept trainings, and an interrupted search resumes without any difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.costs import CostModel
from benchmarks.errors import InputError
from benchmarks.oracle import SeedPolicy
from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from experiments.studies.trainer import Trainer
from experiments.studies.training_records import Training, TrainingRecords
from nas_algos.searcher import Trial

Tick = Callable[[float, int, int], None]
"""Called with (seconds on the clock, evaluations ended, trainings finished) whenever one of them may have changed."""


def training_seed(policy: str) -> int:
    """The seed of a policy 'fixed:SEED'; InputError for other policies, which need several trainings."""
    parsed = SeedPolicy.parse(policy)
    if parsed.kind != "fixed" or not parsed.seed.isdecimal():
        raise InputError(
            "architectures are trained with one seed, a whole number: give --seed-policy fixed:SEED, such as "
            f"fixed:0, got {policy!r}"
        )
    return int(parsed.seed)


def epochs_of(schedule: str) -> tuple[int, ...]:
    """Epochs 1, ..., E of the schedule 'E', each of which has a validation score; InputError for other schedules."""
    if not (schedule.isdecimal() and int(schedule)):
        raise InputError(f"a schedule to train is its number of epochs, at least 1 (--schedule 12), got {schedule!r}")
    return tuple(range(1, int(schedule) + 1))


class TrainingOracle:
    """The outcomes of trainings with one seed, finished or running.

    Args:
        records: finished trainings; new ones are added.
        trainer: runs the missing trainings.
    """

    def __init__(
        self, space: Space, seed: int, cost_model: CostModel, records: TrainingRecords, trainer: Trainer
    ) -> None:
        self.space = space
        self.done = 0  # trainings finished by this process
        self._seed, self._cost_model = seed, cost_model
        self._records, self._trainer = records, trainer
        self._under_way: dict[Training, float] = {}  # running training -> lower bound on the seconds of its steps
        self._started: dict[Training, set[int]] = {}  # training with 0 for its epochs -> epochs of those started
        for training in records.curves:
            self._note(training)

    def named(self, arch: Arch, fidelity: Fidelity) -> Training:
        """The training of an architecture up to `fidelity`."""
        return Training(self.space.index(arch), fidelity.schedule, fidelity.epoch, self._seed)

    def begin(self, training: Training) -> Training:
        """Start `training` unless another one has at least as many epochs; return the one whose result applies."""
        started = self._started.get(training._replace(epochs=0), set())
        if enough := [epochs for epochs in started if epochs >= training.epochs]:
            return training._replace(epochs=min(enough))
        self._note(training)
        self._under_way[training] = 0.0
        self._trainer.begin(training)
        return training

    def outcome(self, training: Training, source: Training) -> Outcome | None:
        """The outcome of `training`, taken from the training `source`; None while `source` is running."""
        if source in self._under_way:
            return None
        return self._records.outcome(training, source, self._cost_model)

    def reported(self, arch: Arch, fidelity: Fidelity) -> tuple[float, float]:
        """(validation, test) accuracy in percent at the end of a finished training; no searcher sees the latter."""
        curves = self._records.curves[self.named(arch, fidelity)]
        return curves.valid_accuracy[-1], curves.test_accuracy

    def lower_bound(self, training: Training, source: Training) -> float:
        """A lower bound on the seconds charged for `training` while its `source` is running."""
        taken = self._under_way[source] if source == training else 0.0  # a longer source may be in later epochs
        return max(taken, self._records.lower_bounds.get(training, 0.0))

    def keep_lower_bound(self, training: Training, source: Training) -> None:
        """Store the current lower bound: no later attempt, even in another process, is charged less."""
        self._records.add_lower_bound(training, self.lower_bound(training, source))

    def wait(self) -> None:
        """Wait a moment for results, store them, and update the lower bounds of the other trainings."""
        for training, trained in self._trainer.finished():
            self._records.add(training, trained)
            del self._under_way[training]
            self.done += 1
        for training, seconds in self._trainer.beats().items():
            if training in self._under_way:  # the attempt after a lost one starts at 0
                self._under_way[training] = max(self._under_way[training], seconds)

    def _note(self, training: Training) -> None:
        self._started.setdefault(training._replace(epochs=0), set()).add(training.epochs)


class _Open(NamedTuple):
    """An evaluation whose outcome the searcher does not know yet."""

    trial: Trial
    begin: float  # seconds on the search's clock
    first: float | None  # start of the earlier query that this one repeats for free
    training: Training
    source: Training  # the training whose result applies

    def end(self, seconds: float) -> float:
        """The end of the evaluation if its training is charged `seconds`; a lower bound gives a lower bound."""
        return self.begin + seconds if self.first is None else max(self.begin, self.first + seconds)


class TrainingEvents:
    """The open evaluations of one search, for `experiments.studies.search_loop.search`.

    Args:
        cache: whether a repeated query is free.
    """

    def __init__(self, oracle: TrainingOracle, cache: bool, tick: Tick) -> None:
        self._oracle, self._cache, self._tick = oracle, cache, tick
        self._open: list[_Open] = []
        self._started: dict[Training, float] = {}  # with `cache`: training -> start of its first query
        self._ended = 0

    def begin(self, trial: Trial, now: float) -> bool:
        training = self._oracle.named(trial.arch, trial.fidelity)
        first = self._started.get(training)
        if self._cache and first is None:
            self._started[training] = now
        self._open.append(_Open(trial, now, first, training, self._oracle.begin(training)))
        return first is not None

    def next(self) -> tuple[float, Trial, Outcome]:
        while True:
            outcomes = {one: self._oracle.outcome(one.training, one.source) for one in self._open}
            ends = {one: one.end(self._seconds(one, outcome)) for one, outcome in outcomes.items()}
            soonest = min(ends, key=ends.__getitem__)  # of several, the one started first
            end, outcome = ends[soonest], outcomes[soonest]
            self._tick(end, self._ended, self._oracle.done)
            if outcome is not None:  # no other can end earlier
                break
            self._oracle.wait()
        self._ended += 1
        self._open.remove(soonest)
        for one in self._open:
            if outcomes[one] is None:
                self._oracle.keep_lower_bound(one.training, one.source)
        return end, soonest.trial, outcome if soonest.first is None else outcome._replace(seconds=0.0)

    def _seconds(self, one: _Open, outcome: Outcome | None) -> float:
        """The seconds charged, or a lower bound on them."""
        return self._oracle.lower_bound(one.training, one.source) if outcome is None else outcome.seconds
