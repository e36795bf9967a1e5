"""The run loop: what is charged when, who wins, and what parallel workers see."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.errors import InputError, TableError
from benchmarks.oracle import Oracle, SeedPolicy
from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Arch
from benchmarks.table import BenchmarkTable
from experiments.records.budgets import Budget
from experiments.studies.search_loop import Clock, Incumbent, RunResult, run
from nas_algos.multi_trial import ALGORITHMS
from nas_algos.multi_trial.random_search import RandomSearch, RandomSearchConfig
from nas_algos.searcher import Searcher, Trial

FULL = Fidelity("12", 12)


@dataclass
class ScriptedOracle:
    """Answers queries one after the other from a list."""

    answers: list[Outcome]
    space: object = SPACES["tss"]
    asked: list[Arch] = field(default_factory=list)
    costs: object = field(default_factory=lambda: SimpleNamespace(require_times=lambda schedule: None))

    def query(self, arch: Arch, fidelity: Fidelity, rng: np.random.Generator) -> Outcome:
        self.asked.append(arch)
        return self.answers[len(self.asked) - 1]


class Scripted(Searcher):
    """Asks a given list of architectures and remembers what it was told."""

    Config = RandomSearchConfig

    def __init__(self, archs: list[int]) -> None:
        super().__init__(SPACES["tss"], RandomSearchConfig(), FULL, np.random.default_rng(0))
        self.archs = [self.space.arch(index) for index in archs]
        self.told: list[tuple[int, float]] = []

    def propose(self) -> tuple[Arch, Fidelity]:
        return self.archs[self.next_id - 1], self.fidelity

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        self.told.append((trial.id, outcome.score))


def scripted_run(clock: Clock, scores: list[float], seconds: list[float], archs: list[int] | None = None) -> RunResult:
    searcher = Scripted(archs or list(range(len(scores))))
    oracle = ScriptedOracle([Outcome(*answer) for answer in zip(scores, seconds, strict=True)])
    return run(searcher, oracle, clock, np.random.default_rng(0))  # type: ignore[arg-type]


def test_the_evaluation_that_crosses_the_budget_is_kept_by_default() -> None:
    result = scripted_run(Clock(Budget(10)), [1, 2, 3, 4], [4, 4, 4, 4])
    assert result.elapsed == [4, 8, 12]


def test_the_evaluation_that_crosses_the_budget_is_dropped_on_request() -> None:
    result = scripted_run(Clock(Budget(10), crossing="drop"), [1, 2, 3, 4], [4, 4, 4, 4])
    assert result.elapsed == [4, 8]


def test_an_evaluation_that_ends_exactly_at_the_budget_counts_under_both_rules() -> None:
    for crossing in ("keep", "drop"):
        assert scripted_run(Clock(Budget(8), crossing), [1, 2, 3], [4, 4, 4]).elapsed == [4, 8]


def test_repeated_queries_are_charged_again_unless_cached() -> None:
    archs = [5, 5, 6, 7, 8]
    assert scripted_run(Clock(Budget(10)), [1, 9, 2, 3, 4], [4, 4, 4, 4, 4], archs).elapsed == [4, 8, 12]
    cached = scripted_run(Clock(Budget(10), cache=True), [1, 2, 3, 4, 5], [4, 4, 4, 4, 4], archs)
    assert cached.elapsed == [4, 4, 8, 12]
    assert [outcome.score for outcome in cached.outcomes] == [1, 1, 2, 3]


def test_a_cached_outcome_is_not_told_before_it_is_measured() -> None:
    result = scripted_run(Clock(Budget(10), cache=True, workers=2), [1, 2, 3, 4, 5], [4] * 5, [5, 5, 6, 7, 8, 9])
    assert [trial.id for trial in result.trials] == [1, 2, 3, 4, 5, 6]
    assert result.elapsed == [4, 4, 8, 8, 12, 12]
    assert [outcome.seconds for outcome in result.outcomes] == [4, 0, 4, 4, 4, 4]


def test_a_cached_search_that_meets_nothing_new_ends() -> None:
    space_size = len(SPACES["tss"])
    result = scripted_run(Clock(Budget(10), cache=True), [1.0], [4.0], [3] * (space_size + 2))
    assert len(result.trials) == space_size + 1
    assert result.elapsed[-1] == 4


def test_parallel_workers_are_told_in_the_order_they_finish() -> None:
    searcher = Scripted([0, 1, 2, 3, 4, 5])
    oracle = ScriptedOracle([Outcome(score, seconds) for score, seconds in enumerate([5, 1, 3, 9, 9, 9])])
    result = run(searcher, oracle, Clock(Budget(5), workers=2), np.random.default_rng(0))  # type: ignore[arg-type]
    # Worker A takes trial 1 for 5 s; worker B finishes trial 2 at 1, trial 3 at 4, then starts trial 4 until 13.
    assert [trial.id for trial in result.trials] == [2, 3, 1, 4]
    assert result.elapsed == [1, 4, 5, 13]


def test_simultaneous_finishes_are_told_in_the_order_of_asking() -> None:
    result = scripted_run(Clock(Budget(4), workers=3), [1, 2, 3, 4, 5, 6], [2] * 6)
    assert [trial.id for trial in result.trials] == [1, 2, 3, 4, 5, 6]
    assert result.elapsed == [2, 2, 2, 4, 4, 4]


def test_the_first_best_score_is_the_answer() -> None:
    result = scripted_run(Clock(Budget(15)), [1, 3, 3, 2, 4], [4] * 5)
    assert result.incumbent == [True, True, False, False]


def test_a_failed_evaluation_is_told_charged_and_never_the_answer() -> None:
    result = scripted_run(Clock(Budget(10)), [float("nan"), 1, float("nan")], [4, 4, 4])
    assert result.incumbent == [False, True, False]
    assert result.elapsed == [4, 8, 12]


def test_the_highest_fidelity_seen_decides_unless_all_are_compared() -> None:
    low, high = Fidelity("12", 4), Fidelity("12", 12)
    told = [(low, 90.0), (high, 50.0), (low, 95.0), (high, 60.0)]
    strict, mixed = Incumbent("highest_fidelity"), Incumbent("any_fidelity")
    assert [strict.update(f, Outcome(score, 1)) for f, score in told] == [True, True, False, True]
    assert [mixed.update(f, Outcome(score, 1)) for f, score in told] == [True, False, True, False]


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf")])
def test_a_budget_is_a_positive_number(budget: float) -> None:
    with pytest.raises(InputError, match="budget"):
        Clock(Budget(budget))


def test_there_is_at_least_one_simulated_worker() -> None:
    with pytest.raises(InputError, match="workers"):
        Clock(Budget(1), workers=0)


def test_simulated_time_is_the_sum_of_charges(tss_table: BenchmarkTable) -> None:
    oracle = Oracle(tss_table, "made-up", seed_policy=SeedPolicy("sampled"))
    searcher = RandomSearch(oracle.space, RandomSearchConfig(), oracle.search_fidelity, np.random.default_rng(0))
    result = run(searcher, oracle, Clock(Budget(5000)), np.random.default_rng(1))
    charged = [outcome.seconds for outcome in result.outcomes]
    np.testing.assert_allclose(result.elapsed, np.cumsum(charged), rtol=1e-12)
    assert result.elapsed[-2] < 5000 <= result.elapsed[-1]


@pytest.mark.parametrize("name", list(ALGORITHMS))
@pytest.mark.parametrize("workers", [1, 7])
def test_every_algorithm_fills_the_budget_and_repeats_itself(
    name: str, workers: int, made_up_table: BenchmarkTable
) -> None:
    oracle = Oracle(made_up_table, "made-up")
    searcher = ALGORITHMS[name]

    def search() -> RunResult:
        rng = np.random.default_rng(3)
        found = searcher(oracle.space, searcher.Config(), oracle.search_fidelity, rng)
        return run(found, oracle, Clock(Budget(3000), workers=workers), np.random.default_rng(4))

    first, second = search(), search()
    assert first.elapsed[-1] >= 3000
    assert first.elapsed == sorted(first.elapsed)
    assert (first.trials, first.outcomes, first.elapsed) == (second.trials, second.outcomes, second.elapsed)
    assert first.search_seconds > 0


# Budgets of evaluations, metrics of either direction, tables without times.


@pytest.mark.parametrize("workers", [1, 3, 7])
@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_exactly_as_many_evaluations_are_told_as_the_budget_has(
    name: str, workers: int, tss_table: BenchmarkTable
) -> None:
    oracle = Oracle(tss_table, "made-up")
    searcher = ALGORITHMS[name](
        oracle.space, ALGORITHMS[name].Config(), oracle.search_fidelity, np.random.default_rng(3)
    )
    result = run(searcher, oracle, Clock(Budget(40, "evaluations"), workers=workers), np.random.default_rng(4))
    assert sorted(trial.id for trial in result.trials) == list(range(1, 41))
    assert result.elapsed == sorted(result.elapsed)
    assert sum(outcome.seconds for outcome in result.outcomes) > 0  # recorded as ever


def test_a_budget_of_evaluations_finds_what_the_seconds_that_they_take_find(tss_table: BenchmarkTable) -> None:
    def found(budget: Budget) -> RunResult:
        oracle = Oracle(tss_table, "made-up")
        searcher = RandomSearch(oracle.space, RandomSearchConfig(), oracle.search_fidelity, np.random.default_rng(0))
        return run(searcher, oracle, Clock(budget, workers=3), np.random.default_rng(1))

    by_seconds = found(Budget(1000))
    by_evaluations = found(Budget(len(by_seconds.trials), "evaluations"))
    assert by_evaluations.trials == by_seconds.trials
    assert by_evaluations.elapsed == by_seconds.elapsed


@pytest.mark.parametrize("workers", [1, 2])
def test_failed_and_repeated_evaluations_count(workers: int) -> None:
    clock = Clock(Budget(5, "evaluations"), cache=True, workers=workers)
    nan = float("nan")
    result = scripted_run(clock, [nan, 1, nan, 2, 3, 4], [4] * 6, [5, 6, 5, 6, 7, 8])
    assert [trial.id for trial in result.trials] == [1, 2, 3, 4, 5]
    assert [outcome.seconds for outcome in result.outcomes] == [4, 4, 0, 0, 4]


def test_a_search_that_only_repeats_itself_still_makes_all_its_evaluations() -> None:
    evaluations = len(SPACES["tss"]) + 3
    result = scripted_run(Clock(Budget(evaluations, "evaluations"), cache=True), [1.0], [4.0], [3] * evaluations)
    assert len(result.trials) == evaluations


def test_a_table_without_times_is_searched_by_evaluations_only(untimed_table: BenchmarkTable) -> None:
    oracle = Oracle(untimed_table, "made-up")

    def searched(budget: Budget) -> RunResult:
        searcher = RandomSearch(oracle.space, RandomSearchConfig(), oracle.search_fidelity, np.random.default_rng(0))
        return run(searcher, oracle, Clock(budget, workers=4), np.random.default_rng(1))

    result = searched(Budget(20, "evaluations"))
    assert [trial.id for trial in result.trials] == list(range(1, 21))
    assert set(result.elapsed) == {0.0}
    with pytest.raises(TableError, match=r"no training or validation times .*--evaluations N"):
        searched(Budget(100))


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_a_search_does_not_depend_on_the_direction_of_the_metric(
    name: str, tss_table: BenchmarkTable, loss_table: BenchmarkTable
) -> None:
    """The losses are 1 - accuracy / 100, so that searchers that only compare scores take the same way."""

    def searched(table: BenchmarkTable) -> RunResult:
        oracle, searcher = Oracle(table, "made-up"), ALGORITHMS[name]
        found = searcher(oracle.space, searcher.Config(), oracle.search_fidelity, np.random.default_rng(3))
        return run(found, oracle, Clock(Budget(60, "evaluations")), np.random.default_rng(4))

    by_accuracy, by_loss = searched(tss_table), searched(loss_table)
    scores = np.array([outcome.score for outcome in by_loss.outcomes])
    assert scores.max() < 0
    if name != "reinforce":  # whose steps depend on the size of the rewards
        assert by_loss.trials == by_accuracy.trials
        assert by_loss.incumbent == by_accuracy.incumbent
    best = np.flatnonzero(by_loss.incumbent)[-1]
    same_fidelity = [trial.fidelity == by_loss.trials[best].fidelity for trial in by_loss.trials]
    assert -scores[best] == (-scores[same_fidelity]).min()  # the answer has the smallest loss


@pytest.mark.parametrize(
    ("amount", "message"),
    [(0, "positive number of evaluations"), (2.5, "whole number"), (float("nan"), "positive")],
)
def test_a_budget_of_evaluations_is_a_whole_number(amount: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Budget(amount, "evaluations")


def test_only_seconds_can_be_crossed() -> None:
    with pytest.raises(InputError, match="only applies to a budget of seconds"):
        Clock(Budget(3, "evaluations"), crossing="drop")


def test_budgets_name_their_unit() -> None:
    assert [str(budget) for budget in (Budget(20_000), Budget(300, "evaluations"))] == ["20,000 s", "300 evaluations"]
