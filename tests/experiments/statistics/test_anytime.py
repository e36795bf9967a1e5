"""How fast searches are: by hand on tiny runs, and against plain loops on random ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.records.runs import Runs
from experiments.statistics.aggregates import incumbents
from experiments.statistics.anytime import mean_over_time, median_needed, reach, reached_by
from experiments.statistics.resampling import resample_step

nan = math.nan
Told = tuple[float, bool, float]
"""(elapsed, incumbent, test) of a trial."""


def runs_of(*runs: list[Told]) -> Runs:
    flat = [trial for run in runs for trial in run]
    elapsed, incumbent, test = (np.array([trial[i] for trial in flat]) for i in range(3))
    first, unknown = np.cumsum([0, *map(len, runs)]), np.full(len(flat), nan)
    told = np.array([n for run in runs for n in range(1, len(run) + 1)], np.int32)
    number, architecture = np.arange(len(runs), dtype=np.int32), np.zeros(len(flat), np.int32)
    return Runs(number, first, told, elapsed, incumbent.astype(bool), architecture, unknown, unknown, test)


RUNS = runs_of(
    [(10, True, 80), (20, False, 99), (30, True, 93), (40, True, 85), (50, True, 95)],
    [(15, True, 70), (95, True, 80)],
    [(60, False, 94), (105, True, 94)],  # its only answer is told after the budget of 100
    [(5, False, 99)],  # no answer
)


class TestReach:
    def test_is_the_first_answer_that_is_good_enough(self) -> None:
        found = reach(RUNS, 90.0, 100.0)
        assert found.reached.tolist() == [True, False, True, False]
        assert found.seconds.tolist() == [30, 105, 105, 105]
        assert found.evaluations.tolist() == [3, 2, 2, 1]
        assert found.fraction == 0.5

    def test_runs_that_do_not_are_watched_until_all_have_ended(self) -> None:
        assert reach(RUNS, 96.0, 90.0).seconds.tolist() == [105] * 4
        assert reach(RUNS, 96.0, 200.0).seconds.tolist() == [200] * 4

    def test_no_median_of_seconds_where_fewer_than_half_have(self) -> None:
        """The last of many is late, when all others have ended."""
        late = runs_of(*[[(100, True, 80)]] * 5, [(5, True, 95)], [(110, True, 95)])
        found = reach(late, 90.0, 100.0)
        assert math.isnan(median_needed(found.seconds, found.reached))

    def test_forgives_rounding(self) -> None:
        assert reach(RUNS, 95.0 + 1e-12, 100.0).reached.tolist() == [True, False, False, False]

    def test_answers_of_unknown_accuracy_reach_nothing(self) -> None:
        assert not reach(runs_of([(1, True, nan)]), 0.0, 2.0).reached.any()


class TestCensoring:
    def test_by_hand(self) -> None:
        # Kaplan-Meier: S = 4/5 at 1, x 2/3 at 3 (one was lost at 2, three are left), x 1/2 at 4.
        amounts, fraction = reached_by(np.array([1.0, 2, 3, 4, 4]), np.array([True, False, True, True, False]))
        assert amounts.tolist() == [1, 2, 3, 4]
        np.testing.assert_allclose(fraction, [1 / 5, 1 / 5, 1 - 4 / 5 * 2 / 3, 1 - 4 / 5 * 2 / 3 * 1 / 2])

    def test_with_all_lost_at_the_end_it_is_the_part_of_all_runs(self) -> None:
        _, fraction = reached_by(np.array([3.0, 1, 9, 9]), np.array([True, True, False, False]))
        np.testing.assert_allclose(fraction, [0.25, 0.5, 0.5])

    @pytest.mark.parametrize(
        ("reached", "median"),
        [([True] * 4, 2.0), ([True, True, False, False], 2.0), ([True, False, False, False], nan)],
    )
    def test_the_median_is_unknown_if_less_than_half_reach_it(self, reached: list[bool], median: float) -> None:
        found = median_needed(np.array([1.0, 2, 7, 7]), np.array(reached))
        assert found == pytest.approx(median, nan_ok=True)

    def test_no_run_reaches_it(self) -> None:
        assert math.isnan(median_needed(np.array([5.0, 5.0]), np.array([False, False])))


class TestMeanOverTime:
    def test_by_hand(self) -> None:
        found = mean_over_time(RUNS, 100.0)
        first = (30 * 80 + 10 * 93 + 10 * 85 + 50 * 95) / 100
        np.testing.assert_allclose(found, [first, (95 * 70 + 5 * 80) / 100, 94, nan])

    def test_what_is_told_after_the_end_does_not_count(self) -> None:
        assert mean_over_time(RUNS, 20.0)[:3].tolist() == [80, 70, 94]

    def test_an_unknown_accuracy_spoils_its_own_run_only(self) -> None:
        found = mean_over_time(runs_of([(1, True, nan)], [(1, True, 50)]), 10.0)
        np.testing.assert_array_equal(found, [nan, 50])

    def test_agrees_with_a_fine_grid(self) -> None:
        rng = np.random.default_rng(0)
        runs = runs_of(*([(t, i == 0 or rng.random() < 0.5, rng.uniform(0, 100)) for i, t in
                          enumerate(sorted(rng.uniform(1, 99, 8)))] for _ in range(5)))  # fmt: skip
        times = (np.arange(20_000) + 0.5) / 200
        values = resample_step(incumbents(runs), times)
        firsts = incumbents(runs).final[incumbents(runs).first[:-1], None]
        np.testing.assert_allclose(mean_over_time(runs, 100.0), np.where(np.isnan(values), firsts, values).mean(axis=1),
                                   atol=0.05)  # fmt: skip
