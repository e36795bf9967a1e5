"""nas-run with weight-sharing methods on tiny supernets: what it records, resumes, looks up and refuses."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.oracle import Oracle
from benchmarks.outcomes import Fidelity
from benchmarks.spaces import SPACES
from benchmarks.table import BenchmarkTable
from experiments.records.headers import WeightSharingSettings
from experiments.records.study import EPOCHS_SCHEMA, StudyRecords
from experiments.studies.found_architectures import table_of_images
from tests.conftest import write_made_up_table

TINY = ["--width", "2", "--depth", "1", "--epochs", "3", "--batch-size", "200"]
SIZES = ["--channels", *map(str, range(1, 9))]


@pytest.fixture(autouse=True)
def no_tables(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's tables nor those that come with the package."""
    for variable in ("NAS_BENCH_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path_factory.mktemp("empty")))
    monkeypatch.setattr("experiments.tables.store.EMBEDDED", tmp_path_factory.mktemp("none"))


def size(space: str) -> list[str]:
    """Options of the smallest networks."""
    return TINY if space == "tss" else [*TINY[4:], *SIZES]


def nas_run(out: Path, *arguments: str, space: str = "tss") -> StudyRecords:
    from experiments.cli.run import main

    assert main(["--space", space, *size(space), *arguments, "--out", str(out)]) == 0
    return StudyRecords(out)


@pytest.fixture(scope="module")
def gdas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyRecords]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.tables.store.EMBEDDED", tmp_path_factory.mktemp("none"))
        patch.setenv("NAS_BENCH_HOME", str(tmp_path_factory.mktemp("empty")))
        yield nas_run(tmp_path_factory.mktemp("searches") / "gdas", "--algo", "gdas", "--runs", "2")


def content(records: StudyRecords) -> str:
    """Everything but times. As text, since NaN differs from itself."""
    trials = records.trials().drop_columns(["seconds", "elapsed"]).to_pylist()
    epochs = records.epochs()
    times = [name for name in EPOCHS_SCHEMA.names if name.endswith("_seconds")]
    return repr((trials, epochs.drop_columns(times).to_pylist()))


def test_every_epoch_is_a_trial_whose_architecture_is_the_answer_so_far(gdas: StudyRecords) -> None:
    trials, epochs = gdas.trials().to_pylist(), gdas.epochs().to_pylist()
    assert [(row["run"], row["trial"], row["epoch"]) for row in trials] == [
        (r, e, e) for r in (0, 1) for e in (1, 2, 3)
    ]
    for trial, epoch in zip(trials, epochs, strict=True):
        assert trial["architecture"] == epoch["architecture"]
        assert trial["validation"] == epoch["one_shot_validation"]
        assert trial["incumbent"]
        assert trial["schedule"] == "shared"
        phases = [epoch[f"{phase}_seconds"] for phase in ("weights", "architecture", "controller", "derivation")]
        assert trial["seconds"] == pytest.approx(sum(phases))
        assert min(phases[:2]) > 0
        assert len(epoch["probabilities"]) == 30
        assert 0 < epoch["entropy"] <= math.log(5) + 1e-6
        assert 0 <= epoch["weight_accuracy"] <= 100
    for run in (0, 1):
        rows = [row for row in trials if row["run"] == run]
        np.testing.assert_allclose([row["elapsed"] for row in rows], np.cumsum([row["seconds"] for row in rows]))
    assert epochs[:3] != epochs[3:], "runs have random streams of their own"


def test_the_header_says_what_was_searched_on_what(gdas: StudyRecords) -> None:
    header = gdas.header()
    settings = header.settings
    assert isinstance(settings, WeightSharingSettings)
    assert (settings.images.dataset, settings.images.split, settings.scale.width) == ("digits", "own-seed-0", 2)
    assert (settings.algorithms["gdas"]["batch_size"], settings.threads) == (200, 1)
    assert settings.report_fidelity == {}
    assert settings.table is None
    assert header.optima == {}
    assert header.versions["torch"]
    assert header.versions["hardware"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_diverges_leaves_the_others_alone(workers: int, tmp_path: Path) -> None:
    from experiments.execution.resources import Resources
    from experiments.factory.images import Images
    from experiments.studies.runner import run_study
    from experiments.studies.weight_sharing_study import WeightSharingStudy
    from nas_algos.weight_sharing.gdas import GDASConfig
    from nas_algos.weight_sharing.random_nas import RandomNASConfig
    from nas_algos.weight_sharing.search import DivergedError
    from supernets.settings import NetworkScale

    study = WeightSharingStudy(
        space="tss",
        algorithms={
            "gdas": GDASConfig(epochs=1, batch_size=200, learning_rate=1e30),
            "random_nas": RandomNASConfig(epochs=1, batch_size=200, candidates=2),
        },
        dataset="digits",
        images=Images("digits", None, 0),
        scale=NetworkScale(width=2, depth=1),
        runs=1,
        seed=0,
        threads=1,
        device="cpu",
        table=None,
    )
    with pytest.raises(DivergedError, match=r"gdas, run 1 of 1: .* \(1 of the 2 runs; the others are recorded\)"):
        run_study(study, tmp_path / "s", Resources(workers), lambda *_: None)
    assert StudyRecords(tmp_path / "s").trials()["algorithm"].to_pylist() == ["random_nas"]


def test_without_a_table_nothing_is_looked_up(gdas: StudyRecords) -> None:
    for row in gdas.trials().to_pylist():
        assert math.isnan(row["report_test"])
        assert math.isnan(row["report_validation"])
    assert {row["rank"] for row in gdas.epochs().to_pylist()} == {None}


def test_a_table_knows_the_architectures_found(
    tmp_path: Path, gdas: StudyRecords, digits_table: BenchmarkTable
) -> None:
    shutil.copytree(gdas.checkpoints_path, tmp_path / "s" / "checkpoints")
    records = nas_run(tmp_path / "s", "--algo", "gdas", "--runs", "2", "--table", str(digits_table.path))
    oracle = Oracle(digits_table, "digits")
    for trial, epoch in zip(records.trials().to_pylist(), records.epochs().to_pylist(), strict=True):
        final = oracle.final_report(oracle.space.arch(trial["architecture"]))
        assert (trial["report_validation"], trial["report_test"]) == (final.validation, final.test)
        assert epoch["rank"] == final.rank
    header = records.header()
    assert header.settings.table.name == digits_table.info.name
    assert header.settings.report_fidelity == {"digits": Fidelity("200", 200)}
    assert header.optima["digits"].architecture == oracle.optimum[0]
    drop = ["report_validation", "report_test", "seconds", "elapsed"]
    assert records.trials().drop_columns(drop).equals(gdas.trials().drop_columns(drop)), "made from its checkpoints"


@pytest.mark.parametrize(
    ("space", "name", "provenance", "message"),
    [
        ("tss", "digits", {"images": "own-seed-9, SHA-256 abc"}, "measured on other images, or another split of them"),
        ("tss", "cifar100", {}, "put cifar100-test-split.txt into the --data-dir"),
        ("sss", "digits", {}, r"other channels than the supernet's \[1, 2, .*: \[8, 16, .*Give the --channels of the"),
        ("sss", "digits", {"network": "{'channels': [2, 4, 6]} on digits"}, r"\[1, 2, .*: .*\[2, 4, 6\]"),
    ],
)
def test_a_table_of_other_images_or_networks_is_refused(
    space: str, name: str, provenance: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of an official release says nothing of images and networks: they are the published ones."""
    from benchmarks.errors import InputError
    from experiments.factory.images import Images
    from experiments.studies.weight_sharing_study import WeightSharingStudy
    from nas_algos.weight_sharing import method_named
    from supernets.images.tasks import digits_task
    from supernets.settings import NetworkScale

    oracle = SimpleNamespace(table=SimpleNamespace(info=SimpleNamespace(provenance=provenance)))
    monkeypatch.setattr("experiments.studies.weight_sharing_study.oracle_of", lambda *_: oracle)
    monkeypatch.setattr(Images, "task", lambda _: replace(digits_task(), name=name))
    method = {"tss": "gdas", "sss": "tas"}[space]
    study = WeightSharingStudy(
        space=space,
        algorithms={method: method_named(method).Config()},
        dataset=name,
        images=Images(name, None, 0),
        scale=NetworkScale(width=2, depth=1, channels=tuple(range(1, 9))),
        runs=1,
        seed=0,
        threads=1,
        device="cpu",
        table=Path("made-up.arrow"),
    )
    with pytest.raises(InputError, match=message):
        study.check()


def test_a_table_that_does_not_fit_is_left_out_if_nobody_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made-up tables say nothing of networks, as published ones: theirs have other channels."""
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    write_made_up_table(tmp_path / "home", "sss", "digits")
    records = nas_run(tmp_path / "s", "--algo", "tas", space="sss")
    said = " ".join(capsys.readouterr().out.split())
    assert "the architectures found are not looked up" in said
    assert "other channels than the supernet's" in said
    assert records.header().optima == {}


def test_images_are_looked_up_under_the_name_that_a_table_has_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published tables have what is found on cifar10-valid under cifar10, tables made here under cifar10-valid."""
    for name in ("cifar10-valid", "cifar10"):
        home = tmp_path / name
        home.mkdir()
        table = write_made_up_table(home, "tss", name)
        monkeypatch.setenv("NAS_BENCH_HOME", str(home))
        assert table_of_images("tss", None, "cifar10-valid", lambda *_: None) == (table.path, name)
        assert table_of_images("tss", str(table.path), "cifar10-valid", lambda *_: None) == (table.path, name)
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path))
    assert table_of_images("tss", None, "cifar10-valid", lambda *_: None) == (None, "cifar10")


def test_several_tables_are_not_taken_for_none(
    tmp_path: Path, digits_table: BenchmarkTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli.run import main

    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    for name in ("one", "two"):
        shutil.copy(digits_table.path, tmp_path / "home" / f"{name}.arrow")
    assert main(["--space", "tss", *TINY, "--algo", "gdas", "--out", str(tmp_path / "s")]) == 2
    assert "several tables hold the space tss: one, two" in capsys.readouterr().err


def test_other_code_that_goes_on_with_an_unfinished_run_is_noted(tmp_path: Path, gdas: StudyRecords) -> None:
    shutil.copytree(gdas.path, tmp_path / "s")
    records = StudyRecords(tmp_path / "s")
    for file in (tmp_path / "s").glob("trials/*"):
        file.unlink()
    records.header_path.write_text(replace(gdas.header(), git_commit="older").to_json())
    nas_run(tmp_path / "s", "--algo", "gdas", "--runs", "2")
    assert records.header().git_commit == "older"
    assert [code["git_commit"] for code in records.header().resumed_with] == [gdas.header().git_commit]


def test_checkpoints_of_another_search_are_refused(
    tmp_path: Path, gdas: StudyRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli.run import main

    shutil.copytree(gdas.checkpoints_path, tmp_path / "s" / "checkpoints")
    argv = ["--space", "tss", *TINY, "--algo", "gdas", "--tau-max", "5", "--out", str(tmp_path / "s")]
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert "gdas-digits-0000000-0000000.pt: cannot resume from this checkpoint" in error
    assert "'tau_max': 10.0" in error


def test_a_damaged_checkpoint_is_named_and_not_executed(
    tmp_path: Path, gdas: StudyRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli.run import main

    shutil.copytree(gdas.checkpoints_path, tmp_path / "s" / "checkpoints")
    for file in (tmp_path / "s" / "checkpoints").iterdir():
        content = BytesIO()
        torch.save({"of": Harmful(tmp_path / "harm")}, content)
        file.write_bytes(sha256(content.getvalue()).digest() + content.getvalue())
    assert main(["--space", "tss", *TINY, "--algo", "gdas", "--out", str(tmp_path / "s")]) == 2
    assert "cannot resume from this checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "harm").exists()


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_search_on_ray_gives_the_same_records(gdas: StudyRecords, tmp_path: Path) -> None:
    on_ray = nas_run(tmp_path / "ray", "--algo", "gdas", "--runs", "2", "--workers", "2")
    assert content(on_ray) == content(gdas)


CHILD = """
import os, sys, time
from pathlib import Path
from experiments.tables import store as tables
from experiments.cli.run import main
from nas_algos.weight_sharing.search import SupernetSearch

tables.EMBEDDED = Path(os.environ["NAS_BENCH_HOME"])  # as in this test
epoch = SupernetSearch._epoch

def slow(self, number, progress):
    record = epoch(self, number, progress)
    time.sleep(0.3)
    return record

SupernetSearch._epoch = slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("space", "options"),
    [
        ("tss", ["enas", "--controller-steps", "2", "--controller-samples", "2", "--candidates", "3"]),
        ("sss", ["mask_rl"]),
    ],
)
def test_a_killed_search_goes_on_to_the_same_records(space: str, options: list[str], tmp_path: Path) -> None:
    options = ["--runs", "2", "--algo", *options]
    straight = nas_run(tmp_path / "straight", *options, space=space)
    out = tmp_path / "killed"
    command = [sys.executable, "-c", CHILD, "--space", space, *size(space), *options, "--out", str(out)]
    for checkpoints in (1, 2):  # killed in the first run, and in the second
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 120
            while len(list(out.glob("checkpoints/*.pt"))) < checkpoints and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert len(list(out.glob("trials/*.parquet"))) == checkpoints - 1, "killed in the middle of a run"
    assert content(nas_run(out, *options, space=space)) == content(straight)


def test_a_finished_study_is_not_repeated(gdas: StudyRecords) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in gdas.path.rglob("*") if path.is_file()}
    nas_run(gdas.path, "--algo", "gdas", "--runs", "2")
    assert stamps == {path: path.stat().st_mtime_ns for path in gdas.path.rglob("*") if path.is_file()}


def test_a_loss_that_is_no_number_stops_the_search_and_keeps_the_last_good_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli.run import main

    argv = ["--space", "tss", *TINY, "--algo", "gdas", "--learning-rate", "1e35", "--out", str(tmp_path / "s")]
    assert main(argv) == 2
    assert "the training loss of the shared weights became" in capsys.readouterr().err
    assert not list((tmp_path / "s").glob("trials/*"))


@pytest.mark.parametrize(("step", "told"), [(1, "the training loss of the shared"), (3, "shared weights became inf")])
def test_what_diverges_later_can_go_on_from_the_last_good_epoch(
    step: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three steps make an epoch; after the last of them, no loss tells what became of the weights."""
    from experiments.cli.run import main
    from nas_algos.weight_sharing.method import SharedWeights

    argv = ["--space", "tss", *TINY, "--algo", "random_nas", "--candidates", "2"]
    assert main([*argv, "--out", str(tmp_path / "straight")]) == 0
    steps, descend = iter(range(1, 100)), SharedWeights.step

    def broken(self: SharedWeights, *arguments: Any) -> Any:
        seen = descend(self, *arguments)
        if next(steps) == 3 + step:
            next(self.network.parameters()).data.fill_(math.inf)
        return seen

    with monkeypatch.context() as patch:
        patch.setattr(SharedWeights, "step", broken)
        assert main([*argv, "--out", str(tmp_path / "s")]) == 2
    error = capsys.readouterr().err
    (checkpoint,) = (tmp_path / "s" / "checkpoints").iterdir()
    assert told in error
    assert f"The epochs before it are in {checkpoint}" in error
    assert len(torch.load(BytesIO(checkpoint.read_bytes()[32:]), weights_only=True)["records"]) == 1
    assert main([*argv, "--out", str(tmp_path / "s")]) == 0
    assert content(StudyRecords(tmp_path / "s")) == content(StudyRecords(tmp_path / "straight"))


@pytest.mark.parametrize("method", ["tas", "mask_gumbel", "mask_rl"])
def test_the_size_space_is_searched_alike(method: str, tmp_path: Path) -> None:
    records = nas_run(tmp_path / "s", "--algo", method.replace("_", "-"), space="sss")
    rows = records.epochs().to_pylist()
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert all(0 <= row["architecture"] < len(SPACES["sss"]) for row in rows)
    assert records.header().settings.scale.channels == tuple(range(1, 9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--algo", "gdas", "--space", "sss"], "GDAS searches operations; the supernet of sss is searched for widths"),
        (["--algo", "gdas", "bohb", "--space", "tss"], "give both directories to nas-report"),
        (["--algo", "gdas", "gdas", "--space", "tss"], "the algorithm gdas is given twice"),
        (["--algo", "gdass", "--space", "tss"], "did you mean 'gdas'"),
        (["--algo", "gdas", "--space", "tss", "--budget", "3"], "--budget only applies to multi-trial algorithms"),
        (
            ["--algo", "gdas", "--space", "tss", "--evaluate", "train"],
            "--evaluate only applies to multi-trial algorithms",
        ),
        (
            ["--algo", "gdas", "--space", "tss", "--recipe-momentum", "0"],
            "--recipe-momentum only applies to multi-trial",
        ),
        (
            ["--algo", "random_search", "--space", "tss", "--threads", "2"],
            "--threads only applies to weight-sharing methods",
        ),
        (["--algo", "gdas", "--space", "tss", "--threads", "0"], "at least 1 run and 1 thread per run"),
        (["--algo", "gdas", "--space", "tss", "--dataset", "digits", "cifar10"], "take one data set"),
        (["--algo", "gdas", "--space", "tss", "--dataset", "cifar10"], "cifar10-valid is read from files"),
        (["--algo", "gdas", "--space", "tss", "--table", "nowhere"], "unknown table 'nowhere'"),
        (["--algo", "gdas", "--space", "tss", "--tau-max", "0"], "tau_max must be in"),
        (["--algo", "gdas", "--space", "tss", "--width", "0"], "at least 1"),
        (["--algo", "gdas", "--space", "tss", *SIZES], "--channels does not apply to the networks of tss"),
        (["--algo", "tas", "--space", "sss", "--depth", "2"], "--depth does not apply to the networks of sss"),
        (["--algo", "tas", "--space", "sss", "--channels", *"87654321"], "ascending whole numbers, at least 1"),
    ],
)
def test_bad_input_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli.run import main

    assert main([*arguments, "--out", str(tmp_path / "s")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_shared_weights_are_compared_with_trained_ones(
    gdas: StudyRecords, digits_table: BenchmarkTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli.bench import main

    picture = tmp_path / "one_shot.svg"
    options = ["--table", str(digits_table.path), "--architectures", "12"]
    assert main(["one-shot", str(gdas.path), *options, "--out", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert "over 12 architectures" in " ".join(shown.split())
    assert shown.endswith(f"{picture}\n")
    assert picture.read_text().count("<use ") > 24  # a marker for each architecture of both runs
    assert main(["one-shot", str(gdas.path), *options, "--out", "one_shot.txt"]) == 2
    for bad in ("1", "-3", "20000"):
        assert main(["one-shot", str(gdas.path), "--table", str(digits_table.path), "--architectures", bad]) == 2
    assert shown.count("gdas") == 2


def test_what_one_shot_leaves_is_of_each_run_and_architecture(
    gdas: StudyRecords, digits_table: BenchmarkTable, tmp_path: Path
) -> None:
    from experiments.factory.images import Images
    from experiments.studies.jobs import seeds_of
    from experiments.studies.one_shot import one_shot
    from experiments.studies.weight_sharing_study import resume_from
    from nas_algos.weight_sharing import method_named
    from nas_algos.weight_sharing.search import SupernetSearch
    from supernets.settings import NetworkScale

    shutil.copytree(gdas.path, tmp_path / "s")
    records, images = StudyRecords(tmp_path / "s"), Images("digits", None, 0)
    compared = one_shot(records.path, digits_table, images, 5, 3, lambda *_: None)
    rows = records.one_shot().to_pylist()
    assert [row["run"] for row in rows] == [0] * 5 + [1] * 5
    assert [one.shared.tolist() for one in compared["gdas", "digits"]] == [
        [row["shared"] for row in rows if row["run"] == run] for run in (0, 1)
    ]
    method, oracle = method_named("gdas"), Oracle(digits_table, "digits")
    for run in (0, 1):
        config = method.Config(**records.header().settings.algorithms["gdas"])
        seeds = seeds_of(records.header().settings.seed, "gdas", "digits", run)
        search = SupernetSearch(method, "tss", config, images.task(), NetworkScale(width=2, depth=1), seeds)
        resume_from(next(records.checkpoints_path.glob(f"*{run}.pt")), search)
        for row in rows[5 * run : 5 * run + 5][::-1]:
            arch = oracle.space.arch(row["architecture"])
            assert row["shared"] == search.one_shot([arch])[0]
            assert row["trained"] == oracle.final_report(arch).validation
