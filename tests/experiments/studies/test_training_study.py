"""nas-run --evaluate train on tiny networks: what it records, resumes, refuses, and what becomes of its trainings."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity
from benchmarks.spaces import SPACES
from experiments.factory.directory import BuildDirectory
from experiments.factory.images import Images
from experiments.records.budgets import Budget
from experiments.records.headers import TrainingSettings
from experiments.records.study import StudyRecords
from experiments.reports.entries import entries_of, read_studies
from experiments.reports.section import SectionInput
from experiments.reports.sections import notes
from experiments.studies.training_records import Curves, Training, training_records
from experiments.studies.training_study import TrainingStudy
from nas_algos.multi_trial import RandomSearch

SPACE = SPACES["tss"]
TINY = ["--space", "tss", "--evaluate", "train", "--width", "2", "--depth", "1", "--recipe-batch-size", "200"]


def nas_run(out: Path, *more: str) -> StudyRecords:
    from experiments.cli.run import main

    assert main([*TINY, *more, "--out", str(out)]) == 0
    return StudyRecords(out)


def kept_in(out: Path) -> dict[Training, Curves]:
    with training_records(BuildDirectory(out / "evaluations")) as kept:
        return kept.curves


@pytest.fixture(scope="module")
def hyperband(tmp_path_factory: pytest.TempPathFactory) -> StudyRecords:
    out = tmp_path_factory.mktemp("searches") / "hyperband"
    return nas_run(out, "--algo", "hyperband", "--schedule", "3", "--budget", "2", "--runs", "2")


def test_records_are_what_the_trainings_gave(hyperband: StudyRecords) -> None:
    kept, trials = kept_in(hyperband.path), hyperband.trials().to_pylist()
    assert {row["run"] for row in trials} == {0, 1}
    for run_number in (0, 1):
        rows = [row for row in trials if row["run"] == run_number]
        np.testing.assert_allclose([row["elapsed"] for row in rows], np.cumsum([row["seconds"] for row in rows]))
        assert rows[-2]["elapsed"] < 2 <= rows[-1]["elapsed"]
        whole = {row["architecture"] for row in rows if row["epoch"] == 3}
        for row in rows:
            curves = kept[Training(row["architecture"], "3", row["epoch"], 0)]
            assert row["validation"] == curves.valid_accuracy[-1]
            assert row["seconds"] == pytest.approx(sum(curves.train_seconds) + curves.valid_seconds[-1])
            if row["architecture"] in whole:
                full = kept[Training(row["architecture"], "3", 3, 0)]
                assert (row["report_validation"], row["report_test"]) == (full.valid_accuracy[-1], full.test_accuracy)
            else:
                assert math.isnan(row["report_validation"])
                assert math.isnan(row["report_test"])
    assert {len(curves.train_seconds) for curves in kept.values()} == {1, 3}


def test_the_header_says_what_was_trained_on_what(hyperband: StudyRecords) -> None:
    header = hyperband.header()
    settings = header.settings
    assert isinstance(settings, TrainingSettings)
    assert (settings.space, settings.images.dataset, settings.scale.width) == ("tss", "digits", 2)
    assert (settings.recipe.batch_size, len(settings.images.fingerprint)) == (200, 64)
    assert settings.fidelity == settings.report_fidelity == {"digits": Fidelity("3", 3)}
    assert (settings.seed_policy, settings.simulated_workers) == ("fixed:0", 1)
    assert settings.table is None
    assert header.optima == {}
    assert header.versions["torch"]
    assert header.versions["hardware"]


def test_whole_trainings_become_a_table(hyperband: StudyRecords, tmp_path: Path) -> None:
    from benchmarks.oracle import Oracle
    from benchmarks.table import BenchmarkTable
    from experiments.cli.bench import main

    build, table = tmp_path / "build", tmp_path / "made.arrow"
    shutil.copytree(hyperband.evaluations_path, build)
    assert main(["calibrate", str(build)]) == 0
    assert main(["merge", str(build), "--out", str(table)]) == 0
    oracle = Oracle(BenchmarkTable.open(table), "digits", seed_policy="fixed:0")
    whole = {training: curves for training, curves in kept_in(hyperband.path).items() if training.epochs == 3}
    assert len(oracle.table) == len(whole) > 0
    for training, curves in whole.items():
        arch = SPACE.arch(training.architecture)
        assert oracle.query(arch, Fidelity("3", 3)).score == curves.valid_accuracy[-1]
        assert oracle.final_report(arch).test == curves.test_accuracy


def test_a_report_has_no_optimum_and_no_regret(hyperband: StudyRecords, tmp_path: Path) -> None:
    from experiments.cli.report import main

    assert main([str(hyperband.path), "--out", str(tmp_path / "report")]) == 0
    assert not list((tmp_path / "report").glob("*regret*"))
    assert (tmp_path / "report" / "incumbent.png").exists()
    for name in ("report.md", "table.md", "table.csv", "table.tex"):
        text = (tmp_path / "report" / name).read_text()
        assert "hyperband" in text
        assert "| optimum" not in text
        assert "optimum," not in text
    page = (tmp_path / "report" / "report.md").read_text()
    assert "The best architecture is unknown" in page
    assert "budget (measured s)" in page
    assert "Regret is" not in page


def test_an_answer_that_was_only_trained_briefly_has_no_test_accuracy(tmp_path: Path) -> None:
    from experiments.cli.report import main

    records = nas_run(tmp_path / "s", "--algo", "hyperband", "--schedule", "3", "--budget", "0.0001")
    (row,) = records.trials().to_pylist()
    assert row["incumbent"]
    assert math.isnan(row["report_test"])
    assert main([str(records.path)]) == 0
    page = (records.path / "report" / "report.md").read_text()
    assert "The incumbents of 1 of 1 runs of hyperband on digits have no test accuracy at the reporting" in page
    assert "have no answer" not in page


def test_a_report_of_searches_on_different_hardware_says_so(hyperband: StudyRecords, tmp_path: Path) -> None:
    shutil.copytree(hyperband.path, tmp_path / "elsewhere")
    header = hyperband.header()
    elsewhere = replace(header, versions={**header.versions, "hardware": "abacus"})
    (tmp_path / "elsewhere" / "study.json").write_text(elsewhere.to_json())
    for other, told in ((tmp_path / "elsewhere", True), (hyperband.path, False)):
        studies = read_studies([hyperband.path, other] if told else [other])
        text = notes.section(SectionInput(studies, entries_of(studies), tmp_path))
        assert ("Seconds were measured on different hardware" in text) is told
        assert ("abacus in elsewhere" in text) is told


def test_a_finished_study_is_repeated_from_its_trainings(
    hyperband: StudyRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.studies.trainer.train_candidates", forbidden)
    shutil.copytree(hyperband.evaluations_path, tmp_path / "again" / "evaluations")
    arguments = ("--algo", "hyperband", "--schedule", "3", "--budget", "2", "--runs", "2")
    again = nas_run(tmp_path / "again", *arguments)
    assert repr(again.trials().to_pylist()) == repr(hyperband.trials().to_pylist())  # NaN differs from itself
    stamps = {path: path.stat().st_mtime_ns for path in again.path.rglob("*.parquet")}
    nas_run(again.path, *arguments)
    assert stamps == {path: path.stat().st_mtime_ns for path in again.path.rglob("*.parquet")}


def forbidden(*_: Any, **__: Any) -> None:
    raise AssertionError("nothing is to be trained")


def test_trainings_of_another_benchmark_are_refused(
    hyperband: StudyRecords, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli.run import main

    shutil.copytree(hyperband.evaluations_path, tmp_path / "other" / "evaluations")
    argv = [*TINY, "--algo", "random_search", "--schedule", "1", "--budget", "1", "--split-seed", "5"]
    assert main([*argv, "--out", str(tmp_path / "other")]) == 2
    assert "evaluations holds another build: split is 'own-seed-0'" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["evaluations"]


def test_images_without_a_validation_split_are_refused(hyperband: StudyRecords) -> None:
    held = BuildDirectory(hyperband.evaluations_path).header()
    study = TrainingStudy(
        replace(held, images={"train": 600, "test": 600}),
        Images("digits", None, 0),
        algorithms={"random_search": RandomSearch.Config()},
        budgets={"digits": Budget(1.0)},
        runs=1,
        seed=0,
        cost_model="nats",
        seed_policy="fixed:0",
        schedule="1",
    )
    with pytest.raises(InputError, match="digits has no validation images to search with"):
        study.check()
    replace(study, build=held).check()


def test_without_out_the_same_command_finds_its_records_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.cli.run import main

    monkeypatch.chdir(tmp_path)
    for seed in ("0", "0", "1"):
        argv = ["--algo", "random_search", "--schedule", "1", "--budget", "0.1", "--seed-policy", f"fixed:{seed}"]
        assert main([*TINY, *argv]) == 0
    assert len(list(tmp_path.glob("runs/tss-random_search-*/trials/*.parquet"))) == 2


def test_a_network_that_diverges_has_failed(tmp_path: Path) -> None:
    arguments = ["--algo", "random_search", "--schedule", "1", "--budget", "0.2"]
    records = nas_run(tmp_path / "s", *arguments, "--recipe-learning-rate", "1e30")
    validation = records.trials()["validation"].to_numpy()
    assert np.isnan(validation).any()
    assert not np.array(records.trials()["incumbent"])[np.isnan(validation)].any()


CHILD = """
import sys
from experiments.cli.run import main
from nas_algos.multi_trial import RegularizedEA

learn = RegularizedEA.learn

def noted(self, trial, outcome):
    with open(sys.argv[1], "a") as notes:
        print(trial.id, self.space.index(trial.arch), outcome.score, outcome.seconds, file=notes)
    learn(self, trial, outcome)

RegularizedEA.learn = noted
sys.exit(main(sys.argv[2:]))
"""


def test_a_killed_search_on_ray_goes_on_in_one_process_to_the_same_records(tmp_path: Path) -> None:
    out, notes = tmp_path / "killed", tmp_path / "notes"
    arguments = ["--algo", "regularized_ea", "--schedule", "2", "--budget", "1.5"]
    command = [sys.executable, "-c", CHILD, str(notes), *TINY, *arguments, "--workers", "2", "--out", str(out)]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (notes.exists() and len(notes.read_text().splitlines()) >= 4) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    told = [line.split() for line in notes.read_text().splitlines() if line.count(" ") == 3]
    kept = kept_in(out)
    assert not list(out.glob("trials/*.parquet")), "killed in the middle"
    assert len(kept) >= len(told) >= 4

    here = (*arguments, "--simulated-workers", "2")
    resumed = nas_run(out, *here).trials()
    rows = resumed.select(["trial", "architecture", "validation", "seconds"]).to_pylist()
    assert len(rows) > len(told)
    for row, (trial, architecture, score, seconds) in zip(rows, told, strict=False):
        assert tuple(row.values()) == (int(trial), int(architecture), float(score), float(seconds))
    assert kept.items() <= kept_in(out).items(), "no training is done again"

    shutil.copytree(out / "evaluations", tmp_path / "again" / "evaluations")
    assert nas_run(tmp_path / "again", *here).trials().equals(resumed)
