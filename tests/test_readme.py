"""The pages of documentation: Python examples run as they stand, commands and options exist, links lead somewhere."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import SPACES
from experiments.cli import bench, report, run, sweep
from experiments.records.study import StudyRecords
from experiments.reports import figures
from nas_algos import ALGORITHMS, METHODS

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("*.md", ".github/*.md", *(f"{package}/**/*.md" for package in ("benchmarks", "nas_algos")),
                   "supernets/**/*.md", "experiments/**/*.md")
    for path in sorted(ROOT.glob(folder))
}  # fmt: skip
PYTHON = {page: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for page, text in PAGES.items()}
(LOOP,), (SEARCHER,), (SPACE,) = (PYTHON[page] for page in ("README.md", "nas_algos/README.md", "benchmarks/README.md"))
STUDY, TUNE = PYTHON["experiments/README.md"]
MAINS = {"nas-run": run.main, "nas-bench": bench.main, "nas-report": report.main, "nas-sweep": sweep.main}
MEASUREMENTS = ("nasbench201_accuracies.csv", "nats_sss_valid90.csv")
OTHER_OPTIONS = {"--nodes", "--head", "--address", "--durations", "--no-deps", "--help"}
"""Options on the pages that belong to commands of others: sbatch, ray, pytest, pip; --help belongs to all."""


def shell_commands(page: str) -> Iterator[str]:
    """The commands of the shell blocks of a page, without comments and line breaks."""
    for block in re.findall(r"```bash\n(.*?)```", PAGES[page], re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield from filter(None, map(str.strip, re.sub(r"(^|\s)#.*", "", line).split("&&")))


COMMANDS = {page: list(shell_commands(page)) for page in PAGES}


@pytest.fixture
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory; no table is installed but those of the package; figures as SVG only, to save time."""
    monkeypatch.setattr(figures, "FORMATS", {"svg": figures.FORMATS["svg"]})
    for variable in ("NAS_BENCH_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def measurements(fresh_home: None, shared_data: Path) -> None:
    """The CSVs of published measurements in the working directory."""
    for name in MEASUREMENTS:
        Path(name).symlink_to(shared_data / name)


def run_command(command: str) -> None:
    """Run a command of ours in this process, with three runs instead of many."""
    name, *options = shlex.split(re.sub(r"--runs \d+", "--runs 3", command))
    assert MAINS[name](options) == 0, command


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 8192


def test_every_python_example_is_run_by_a_test() -> None:
    assert sum(map(len, PYTHON.values())) == len([LOOP, SEARCHER, SPACE, STUDY, TUNE])


@pytest.mark.usefixtures("fresh_home")
def test_the_ask_and_tell_loop_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(LOOP, "README.md", "exec"), {})
    assert re.match(r"\|.+\| FinalReport\(validation=\d+\.\d+, test=9\d\.\d+, rank=\d+\)\n$", capsys.readouterr().out)


@pytest.mark.usefixtures("fresh_home")
def test_a_searcher_and_a_space_of_a_user_work_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    Path("mine.py").write_text(SEARCHER)
    try:
        exec(compile(SPACE, "benchmarks/README.md", "exec"), {"__name__": "readme"})
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
    home["RAY_ADDRESS"] = "local"  # not the cluster of another test
    (tmp_path / "script.py").write_text(example.replace("num_samples=20", "num_samples=2"))
    script = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env={**os.environ, **home}, capture_output=True, text=True
    )
    assert script.returncode == 0, script.stderr
    last = script.stdout.splitlines()[-1]
    assert re.fullmatch(r"0\.\d+ of the runs reached 94 %|\{'population_size': \d+, 'sample_size': \d+\}", last)


@pytest.mark.usefixtures("fresh_home")
def test_the_first_commands_run_with_nothing_but_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    first, comparison, page = [command for command in COMMANDS["README.md"] if command.startswith("nas-")][:3]
    run_command(first)
    printed = capsys.readouterr()
    assert "tss-digits" in printed.out + printed.err
    assert re.search(r"regularized_ea on digits found architecture \d+: \|", printed.out)
    run_command(comparison)
    run_command(page)
    assert Path("runs/digits/report/report.html").exists()


@pytest.mark.usefixtures("measurements")
def test_the_commands_on_published_measurements_run() -> None:
    comparison, by_evaluations, study = [
        command
        for command in COMMANDS["experiments/README.md"]
        if command.startswith("nas-run") and any(name in command for name in MEASUREMENTS)
    ]
    run_command(comparison)
    run_command(by_evaluations)
    assert len(StudyRecords(Path("runs/sss-valid")).trials()) == 300
    run_command(f"{study} --runs 3")
    assert Path("runs/nats-paper-tss/report/report.html").exists()


@pytest.mark.parametrize(
    "command", dict.fromkeys(command for page in COMMANDS.values() for command in page if command.startswith("nas-"))
)
def test_every_command_is_accepted(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown option at its end is the only one that the parser refuses."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SEARCHER)
    name, *options = shlex.split(command)
    with pytest.raises(SystemExit) as stop:
        MAINS[name]([*options, "--nonsense"])
    assert stop.value.code == 2
    assert "unrecognized arguments: --nonsense\n" in capsys.readouterr().err


def test_other_commands_are_those_of_installation_and_tests() -> None:
    others = {shlex.split(command)[0] for page in COMMANDS.values() for command in page}
    assert others - MAINS.keys() <= {"pip", "pytest", "ruff", "mypy", "pre-commit", ".ci/run"}


def help_of(main: str, options: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        MAINS[main]([*options, "--help"])
    return capsys.readouterr().out


def test_every_option_on_the_pages_exists(capsys: pytest.CaptureFixture[str]) -> None:
    requests = [("nas-report", list[str]()), ("nas-sweep", [])]
    requests += [("nas-run", ["--algo", name]) for name in (*ALGORITHMS, *METHODS)]
    bench_help = help_of("nas-bench", [], capsys)
    requests += [("nas-bench", [name]) for name in re.findall(r"^    ([a-z][a-z-]+)", bench_help, re.MULTILINE)]
    existing = {option for request in requests for option in re.findall(r"--[a-z][a-z-]*", help_of(*request, capsys))}
    mentioned = {option for text in PAGES.values() for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)}
    assert mentioned - existing - OTHER_OPTIONS == {"--patience"}, "the option of the example's own searcher"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if not link.startswith("https://"):
            file, _, anchor = link.partition("#")
            target = ((ROOT / page).parent / file).resolve() if file else ROOT / page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str) -> None:
    """Paths from the root of the repository, in code or in commands."""
    named = re.findall(
        r"(?<![\w/.~-])((?:benchmarks|nas_algos|supernets|experiments|tests|\.github|\.ci)/[\w./-]+)", PAGES[page]
    )
    assert [path for path in named if not ("NAME" in path or (ROOT / path.rstrip(".")).exists())] == []
