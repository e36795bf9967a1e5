"""Tests, effect sizes and ranks: by hand on small arrays, and against SciPy, statsmodels and published tables."""

from __future__ import annotations

import math
from itertools import product
from typing import ClassVar

import numpy as np
import pytest
from scipy import stats

from experiments.statistics.inference import (
    Ranks,
    a12,
    compare_all,
    compare_over_datasets,
    effect_size,
    expected_ranks,
    holm,
    least_p,
    mann_whitney,
    nemenyi_quantile,
    rank_datasets,
)

nan = math.nan


class TestA12:
    def test_is_the_part_of_the_pairs_that_the_first_wins(self) -> None:
        # 3 beats 1 and 2; 2 beats 1 and ties with 2: (2 + 1.5) of 4 pairs.
        assert a12(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == 3.5 / 4
        assert a12(np.array([1.0, 2.0]), np.array([3.0, 2.0])) == 0.5 / 4
        assert a12(np.array([5.0]), np.array([5.0, 5.0])) == 0.5

    def test_agrees_with_counting_and_with_scipys_u(self) -> None:
        rng = np.random.default_rng(0)
        first, second = rng.integers(0, 9, 13).astype(float), rng.integers(2, 11, 8).astype(float)
        pairs = [(x > y) + (x == y) / 2 for x, y in product(first, second)]
        assert a12(first, second) == pytest.approx(np.mean(pairs), rel=1e-14)
        assert a12(first, second) == pytest.approx(stats.mannwhitneyu(first, second).statistic / (13 * 8), rel=1e-14)

    def test_sizes_are_named_in_both_directions(self) -> None:
        names = [effect_size(value) for value in (0.5, 0.559, 0.56, 0.64, 0.71, 1.0, 0.45, 0.44, 0.36, 0.29)]
        assert names == ["negligible", "negligible", "small", "medium", "large", "large", "negligible", "small",
                         "medium", "large"]  # fmt: skip


class TestHolm:
    def test_by_hand(self) -> None:
        # Ascending 0.01, 0.02, 0.03, 0.5 times 4, 3, 2, 1; never below the one before.
        assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
        assert holm([0.6, 0.7]) == [1, 1]
        assert holm([]) == []

    def test_agrees_with_statsmodels(self) -> None:
        multitest = pytest.importorskip("statsmodels.stats.multitest")
        p = np.random.default_rng(0).uniform(0, 0.2, 12).tolist()
        np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1], rtol=1e-14)


class TestCompareAll:
    def test_p_is_of_a_two_sided_test_and_adjusted_over_all_data_sets(self) -> None:
        good, poor = np.array([5.0, 6, 7, 8]), np.array([1.0, 2, 3, 4])
        first, second = compare_all({"x": {"a": good, "b": poor}, "y": {"a": poor, "b": good}})
        assert (first.dataset, first.first, first.second) == ("x", "a", "b")
        assert (first.difference, first.a12) == (4, 1)
        assert (second.difference, second.a12) == (-4, 0)
        assert first.p == pytest.approx(2 / 70)  # exact: 1 of 70 orders at each end
        assert first.p == least_p(4, 4)
        assert first.holm == second.holm == pytest.approx(4 / 70)

    def test_agrees_with_scipy_where_there_are_ties(self) -> None:
        rng = np.random.default_rng(0)
        one, other = rng.integers(0, 5, 30).astype(float), rng.integers(1, 6, 25).astype(float)
        (found,) = compare_all({"x": {"a": one, "b": other}})
        assert found.p == stats.mannwhitneyu(one, other, method="asymptotic").pvalue

    def test_a_handful_of_runs_with_ties_is_not_overrated(self) -> None:
        (found,) = compare_all({"x": {"a": np.array([1.0, 1, 2]), "b": np.array([3.0, 3, 3])}})
        assert found.p == pytest.approx(2 / 20)
        assert found.p == least_p(3, 3) > stats.mannwhitneyu([1.0, 1, 2], [3.0, 3, 3], method="asymptotic").pvalue

    @pytest.mark.parametrize("seed", range(4))
    def test_a_handful_with_ties_agrees_with_scipys_permutations(self, seed: int) -> None:
        one, other = np.random.default_rng(seed).integers(0, 4, (2, 5)).astype(float)
        expected = stats.mannwhitneyu(one, other[:4], method=stats.PermutationMethod()).pvalue
        assert mann_whitney(one, other[:4]) == pytest.approx(expected, rel=1e-12)

    def test_one_run_each_tells_nothing(self) -> None:
        assert [mann_whitney(np.array([1.0]), np.array([x])) for x in (1.0, 2.0)] == [1, 1]

    def test_runs_without_an_answer_are_left_out_and_algorithms_without_any(self) -> None:
        values = {"a": np.array([1.0, nan, 3.0]), "b": np.array([nan, nan]), "c": np.array([2.0])}
        (found,) = compare_all({"x": values})
        assert (found.first, found.second, found.difference, found.a12) == ("a", "c", 0, 0.5)
        assert found.p == 1

    def test_equal_runs_do_not_differ(self) -> None:
        (found,) = compare_all({"x": {"a": np.full(4, 9.0), "b": np.full(5, 9.0)}})
        assert (found.a12, found.p, found.holm) == (0.5, 1, 1)


class TestRanksOverDatasets:
    MEANS: ClassVar = {"best": [9.0, 9.0, 9.0, 9.0], "tied": [8.0, 7.0, 8.0, 9.0], "poor": [7.0, 8.0, 8.0, 7.0]}

    def test_by_hand(self) -> None:
        ranks = rank_datasets(self.MEANS)
        assert ranks.average == {"best": 4.5 / 4, "tied": (2 + 3 + 2.5 + 1.5) / 4, "poor": (3 + 2 + 2.5 + 3) / 4}
        assert ranks.datasets == 4
        assert ranks.critical_difference == pytest.approx(2.3437 * math.sqrt(3 * 4 / (6 * 4)), abs=1e-4)

    def test_agrees_with_scipy(self) -> None:
        expected = stats.friedmanchisquare(*self.MEANS.values())
        ranks = rank_datasets(self.MEANS)
        assert (ranks.statistic, ranks.p) == (expected.statistic, expected.pvalue)

    @pytest.mark.parametrize(
        ("algorithms", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)]
    )
    def test_quantiles_are_those_of_demsars_table_5(self, algorithms: int, q: float) -> None:
        assert nemenyi_quantile(algorithms) == pytest.approx(q, abs=1e-3)

    def test_without_any_difference(self) -> None:
        ranks = rank_datasets({name: [1.0, 2.0] for name in "abc"})
        assert set(ranks.average.values()) == {2}
        assert ranks.p == 1

    @pytest.mark.parametrize("means", [{"a": [1.0, 2.0], "b": [2.0, 1.0]}, {"a": [1.0], "b": [2.0], "c": [3.0]}, {}])
    def test_too_few_are_refused(self, means: dict[str, list[float]]) -> None:
        with pytest.raises(ValueError, match="three algorithms and two data sets"):
            rank_datasets(means)

    def test_groups_are_the_largest_within_one_critical_difference(self) -> None:
        average = {"d": 4.0, "a": 1.0, "b": 1.9, "c": 2.5, "e": 6.0}
        assert Ranks(average, 9, 0, 0, 1.5).groups() == [["a", "b", "c"], ["c", "d"]]
        assert Ranks(average, 9, 0, 0, 0.5).groups() == []
        assert Ranks(average, 9, 0, 0, 9.0).groups() == [["a", "b", "c", "d", "e"]]


def test_signed_ranks_over_data_sets_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    means = {name: rng.normal(shift, 1, 7).tolist() for name, shift in (("a", 0), ("b", 1), ("c", 2))}
    found = compare_over_datasets({**means, "a again": means["a"]})
    p = {(first, second): p for first, second, p, _ in found}
    assert len(found) == 6
    assert p["a", "c"] == stats.wilcoxon(means["a"], means["c"]).pvalue
    assert p["a", "a again"] == 1
    assert [adjusted for *_, adjusted in found] == holm([p for *_, p, _ in found])


class TestExpectedRanks:
    def test_by_hand(self) -> None:
        # a: 1 and 4, b: 2, c: 3. Draws (1, 2, 3) and (4, 2, 3): a is 3rd or 1st, b 2nd or 3rd, c 1st or 2nd.
        ranks = expected_ranks([np.array([[1.0], [4.0]]), np.array([[2.0]]), np.array([[3.0]])])
        assert ranks.tolist() == [[2], [2.5], [1.5]]

    def test_before_their_first_answers_algorithms_tie_below_the_others(self) -> None:
        ranks = expected_ranks([np.array([[nan, nan, 5.0]]), np.array([[nan, 7.0, 7.0]]), np.array([[nan, nan, 6.0]])])
        assert ranks.tolist() == [[2, 2.5, 3], [2, 1, 1], [2, 2.5, 2]]

    def test_are_the_mean_over_all_draws_of_one_run_each(self) -> None:
        rng = np.random.default_rng(0)
        values = [rng.integers(0, 4, (runs, 3)).astype(float) for runs in (4, 3, 5)]
        draws = [stats.rankdata(-np.array(drawn), axis=0) for drawn in product(*values)]
        np.testing.assert_allclose(expected_ranks(values), np.mean(draws, axis=0), rtol=1e-13)
