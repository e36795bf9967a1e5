"""Real training as the oracle of a search: architectures are trained when they are asked for, and never twice.

The clock of a search counts the seconds that each training took, measured in the process that did it. With W open
trials the one that ends first on this clock is told first, whatever becomes known first: as soon as every training
still under way has taken so long that it cannot end before. Hence a search is a function of its settings and of the
kept trainings alone, and one that was interrupted goes on as if it had not been.
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
"""Called now and then with (seconds on the search's clock, evaluations ended, trainings done)."""


def training_seed(policy: str) -> int:
    """The seed of a policy 'fixed:SEED'; InputError for another policy, which would need several trainings."""
    parsed = SeedPolicy.parse(policy)
    if parsed.kind != "fixed" or not parsed.seed.isdecimal():
        raise InputError(
            "an architecture is really trained from one seed, a whole number: give --seed-policy fixed:SEED, such as "
            f"fixed:0, got {policy!r}"
        )
    return int(parsed.seed)


def epochs_of(schedule: str) -> tuple[int, ...]:
    """1, ..., E of the schedule 'E': each has a validation score."""
    if not (schedule.isdecimal() and int(schedule)):
        raise InputError(f"a schedule to train is its number of epochs, at least 1 (--schedule 12), got {schedule!r}")
    return tuple(range(1, int(schedule) + 1))


class TrainingOracle:
    """What the trainings of one seed say, and which are under way.

    Args:
        evaluations: what is trained already, and where to keep what is trained.
        trainer: does what is missing.
    """

    def __init__(
        self, space: Space, seed: int, cost_model: CostModel, evaluations: TrainingRecords, trainer: Trainer
    ) -> None:
        self.space = space
        self.done = 0  # trainings, since the start of this process
        self._seed, self._cost_model = seed, cost_model
        self._evaluations, self._trainer = evaluations, trainer
        self._under_way: dict[Training, float] = {}  # and the seconds of steps it has taken at least
        self._begun: dict[Training, set[int]] = {}  # a training's name with 0 epochs -> epochs of those begun
        for training in evaluations.curves:
            self._note(training)

    def named(self, arch: Arch, fidelity: Fidelity) -> Training:
        """The training of an architecture that goes no further than `fidelity`."""
        return Training(self.space.index(arch), fidelity.schedule, fidelity.epoch, self._seed)

    def begin(self, training: Training) -> Training:
        """The training that will answer for `training`: one of as many epochs or more, finished or not; or itself."""
        begun = self._begun.get(training._replace(epochs=0), set())
        if enough := [epochs for epochs in begun if epochs >= training.epochs]:
            return training._replace(epochs=min(enough))
        self._note(training)
        self._under_way[training] = 0.0
        self._trainer.begin(training)
        return training

    def outcome(self, training: Training, source: Training) -> Outcome | None:
        """What `source` says about `training`; None while it is under way."""
        if source in self._under_way:
            return None
        return self._evaluations.outcome(training, source, self._cost_model)

    def reported(self, arch: Arch, fidelity: Fidelity) -> tuple[float, float]:
        """(validation, test) percent at the end of a finished training; no searcher sees the test accuracy."""
        curves = self._evaluations.curves[self.named(arch, fidelity)]
        return curves.valid_accuracy[-1], curves.test_accuracy

    def at_least(self, training: Training, source: Training) -> float:
        """Seconds that `training` will be charged at least, while `source` is under way."""
        taken = self._under_way[source] if source == training else 0.0  # unknown which epochs they were spent on
        return max(taken, self._evaluations.relied.get(training, 0.0))

    def rely(self, training: Training, source: Training) -> None:
        """From now on, `training` is never charged less than `at_least` says, also in another process."""
        self._evaluations.rely(training, self.at_least(training, source))

    def wait(self) -> None:
        """Let some time pass: take in what has finished, and how far the rest is."""
        for training, trained in self._trainer.finished():
            self._evaluations.add(training, trained)
            del self._under_way[training]
            self.done += 1
        for training, seconds in self._trainer.beats().items():
            if training in self._under_way:  # after a lost attempt, the next one begins at 0
                self._under_way[training] = max(self._under_way[training], seconds)

    def _note(self, training: Training) -> None:
        self._begun.setdefault(training._replace(epochs=0), set()).add(training.epochs)


class _Open(NamedTuple):
    """An evaluation that is not told yet."""

    trial: Trial
    begin: float  # seconds on the search's clock
    first: float | None  # when the same query began that this one repeats for free
    training: Training
    source: Training  # which answers for it

    def end(self, seconds: float) -> float:
        """When it ends if its training is charged `seconds`; a bound gives a bound."""
        return self.begin + seconds if self.first is None else max(self.begin, self.first + seconds)


class TrainingEvents:
    """The open evaluations of one search, for `experiments.studies.search_loop.search`.

    Args:
        cache: whether a repeated query is free.
    """

    def __init__(self, oracle: TrainingOracle, cache: bool, tick: Tick) -> None:
        self._oracle, self._cache, self._tick = oracle, cache, tick
        self._open: list[_Open] = []
        self._begun: dict[Training, float] = {}  # with `cache`: when it was first asked for
        self._ended = 0

    def begin(self, trial: Trial, now: float) -> bool:
        training = self._oracle.named(trial.arch, trial.fidelity)
        first = self._begun.get(training)
        if self._cache and first is None:
            self._begun[training] = now
        self._open.append(_Open(trial, now, first, training, self._oracle.begin(training)))
        return first is not None

    def next(self) -> tuple[float, Trial, Outcome]:
        while True:
            outcomes = {one: self._oracle.outcome(one.training, one.source) for one in self._open}
            ends = {one: one.end(self._seconds(one, outcome)) for one, outcome in outcomes.items()}
            soonest = min(ends, key=ends.__getitem__)  # of several, the one begun first
            end, outcome = ends[soonest], outcomes[soonest]
            self._tick(end, self._ended, self._oracle.done)
            if outcome is not None:  # no other ends before
                break
            self._oracle.wait()
        self._ended += 1
        self._open.remove(soonest)
        for one in self._open:
            if outcomes[one] is None:
                self._oracle.rely(one.training, one.source)
        return end, soonest.trial, outcome if soonest.first is None else outcome._replace(seconds=0.0)

    def _seconds(self, one: _Open, outcome: Outcome | None) -> float:
        """What it is charged, at least."""
        return self._oracle.at_least(one.training, one.source) if outcome is None else outcome.seconds
