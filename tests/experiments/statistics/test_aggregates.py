"""Numbers out of records, by hand on tiny runs and against plain re-implementations on random ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from experiments.records.runs import Floats, Runs, runs_by_group
from experiments.statistics.aggregates import (
    Aggregate,
    Interpolation,
    Trajectories,
    aggregate,
    answers,
    bootstrap_interval,
    final,
    incumbents,
    incumbents_at_every_trial,
    regret,
)
from experiments.statistics.resampling import blocks, curve_times, nats_tickets, resample, resample_nats, resample_step
from tests.conftest import trials_table


def runs_of(*runs: list[tuple[float, bool, float]]) -> Runs:
    """Runs out of (elapsed, incumbent, test) per trial; architectures are numbered through."""
    rows = [(("a", "d", r, 0, *trial[:2], 10.0, trial[2])) for r, run in enumerate(runs) for trial in run]
    (group,) = runs_by_group(trials_table(rows)).values()
    return group


def points(*runs: list[tuple[float, float]]) -> Trajectories:
    """Trajectories out of (elapsed, test) per point."""
    flat = [point for run in runs for point in run]
    elapsed, test = (np.array([point[i] for point in flat], float) for i in (0, 1))
    first = np.cumsum([0, *map(len, runs)])
    return Trajectories(first, elapsed, np.zeros(len(flat), np.int32), test)


class TestTrajectories:
    RUNS = runs_of(
        [(1, False, 10), (2, True, 20), (3, False, 90), (4, True, 15)],  # the test accuracy of an answer may fall
        [(5, False, 30)],  # no answer
        [(6, True, 40), (7, False, 99)],
    )

    def test_incumbents_are_the_rows_marked_so(self) -> None:
        found = incumbents(self.RUNS)
        assert found.first.tolist() == [0, 2, 2, 3]
        assert found.sizes.tolist() == [2, 0, 1]
        assert found.elapsed.tolist() == [2, 4, 6]
        assert found.final.tolist() == [20, 15, 40]

    def test_incumbents_at_every_trial_repeat_the_answer_within_its_run(self) -> None:
        found = incumbents_at_every_trial(self.RUNS)
        assert found.first.tolist() == [0, 3, 3, 5]
        assert found.elapsed.tolist() == [2, 3, 4, 6, 7]
        assert found.final.tolist() == [20, 20, 15, 40, 40]

    def test_they_carry_the_architecture_and_final_score_of_the_answer(self) -> None:
        rows = [("a", "d", 0, 5, 1.0, True, 60.0, 1.0), ("a", "d", 0, 6, 2.0, False, 61.0, 2.0)]
        (runs,) = runs_by_group(trials_table(rows)).values()
        assert incumbents(runs).architecture.tolist() == [5]
        assert incumbents_at_every_trial(runs).architecture.tolist() == [5, 5]
        assert incumbents_at_every_trial(runs).final.tolist() == [1.0, 1.0]
        untested = replace(runs, tested=False)
        assert incumbents_at_every_trial(untested).final.tolist() == [60.0, 60.0]


class TestStep:
    def test_is_the_last_answer_told_at_or_before_the_time(self) -> None:
        values = resample_step(points([(2, 20), (4, 15)], [], [(3, 30)]), np.array([0, 1.9, 2, 3.9, 4, 100]))
        nan = math.nan
        expected = [[nan, nan, 20, 20, 15, 15], [nan] * 6, [nan, nan, nan, 30, 30, 30]]
        np.testing.assert_array_equal(values, expected)

    def test_of_answers_told_at_one_time_the_last_counts(self) -> None:
        assert resample_step(points([(2, 20), (2, 25)]), np.array([2.0])).tolist() == [[25]]

    def test_of_runs_without_points(self) -> None:
        np.testing.assert_array_equal(resample_step(points([]), np.array([1.0])), [[np.nan]])


class TestNats:
    def test_interpolates_between_the_two_nearest_points(self) -> None:
        values = resample_nats(points([(10, 50), (20, 60), (30, 90)]), np.array([12, 20, 26]))
        np.testing.assert_allclose(values, [[52, 60, 78]], rtol=1e-15)

    def test_extrapolates_before_the_first_point_and_after_the_last(self) -> None:
        values = resample_nats(points([(10, 50), (20, 60), (30, 90)]), np.array([0, 5, 40]))
        np.testing.assert_allclose(values, [[40, 45, 120]], rtol=1e-15)

    def test_the_two_nearest_may_lie_on_one_side(self) -> None:
        # t = 5: distances 3, 1, 4; the line through (2, 20) and (4, 30) gives 35, not 30 .. 70.
        assert resample_nats(points([(2, 20), (4, 30), (9, 70)]), np.array([5.0])).tolist() == [[35]]
        # t = 7: distances 5, 1, 2; the line through (8, 30) and (9, 70) gives -10.
        assert resample_nats(points([(2, 20), (8, 30), (9, 70)]), np.array([7.0])).tolist() == [[-10]]

    def test_of_two_equally_near_the_earlier_is_taken(self) -> None:
        # t = 5: distances 3, 1, 3: (2, 20) and (4, 30), not (4, 30) and (8, 70).
        assert resample_nats(points([(2, 20), (4, 30), (8, 70)]), np.array([5.0])).tolist() == [[35]]
        # t = 4: distances 2, 2, 4: (2, 20) and (6, 40).
        assert resample_nats(points([(2, 20), (6, 40), (8, 99)]), np.array([4.0])).tolist() == [[30]]

    def test_departs_from_the_script_where_that_divides_by_zero(self) -> None:
        repeated = resample_nats(points([(2, 20), (2, 25), (4, 35)]), np.array([2, 3]))
        np.testing.assert_allclose(repeated, [[25, 30]])
        two_runs = resample_nats(points([(1, 1), (2, 20)], [(2, 25), (4, 35)]), np.array([2.0]))  # not repeated
        np.testing.assert_allclose(two_runs, [[20], [25]])

    def test_departs_from_the_script_where_that_runs_out_of_points(self) -> None:
        values = resample_nats(points([(2, 20)], [], [(3, 1), (3, 30)]), np.array([0, 9]))
        np.testing.assert_array_equal(values, [[20, 20], [np.nan, np.nan], [30, 30]])

    def test_tickets_are_150_from_zero_to_one_step_before_the_budget(self) -> None:
        tickets = nats_tickets(300)
        assert tickets.shape == (150,)
        assert tickets[[0, 1, 149]].tolist() == [0, 2, 298]


def scan_step(run: list[tuple[float, float]], time: float) -> float:
    return next((test for elapsed, test in reversed(run) if elapsed <= time), math.nan)


def scan_nats(run: list[tuple[float, float]], time: float) -> float:
    (time_a, a), (time_b, b) = sorted(run, key=lambda point: abs(point[0] - time))[:2]
    return (time_b - time) / (time_b - time_a) * a + (time - time_a) / (time_b - time_a) * b


@pytest.mark.parametrize("seed", range(20))
def test_resampling_agrees_with_a_scan_of_every_run(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Whole and half numbers, so that equal distances and points exactly on the grid occur often.
    times = np.sort(rng.choice(np.arange(0, 30, 0.5), size=12, replace=False))
    runs = []
    for size in rng.integers(2, 9, size=6):
        elapsed = np.sort(rng.choice(np.arange(1, 30), size=size, replace=False)).astype(float)
        runs.append(list(zip(elapsed.tolist(), rng.integers(0, 99, size).astype(float).tolist(), strict=True)))
    np.testing.assert_array_equal(resample_step(points(*runs), times), [[scan_step(r, t) for t in times] for r in runs])
    np.testing.assert_array_equal(resample_nats(points(*runs), times), [[scan_nats(r, t) for t in times] for r in runs])


class TestResample:
    RUNS = runs_of([(1, True, 10), (2, False, 99), (3, True, 30)])

    def test_step_uses_changes_of_the_answer_nats_every_trial(self) -> None:
        assert resample(self.RUNS, np.array([2.5]), "step").tolist() == [[10]]
        assert resample(self.RUNS, np.array([2.5]), "nats").tolist() == [[20]]  # (2, 10) and (3, 30)

    def test_refuses_an_unknown_rule(self) -> None:
        with pytest.raises(ValueError, match="step, nats, got 'cubic'"):
            resample(self.RUNS, np.array([1.0]), "cubic")  # type: ignore[arg-type]

    @pytest.mark.parametrize(("interpolation", "last"), [("step", 600.0), ("nats", 596.0)])
    def test_curve_times_ascend_from_zero(self, interpolation: Interpolation, last: float) -> None:
        times = curve_times(600.0, interpolation)
        assert (np.diff(times) > 0).all()
        assert times[0] == 0
        assert times[-1] == pytest.approx(last)


def test_very_many_runs_are_taken_in_parts_to_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    runs = runs_of(*([(t, True, rng.uniform(0, 99)) for t in sorted(rng.uniform(1, 90, 4))] for _ in range(7)))
    times = curve_times(100.0, "step")
    whole = aggregate(resample(runs, times, "step"), interval=True)
    monkeypatch.setattr("experiments.statistics.resampling.MOST_VALUES", 7 * 30)
    monkeypatch.setattr("experiments.statistics.aggregates.MOST_VALUES", 7 * 30)
    parts = blocks(times, len(runs))
    assert max(len(part) for part in parts) <= 30
    assert np.concatenate(parts).tolist() == times.tolist()
    found = Aggregate.concatenate([aggregate(resample(runs, part, "step"), interval=True) for part in parts])
    for name in ("count", "mean", "std", "sem", "lower", "median", "upper", "low", "high"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12, err_msg=name)


class TestAggregate:
    VALUES: Floats = np.array([[1.0, np.nan], [4.0, np.nan], [2.0, np.nan], [9.0, 5.0], [np.nan, np.nan]])

    def test_by_hand(self) -> None:
        found = aggregate(self.VALUES)
        assert found.count.tolist() == [4, 1]
        assert found.mean.tolist() == [4, 5]
        assert found.std.tolist() == [math.sqrt((9 + 0 + 4 + 25) / 4), 0]  # of the population
        np.testing.assert_allclose(found.sem, [math.sqrt((9 + 0 + 4 + 25) / 3) / math.sqrt(4), np.nan])
        assert found.lower.tolist() == [1.75, 5]
        assert found.median.tolist() == [3, 5]
        assert found.upper.tolist() == [5.25, 5]

    def test_without_values_is_nan(self) -> None:
        found = aggregate(np.full((3, 1), np.nan))
        assert found.count.tolist() == [0]
        for name in ("mean", "std", "sem", "lower", "median", "upper"):
            assert np.isnan(getattr(found, name)).all(), name

    def test_agrees_with_numpy(self) -> None:
        values = np.random.default_rng(0).normal(90, 3, (37, 5))
        found = aggregate(values)
        np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-14)
        np.testing.assert_allclose(found.std, np.std(values, axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.sem, np.std(values, axis=0, ddof=1) / math.sqrt(37), rtol=1e-12)
        expected = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        np.testing.assert_allclose([found.lower, found.median, found.upper], expected, rtol=1e-14)

    def test_of_one_value_per_run_is_scalar(self) -> None:
        found = aggregate(np.array([1.0, 3.0]))
        assert (int(found.count), float(found.mean), float(found.std), float(found.median)) == (2, 2.0, 1.0, 2.0)

    def test_band_edges(self) -> None:
        mean, std, sem, lower, median, upper, low, high = (
            np.array([x]) for x in (10.0, 4.0, 1.0, 7.0, 9.0, 12.0, 8.0, 11.0)
        )
        of = Aggregate(np.array([16]), mean, std, sem, lower, median, upper, low, high)
        assert np.ravel(of.band("iqr")).tolist() == [7, 12]
        assert np.ravel(of.band("sem")).tolist() == [9, 11]
        assert np.ravel(of.band("std")).tolist() == [6, 14]
        assert np.ravel(of.band("ci")).tolist() == [8, 11]

    def test_intervals_are_there_if_asked_for(self) -> None:
        assert np.isnan(aggregate(self.VALUES).low).all()
        found = aggregate(self.VALUES, interval=True)
        assert 1 <= found.low[0] < 4 < found.high[0] <= 9
        assert np.isnan([found.low[1], found.high[1]]).all(), "one run tells nothing about the next"


class TestBootstrapInterval:
    def test_of_two_runs_reaches_from_one_to_the_other(self) -> None:
        # Of the resamples a quarter is twice the first run, a quarter twice the second.
        low, high = bootstrap_interval(np.array([[1.0, 10.0], [3.0, 10.0]]), np.random.default_rng(1))
        assert (low.tolist(), high.tolist()) == ([1, 10], [3, 10])

    def test_agrees_with_scipy(self) -> None:
        values = np.random.default_rng(0).exponential(2.0, (40, 3))
        expected = stats.bootstrap(
            (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        found = bootstrap_interval(values, np.random.default_rng(2), resamples=20_000)
        np.testing.assert_allclose(found, expected, atol=0.02)

    def test_of_many_equal_values_agrees_with_scipy(self) -> None:
        """Which are drawn together: 30 runs have 90 percent, 9 have 94, one has none."""
        values = np.array([90.0] * 30 + [94.0] * 9 + [math.nan])
        expected = stats.bootstrap(
            (values,), np.nanmean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        found = bootstrap_interval(values, np.random.default_rng(2), resamples=20_000)
        np.testing.assert_allclose(found, expected, atol=0.05)

    def test_covers_the_mean_of_most_samples(self) -> None:
        samples = np.random.default_rng(0).normal(0, 1, (50, 400))
        low, high = bootstrap_interval(samples, np.random.default_rng(1))
        assert 0.90 < ((low < 0) & (high > 0)).mean() < 0.98

    def test_leaves_out_runs_without_a_value(self) -> None:
        low, high = bootstrap_interval(np.array([1.0, math.nan, 3.0]), np.random.default_rng(1))
        assert (float(low), float(high)) == (1, 3)

    def test_draws_from_the_generator_it_is_given(self) -> None:
        values = np.random.default_rng(0).normal(90, 1, 20)
        first, again, other = (bootstrap_interval(values, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert first == again != other


def test_regret_is_what_is_missing_to_the_optimum() -> None:
    assert regret(94.0, np.array([90.0, 94.0])).tolist() == [4, 0]


class TestFinal:
    def test_answers_are_by_run(self) -> None:
        rows = [
            ("a", "d", 0, 7, 1.0, True, 80.0, 90.0),
            ("a", "d", 0, 2, 2.0, False, 81.0, 88.0),
            ("a", "d", 1, 5, 1.0, False, 10.0, 10.0),
        ]
        found = answers(runs_by_group(trials_table(rows))["a", "d"])
        assert found.architecture.tolist() == [7, -1]
        np.testing.assert_array_equal(
            [found.score, found.validation, found.test], [[50, np.nan], [80, np.nan], [90, np.nan]]
        )

    def test_is_the_last_point_of_each_run(self) -> None:
        rows = [
            ("a", "d", 0, 1, 1.0, True, 80.0, 90.0),
            ("a", "d", 0, 2, 2.0, True, 81.0, 88.0),  # the answer, although its test accuracy is lower
            ("a", "d", 0, 3, 3.0, False, 89.0, 99.0),
            ("a", "d", 1, 4, 5.0, True, 83.0, 92.0),
            ("a", "d", 2, 5, 1.0, False, 10.0, 10.0),  # no answer
        ]
        found = final(runs_by_group(trials_table(rows))["a", "d"], 0.5)
        assert found.runs == 3
        assert np.stack([found.test.count, found.test.mean, found.test.std]).tolist() == [2, 90, 2]
        assert np.stack([found.validation.count, found.validation.mean, found.validation.std]).tolist() == [2, 82, 1]
        assert found.evaluations == pytest.approx(5 / 3)
        assert found.search_seconds == 0.5

    def test_without_validation_at_the_reporting_fidelity(self) -> None:
        rows = [("a", "d", run, 1, 1.0, True, math.nan, 90.0) for run in (0, 1)]
        found = final(runs_by_group(trials_table(rows))["a", "d"])
        assert found.validation.count == 0
        assert math.isnan(found.validation.mean)
        assert found.test.mean == 90
        assert math.isnan(found.search_seconds)
