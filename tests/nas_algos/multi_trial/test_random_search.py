"""Random search: uniform, with replacement, blind to the outcomes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Space
from nas_algos.multi_trial.random_search import RandomSearch, RandomSearchConfig

TOP = Fidelity("12", 12)


def random_search(space: Space, seed: int) -> RandomSearch:
    return RandomSearch(space, RandomSearchConfig(), TOP, np.random.default_rng(seed))


@pytest.mark.parametrize("name", SPACES)
def test_every_decision_is_uniform_and_independent_of_the_next(name: str) -> None:
    space = SPACES[name]
    searcher = random_search(space, 0)
    archs = np.array([searcher.ask().arch for _ in range(8000)])
    decisions, options = len(space.options), max(space.options)
    for decision in range(decisions):
        assert stats.chisquare(np.bincount(archs[:, decision], minlength=options)).pvalue > 1e-3
        pair = archs[:, decision] * options + archs[:, (decision + 1) % decisions]
        assert stats.chisquare(np.bincount(pair, minlength=options**2)).pvalue > 1e-3


def test_draws_are_with_replacement() -> None:
    """8000 draws of 15625: about 1,640 repeats are expected."""
    space = SPACES["tss"]
    searcher = random_search(space, 0)
    repeats = 8000 - len(Counter(searcher.ask().arch for _ in range(8000)))
    expected = 8000 - len(space) * (1 - (1 - 1 / len(space)) ** 8000)
    assert repeats == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("name", SPACES)
def test_the_trials_are_the_draws_of_the_rng_whatever_is_told(name: str) -> None:
    space, rng = SPACES[name], np.random.default_rng(11)
    searcher = random_search(space, 11)
    for number in range(100):
        trial = searcher.ask()
        assert trial.arch == space.sample(rng)
        assert trial.fidelity == TOP
        searcher.tell(trial, Outcome([1.0, 99.0, float("nan")][number % 3], 1.0))
