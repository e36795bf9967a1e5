"""Real training as an oracle: what is charged, in which order it is told, and that nothing is lost or done twice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.costs import COST_MODELS
from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Arch
from experiments.factory.directory import BuildDirectory
from experiments.records.budgets import Budget
from experiments.studies.search_loop import Clock, RunResult, run, search
from experiments.studies.training_oracle import TrainingEvents, TrainingOracle
from experiments.studies.training_records import Curves, Trained, Training, training_records
from nas_algos.multi_trial import ALGORITHMS
from nas_algos.searcher import Searcher, Trial

SPACE = SPACES["tss"]
FULL = Fidelity("9", 9)

# Made-up trainings: a few epochs of a second or so, on a host whose clock is advanced by hand.


def curves_of(training: Training, attempt: int = 0) -> Curves:
    """What a training gives. Accuracies are its own, seconds differ from attempt to attempt."""
    accuracy = np.random.default_rng([training.architecture, training.seed]).random(9) * 100
    seconds = np.random.default_rng([training.architecture, attempt]).exponential(0.3, (2, 9)) + 0.01
    epochs = training.epochs
    return Curves(*seconds[:, :epochs].tolist(), accuracy[:epochs].tolist(), float(accuracy[epochs - 1]))


@dataclass
class MadeUpTrainer:
    """Trains on a few made-up workers. Ends become known late, and progress is reported late: never too much of it."""

    workers: int
    attempt: int = 0
    patience: float = math.inf
    """Host seconds after which the process is killed."""
    lost: float = 0.0
    """Probability that a training dies in the middle and is begun again, under the next attempt's seconds."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    begun: list[Training] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = 0.0
        self.waiting: list[Training] = []
        self.running: dict[Training, tuple[float, float, Curves]] = {}  # host time of begin and end, and result

    def begin(self, training: Training) -> None:
        self.begun.append(training)
        self.waiting.append(training)

    def finished(self) -> list[tuple[Training, Trained]]:
        while self.waiting and len(self.running) < self.workers:
            self._run(self.waiting.pop(0), self.attempt)
        self.now += 0.1
        if self.now > self.patience:
            raise KeyboardInterrupt
        for training in list(self.running):
            if self.rng.random() < self.lost:
                self._run(training, self.attempt + 1)
        ready = [training for training, (_, end, _) in self.running.items() if end <= self.now]
        return [(training, Trained(self.running.pop(training)[2], None)) for training in ready[:1]]

    def beats(self) -> Mapping[Training, float]:
        heard = [training for training in self.running if self.rng.random() < 0.8]
        return {training: self._taken(training) for training in heard}

    def _taken(self, training: Training) -> float:
        begin, _, curves = self.running[training]
        return min(max(0.0, self.now - 0.2 - begin), sum(curves.train_seconds))

    def _run(self, training: Training, attempt: int) -> None:
        curves, start = curves_of(training, attempt), self.now + self.rng.exponential(0.2)
        overhead = sum(curves.valid_seconds) + self.rng.exponential(0.3)
        self.running[training] = (start, start + sum(curves.train_seconds) + overhead, curves)


@dataclass
class Told:
    """Everything that a searcher was told."""

    trials: list[tuple[int, Arch, Fidelity, Outcome]] = field(default_factory=list)

    def listen(self, searcher: Searcher) -> Searcher:
        tell = searcher.tell

        def noted(trial: Trial, outcome: Outcome) -> None:
            self.trials.append((trial.id, trial.arch, trial.fidelity, outcome))
            tell(trial, outcome)

        searcher.tell = noted  # type: ignore[method-assign]
        return searcher


def a_searcher(algorithm: str, seed: int) -> Searcher:
    config = ALGORITHMS[algorithm].Config()
    return ALGORITHMS[algorithm](SPACE, config, FULL, np.random.default_rng(seed))


@contextmanager
def oracle_in(path: Path, trainer: MadeUpTrainer, seed: int = 0) -> Iterator[TrainingOracle]:
    with training_records(BuildDirectory(path)) as kept:
        yield TrainingOracle(SPACE, seed, "nats", kept, trainer)


def trained_run(
    path: Path, trainer: MadeUpTrainer, clock: Clock, algorithm: str = "regularized_ea", told: Told | None = None
) -> RunResult:
    """A search whose trainings are kept in `path`."""
    searcher = (told or Told()).listen(a_searcher(algorithm, 3))
    with oracle_in(path, trainer) as oracle:
        return search(searcher, TrainingEvents(oracle, clock.cache, quiet), clock, "highest_fidelity")


def quiet(clock: float, ended: int, done: int) -> None:
    """No progress bar."""


def said(result: RunResult) -> tuple[Any, ...]:
    return result.trials, result.outcomes, result.elapsed, result.incumbent


class MadeUpTable:
    """The same numbers as a look-up."""

    costs = SimpleNamespace(require_times=lambda schedule: None)

    def query(self, arch: Arch, fidelity: Fidelity, rng: np.random.Generator) -> Outcome:
        training = Training(SPACE.index(arch), fidelity.schedule, fidelity.epoch, 0)
        return curves_of(training).outcome(fidelity.epoch, "nats")


# What is charged.


def test_charges_by_hand() -> None:
    curves = Curves([1.0, 2.0, 4.0], [0.1, 0.2, 0.4], [50.0, 60.0, 70.0], 65.0)
    charged = {model: [curves.outcome(epoch, model).seconds for epoch in (1, 2, 3)] for model in COST_MODELS}
    assert charged["nats"] == pytest.approx([1.1, 3.2, 7.4])
    assert charged["train_only"] == pytest.approx([1, 3, 7])
    assert charged["train_and_valid_each_epoch"] == pytest.approx([1.1, 3.3, 7.7])
    assert [curves.outcome(epoch, "nats").score for epoch in (1, 2, 3)] == [50, 60, 70]


def test_nothing_is_charged_less_than_its_lower_bound(tmp_path: Path) -> None:
    training = Training(7, "9", 9, 0)
    with training_records(BuildDirectory(tmp_path)) as kept:
        kept.add_lower_bound(training, 1000.0)
        kept.add_lower_bound(training, 500.0)
    with training_records(BuildDirectory(tmp_path)) as kept:
        kept.add(training, Trained(curves_of(training), None))
        assert kept.outcome(training, training, "nats").seconds == 1000
        shorter = training._replace(epochs=4)
        assert kept.outcome(shorter, training, "nats") == curves_of(training).outcome(4, "nats")


def test_a_longer_training_answers_for_a_shorter_one_but_not_the_other_way(tmp_path: Path) -> None:
    trainer = MadeUpTrainer(1)
    one, three, nine = (Training(7, "9", epochs, 0) for epochs in (1, 3, 9))
    with oracle_in(tmp_path, trainer) as oracle:
        assert oracle.begin(three) == three
        assert oracle.begin(one) == three
        assert oracle.outcome(one, three) is None
        assert oracle.begin(nine) == nine
        assert oracle.begin(one._replace(seed=1)) == one._replace(seed=1)
        assert trainer.begun == [three, nine, one._replace(seed=1)]
        while oracle.outcome(nine, nine) is None:
            oracle.wait()
        assert oracle.begin(one) == three, "the shortest that is long enough, as before"
        assert oracle.outcome(one, three) == curves_of(three).outcome(1, "nats")


def test_what_is_known_of_an_unfinished_training_is_never_too_much_and_never_forgotten(tmp_path: Path) -> None:
    trainer = MadeUpTrainer(1)
    nine, three = Training(7, "9", 9, 0), Training(7, "9", 3, 0)
    bounds = []
    with oracle_in(tmp_path, trainer) as oracle:
        assert oracle.begin(nine) == oracle.begin(three) == nine
        while oracle.outcome(nine, nine) is None:
            bounds.append(oracle.lower_bound(nine, nine))
            assert oracle.lower_bound(three, nine) == 0, "its end may lie behind"
            if len(bounds) == 12:
                trainer.running[nine] = (trainer.now, trainer.now + 5, curves_of(nine))  # it died and is begun again
            oracle.wait()
        assert bounds == sorted(bounds)
        assert 0.5 < bounds[-1] <= sum(curves_of(nine).train_seconds)


# In which order it is told.


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "clock",
    [
        Clock(Budget(30), workers=3),
        Clock(Budget(30), workers=4, crossing="drop"),
        Clock(Budget(30)),
        Clock(Budget(9, "evaluations"), workers=3),
    ],
    ids=str,
)
@pytest.mark.parametrize("cache", [False, True])
def test_a_search_by_training_is_a_search_on_the_table_of_the_same_numbers(
    seed: int, clock: Clock, cache: bool, tmp_path: Path
) -> None:
    clock = replace(clock, cache=cache)
    trainer = MadeUpTrainer(2, rng=np.random.default_rng(seed))
    trained = trained_run(tmp_path, trainer, clock)
    looked_up = run(a_searcher("regularized_ea", 3), MadeUpTable(), clock, np.random.default_rng(0))  # type: ignore[arg-type]
    assert said(trained) == said(looked_up)
    assert len(trained.trials) > 8
    assert len(set(trainer.begun)) == len(trainer.begun), "nothing is trained twice"


def test_the_fast_are_told_while_the_slow_are_under_way(tmp_path: Path) -> None:
    trainer = MadeUpTrainer(4)
    under_way: list[int] = []
    searcher = Told().listen(a_searcher("random_search", 3))
    with oracle_in(tmp_path, trainer) as oracle:
        tell = searcher.tell

        def counted(trial: Trial, outcome: Outcome) -> None:
            under_way.append(len(trainer.waiting) + len(trainer.running))
            tell(trial, outcome)

        searcher.tell = counted  # type: ignore[method-assign]
        search(searcher, TrainingEvents(oracle, False, quiet), Clock(Budget(40), workers=4), "highest_fidelity")
    assert np.mean(under_way) > 1.5, "of the 3 others that are open"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("algorithm", ["regularized_ea", "hyperband"])
def test_an_interrupted_search_goes_on_as_it_began(algorithm: str, seed: int, tmp_path: Path) -> None:
    """Although trainings that were under way take other times when they are done again, and some die on the way."""
    clock = Clock(Budget(30), workers=4)
    before, after = Told(), Told()
    rng = np.random.default_rng(seed)
    killed = MadeUpTrainer(4, patience=12 + seed, lost=0.005, rng=rng)
    with pytest.raises(KeyboardInterrupt):
        trained_run(tmp_path, killed, clock, algorithm, before)
    resumed = trained_run(tmp_path, MadeUpTrainer(4, attempt=2, lost=0.005, rng=rng), clock, algorithm, after)
    assert 0 < len(before.trials) < len(after.trials)
    assert after.trials[: len(before.trials)] == before.trials
    again = MadeUpTrainer(4)
    assert said(trained_run(tmp_path, again, clock, algorithm)) == said(resumed)
    assert not again.begun, "everything is kept"


def test_a_failed_training_is_told_as_failed_and_charged(tmp_path: Path) -> None:
    class Diverging(MadeUpTrainer):
        def finished(self) -> list[tuple[Training, Trained]]:
            return [
                (training, trained._replace(curves=trained.curves._replace(valid_accuracy=[math.nan] * 9)))
                for training, trained in super().finished()
            ]

    result = trained_run(tmp_path, Diverging(1), Clock(Budget(10)))
    assert all(outcome.failed and outcome.seconds > 0 for outcome in result.outcomes)
    assert not any(result.incumbent)
    assert result.elapsed[-1] >= 10
    replayed = trained_run(tmp_path, Diverging(1), Clock(Budget(10)))
    assert replayed.elapsed == result.elapsed
    assert all(outcome.failed for outcome in replayed.outcomes)
