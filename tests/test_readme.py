"""The README's Python examples run as they stand, and its commands are such as there are."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import SPACES
from experiments.cli import bench, report, run, sweep
from experiments.records.study import StudyRecords
from experiments.tables.importing import import_benchmark

README = (Path(__file__).parents[1] / "README.md").read_text()
LOOP, SEARCHER, STUDY, TUNE, SPACE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
MAINS = {"nas-run": run.main, "nas-bench": bench.main, "nas-report": report.main, "nas-sweep": sweep.main}
SHARED = Path(__file__).parents[2] / "shared" / "data"
COMMANDS = [
    command
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    for command in line.split("#")[0].split("&&")
]


def test_the_ask_and_tell_loop_runs(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path))
    import_benchmark(shared_data / "nasbench201_accuracies.csv", tmp_path, progress=lambda *_: None)
    exec(compile(LOOP, "README.md", "exec"), {})
    assert re.match(r"\|.+\| FinalReport\(validation=nan, test=9\d\.\d+, rank=\d+\)\n$", capsys.readouterr().out)


def test_one_s_own_searcher_and_space_work_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    Path("mine.py").write_text(SEARCHER)
    try:
        exec(compile(SPACE, "README.md", "exec"), {"__name__": "readme"})
        space, rng = SPACES["kernels"], np.random.default_rng(0)
        assert space.from_string(space.to_string((0, 2, 1, 0))) == (0, 2, 1, 0)
        rows = [f"{space.to_string(space.arch(i))},{rng.random()},2.0,{rng.random()}" for i in range(len(space))]
        header = "arch,toy_valid_accuracy_12,toy_train_seconds_12,toy_test_accuracy_12"
        Path("toy.csv").write_text("\n".join([header, *rows]) + "\n")
        argv = ["--algo", "mine:HillClimb", "regularized_ea", "--space", "kernels", "--table", "toy.csv"]
        assert run.main([*argv, "--cost-model", "train_only", "--seed-policy", "mean", "--out", "s", "--report"]) == 0
        trials = StudyRecords(Path("s")).trials()
        assert set(trials["algorithm"].to_pylist()) == {"mine:HillClimb", "regularized_ea"}
        assert len(trials) == 400, "the time of 200 average evaluations each"
        assert Path("s/report/report.md").exists()
    finally:
        SPACES.pop("kernels", None)
        sys.modules.pop("mine", None)
        importlib.invalidate_caches()


@pytest.mark.parametrize("example", [STUDY, TUNE], ids=["study", "tune"])
def test_a_study_and_a_sweep_run_as_scripts(example: str, tmp_path: Path) -> None:
    """With few trials, in a process of its own, with nothing installed but the package."""
    home = {name: str(tmp_path / name) for name in ("NAS_BENCH_HOME", "TORCH_HOME", "HOME")}
    (tmp_path / "script.py").write_text(example.replace("num_samples=20", "num_samples=2"))
    script = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env={**os.environ, **home}, capture_output=True, text=True
    )
    assert script.returncode == 0, script.stderr
    last = script.stdout.splitlines()[-1]
    assert re.fullmatch(r"0\.\d+ of the runs have come to 94 %|\{'population_size': \d+, 'sample_size': \d+\}", last)


def run_command(command: str) -> None:
    """With three runs instead of many, on a home of its own."""
    name, *options = shlex.split(re.sub(r"--runs \d+", "--runs 3", command).replace("../shared/data", str(SHARED)))
    assert MAINS[name](options) == 0, command


@pytest.fixture
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed but the package."""
    for variable in ("NAS_BENCH_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("fresh_home")
def test_the_first_commands_run_with_nothing_but_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [command for command in COMMANDS if "../shared" not in command]
    first, second, report = [command for command in commands if command.strip().startswith("nas-r")][:3]
    run_command(first)
    said = capsys.readouterr()
    assert "tss-digits" in said.out + said.err
    assert re.search(r"regularized_ea on digits found architecture \d+: \|", said.out)
    run_command(second)
    run_command(report)
    assert Path("runs/digits/report/report.html").exists()


@pytest.mark.usefixtures("fresh_home", "shared_data")
def test_the_commands_on_published_measurements_run() -> None:
    commands = [command for command in COMMANDS if "../shared" in command and "nas-run" in command]
    assert len(commands) == 2
    run_command(commands[0])
    run_command(f"{commands[1]} --runs 3")
    assert Path("runs/nats-paper-tss/report/report.html").exists()


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.strip().startswith("nas-")])
def test_every_command_is_one_that_there_is(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an option at its end that there is not, so that it only reads the others."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SEARCHER)
    name, *options = shlex.split(command)
    with pytest.raises(SystemExit) as stop:
        MAINS[name]([*options, "--nonsense"])
    assert stop.value.code == 2
    assert "unrecognized arguments: --nonsense\n" in capsys.readouterr().err
