"""nas-run with budgets in evaluations, on tables without times or a test, and with metrics of either direction."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.errors import InputError
from benchmarks.metrics import METRICS
from benchmarks.table import BenchmarkTable
from experiments.cli.run import main
from experiments.records.budgets import Budget
from experiments.records.headers import Objective
from experiments.records.study import StudyRecords
from experiments.studies.table_study import TableStudy
from experiments.sweeps.tune import evaluator_for
from nas_algos.multi_trial import RegularizedEA

EVALUATIONS = Budget(30, "evaluations")


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No installed tables; the working directory is empty."""
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def records(table: BenchmarkTable, *more: str) -> StudyRecords:
    argv = ["--algo", "regularized_ea", "--space", "tss", "--table", str(table.path), *more]
    assert main([*argv, "--out", "records"]) == 0
    return StudyRecords(Path("records"))


def test_evaluations_are_counted_instead_of_seconds(tss_table: BenchmarkTable) -> None:
    found = records(tss_table, "--evaluations", "30", "--runs", "3", "--simulated-workers", "4")
    trials = found.trials()
    assert trials["run"].to_pylist() == [run for run in range(3) for _ in range(30)]
    assert min(trials["seconds"].to_pylist()) > 0
    settings = found.header().settings
    assert (settings.budgets, settings.metrics, settings.untested) == ({"made-up": EVALUATIONS}, {}, ())


def test_a_preset_s_dropped_crossing_does_not_apply_to_evaluations(tss_table: BenchmarkTable) -> None:
    found = records(tss_table, "--evaluations", "30", "--preset", "nb201-paper")
    assert found.trials().num_rows == 30
    assert found.header().settings.crossing == "keep"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--evaluations", "3", "--budget", "9"], "argument --budget: not allowed with argument --evaluations"),
        (["--evaluations", "0"], "a budget is a positive number of evaluations, got 0"),
        (["--evaluations", "2.5"], "invalid int value: '2.5'"),
        (["--evaluations", "3", "--crossing", "keep"], "--crossing only applies to budgets in seconds"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(
    options: list[str], message: str, tss_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--algo", "random_search", "--space", "tss", "--table", str(tss_table.path), *options]
    assert message in refused(argv, capsys)
    assert not Path("runs").exists()


@pytest.mark.parametrize("options", [["--budget", "500"], ["--preset", "nats-paper"]])
def test_seconds_on_a_table_without_times_are_refused_with_one_message(
    options: list[str], untimed_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(["--algo", "bohb", "--space", "tss", "--table", str(untimed_table.path), *options], capsys)
    assert "has no training or validation times of made-up at schedule 12" in error
    assert "(--evaluations N)" in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_a_table_without_times_is_searched_by_evaluations(
    untimed_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no test either: validation decides the optimum, and every test number is NaN."""
    found = records(untimed_table)
    assert (
        "made-up-tss has no evaluation times: each run has 200 evaluations (--evaluations N)" in capsys.readouterr().out
    )
    header, trials = found.header(), found.trials()
    assert header.settings.budgets == {"made-up": Budget(200, "evaluations")}
    assert header.settings.untested == ("made-up",)
    assert trials.num_rows == 200
    assert set(trials["seconds"].to_pylist()) == set(trials["elapsed"].to_pylist()) == {0.0}
    assert np.isnan(trials["report_test"].to_numpy()).all()
    final = untimed_table.values("made-up/200/valid/accuracy")[:, :, -1].mean(axis=1)
    optimum = header.optima["made-up"]
    assert (optimum.architecture, optimum.validation) == (final.argmax(), pytest.approx(final.max()))
    assert math.isnan(optimum.test)
    assert optimum.mean_validation == pytest.approx(final.mean())
    np.testing.assert_allclose(trials["report_validation"].to_numpy(), final[trials["architecture"].to_numpy()])


def test_the_records_of_a_loss_are_scores_and_their_header_says_so(loss_table: BenchmarkTable) -> None:
    found = records(loss_table, "--evaluations", "60", "--runs", "4", "--seed-policy", "mean")
    header, trials = found.header(), found.trials()
    assert header.settings.metrics == {"made-up": METRICS["loss"]}
    metric = header.settings.metric("made-up")
    losses = loss_table.values("made-up/12/valid/loss")[:, :, -1].mean(axis=1)
    told, architecture = metric.value(trials["validation"].to_numpy()), trials["architecture"].to_numpy()
    np.testing.assert_allclose(told, losses[architecture])
    test = loss_table.values("made-up/200/test/loss")[:, :, -1].mean(axis=1)
    np.testing.assert_allclose(metric.value(header.optima["made-up"].test), test.min())
    runs, incumbent = trials["run"].to_numpy(), trials["incumbent"].to_numpy()
    for run in range(4):
        assert (np.diff(told[(runs == run) & incumbent]) < 0).all()
        assert told[(runs == run) & incumbent][-1] == told[runs == run].min()


def test_real_training_ends_after_so_many_evaluations() -> None:
    tiny = ["--evaluate", "train", "--width", "2", "--depth", "1", "--recipe-batch-size", "200", "--schedule", "1"]
    argv = ["--algo", "random_search", "--space", "tss", *tiny, "--evaluations", "3", "--out", "records"]
    assert main(argv) == 0
    trials = StudyRecords(Path("records")).trials()
    assert trials["trial"].to_pylist() == [1, 2, 3]
    np.testing.assert_allclose(trials["elapsed"].to_numpy(), np.cumsum(trials["seconds"].to_numpy()))
    assert StudyRecords(Path("records")).header().settings.budgets == {"digits": Budget(3, "evaluations")}


def test_the_real_validation_only_table_is_searched(shared_data: Path) -> None:
    path = shared_data / "nats_sss_valid90.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    argv = ["--algo", "regularized_ea", "--space", "sss", "--table", str(path), "--evaluations", "300"]
    assert main([*argv, "--out", "records"]) == 0
    found = StudyRecords(Path("records"))
    trials = found.trials()
    assert trials.num_rows == 300
    scores = trials["validation"].to_numpy()
    np.testing.assert_array_equal(scores, trials["report_validation"].to_numpy())
    assert 90 < scores.max() <= round(found.header().optima["cifar10"].validation, 3) == 90.712
    assert np.median(scores[200:]) > np.median(scores[:50])  # it has learned


def refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a command that must fail with exit code 2."""
    try:
        code = main(argv)
    except SystemExit as stop:
        code = int(str(stop.code))
    assert code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("objective", ["final_validation", "validation_area"])
def test_sweeps_tune_on_tables_without_times(
    objective: Objective, untimed_table: BenchmarkTable, tmp_path: Path
) -> None:
    study = TableStudy(
        table=untimed_table.path,
        algorithms={"regularized_ea": RegularizedEA.Config(population_size=5)},
        budgets={"made-up": EVALUATIONS},
        runs=3,
        seed=0,
        cost_model="nats",
        seed_policy="mean",
    )
    evaluator = evaluator_for(study, "regularized_ea", objective)
    score = evaluator.score(evaluator.base, 3, tmp_path)
    best = study.oracle("made-up").query_many(np.arange(15_625), study.oracle("made-up").search_fidelity)[0].max()
    assert best / 2 < score < best


def test_the_budgets_of_a_study_have_one_unit(tss_table: BenchmarkTable) -> None:
    with pytest.raises(InputError, match=r"all in seconds or all in evaluations, got a: 9 s, b: 30 evaluations"):
        TableStudy(
            table=tss_table.path, algorithms={}, budgets={"a": Budget(9), "b": EVALUATIONS}, runs=1, seed=0,
            cost_model="nats", seed_policy="mean",
        )  # fmt: skip
