"""Oracles: official numbers, costs and seeds by hand, and what must never reach a searcher."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chisquare

from benchmarks.costs import COST_MODELS, CostModel
from benchmarks.errors import InputError, TableError
from benchmarks.metrics import ACCURACY, METRICS, Metric
from benchmarks.oracle import Oracle, SeedPolicy
from benchmarks.outcomes import Fidelity, Outcome, format_ranges
from benchmarks.spaces import SPACES
from benchmarks.table import BenchmarkTable, Column, RowWriter, TableInfo, Task, preallocate

SAMPLES = (0, 11, 284)
MEAN, SAMPLED = SeedPolicy("mean"), SeedPolicy("sampled")
SPACE = SPACES["tss"]
END = Fidelity("3", 3)
NAN = float("nan")

Table = Callable[..., BenchmarkTable]


@pytest.fixture
def write(tmp_path: Path) -> Table:
    """Writes a table of the architectures 2, 5, 9, ... out of columns given as Column -> nested lists.

    Its data set 'd' is searched on record 'd' at schedule '3' and reported on it at schedule '7'.
    """

    def build(
        values: Mapping[Column, Any],
        rows: tuple[int, ...] = (2, 5, 9),
        metric: Metric = ACCURACY,
        tested: bool = True,
    ) -> BenchmarkTable:
        path = tmp_path / f"table-{len(list(tmp_path.iterdir()))}.arrow"
        task = Task("d", "d" if tested else None, "3", "7", metric)
        preallocate(path, TableInfo("tiny", "tss", {"d": task}, {}), list(values), np.array(rows))
        with RowWriter(path) as writer:
            writer.write(0, {column.name: np.array(numbers, float) for column, numbers in values.items()})
        return BenchmarkTable.open(path)

    return build


SCORES = Column("d", "3", "valid", "accuracy", ("1", "2"), (1, 2, 3))
TRAIN = Column("d", "3", "train", "seconds", ("1", "2"))
VALID = Column("d", "3", "valid", "seconds", ("1", "2"))
TEST = Column("d", "7", "test", "accuracy", ("1", "2"), (7,))
TINY: dict[Column, Any] = {
    SCORES: [[[10, 20, 30], [11, 21, 31]], [[40, 50, 60], [41, 51, 61]], [[70, 80, 90], [NAN, NAN, NAN]]],
    TRAIN: [[[4], [5]], [[6], [7]], [[8], [9]]],
    VALID: [[[1], [2]], [[3], [4]], [[0.5], [0.25]]],
    TEST: [[[50], [60]], [[80], [NAN]], [[70], [90]]],
}
"""Three architectures, two seeds; the third was trained with seed 1 only."""


# Official numbers.


def test_architecture_0_costs_what_the_official_api_charges(sample_tables: dict[str, BenchmarkTable]) -> None:
    oracle = Oracle(sample_tables["tss"], "cifar10")
    outcome = oracle.query(SPACE.arch(0), Fidelity("12", 12), np.random.default_rng(0))
    assert outcome.seconds == pytest.approx(89.2020952247438, rel=1e-12)


def test_every_golden_evaluation_is_found(
    sample_tables: dict[str, BenchmarkTable], golden: dict[str, dict[str, Any]]
) -> None:
    compared = 0
    for key, record in golden.items():
        name, index, schedule, dataset = key.split("/")
        if "simulate_allowed(valid_acc,latency,time_cost)" not in record:
            continue
        allowed = {
            (round(acc, 9), round(cost, 6)) for acc, _, cost in next(v for k, v in record.items() if "allow" in k)
        }
        oracle, space, rng = Oracle(sample_tables[name], dataset), SPACES[name], np.random.default_rng(1)
        fidelity = Fidelity(schedule, int(schedule))
        drawn = {oracle.query(space.arch(int(index)), fidelity, rng) for _ in range(40)}
        assert {(round(outcome.score, 9), round(outcome.seconds, 6)) for outcome in drawn} == allowed, key
        compared += 1
    assert compared == 45


@pytest.mark.parametrize(
    ("schedule", "epoch", "dataset", "seconds"),
    [("200", 12, "cifar10", 153.6959332625071), ("12", 6, "cifar10", 78.92359248797099)],
)
def test_part_of_a_schedule_costs_its_epochs_and_one_validation(
    sample_tables: dict[str, BenchmarkTable], schedule: str, epoch: int, dataset: str, seconds: float
) -> None:
    oracle = Oracle(sample_tables["tss"], dataset, seed_policy=MEAN)
    assert oracle.query(SPACE.arch(11), Fidelity(schedule, epoch)).seconds == pytest.approx(seconds, rel=1e-12)


def test_epoch_12_of_a_long_schedule_is_not_the_end_of_a_short_one(sample_tables: dict[str, BenchmarkTable]) -> None:
    oracle = Oracle(sample_tables["tss"], "cifar10", seed_policy=MEAN)
    short, long = (oracle.query(SPACE.arch(11), Fidelity(schedule, 12)) for schedule in ("12", "200"))
    assert short.seconds == pytest.approx(long.seconds)
    assert short.score > long.score + 5


@pytest.mark.parametrize("dataset", ["cifar100", "ImageNet16-120"])
def test_no_test_number_stands_in_where_there_is_no_clean_validation(
    sample_tables: dict[str, BenchmarkTable], dataset: str
) -> None:
    oracle = Oracle(sample_tables["tss"], dataset, seed_policy=MEAN)
    with pytest.raises(TableError, match=f"no validation score of {dataset} at epoch 100 of schedule 200; .*200"):
        oracle.query(SPACE.arch(11), Fidelity("200", 100))
    assert oracle.query(SPACE.arch(11), Fidelity("200", 200)).score > 0


def test_reported_numbers_are_the_official_means(
    sample_tables: dict[str, BenchmarkTable], golden: dict[str, dict[str, Any]]
) -> None:
    for space, schedule in (("tss", "200"), ("sss", "90")):
        for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
            oracle = Oracle(sample_tables[space], dataset)
            tests = {i: golden[f"{space}/{i}/{schedule}/{dataset}"]["avg"]["test-accuracy"] for i in SAMPLES}
            record = "cifar10-valid" if dataset == "cifar10" else dataset
            for index in SAMPLES:
                report = oracle.final_report(SPACES[space].arch(index))
                expected = golden[f"{space}/{index}/{schedule}/{record}"]["avg"]["valid-accuracy"]
                assert report.validation == pytest.approx(expected, rel=1e-12)
                assert report.test == pytest.approx(tests[index], rel=1e-12)
                assert report.rank == 1 + sum(other > tests[index] for other in tests.values())


@pytest.mark.parametrize(
    ("dataset", "index", "percent"),
    [("cifar10", 6111, 94.3733), ("cifar100", 9930, 73.5133), ("imagenet16_120", 857, 47.3111)],
)
def test_the_published_optima_are_found(
    published_table: BenchmarkTable, dataset: str, index: int, percent: float
) -> None:
    dataset = "ImageNet16-120" if dataset == "imagenet16_120" else dataset
    oracle = Oracle(published_table, dataset, cost_model="train_only", seed_policy=MEAN)
    assert oracle.optimum[0] == index
    assert oracle.optimum[1] == pytest.approx(percent, abs=5e-5)
    assert oracle.final_report(SPACE.arch(index)).rank == 1


# Costs by hand.


@pytest.mark.parametrize(
    ("cost_model", "epoch", "seconds"),
    [
        ("nats", 1, 4 + 1),
        ("nats", 3, 3 * 4 + 1),
        ("train_only", 1, 4),
        ("train_only", 3, 3 * 4),
        ("train_and_valid_each_epoch", 1, 4 + 1),
        ("train_and_valid_each_epoch", 2, 2 * (4 + 1)),
    ],
)
def test_costs_with_constant_times(write: Table, cost_model: CostModel, epoch: int, seconds: float) -> None:
    oracle = Oracle(write(TINY), "d", cost_model=cost_model, seed_policy=SeedPolicy("fixed", "1"))
    assert oracle.query(SPACE.arch(2), Fidelity("3", epoch)) == Outcome(10.0 * epoch, seconds)


@pytest.mark.parametrize(
    ("cost_model", "epoch", "seconds"),
    [
        ("nats", 1, 10 + 1),
        ("nats", 2, 10 + 20 + 2),
        ("nats", 3, 10 + 20 + 40 + 4),
        ("train_only", 2, 10 + 20),
        ("train_and_valid_each_epoch", 2, 10 + 1 + 20 + 2),
        ("train_and_valid_each_epoch", 3, 10 + 1 + 20 + 2 + 40 + 4),
    ],
)
def test_costs_with_times_per_epoch(write: Table, cost_model: CostModel, epoch: int, seconds: float) -> None:
    curve = replace(TRAIN, epochs=(1, 2, 3)), replace(VALID, epochs=(1, 2, 3))
    times = {curve[0]: [[[10, 20, 40], [0, 0, 0]]], curve[1]: [[[1, 2, 4], [0, 0, 0]]]}
    table = write({SCORES: TINY[SCORES][:1], **times}, rows=(2,))
    oracle = Oracle(table, "d", cost_model=cost_model, seed_policy=SeedPolicy("fixed", "1"))
    assert oracle.query(SPACE.arch(2), Fidelity("3", epoch)).seconds == seconds


def test_times_that_skip_an_epoch_are_refused(write: Table) -> None:
    last = replace(TRAIN, epochs=(3,))
    oracle = Oracle(write({SCORES: TINY[SCORES], last: TINY[TRAIN], VALID: TINY[VALID]}), "d", seed_policy=MEAN)
    with pytest.raises(TableError, match="train/seconds of tiny must cover the epochs 1-3"):
        oracle.query(SPACE.arch(2), END)


def test_scores_without_recorded_seconds_are_refused_not_charged_as_nothing(write: Table) -> None:
    times = [[[NAN], [2]], [[3], [4]], [[0.5], [NAN]]]  # the third architecture has no second score
    table = write({**TINY, VALID: times})
    for policy in (MEAN, SAMPLED):
        with pytest.raises(TableError, match=r"has 1 validation scores of d .* without the seconds"):
            Oracle(table, "d", seed_policy=policy).query(SPACE.arch(5), END, np.random.default_rng(0))
    assert Oracle(table, "d", cost_model="train_only", seed_policy=MEAN).query(SPACE.arch(5), END).seconds == 3 * 6.5


@pytest.mark.parametrize("cost_model", COST_MODELS)
def test_missing_times_are_named_with_advice(write: Table, cost_model: CostModel) -> None:
    table = write({SCORES: TINY[SCORES], TRAIN: TINY[TRAIN]})
    oracle = Oracle(table, "d", cost_model=cost_model, seed_policy=MEAN)
    if cost_model == "train_only":
        assert oracle.query(SPACE.arch(5), END).seconds == 3 * 6.5
        return
    with pytest.raises(TableError, match=rf"no valid seconds .* {cost_model!r} needs: .*\(--cost-model train_only\)"):
        oracle.query(SPACE.arch(5), END)


def test_an_unknown_cost_model_is_refused_with_those_there_are(write: Table) -> None:
    with pytest.raises(InputError, match="nats, train_only, train_and_valid_each_epoch, got 'free'"):
        Oracle(write(TINY), "d", cost_model="free")  # type: ignore[arg-type]


# Seeds.


def test_sampling_draws_every_recorded_seed_equally_often_and_no_other(write: Table) -> None:
    oracle, rng = Oracle(write(TINY), "d"), np.random.default_rng(2)
    draws = Counter(oracle.query(SPACE.arch(2), END, rng) for _ in range(4_000))
    assert set(draws) == {Outcome(30, 3 * 4 + 1), Outcome(31, 3 * 5 + 2)}
    assert chisquare(list(draws.values())).pvalue > 1e-6
    assert {oracle.query(SPACE.arch(9), END, rng) for _ in range(100)} == {Outcome(90, 3 * 8 + 0.5)}


def test_a_seed_recorded_behind_a_missing_one_is_found(write: Table) -> None:
    scores = [[[NAN, NAN, NAN], [11, 21, 31]]]
    table = write({SCORES: scores, TRAIN: [[[NAN], [5]]], VALID: [[[NAN], [2]]]}, rows=(2,))
    for policy in (SAMPLED, MEAN, SeedPolicy("fixed", "2")):
        assert Oracle(table, "d", seed_policy=policy).query(SPACE.arch(2), END) == Outcome(31, 17)
    with pytest.raises(TableError, match="no validation score of architecture 2"):
        Oracle(table, "d", seed_policy=SeedPolicy("fixed", "1")).query(SPACE.arch(2), END)


def test_the_mean_is_over_recorded_seeds_and_needs_no_generator(write: Table) -> None:
    oracle = Oracle(write(TINY), "d", seed_policy=MEAN)
    assert oracle.query(SPACE.arch(2), END) == Outcome(30.5, 3 * 4.5 + 1.5)
    assert oracle.query(SPACE.arch(9), END) == Outcome(90, 3 * 8 + 0.5)


def test_a_fixed_seed_needs_no_generator(write: Table) -> None:
    oracle = Oracle(write(TINY), "d", seed_policy=SeedPolicy.parse("fixed:2"))
    assert oracle.query(SPACE.arch(5), END) == Outcome(61, 3 * 7 + 4)


def test_an_unknown_seed_is_refused_with_those_there_are(write: Table) -> None:
    oracle = Oracle(write(TINY), "d", seed_policy=SeedPolicy.parse("fixed:777"))
    with pytest.raises(TableError, match="no seed 777 in d/3/valid/accuracy; it has 1, 2"):
        oracle.query(SPACE.arch(2), END)


def test_sampling_without_a_generator_is_refused(write: Table) -> None:
    oracle = Oracle(write(TINY), "d")
    with pytest.raises(ValueError, match="pass rng"):
        oracle.query(SPACE.arch(2), END)
    with pytest.raises(ValueError, match="pass rng"):
        oracle.query_many(np.array([2]), END)


def test_published_means_can_only_be_served_as_means(published_table: BenchmarkTable) -> None:
    fidelity = Fidelity("12", 12)
    sampled = Oracle(published_table, "cifar10", cost_model="train_only")
    with pytest.raises(TableError, match=r"only means over seeds.*--seed-policy mean"):
        sampled.query(SPACE.arch(0), fidelity, np.random.default_rng(0))
    mean = Oracle(published_table, "cifar10", cost_model="train_only", seed_policy=MEAN)
    assert mean.query(SPACE.arch(0), fidelity) == pytest.approx((63.364, 86.653116))


@pytest.mark.parametrize("text", ["sampled", "mean", "fixed:777"])
def test_a_seed_policy_comes_back_from_its_text(text: str) -> None:
    assert str(SeedPolicy.parse(text)) == text


@pytest.mark.parametrize("text", ["", "fixed", "fixed:", "mean:1", "sampled:", "Mean", "777"])
def test_a_bad_seed_policy_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="'sampled', 'mean' or 'fixed:SEED'"):
        SeedPolicy.parse(text)


# Queries.


def test_query_and_query_many_agree_on_every_architecture(made_up_table: BenchmarkTable) -> None:
    space, indices = SPACES[made_up_table.info.space], np.arange(len(made_up_table))
    for policy in (MEAN, SeedPolicy("fixed", "2")):
        oracle = Oracle(made_up_table, "made-up", seed_policy=policy)
        scores, seconds = oracle.query_many(indices, oracle.search_fidelity)
        single = [oracle.query(space.arch(index), oracle.search_fidelity) for index in indices.tolist()]
        assert list(zip(scores.tolist(), seconds.tolist(), strict=True)) == single


def test_sampled_queries_of_both_kinds_return_recorded_pairs(made_up_table: BenchmarkTable) -> None:
    space, rng = SPACES[made_up_table.info.space], np.random.default_rng(3)
    oracle = Oracle(made_up_table, "made-up")
    indices = rng.integers(len(space), size=3_000)
    fixed = [Oracle(made_up_table, "made-up", seed_policy=SeedPolicy("fixed", seed)) for seed in ("1", "2")]
    allowed = [np.stack(each.query_many(indices, oracle.search_fidelity), 1) for each in fixed]
    many = np.stack(oracle.query_many(indices, oracle.search_fidelity, rng), 1)
    single = np.array([oracle.query(space.arch(i), oracle.search_fidelity, rng) for i in indices.tolist()])
    for drawn in (many, single):
        first, second = ((drawn == each).all(1) for each in allowed)
        assert (first | second).all()
        assert chisquare([first.sum(), second.sum()]).pvalue > 1e-6


def test_queries_repeat_with_the_same_generator_state(made_up_table: BenchmarkTable) -> None:
    space, oracle = SPACES[made_up_table.info.space], Oracle(made_up_table, "made-up")
    runs = []
    for _ in range(2):
        rng = np.random.default_rng(4)
        runs.append([oracle.query(space.arch(i), oracle.search_fidelity, rng) for i in range(200)])
    assert runs[0] == runs[1]


def test_one_oracle_answers_several_fidelities(write: Table) -> None:
    oracle = Oracle(write(TINY), "d", seed_policy=MEAN)
    for _ in range(2):
        assert [oracle.query(SPACE.arch(2), Fidelity("3", epoch)).score for epoch in (1, 2, 3)] == [10.5, 20.5, 30.5]


def test_an_architecture_the_table_lacks_is_refused(write: Table) -> None:
    oracle = Oracle(write(TINY), "d", seed_policy=MEAN)
    with pytest.raises(TableError, match=r"architecture 3 \(\|.*\|\) on d at epoch 3 .* holds 3 of 15625"):
        oracle.query(SPACE.arch(3), END)
    with pytest.raises(TableError, match="architecture 4 "):
        oracle.query_many(np.array([2, 4, 5]), END)
    with pytest.raises(TableError, match="no test accuracy of architecture 3 on d"):
        oracle.final_report(SPACE.arch(3))
    scores, seconds = oracle.query_many(np.array([9, 2]), END)
    assert (scores.tolist(), seconds.tolist()) == ([90, 30.5], [24.5, 15])


def test_no_queries_give_no_answers(write: Table) -> None:
    oracle = Oracle(write(TINY), "d", seed_policy=MEAN)
    scores, seconds = oracle.query_many(np.array([], np.int64), END)
    assert scores.shape == seconds.shape == (0,)


@pytest.mark.parametrize(
    ("fidelity", "message"),
    [
        (Fidelity("12", 12), "schedule '12'; schedules with one: 3$"),
        (Fidelity("3", 0), "epoch 0 of schedule 3; schedule 3 has one at epoch 1-3"),
        (Fidelity("3", 4), "epoch 4 of schedule 3"),
        (Fidelity("7", 7), "schedule '7'"),
    ],
)
def test_a_fidelity_without_validation_is_refused(write: Table, fidelity: Fidelity, message: str) -> None:
    other = Column("another", "90", "valid", "accuracy", ("1",), (90,))
    oracle = Oracle(write({**TINY, other: [[[1]], [[1]], [[1]]]}), "d", seed_policy=MEAN)
    with pytest.raises(TableError, match=message):
        oracle.query(SPACE.arch(2), fidelity)


def test_an_unknown_data_set_is_refused_at_once(write: Table) -> None:
    with pytest.raises(TableError, match="no data set 'cifar10'; it has d"):
        Oracle(write(TINY), "cifar10")


def test_fidelities_of_the_task_are_the_ends_of_its_schedules(write: Table) -> None:
    oracle = Oracle(write(TINY), "d")
    assert (oracle.search_fidelity, oracle.report_fidelity) == (END, Fidelity("7", 7))
    assert str(END) == "epoch 3 of schedule 3"


@pytest.mark.parametrize(
    ("epochs", "text"), [((200,), "200"), ((1, 2, 3), "1-3"), ((5, 6), "5-6"), ((4, 12, 36), "4, 12, 36")]
)
def test_epochs_are_written_as_ranges_where_they_are(epochs: tuple[int, ...], text: str) -> None:
    assert format_ranges(epochs) == text


# The final report, and what is kept from the search.


def test_the_report_ranks_mean_test_accuracies(write: Table) -> None:
    oracle = Oracle(write(TINY), "d")
    assert oracle.optimum == (5, 80)
    reports = {index: oracle.final_report(SPACE.arch(index)) for index in (2, 5, 9)}
    assert {index: (report.test, report.rank) for index, report in reports.items()} == {
        2: (55, 3),
        5: (80, 1),  # one seed, and
        9: (80, 1),  # the mean of two seeds: equal accuracies share the best rank
    }
    assert all(np.isnan(report.validation) for report in reports.values())


def test_validation_is_reported_at_the_reporting_fidelity(write: Table) -> None:
    late = Column("d", "7", "valid", "accuracy", ("1", "2"), (6, 7))
    oracle = Oracle(write({**TINY, late: [[[1, 2], [3, 4]]] * 3}), "d")
    assert oracle.final_report(SPACE.arch(2)).validation == 3


@pytest.mark.parametrize("corrupt", [np.nan, -1e9])
def test_no_test_number_can_change_an_answer(
    sample_tables: dict[str, BenchmarkTable], tmp_path: Path, corrupt: float
) -> None:
    table = sample_tables["tss"]
    path = tmp_path / "corrupt.arrow"
    path.write_bytes(table.path.read_bytes())
    hidden = [name for name, column in table.columns.items() if column.split in ("test", "valtest")]
    assert hidden
    with RowWriter(path) as writer:
        values: dict[str, NDArray[np.float64]] = {name: table.values(name) for name in table.columns}
        writer.write(0, values | {name: np.full_like(values[name], corrupt) for name in hidden})
    spoilt = BenchmarkTable.open(path)
    for dataset in table.info.tasks:
        for policy, cost_model in ((MEAN, "nats"), (SAMPLED, "train_and_valid_each_epoch")):
            first, second = (
                Oracle(each, dataset, cost_model=cost_model, seed_policy=policy)  # type: ignore[arg-type]
                for each in (table, spoilt)
            )
            fidelities = [Fidelity(s, e) for s in ("12", "200") for e in first.epochs(s) if e in (1, 12, 100, 200)]
            for fidelity in fidelities:
                rngs = np.random.default_rng(5), np.random.default_rng(5)
                for index in SAMPLES:
                    assert first.query(SPACE.arch(index), fidelity, rngs[0]) == second.query(
                        SPACE.arch(index), fidelity, rngs[1]
                    )


def test_the_global_random_state_is_never_touched(tss_table: BenchmarkTable) -> None:
    random.seed(6)
    np.random.seed(6)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    oracle, rng = Oracle(tss_table, "made-up"), np.random.default_rng(7)
    for _ in range(20):
        oracle.query(SPACE.mutate(SPACE.sample(rng), rng), oracle.search_fidelity, rng)
    oracle.query_many(np.arange(50), oracle.search_fidelity, rng)
    oracle.final_report(SPACE.arch(0))
    after = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    assert before == after


@pytest.mark.parametrize(("score", "failed"), [(NAN, True), (0.0, False), (99.0, False)])
def test_an_evaluation_without_a_score_has_failed(score: float, failed: bool) -> None:
    assert Outcome(score, 1.0).failed is failed


@pytest.mark.parametrize("outside", [-1, 15625])
def test_an_index_outside_the_space_is_refused_by_the_vectorised_query(tss_table: BenchmarkTable, outside: int) -> None:
    oracle = Oracle(tss_table, "made-up", seed_policy="mean")
    with pytest.raises(InputError, match=rf"official indices of tss are 0\.\.15624, got \[ *0 +{outside}\]"):
        oracle.query_many(np.array([0, outside]), oracle.search_fidelity)


# Metrics, and tables without a test or times.

LOSS = METRICS["loss"]


def test_the_scores_of_a_smaller_is_better_metric_are_larger_is_better(write: Table) -> None:
    """Every number of the oracle, told or reported, is minus the loss; the table keeps the loss."""
    values = {replace(column, quantity="loss") if column in (SCORES, TEST) else column: n for column, n in TINY.items()}
    oracle = Oracle(write(values, metric=LOSS), "d", seed_policy=MEAN)
    assert oracle.query(SPACE.arch(2), END) == Outcome(-30.5, 3 * 4.5 + 1.5)
    assert oracle.query_many(np.array([5, 9]), END)[0].tolist() == [-60.5, -90]
    assert oracle.optimum == (2, -55)
    assert [oracle.final_report(SPACE.arch(index)).rank for index in (2, 5, 9)] == [1, 2, 2]
    assert oracle.final_report(SPACE.arch(9)).test == oracle.final_test[9] == -80
    assert oracle.metric.value(oracle.final_report(SPACE.arch(9)).test) == 80


def test_the_official_numbers_are_their_own_scores(sample_tables: dict[str, BenchmarkTable]) -> None:
    table = sample_tables["tss"]
    oracle = Oracle(table, "cifar10", seed_policy=MEAN)
    assert oracle.metric == ACCURACY
    assert oracle.final_test[11] == table.values("cifar10/200/test/accuracy")[1, :, -1].mean()


REPORTED = Column("d", "7", "valid", "accuracy", ("1", "2"), (7,))
UNTESTED: dict[Column, Any] = {SCORES: TINY[SCORES], REPORTED: TINY[TEST]}


def test_without_a_test_validation_is_reported_and_ranked(write: Table) -> None:
    oracle = Oracle(write(UNTESTED, tested=False), "d", seed_policy=MEAN)
    assert not oracle.has_test
    assert oracle.report_fidelity == Fidelity("7", 7)
    assert oracle.optimum == (5, 80)
    reports = [oracle.final_report(SPACE.arch(index)) for index in (2, 5, 9)]
    assert [(report.validation, report.rank) for report in reports] == [(55, 3), (80, 1), (80, 1)]
    assert all(np.isnan(report.test) for report in reports)
    assert np.isnan(oracle.final_test).all()
    with pytest.raises(TableError, match="no validation accuracy of architecture 3 on d"):
        oracle.final_report(SPACE.arch(3))


def test_evaluations_of_a_table_without_times_cost_nothing(write: Table) -> None:
    oracle = Oracle(write(UNTESTED, tested=False), "d", seed_policy=MEAN)
    assert oracle.query(SPACE.arch(2), END) == Outcome(30.5, 0)
    assert oracle.mean_seconds(END) == 0


def test_seconds_without_times_are_refused_with_the_budget_to_give(write: Table) -> None:
    untimed, timed = Oracle(write(UNTESTED, tested=False), "d"), Oracle(write(TINY), "d")
    message = r"tiny has no training or validation times of d at schedule 3, .*use .* evaluations \(--evaluations N\)"
    with pytest.raises(TableError, match=message):
        untimed.costs.require_times("3")
    timed.costs.require_times("3")
    assert not timed.costs.is_timed("7")
