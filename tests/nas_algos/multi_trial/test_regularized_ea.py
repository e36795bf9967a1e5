"""Regularized evolution: exact steps by hand, its mutations, and what it reduces to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Arch
from nas_algos.multi_trial.regularized_ea import RegularizedEA, RegularizedEAConfig
from nas_algos.searcher import Trial

TOP = Fidelity("12", 12)
FAILED = Outcome(float("nan"), 1.0)


class Scripted:
    """Stands in for a random generator: `random` returns the next number of a script."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0)


def evolution(space: str = "tss", seed: int = 0, **options: Any) -> RegularizedEA:
    return RegularizedEA(SPACES[space], RegularizedEAConfig(**options), TOP, np.random.default_rng(seed))


def with_population(members: list[tuple[float, Arch]], space: str = "tss", **options: Any) -> RegularizedEA:
    """A search whose members were told in this order."""
    searcher = evolution(space, population_size=len(members), **options)
    for score, arch in members:
        searcher.learn(Trial(searcher.next_id, arch, TOP), Outcome(score, 1.0))
        searcher.next_id += 1
    return searcher


def evolve(searcher: RegularizedEA, trials: int, score: Callable[[Arch], float]) -> list[Arch]:
    archs = []
    for _ in range(trials):
        trial = searcher.ask()
        archs.append(trial.arch)
        searcher.tell(trial, Outcome(score(trial.arch), 1.0))
    return archs


A, B, C = (0, 0, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1), (2, 2, 2, 2, 2, 2)
MEMBERS: list[tuple[float, Arch]] = [(50.0, A), (70.0, B), (70.0, C)]


def test_the_first_population_is_random_search() -> None:
    searcher, rng = evolution(seed=4, population_size=10), np.random.default_rng(4)
    assert evolve(searcher, 10, sum) == [searcher.space.sample(rng) for _ in range(10)]
    eleventh = searcher.ask().arch
    parents = [arch for _, arch in searcher.population]
    assert min(sum(a != b for a, b in zip(eleventh, parent, strict=True)) for parent in parents) == 1


def test_the_population_is_in_order_of_telling_and_drops_its_oldest_even_if_best() -> None:
    searcher = evolution(population_size=3)
    trials = [searcher.ask() for _ in range(5)]
    for trial, score in zip([trials[3], trials[0], trials[4]], [99.0, 10.0, 20.0], strict=True):
        searcher.tell(trial, Outcome(score, 1.0))
    assert list(searcher.population) == [(99.0, trials[3].arch), (10.0, trials[0].arch), (20.0, trials[4].arch)]
    searcher.tell(trials[1], Outcome(5.0, 1.0))
    assert list(searcher.population) == [(10.0, trials[0].arch), (20.0, trials[4].arch), (5.0, trials[1].arch)]


def test_the_parent_is_the_best_of_the_sample_not_of_the_population() -> None:
    searcher = with_population([(50.0, A), (60.0, B), (99.0, C)], sample_size=3)
    # Members 0, 1, 0 are drawn; position floor(0.5 * 6) = 3; choice floor(0.9 * 4) = 3, and 3 >= 1 makes it 4.
    searcher.rng = Scripted(0.1, 0.4, 0.1, 0.5, 0.9)  # type: ignore[assignment]
    assert searcher.ask().arch == (1, 1, 1, 4, 1, 1)


@pytest.mark.parametrize(("draws", "parent"), [((0.4, 0.7, 0.0), 1), ((0.7, 0.4, 0.0), 2), ((0.0, 0.7, 0.4), 2)])
def test_the_first_drawn_wins_ties(draws: tuple[float, ...], parent: int) -> None:
    searcher = with_population(MEMBERS, sample_size=3)
    searcher.rng = Scripted(*draws, 0.0, 0.0)  # type: ignore[assignment]
    assert searcher.ask().arch == (0, *(parent,) * 5)


def test_a_tournament_draws_with_replacement_and_may_be_larger_than_the_population() -> None:
    searcher = with_population(MEMBERS, sample_size=5)
    searcher.rng = Scripted(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # type: ignore[assignment]
    assert searcher.ask().arch == (1, 0, 0, 0, 0, 0)  # five times A; the present choice 0 is skipped


def test_a_uniform_mutation_changes_one_uniform_decision() -> None:
    searcher = with_population([(50.0, B)], sample_size=1)
    children = np.array([searcher.ask().arch for _ in range(6000)])
    changed = children != np.array(B)
    assert (changed.sum(axis=1) == 1).all()
    assert stats.chisquare(changed.sum(axis=0)).pvalue > 1e-3
    assert stats.chisquare(np.bincount(children[changed], minlength=5)[[0, 2, 3, 4]]).pvalue > 1e-3


def test_the_official_tss_mutation_prefers_the_edges_of_early_nodes() -> None:
    searcher = with_population([(50.0, B)], sample_size=1, mutation="official")
    changed = np.array([searcher.ask().arch for _ in range(6000)]) != np.array(B)
    assert (changed.sum(axis=1) == 1).all()
    expected = 6000 * np.array([1 / 3, 1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9])
    assert stats.chisquare(changed.sum(axis=0), expected).pvalue > 1e-3


def test_the_official_sss_mutation_does_nothing_one_time_in_eight() -> None:
    searcher = with_population([(50.0, (1, 1, 1, 1, 1))], "sss", sample_size=1, mutation="official")
    changed = (np.array([searcher.ask().arch for _ in range(8000)]) != 1).sum(axis=1)
    assert set(changed) == {0, 1}
    assert stats.binomtest(int((changed == 0).sum()), 8000, 1 / 8).pvalue > 1e-3


def test_the_uniform_sss_mutation_always_changes() -> None:
    searcher = with_population([(50.0, (1, 1, 1, 1, 1))], "sss", sample_size=1)
    assert {sum(choice != 1 for choice in searcher.ask().arch) for _ in range(1000)} == {1}


@pytest.mark.parametrize("space", SPACES)
def test_sample_size_one_ignores_scores(space: str) -> None:
    up = evolve(evolution(space, seed=2, sample_size=1), 200, sum)
    down = evolve(evolution(space, seed=2, sample_size=1), 200, lambda arch: -sum(arch))
    assert up == down
    assert up != evolve(evolution(space, seed=2, sample_size=3), 200, sum)


def test_a_huge_sample_always_breeds_from_the_best_alive() -> None:
    searcher = evolution(seed=1, population_size=5, sample_size=300)
    evolve(searcher, 5, sum)
    for _ in range(50):
        best = max(searcher.population, key=lambda member: member[0])[0]
        trial = searcher.ask()
        parents = [arch for score, arch in searcher.population if score == best]
        assert 1 in {sum(a != b for a, b in zip(trial.arch, parent, strict=True)) for parent in parents}
        searcher.tell(trial, Outcome(float(sum(trial.arch)), 1.0))


def test_a_failed_evaluation_never_joins_the_population() -> None:
    searcher = evolution(population_size=4)
    evolve(searcher, 4, sum)
    before = list(searcher.population)
    for _ in range(20):
        searcher.tell(searcher.ask(), FAILED)
    assert list(searcher.population) == before


def test_with_nothing_alive_the_search_stays_random() -> None:
    searcher, rng = evolution(seed=6, population_size=2), np.random.default_rng(6)
    for _ in range(20):
        trial = searcher.ask()
        assert trial.arch == searcher.space.sample(rng)
        searcher.tell(trial, FAILED)


@pytest.mark.parametrize("space", SPACES)
def test_it_finds_the_optimum_of_a_separable_score(space: str) -> None:
    decisions, options = len(SPACES[space].options), max(SPACES[space].options)
    archs = evolve(evolution(space), 1000, sum)
    assert (options - 1,) * decisions in archs
