"""nas-sweep as a user types it: what it writes, refuses, and goes on with after a kill; and nas-run with its result."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.table import BenchmarkTable
from experiments.cli.run import main as nas_run
from experiments.cli.sweep import main
from experiments.records.budgets import Budget
from experiments.records.study import StudyRecords
from experiments.studies.table_study import TableStudy
from nas_algos.multi_trial import RegularizedEA

ROOT = Path(__file__).parents[3]
KNOBS = ["population_size=2:40", "sample_size=2:20"]


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No installed tables and no official files; the working directory is empty."""
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("experiments.tables.store.EMBEDDED", tmp_path / "embedded")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def arguments(table: BenchmarkTable, *more: str, algo: str = "regularized_ea") -> list[str]:
    """A small sweep on a made-up table."""
    return ["--algo", algo, "--space", "tss", "--table", str(table.path), "--budget", "500", *more]


def refused(argv: list[str], capsys: pytest.CaptureFixture[str], command: Any = main) -> str:
    """The message of a command that must fail with exit code 2."""
    try:
        code = command(argv)
    except SystemExit as stop:
        code = int(str(stop.code))
    captured = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--tune", "sample=2:3"], "unknown knob of RegularizedEA 'sample'.*did you mean 'sample_size'"),
        (["--tune", "sample_size"], "give a range, sample_size=LOW:HIGH"),
        (["--tune", *KNOBS, "--sample-size", "5"], "sample_size is both tuned and given"),
        (["--tune", *KNOBS, "--trials", "0"], "at least 1 trial"),
        (["--tune", *KNOBS, "--runs", "0"], "at least 1 run"),
        (["--tune", *KNOBS, "--workers", "0"], "--workers is 1 or more, got 0"),
        (["--tune", *KNOBS, "--confirm-runs", "-1"], "--confirm-runs is 0 or more, got -1"),
        (["--tune", *KNOBS, "--first-rung", "100"], "between 1 and the last, which is 90, got 100"),
        (["--tune", *KNOBS, "--search", "bohb", "--scheduler", "none"], "leave --scheduler out"),
        (["--tune", *KNOBS, "--search", "bohb", "--runs", "1"], "bohb needs two rungs"),
        (["--tune", *KNOBS, "--scheduler", "none", "--first-rung", "3"], "leave --first-rung out"),
        (["--tune", *KNOBS, "--evaluate", "train"], "unrecognized arguments: --evaluate train"),
        (["--tune", *KNOBS, "--width", "4"], "--width only applies to weight-sharing methods"),
        (["--tune", *KNOBS, "--dataset", "cifar11"], "no data set 'cifar11'; it has made-up"),
        (["--tune", *KNOBS, "--search", "grid"], "invalid choice: 'grid'"),
        (["--tune", *KNOBS, "--eta", "4"], "unrecognized arguments: --eta 4"),
        ([], "the following arguments are required: --tune"),
        (["--algo", "gdass", "--tune", *KNOBS], "unknown algorithm 'gdass'.*did you mean 'gdas'"),
    ],
)
def test_bad_input_is_refused_with_a_reason(
    more: list[str], message: str, tss_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(arguments(tss_table, *more), capsys)
    assert re.search(message, error.replace("\n", " "), re.DOTALL), error
    assert not Path("runs").exists(), "nothing is written"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["epochs=1:9"], "epochs cannot be tuned: configurations are first compared at fewer epochs"),
        (["tau_max=1:20", "--objective", "validation_area"], "the objective of weight sharing is final_validation"),
        (["tau_max=1:20", "--cache"], "--cache only applies to multi-trial algorithms"),
    ],
)
def test_weight_sharing_has_epochs_for_rungs(more: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.search(message, refused(["--algo", "gdas", "--space", "tss", "--tune", *more], capsys))


def test_help_lists_an_algorithm_s_own_options_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from experiments.cli.sweep import main\n"
        "try: main(['--algo', 'reinforce', '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'ray', 'matplotlib', 'scipy', 'ConfigSpace', 'optuna'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    text = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert "--ema-momentum" in text
    assert "--tune" in text


def test_whatever_kills_a_sweep_the_same_command_completes_it(
    tss_table: BenchmarkTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "s"
    more = ["--runs", "9", "--trials", "6", "--workers", "2", "--tune", *KNOBS, "--out", str(out)]
    argv = arguments(tss_table, *more)

    def evaluations() -> dict[str, dict[str, Any]]:
        return {path.parent.name: json.loads(path.read_text()) for path in out.glob("evaluations/*/evaluation.json")}

    killed = subprocess.Popen([sys.executable, "-m", "experiments.cli.sweep", *argv], cwd=ROOT)
    while len(evaluations()) < 3 and killed.poll() is None:
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    before = evaluations()

    assert main(argv) == 0
    after = evaluations()
    assert len(after) == 6, "the same configurations are suggested again"
    for name, known in before.items():
        assert known["objectives"].items() <= after[name]["objectives"].items()
        if known["objectives"].keys() == after[name]["objectives"].keys():
            assert after[name] == known, "not evaluated again: the seconds are the old ones"
    rows = pq.read_table(out / "trials.parquet").to_pylist()
    assert len(rows) == 6
    assert {row["status"] for row in rows} <= {"complete", "stopped"}
    best = max((row for row in rows if row["objective_9"] is not None), key=lambda row: row["objective_9"])
    assert list(out.glob("ray/*/regularized_ea_*/events.out.tfevents.*"))
    assert all((out / f"sensitivity.{suffix}").exists() for suffix in ("png", "svg", "pdf"))
    header = json.loads((out / "sweep.json").read_text())["settings"]
    assert (header["rungs"], header["search"], header["scheduler"]) == ([1, 3, 9], "random", "asha")
    assert header["study"]["seed"] == 0
    assert re.search(r"best .*\n.*default", capsys.readouterr().out)

    run = ["--config", str(out / "best.toml"), *arguments(tss_table)[2:], "--out"]
    assert nas_run([*run, str(tmp_path / "best")]) == 0
    config = StudyRecords(tmp_path / "best").header().settings.algorithms["regularized_ea"]
    assert (config["population_size"], config["sample_size"]) == (best["population_size"], best["sample_size"])


FRAGILE = """
import os, signal
from pathlib import Path
from nas_algos.multi_trial import RegularizedEA

class Fragile(RegularizedEA):
    def propose(self):
        mark = Path({mark!r})
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().propose()
"""


def test_a_configuration_whose_process_is_lost_is_tried_again(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    Path("fragile.py").write_text(FRAGILE.format(mark=str(tmp_path / "mark")))
    more = ["--runs", "2", "--trials", "2", "--workers", "1", "--confirm-runs", "0", "--tune", *KNOBS]
    assert main([*arguments(tss_table, *more, algo="fragile:Fragile"), "--out", str(tmp_path / "s")]) == 0
    assert (tmp_path / "mark").exists()
    rows = pq.read_table(tmp_path / "s" / "trials.parquet").to_pylist()
    assert len(rows) == 2
    assert {row["status"] for row in rows} <= {"complete", "stopped"}


def test_bohb_pauses_and_resumes_configurations_and_a_complete_sweep_is_left_alone(
    tss_table: BenchmarkTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "s"
    more = ["--search", "bohb", "--trials", "7", "--runs", "4", "--workers", "1", "--confirm-runs", "0", "--mutation"]
    argv = arguments(tss_table, *more, "official", "--tune", KNOBS[0], "--out", str(out))
    for _ in range(2):
        assert main(argv) == 0
    assert len(list((out / "ray").iterdir())) == 1, "nothing was left for a second session"
    rows = pq.read_table(out / "trials.parquet").to_pylist()
    assert len(rows) == 7
    assert {row["status"] for row in rows} == {"complete", "stopped"}
    assert all((row["status"] == "complete") == (row["objective_4"] is not None) for row in rows)
    assert 'mutation = "official"' in (out / "best.toml").read_text()
    assert "rungs is [1, 2, 4], but [1, 3, 8] was requested" in refused([*argv, "--runs", "8"], capsys)


def test_a_searcher_is_tuned_by_a_script_of_one_s_own(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    """As the documentation of `experiments.sweeps.tune` shows it, with Optuna."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    from experiments.execution.ray_tasks import connected
    from experiments.sweeps.tune import _quiet_tune, search_space, tune_searcher

    study = TableStudy(
        tss_table.path,
        algorithms={"regularized_ea": RegularizedEA.Config()},
        budgets={"made-up": Budget(500.0)},
        runs=9,
        seed=1,
        cost_model="nats",
        seed_policy="mean",
    )
    config = tune.TuneConfig(
        metric="objective",
        mode="max",
        num_samples=3,
        max_concurrent_trials=1,
        search_alg=OptunaSearch(seed=1),
        scheduler=ASHAScheduler(time_attr="runs", grace_period=3, max_t=9, reduction_factor=3),
    )
    with _quiet_tune(), connected(1, None):
        results = tune.Tuner(
            tune_searcher(study, "regularized_ea", rungs=(3, 9)),
            param_space=search_space(RegularizedEA.Config, ["population_size=2:40", "mutation"]),
            tune_config=config,
            run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
        ).fit()
    assert len(results) == 3
    assert not results.errors
    best = results.get_best_result().metrics
    assert {result.metrics["runs"] for result in results} <= {3, 9}
    assert 50 < best["objective"] < 100
    assert 2 <= best["config"]["population_size"] <= 40


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        ('algorithm = "regularized_ea"\n[options]\nsize = 3', [], "unknown option of regularized_ea 'size'"),
        ('algorithm = "regularized_ea"\n[options]\nsample_size = "3"', [], "sample_size is of type int, got '3'"),
        ('algorithm = "regularized_ea"\n[options]\nsample_size = 0', [], r"must be in \[1, inf\), got 0"),
        ('algorithm = "regularised_ea"', [], "did you mean 'regularized_ea'"),
        ('algorithm = "regularized_ea"\nsample_size = 3', [], "an unknown key 'sample_size'"),
        ("sample_size 3", [], "is not TOML"),
        ('algorithm = "bohb"', ["--config", "file.toml"], "file.toml and file.toml both configure bohb"),
        ('algorithm = "bohb"', ["--config", "missing.toml"], "there is no file missing.toml"),
    ],
)
def test_a_config_file_that_nas_run_cannot_use_is_refused(
    content: str, more: list[str], message: str, tss_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file.toml").write_text(content)
    error = refused(["--config", "file.toml", *arguments(tss_table)[2:], *more], capsys, nas_run)
    assert re.search(message, error.replace("\n", " ")), error


def test_options_on_the_command_line_win_over_the_file_and_others_may_run_beside(
    tss_table: BenchmarkTable, tmp_path: Path
) -> None:
    Path("file.toml").write_text('algorithm = "regularized_ea"\n[options]\nsample_size = 7\npopulation_size = 20')
    argv = [*arguments(tss_table, "--config", "file.toml", "--sample-size", "5", algo="random_search")]
    assert nas_run([*argv, "--preset", "nats-paper", "--out", str(tmp_path / "s")]) == 0
    algorithms = StudyRecords(tmp_path / "s").header().settings.algorithms
    assert list(algorithms) == ["random_search", "regularized_ea"]
    assert algorithms["regularized_ea"] == {"population_size": 20, "sample_size": 5, "mutation": "official"}
