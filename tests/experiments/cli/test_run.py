"""nas-run as a user types it: what it writes, what it refuses, and with which words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from benchmarks.spaces import SPACES
from benchmarks.table import BenchmarkTable
from experiments.cli.run import main, with_study
from experiments.records.budgets import Budget
from experiments.records.study import StudyRecords
from experiments.studies.presets import PRESETS, STUDIES
from nas_algos.multi_trial import ALGORITHMS


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No installed tables and no official files; the working directory is empty."""
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("experiments.tables.store.EMBEDDED", tmp_path / "embedded")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def arguments(table: BenchmarkTable, *more: str, algo: str = "random_search") -> list[str]:
    """A small study on a made-up table."""
    return ["--algo", algo, "--space", "tss", "--table", str(table.path), "--budget", "500", *more]


def refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a command that must fail with exit code 2."""
    try:
        code = main(argv)
    except SystemExit as stop:
        code = int(str(stop.code))
    captured = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_every_algorithm_runs_by_its_name(name: str, tss_table: BenchmarkTable, tmp_path: Path) -> None:
    assert main(arguments(tss_table, "--out", str(tmp_path / "s"), algo=name)) == 0
    trials = StudyRecords(tmp_path / "s").trials()
    assert set(trials["algorithm"].to_pylist()) == {name}
    assert trials["elapsed"].to_numpy().max() >= 500


OWN = """
from dataclasses import dataclass
from nas_algos import Config, Searcher, knob

@dataclass(frozen=True)
class StubbornConfig(Config):
    choice: int = knob(0, "what every decision gets", low=0, high=4)

class Stubborn(Searcher):
    Config = StubbornConfig

    def propose(self):
        return (self.config.choice,) * len(self.space.options), self.fidelity

    def learn(self, trial, outcome):
        pass
"""


WRONG = """
from dataclasses import dataclass
from nas_algos import Config, RandomSearch, Searcher, knob

@dataclass(frozen=True)
class BareConfig(Config):
    choice: int = 0

class PlainConfig(Config):
    choice: int = knob(0, "never seen by the dataclass")

@dataclass(frozen=True)
class TextConfig(Config):
    text: str = knob("", "free")

@dataclass(frozen=True)
class ClashConfig(Config):
    runs: int = knob(0, "what the command calls otherwise")

class Unfinished(Searcher):
    Config = RandomSearch.Config

class Bare(RandomSearch):
    Config = BareConfig

class Plain(RandomSearch):
    Config = PlainConfig

class Text(RandomSearch):
    Config = TextConfig

class Clash(RandomSearch):
    Config = ClashConfig
"""


def test_records_of_other_code_of_one_s_own_are_not_taken_for_new_ones(
    tss_table: BenchmarkTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("changing.py").write_text(OWN)
    argv = [*arguments(tss_table, algo="changing:Stubborn"), "--out", str(tmp_path / "s")]
    assert main(argv) == 0
    assert StudyRecords(tmp_path / "s").header().settings.code == {
        "changing:Stubborn": sha256(OWN.encode()).hexdigest()
    }
    assert main(argv) == 0
    Path("changing.py").write_text(OWN + "# another version\n")
    assert "holds another study: code is" in refused(argv, capsys)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_algorithm_of_one_s_own_runs_beside_others(
    workers: str, tss_table: BenchmarkTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    module = f"own_{workers}"  # modules stay imported
    Path(f"{module}.py").write_text(OWN)
    own = ["--choice", "3", "--workers", workers, "--out", str(tmp_path / "s")]
    assert main(arguments(tss_table, "--algo", "random_search", *own, algo=f"{module}:Stubborn")) == 0
    records = StudyRecords(tmp_path / "s")
    trials = records.trials().to_pylist()
    asked = {trial["architecture"] for trial in trials if trial["algorithm"] == f"{module}:Stubborn"}
    assert asked == {SPACES["tss"].index((3,) * 6)}
    assert records.header().settings.algorithms[f"{module}:Stubborn"] == {"choice": 3}
    assert {trial["algorithm"] for trial in trials} == {f"{module}:Stubborn", "random_search"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:Mine", "cannot import Mine from nowhere (ModuleNotFoundError: No module named 'nowhere')"),
        ("broken:Mine", "cannot import Mine from broken (ZeroDivisionError: division by zero)"),
        ("pathlib:Path", "pathlib:Path must be a subclass of nas_algos.Searcher with a Config"),
        ("nas_algos:Searcher", "nas_algos:Searcher must be a subclass of nas_algos.Searcher with a Config"),
        ("wrong:Unfinished", "wrong:Unfinished does not define learn, propose"),
        ("wrong:Bare", "choice of the Config BareConfig is not a knob: write choice = knob(DEFAULT, 'what it is')"),
        ("wrong:Plain", "the Config PlainConfig is not a dataclass: put @dataclass(frozen=True) before it"),
        ("wrong:Text", "text of the Config TextConfig is <class 'str'>; a knob is int, float, bool, or a Literal"),
        ("wrong:Clash", "the knob runs of wrong:Clash has the name of an option of the command"),
    ],
)
def test_what_is_no_algorithm_of_one_s_own_is_refused(
    name: str,
    message: str,
    tss_table: BenchmarkTable,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("broken.py").write_text("1 / 0\n")
    Path("wrong.py").write_text(WRONG)
    assert message in refused(arguments(tss_table, algo=name), capsys)


class TestAPaperSStudy:
    def test_is_the_command_with_its_options(self) -> None:
        argv = with_study(["--study", "nats-paper-sss", "--runs=3", "--dataset", "digits"])
        assert argv[:4] == ["--study", "nats-paper-sss", "--runs=3", "--dataset"]
        assert argv[4:] == [
            "digits", "--algo", "random_search", "regularized_ea", "reinforce", "bohb", "--space", "sss",
            "--preset", "nats-paper", "--report",
        ]  # fmt: skip

    @pytest.mark.parametrize("name", list(STUDIES))
    def test_names_what_there_is(self, name: str) -> None:
        study = STUDIES[name]
        assert set(study.algorithms) <= ALGORITHMS.keys()
        published = {dataset for space, dataset in PRESETS[study.preset].budgets if space == study.space}
        assert set(study.datasets) == published

    def test_ends_with_its_report(self, tss_table: BenchmarkTable, tmp_path: Path) -> None:
        out = tmp_path / "s"
        argv = ["--study", "nats-paper-tss", "--table", str(tss_table.path), "--dataset", "made-up", "--runs", "2"]
        assert main([*argv, "--budget", "500", "--out", str(out)]) == 0
        settings = StudyRecords(out).header().settings
        assert list(settings.algorithms) == ["random_search", "regularized_ea", "reinforce", "bohb"]
        assert (settings.preset, settings.runs, settings.incumbent) == ("nats-paper", 2, "any_fidelity")
        assert "bohb" in (out / "report" / "report.md").read_text()

    def test_is_not_of_weight_sharing(self, capsys: pytest.CaptureFixture[str]) -> None:
        message = refused(["--study", "nats-paper-tss", "--algo", "gdas"], capsys)
        assert "--study nats-paper-tss compares multi-trial algorithms: leave it out for weight sharing" in message

    def test_of_another_name_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "invalid choice: 'nats-paper' (choose from" in refused(["--study", "nats-paper"], capsys)


def test_hyphens_are_accepted_for_underscores(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    assert (
        main(arguments(tss_table, "--out", str(tmp_path / "s"), "--population-size", "4", algo="regularized-ea")) == 0
    )
    assert StudyRecords(tmp_path / "s").header().settings.algorithms["regularized_ea"]["population_size"] == 4


def test_several_algorithms_share_options_of_the_same_name(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    argv = ["--algo", "bohb", "hyperband", "--space", "tss", "--table", str(tss_table.path), "--budget", "300"]
    assert main([*argv, "--eta", "4", "--out", str(tmp_path / "s")]) == 0
    algorithms = StudyRecords(tmp_path / "s").header().settings.algorithms
    assert algorithms["bohb"]["eta"] == algorithms["hyperband"]["eta"] == 4


def test_every_setting_is_recorded(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    more = [
        "--runs",
        "2",
        "--seed",
        "5",
        "--cost-model",
        "train_only",
        "--seed-policy",
        "fixed:2",
        "--crossing",
        "drop",
    ]
    more += ["--cache", "--simulated-workers", "3", "--incumbent", "any_fidelity", "--schedule", "12"]
    assert main(arguments(tss_table, *more, "--out", str(tmp_path / "s"))) == 0
    settings = StudyRecords(tmp_path / "s").header().settings
    assert (settings.runs, settings.seed, settings.cost_model) == (2, 5, "train_only")
    assert (settings.seed_policy, settings.crossing, settings.cache) == ("fixed:2", "drop", True)
    assert (settings.simulated_workers, settings.incumbent) == (3, "any_fidelity")
    assert settings.budgets == {"made-up": Budget(500)}


def test_settings_change_the_records(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    def elapsed(*more: str) -> list[float]:
        out = tmp_path / "-".join(["s", *more])
        assert main(arguments(tss_table, *more, "--out", str(out))) == 0
        found: list[float] = StudyRecords(out).trials()["elapsed"].to_pylist()
        return found

    usual = elapsed()
    assert elapsed("--seed", "9") != usual
    assert elapsed("--cost-model", "train_only") != usual
    assert elapsed("--cost-model", "train_and_valid_each_epoch") != usual
    assert elapsed("--crossing", "drop") == usual[:-1]
    assert elapsed("--simulated-workers", "4") != usual
    assert elapsed("--runs", "2") != usual


def test_of_very_many_runs_the_first_are_summarised(
    tss_table: BenchmarkTable, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.cli.run.SUMMARISED", 2)
    assert main(arguments(tss_table, "--runs", "3", "--out", str(tmp_path / "s"))) == 0
    assert "these are the first 2 runs of each; for more: nas-report" in capsys.readouterr().out
    assert set(StudyRecords(tmp_path / "s").trials()["run"].to_pylist()) == {0, 1, 2}


def test_without_out_the_same_command_finds_its_records_again(tss_table: BenchmarkTable) -> None:
    assert main(arguments(tss_table)) == 0
    assert main(arguments(tss_table)) == 0
    assert len(list(Path("runs").iterdir())) == 1


def test_a_csv_is_imported_on_the_way(tmp_path: Path, empty_home: Path) -> None:
    rows = ["arch,digits_valid_accuracy_12,digits_train_seconds_12,digits_test_accuracy_200"]
    space, rng = SPACES["tss"], np.random.default_rng(0)
    for index in range(len(space)):
        valid = rng.random() * 100
        rows.append(f"{space.to_string(space.arch(index))},{valid},12.0,{valid}")
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    argv = ["--algo", "random_search", "--space", "tss", "--table", str(tmp_path / "mine.csv"), "--budget", "100"]
    assert main([*argv, "--cost-model", "train_only", "--seed-policy", "mean", "--out", str(tmp_path / "s")]) == 0
    assert (empty_home / "mine.arrow").exists()
    assert StudyRecords(tmp_path / "s").trials()["seconds"].to_pylist() == [12.0] * 9


def test_the_published_protocols_are_presets(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    argv = arguments(tss_table, "--preset", "nb201-paper", "--out", str(tmp_path / "s"), algo="regularized_ea")
    assert main(argv) == 0
    settings = StudyRecords(tmp_path / "s").header().settings
    assert (settings.crossing, settings.preset) == ("drop", "nb201-paper")
    assert settings.algorithms["regularized_ea"]["mutation"] == "official"
    given = arguments(
        tss_table, "--preset", "nb201-paper", "--mutation", "uniform", "--crossing", "keep", algo="regularized_ea"
    )
    assert main([*given, "--out", str(tmp_path / "t")]) == 0
    settings = StudyRecords(tmp_path / "t").header().settings
    assert settings.crossing == "keep"
    assert settings.algorithms["regularized_ea"]["mutation"] == "uniform"


def test_published_budgets_are_the_default(shared_data: Path, tmp_path: Path) -> None:
    def budgets(*more: str) -> dict[str, float]:
        out = tmp_path / "-".join(["s", *more])
        argv = ["--algo", "random_search", "--space", "tss", "--table", str(shared_data / "nasbench201_accuracies.csv")]
        datasets = ["--dataset", "cifar10", "cifar100", "ImageNet16-120"]
        argv += [*datasets, "--cost-model", "train_only", "--seed-policy", "mean", *more]
        assert main([*argv, "--out", str(out)]) == 0
        return {name: budget.amount for name, budget in StudyRecords(out).header().settings.budgets.items()}

    assert list(budgets().values()) == list(budgets("--preset", "nats-paper").values()) == [20_000, 40_000, 120_000]
    assert list(budgets("--preset", "nb201-paper").values()) == [12_000, 12_000, 12_000]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--algo", "regularised_ea"], "unknown algorithm 'regularised_ea'.*did you mean 'regularized_ea'"),
        (["--algo", "random-search"], "the algorithm random_search is given twice"),
        (["--dataset", "made-up", "made-up"], "the data set made-up is given 2 times"),
        (["--population-size", "5"], "unrecognized arguments: --population-size 5.*belongs to regularized_ea"),
        (["--out", __file__], "holds no study.json"),
        (["--budget", "0"], "budget is a positive number"),
        (["--budget", "lots"], "invalid float value: 'lots'"),
        (["--runs", "0"], "at least 1 run"),
        (["--seed", "-1"], "non-negative"),
        (["--simulated-workers", "0"], "at least 1"),
        (["--workers", "-1"], "--workers is 0 or more"),
        (["--ray-address", "auto"], "at least 1 with --ray-address"),
        (["--dataset", "cifar11"], "no data set 'cifar11'; it has made-up"),
        (["--seed-policy", "median"], "a seed policy is 'sampled', 'mean' or 'fixed:SEED', got 'median'"),
        (["--seed-policy", "fixed:5"], "no seed 5"),
        (["--schedule", "90"], "no validation score of made-up at schedule '90'"),
        (["--space", "sss"], "holds the space tss, not sss"),
        (["--space", "nb101"], "invalid choice: 'nb101'"),
        (["--table", "nowhere"], "unknown table 'nowhere'"),
        (["--cost-model", "free"], "invalid choice: 'free'"),
        (["--preset", "cvpr"], "invalid choice: 'cvpr'"),
    ],
)
def test_bad_input_is_refused_with_a_reason(
    more: list[str], message: str, tss_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(arguments(tss_table, *more), capsys)
    assert re.search(message, error.replace("\n", " "), re.DOTALL), error
    assert not Path("runs").exists(), "nothing is written"


TRAIN = ["--algo", "random_search", "--space", "tss", "--evaluate", "train"]
CHARGED = [*TRAIN, "--budget", "1", "--schedule", "1"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([*TRAIN, "--schedule", "1"], "give --budget SECONDS"),
        ([*TRAIN, "--budget", "1"], "give --schedule EPOCHS"),
        ([*CHARGED, "--table", "nowhere"], "--table is for evaluations that are looked up"),
        ([*CHARGED, "--schedule", "twelve"], "number of epochs, at least 1 .*, got 'twelve'"),
        ([*CHARGED, "--schedule", "0"], "number of epochs, at least 1 .*, got '0'"),
        ([*CHARGED, "--budget", "-1"], "budget is a positive number"),
        ([*CHARGED, "--runs", "0"], "at least 1 run"),
        ([*CHARGED, "--seed-policy", "mean"], "trained with one seed.*give --seed-policy fixed:SEED.*got 'mean'"),
        ([*CHARGED, "--seed-policy", "sampled"], "trained with one seed.*give --seed-policy fixed:SEED.*got 'sampled'"),
        ([*CHARGED, "--seed-policy", "fixed:777a"], "a whole number.*got 'fixed:777a'"),
        ([*CHARGED, "--dataset", "digits", "cifar100"], "takes one data set, got digits, cifar100"),
        ([*CHARGED, "--dataset", "digit"], "unknown image data set 'digit'"),
        ([*CHARGED, "--dataset", "cifar100"], "cifar100 is read from files: name the directory"),
        ([*CHARGED, "--width", "0"], "width, depth and channel counts of a network are at least 1"),
        ([*CHARGED, "--recipe-batch-size", "0"], "batch sizes are at least 1"),
        ([*CHARGED, "--workers", "3", "--simulated-workers", "2"], "keeps no 3 workers busy: give --workers 2 at most"),
        ([*CHARGED, "--gpus-per-training", "0"], "--gpus-per-training is above 0"),
        (["--algo", "hyperband", *CHARGED[2:], "--min-epochs", "2"], "min_epochs must be at most the 1 epochs"),
    ],
)
def test_real_training_is_refused_with_a_reason(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(argv, capsys)
    assert re.search(message, error.replace("\n", " "), re.DOTALL), error
    assert not Path("runs").exists(), "nothing is written"


@pytest.mark.parametrize(
    "option",
    [
        ["--width", "2"],
        ["--split-seed", "0"],
        ["--recipe-momentum", "0.5"],
        ["--no-recipe-nesterov"],
        ["--device", "cpu"],
    ],
)
def test_an_option_of_real_training_is_refused_without_it(
    option: list[str], tss_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(arguments(tss_table, *option), capsys)
    name = option[0].replace("--no-", "--")
    assert re.search(rf"{name} only applies to networks that are trained: give --evaluate train with it", error)


def test_a_search_on_a_table_imports_neither_torch_nor_ray(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    code = (
        "import sys; from experiments.cli.run import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "heavy = {'torch', 'ray', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    command = [sys.executable, "-c", code, *arguments(tss_table, "--out", str(tmp_path / "s"))]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[3])


def test_an_option_out_of_range_is_refused(tss_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(arguments(tss_table, "--sample-size", "0", algo="regularized_ea"), capsys)
    assert "sample_size must be in [1, inf), got 0" in error


def test_a_missing_table_says_where_it_was_looked_for_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(["--algo", "random_search", "--space", "tss"], capsys)
    assert "home/*.arrow" in error
    assert "torch/NATS-tss-v1_0-3ffb9-simple" in error
    assert "nas-bench import" in error


def test_a_budget_without_a_published_one_is_the_time_of_200_average_evaluations(
    tss_table: BenchmarkTable, tmp_path: Path
) -> None:
    argv = ["--algo", "random_search", "--space", "tss", "--table", str(tss_table.path), "--out", str(tmp_path / "r")]
    assert main(argv) == 0
    train, valid = (tss_table.values(f"made-up/12/{split}/seconds").mean() for split in ("train", "valid"))
    budget = StudyRecords(tmp_path / "r").header().settings.budgets["made-up"].amount
    assert budget == pytest.approx(200 * (12 * train + valid), rel=0.05)
    assert float(f"{budget:.2g}") == budget  # two digits, no false precision


def test_help_lists_an_algorithm_s_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, expected in ((["--help"], False), (["--algo", "bohb", "--help"], True)):
        with pytest.raises(SystemExit, match="0"):
            main(argv)
        text = capsys.readouterr().out
        assert ("--min-bandwidth" in text) is expected
        assert "--seed-policy" in text


def test_help_names_every_option_of_every_config() -> None:
    command = [sys.executable, "-m", "experiments.cli.run", "--algo", *ALGORITHMS, "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for searcher in ALGORITHMS.values():
        for option in searcher.Config.__dataclass_fields__:
            assert f"--{option.replace('_', '-')}" in text


def test_a_table_of_a_few_architectures_cannot_be_searched(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = shared_data / "nats_bench" / "NATS-tss-v1_0-3ffb9-simple"
    argv = ["--algo", "bohb", "--space", "tss", "--table", str(release), "--out", str(tmp_path / "s")]
    assert "no score of 15622 of 15625 architectures on cifar10" in refused(argv, capsys)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("more", [1, 100_000])
def test_a_reader_that_has_seen_enough_is_no_error(more: int) -> None:
    """Such as `head`: it closes the pipe after the first line, and what follows is written then."""
    script = (
        "import sys; from experiments.cli.config_options import guarded\n"
        f"def body(): print('first', flush=True); sys.stdin.read(); print('x' * {more}); return 0\n"
        "sys.exit(guarded('nas-run', body))\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen([sys.executable, "-c", script], text=True, env=buffered, **pipes) as command:
        assert command.stdin
        assert command.stdout
        assert command.stderr
        assert command.stdout.readline() == "first\n"
        command.stdout.close()
        command.stdin.close()
        assert command.stderr.read() == ""
    assert command.returncode == 1
