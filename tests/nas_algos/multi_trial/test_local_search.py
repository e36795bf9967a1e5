"""Local search: where it climbs, when it restarts, and what it never asks, by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Arch, Space
from benchmarks.spaces.base import ProductSpace
from nas_algos.multi_trial.local_search import LocalSearch, LocalSearchConfig

TOP = Fidelity("12", 12)
NAN = float("nan")


@dataclass(frozen=True)
class TinySpace(ProductSpace):
    """Two decisions of three options: nine architectures, each with four neighbours."""

    name = "tiny"
    decisions = ("first", "second")
    choices = (("0", "1", "2"),) * 2

    def to_string(self, arch: Arch) -> str:
        return "".join(self.names(arch))

    def from_string(self, string: str) -> Arch:
        return self.from_names(string)


TINY = TinySpace()


def local_search(space: Space = SPACES["tss"], seed: int = 0, **options: Any) -> LocalSearch:
    return LocalSearch(space, LocalSearchConfig(**options), TOP, np.random.default_rng(seed))


def climb(searcher: LocalSearch, trials: int, score: Callable[[Arch], float]) -> list[Arch]:
    """One trial open at a time; the architectures asked."""
    archs = []
    for _ in range(trials):
        trial = searcher.ask()
        archs.append(trial.arch)
        searcher.tell(trial, Outcome(score(trial.arch), 1.0))
    return archs


def weighted(arch: Arch) -> float:
    """The choices read as the digits of a number, last decision first: separable, without ties."""
    return float(sum(10**decision * choice for decision, choice in enumerate(arch)))


def flat(_arch: Arch) -> float:
    return 50.0


def distance(one: Arch, two: Arch) -> int:
    return sum(a != b for a, b in zip(one, two, strict=True))


def test_the_first_climb_starts_at_a_draw_of_the_rng() -> None:
    searcher = local_search(seed=5)
    (start,) = climb(searcher, 1, weighted)
    assert start == SPACES["tss"].sample(np.random.default_rng(5))
    assert searcher.centre == start


@pytest.mark.parametrize("seed", range(5))
def test_each_step_goes_to_the_best_neighbour_until_the_known_optimum(seed: int) -> None:
    """The steepest step sets the last decision that is not yet 4; of its neighbours only the unknown are asked."""
    searcher = local_search(seed=seed)
    (centre,) = climb(searcher, 1, weighted)
    told = {centre}
    for decision in reversed(range(6)):
        if centre[decision] == 4:
            continue
        fresh = [arch for arch in SPACES["tss"].neighbours(centre) if arch not in told]
        asked = climb(searcher, len(fresh), weighted)
        assert sorted(asked) == sorted(fresh)
        told.update(asked)
        centre = (*centre[:decision], 4, *centre[decision + 1 :])
        assert searcher.centre == centre
    assert centre == (4, 4, 4, 4, 4, 4)
    fresh = [arch for arch in SPACES["tss"].neighbours(centre) if arch not in told]
    climb(searcher, len(fresh), weighted)
    assert searcher.centre is None, "a local optimum ends the climb"


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("accept", ["best", "first"])
def test_it_finds_the_optimum_of_a_separable_score(space: Space, accept: str) -> None:
    decisions, options = len(space.options), max(space.options)
    assert (options - 1,) * decisions in climb(local_search(space, accept=accept), 300, weighted)


def test_after_a_local_optimum_the_search_restarts_from_a_new_random_architecture() -> None:
    """With equal scores everywhere each start is a local optimum: one start, its 24 neighbours, the next start."""
    searcher = local_search(seed=1)
    archs = climb(searcher, 75, flat)
    for number in range(0, 75, 25):
        start, *neighbours = archs[number : number + 25]
        assert sorted(neighbours) == sorted(SPACES["tss"].neighbours(start))
    assert distance(archs[0], archs[25]) > 1
    assert distance(archs[25], archs[50]) > 1


def test_neighbours_are_asked_in_an_order_drawn_by_the_rng() -> None:
    orders = set()
    for seed in range(20):
        searcher = local_search(TINY, seed)
        start, *neighbours = climb(searcher, 5, flat)
        orders.add(tuple(TINY.neighbours(start).index(arch) for arch in neighbours))
    assert len(orders) > 10


def test_first_moves_at_the_first_improvement_best_waits_for_the_whole_neighbourhood() -> None:
    centres = {}
    for accept in ("best", "first"):
        searcher = local_search(TINY, 0, accept=accept)
        (start,) = climb(searcher, 1, flat)
        (neighbour,) = climb(searcher, 1, lambda _arch: 60.0)
        centres[accept] = searcher.centre
        assert distance(start, neighbour) == 1
    assert centres == {"best": start, "first": neighbour}


def test_first_does_not_move_at_an_equal_or_worse_neighbour() -> None:
    searcher = local_search(accept="first")
    (start,) = climb(searcher, 1, flat)
    climb(searcher, 1, flat)
    climb(searcher, 1, lambda _arch: 49.0)
    assert searcher.centre == start


def test_first_takes_fewer_evaluations_to_its_first_move() -> None:
    def before_first_move(accept: str, seed: int) -> int:
        searcher = local_search(seed=seed, accept=accept)
        (start,) = climb(searcher, 1, weighted)
        asked = 0
        while searcher.centre == start:
            asked += len(climb(searcher, 1, weighted))
        return asked

    assert {before_first_move("best", seed) for seed in range(10)} == {24}
    assert sum(before_first_move("first", seed) for seed in range(10)) < 10 * 5


@pytest.mark.parametrize("accept", ["best", "first"])
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_an_architecture_told_once_is_never_asked_again(space: Space, accept: str) -> None:
    """A third of sss, rugged, so there are many restarts: about 150 random starts would have hit a told one."""
    rugged = np.random.default_rng(0).random(len(space))
    archs = climb(local_search(space, accept=accept), 10000, lambda arch: float(rugged[space.index(arch)]))
    assert len(set(archs)) == 10000


@pytest.mark.parametrize("accept", ["best", "first"])
def test_a_space_is_exhausted_before_anything_is_asked_again(accept: str) -> None:
    for seed in range(10):
        archs = climb(local_search(TINY, seed, accept=accept), 30, weighted)
        assert len(set(archs[:9])) == 9
        assert len(archs) == 30


@pytest.mark.parametrize("accept", ["best", "first"])
def test_scores_known_already_move_the_climb_without_an_evaluation(accept: str) -> None:
    """All of the tiny space but (0, 0) and (1, 0) is told: the climb from (0, 0) needs (1, 0) at most."""
    searcher = local_search(TINY, accept=accept)
    searcher.scores = {arch: weighted(arch) for arch in map(TINY.arch, range(9)) if arch not in [(0, 0), (1, 0)]}
    trial = searcher.ask()
    while trial.arch != (0, 0):
        trial = searcher.ask()
    searcher.tell(trial, Outcome(0.0, 1.0))
    if accept == "best":
        assert searcher.centre == (0, 0)
        assert climb(searcher, 1, weighted) == [(1, 0)]
    assert searcher.centre is None, "(0, 0) leads to (0, 2) and (2, 2), whose neighbours are all told"
    assert searcher.starts == []


def test_a_climb_starts_at_the_best_of_the_initial_samples() -> None:
    searcher, rng = local_search(seed=9, initial_samples=5), np.random.default_rng(9)
    expected = [SPACES["tss"].sample(rng) for _ in range(5)]
    assert climb(searcher, 4, weighted) == expected[:4]
    assert searcher.centre is None
    assert climb(searcher, 1, weighted) == expected[4:]
    assert searcher.centre == max(expected, key=weighted)
    assert searcher.starts == []


def test_every_climb_has_its_own_initial_samples() -> None:
    """Flat scores: five draws, the 24 neighbours of the first drawn (ties), five draws, ..."""
    archs = climb(local_search(initial_samples=5), 60, flat)
    assert all(distance(archs[0], arch) == 1 for arch in archs[5:29])
    assert all(distance(archs[29], arch) == 1 for arch in archs[34:58])


def test_with_the_neighbourhood_open_random_architectures_are_asked_ahead_and_the_best_is_the_next_start() -> None:
    searcher = local_search(TINY, 0)
    (start,) = climb(searcher, 1, flat)
    trials = [searcher.ask() for _ in range(4)]
    assert sorted(trial.arch for trial in trials) == sorted(TINY.neighbours(start))
    ahead = [searcher.ask() for _ in range(8)]
    for number, trial in enumerate(ahead):
        searcher.tell(trial, Outcome(10.0 + number, 1.0))
    assert searcher.centre == start
    scores = {trial.arch: 10.0 + number for number, trial in enumerate(ahead)}
    for trial in trials:
        scores[trial.arch] = 1.0
        searcher.tell(trial, Outcome(1.0, 1.0))
    best = max((trial.arch for trial in ahead), key=scores.__getitem__)
    assert searcher.centre == best


def test_a_failed_start_is_not_climbed_from() -> None:
    searcher, rng = local_search(seed=2), np.random.default_rng(2)
    assert climb(searcher, 10, lambda _arch: NAN) == [SPACES["tss"].sample(rng) for _ in range(10)]
    assert (searcher.centre, searcher.starts) == (None, [])
    (start,) = climb(searcher, 1, weighted)
    assert searcher.centre == start


@pytest.mark.parametrize("accept", ["best", "first"])
@pytest.mark.parametrize("bad", [0, 3])
def test_a_failed_neighbour_is_never_moved_to_and_never_asked_again(accept: str, bad: int) -> None:
    """Everything with the choice `bad` anywhere fails (0: often the first of the neighbours): the climb goes around."""
    searcher, archs = local_search(accept=accept), []
    for _ in range(300):
        archs += climb(searcher, 1, lambda arch: NAN if bad in arch else weighted(arch))
        assert searcher.centre is None or bad not in searcher.centre
    assert (4, 4, 4, 4, 4, 4) in archs[:200]
    assert len(set(archs)) == 300


def test_after_a_first_improvement_the_open_rest_of_the_old_neighbourhood_is_not_waited_for() -> None:
    searcher = local_search(TINY, accept="first")
    (start,) = climb(searcher, 1, flat)
    stale = {trial.arch: trial for trial in (searcher.ask() for _ in range(4))}
    better = next(iter(stale))
    searcher.tell(stale.pop(better), Outcome(60.0, 1.0))
    assert searcher.centre == better
    asked = climb(searcher, 3, flat)
    assert sorted([start, *asked]) == sorted(TINY.neighbours(better))
    assert searcher.centre is None
    for trial in stale.values():
        if trial.arch not in asked:
            searcher.tell(trial, Outcome(50.0, 1.0))


def test_only_open_trials_are_remembered_as_random() -> None:
    searcher = local_search()
    climb(searcher, 300, flat)
    assert searcher.random_ids == set()
    assert searcher.ask().id in searcher.random_ids or searcher.centre is not None
