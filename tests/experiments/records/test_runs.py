"""Recorded trials as runs, by hand; and what is left of them when only changes of the answer are kept."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest

from experiments.records.runs import (
    RecordedTrials,
    Runs,
    concatenate_runs,
    fidelities,
    incumbent_changes,
    mean_search_seconds,
    runs_by_group,
)
from experiments.records.study import OVERHEAD_SCHEMA, TRIALS_SCHEMA
from experiments.statistics.aggregates import answers, final
from experiments.statistics.anytime import mean_over_time, reach
from experiments.statistics.resampling import curve_times, resample
from experiments.storage.directories import RecordError
from tests.conftest import trials_table


class TestSplit:
    TABLE = trials_table(
        [
            ("ea", "c10", 1, 7, 3.0, True, 11.0, 71.0),
            ("rs", "c10", 0, 5, 1.0, True, 12.0, 72.0),
            ("ea", "c10", 0, 3, 2.0, True, 13.0, 73.0),
            ("ea", "c100", 0, 2, 9.0, False, 14.0, 74.0),
            ("ea", "c10", 1, 8, 5.0, False, 15.0, 75.0),
            ("ea", "c10", 0, 4, 2.0, True, 16.0, 76.0),
        ]
    )

    def test_groups_runs_in_any_order_and_keeps_the_order_of_telling(self) -> None:
        groups = runs_by_group(self.TABLE)
        assert set(groups) == {("ea", "c10"), ("ea", "c100"), ("rs", "c10")}
        ea = groups["ea", "c10"]
        assert len(ea) == 2
        assert ea.number.tolist() == [0, 1]
        assert ea.first.tolist() == [0, 2, 4]
        assert ea.elapsed.tolist() == [2.0, 2.0, 3.0, 5.0]
        assert ea.architecture.tolist() == [3, 4, 7, 8]
        assert ea.incumbent.tolist() == [True, True, True, False]
        assert ea.validation.tolist() == [13.0, 16.0, 11.0, 15.0]
        assert ea.test.tolist() == [73.0, 76.0, 71.0, 75.0]
        assert groups["ea", "c100"].incumbent.tolist() == [False]
        assert groups["rs", "c10"].first.tolist() == [0, 1]

    def test_reads_tables_whose_parts_have_different_dictionaries(self) -> None:
        parts = [self.TABLE.slice(i, 1) for i in range(self.TABLE.num_rows)]
        parts = [pa.Table.from_pylist(part.to_pylist(), schema=TRIALS_SCHEMA) for part in parts]
        assert runs_by_group(pa.concat_tables(parts))["ea", "c10"].architecture.tolist() == [3, 4, 7, 8]
        assert fidelities(pa.concat_tables(parts))["ea", "c10"] == Counter({("12", 12): 4})

    def test_of_no_trials_is_empty(self) -> None:
        assert runs_by_group(TRIALS_SCHEMA.empty_table()) == {}
        assert fidelities(TRIALS_SCHEMA.empty_table()) == {}

    def test_refuses_a_run_that_is_recorded_twice(self) -> None:
        rows = [("rs", "c10", 4, 0, elapsed, True, 1.0, 1.0) for elapsed in (1.0, 2.0, 1.0, 2.0)]
        with pytest.raises(RecordError, match="run 4 of rs on c10"):
            runs_by_group(trials_table(rows))


def test_fidelities_counts_the_trials_of_each() -> None:
    table = trials_table([("hyperband", "c10", 0, 0, float(i), True, 1.0, 1.0) for i in range(4)])
    epochs = pa.chunked_array([[1, 1, 4, 12]], pa.int32())
    table = table.set_column(table.column_names.index("epoch"), TRIALS_SCHEMA.field("epoch"), epochs)
    assert fidelities(table) == {("hyperband", "c10"): {("12", 1): 2, ("12", 4): 1, ("12", 12): 1}}


def test_mean_search_seconds_is_over_runs() -> None:
    rows = [("a", "c10", 0, 1.0), ("a", "c10", 1, 4.0), ("a", "c100", 0, 7.0)]
    named = [dict(zip(OVERHEAD_SCHEMA.names, row, strict=True)) for row in rows]
    parts = [pa.Table.from_pylist([row], schema=OVERHEAD_SCHEMA) for row in named]
    assert mean_search_seconds(pa.concat_tables(parts)) == {("a", "c10"): 2.5, ("a", "c100"): 7.0}


def random_searches(seed: int, numbers: range) -> pa.Table:
    """Searches of 1 to 30 trials with a few answers, or none."""
    rng = np.random.default_rng(seed)
    rows = []
    for run in numbers:
        trials = int(rng.integers(1, 30))
        elapsed, answers = np.sort(rng.uniform(0, 110, trials)), rng.random(trials) < rng.choice([0, 0.2, 1])
        test, validation = rng.uniform(10, 95, (2, trials))
        for trial in range(trials):
            facts = int(rng.integers(1000)), elapsed[trial], answers[trial], validation[trial], test[trial]
            rows.append(("ea", "c10", run, *facts))
    return trials_table(rows)


class TestCondensed:
    WHOLE = runs_by_group(random_searches(0, range(40)))["ea", "c10"]
    LESS = incumbent_changes(WHOLE)

    def test_holds_changes_of_the_answer_and_ends(self) -> None:
        assert len(self.LESS.order) < len(self.WHOLE.order) / 2
        assert self.LESS.number.tolist() == self.WHOLE.number.tolist()
        assert self.LESS.incumbent.sum() == self.WHOLE.incumbent.sum()
        assert self.LESS.evaluations.tolist() == self.WHOLE.evaluations.tolist() == np.diff(self.WHOLE.first).tolist()

    def test_gives_the_same_numbers(self) -> None:
        np.testing.assert_equal(asdict(final(self.LESS)), asdict(final(self.WHOLE)))
        np.testing.assert_equal(asdict(answers(self.LESS)), asdict(answers(self.WHOLE)))
        times = curve_times(100.0, "step")
        np.testing.assert_equal(resample(self.LESS, times, "step"), resample(self.WHOLE, times, "step"))
        np.testing.assert_equal(mean_over_time(self.LESS, 100.0), mean_over_time(self.WHOLE, 100.0))

    @pytest.mark.parametrize("target", [30.0, 80.0, 94.0, 99.0])
    def test_reaches_targets_at_the_same_time(self, target: float) -> None:
        less, whole = reach(self.LESS, target, 100.0), reach(self.WHOLE, target, 100.0)
        assert less.reached.tolist() == whole.reached.tolist()
        assert less.seconds.tolist() == whole.seconds.tolist()
        assert less.evaluations.tolist() == whole.evaluations.tolist()


class TestBatchByBatch:
    BATCHES = tuple(random_searches(seed, range(10 * seed, 10 * seed + 10)) for seed in range(4))

    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
    def test_is_as_all_at_once(self, order: tuple[int, ...]) -> None:
        every = pa.concat_tables(self.BATCHES)
        read = RecordedTrials.of((self.BATCHES[i] for i in order), every_trial=True)
        ((group, runs),) = read.groups.items()
        for name, values in vars(runs_by_group(every)[group]).items():
            np.testing.assert_array_equal(getattr(runs, name), values, err_msg=name)
        assert read.fidelities == fidelities(every)
        assert (read.trials, read.failed) == (every.num_rows, 0)

    def test_keeps_less_unless_every_trial_is_wanted(self) -> None:
        kept = [RecordedTrials.of(self.BATCHES, every_trial=every).groups["ea", "c10"] for every in (True, False)]
        assert len(kept[1].order) < len(kept[0].order) / 2
        np.testing.assert_equal(asdict(final(kept[1])), asdict(final(kept[0])))

    def test_counts_failures(self) -> None:
        column = TRIALS_SCHEMA.get_field_index("validation")
        failed = trials_table([("ea", "c10", 40, 0, 1.0, False, 1.0, 1.0)]).set_column(
            column, TRIALS_SCHEMA.field(column), pa.array([math.nan])
        )
        assert RecordedTrials.of([*self.BATCHES, failed], every_trial=False).failed == 1

    def test_refuses_a_run_in_two_batches(self) -> None:
        parts: list[Runs] = [runs_by_group(batch)["ea", "c10"] for batch in self.BATCHES]
        with pytest.raises(RecordError, match="run 20 is recorded twice"):
            concatenate_runs([*parts, incumbent_changes(parts[2])])
        (one,) = runs_by_group(random_searches(7, range(5, 6))).values()
        with pytest.raises(RecordError, match="run 5 is recorded twice"):
            concatenate_runs([one, one])
