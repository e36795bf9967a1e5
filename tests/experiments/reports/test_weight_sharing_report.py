"""Reports of made-up weight-sharing studies, alone and beside multi-trial ones."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from msgspec import convert

from benchmarks.metrics import ACCURACY
from benchmarks.spaces import SPACES
from benchmarks.spaces.sss import SizeSpace
from experiments.cli.console import show_answers, show_results
from experiments.cli.report import main
from experiments.records.budgets import Budget
from experiments.records.headers import Optimum, Settings, StudyHeader, WeightSharingSettings
from experiments.records.study import (
    EPOCHS_SCHEMA,
    ONE_SHOT_SCHEMA,
    OVERHEAD_SCHEMA,
    TRIALS_SCHEMA,
    StudyRecords,
)
from experiments.reports import figures
from experiments.reports.entries import Entry, RecordedStudy, ReportError, common_header, entries_of, read_studies
from experiments.reports.figures import lowest_but_rare
from experiments.reports.report import page, write_report
from experiments.reports.section import SectionInput
from experiments.reports.sections import derived, final, notes, provenance
from experiments.reports.sections.curves import FIGURES, draw, panel_of
from experiments.reports.sections.final import final_table
from experiments.reports.sections.one_shot import draw_one_shot, one_shots_of
from experiments.reports.sections.weight_sharing import (
    architecture_panels,
    draw_epochs,
    final_panels,
    training_panels,
    weight_sharing_table,
)
from experiments.reports.summary import long_table
from experiments.statistics.aggregates import INTERPOLATIONS
from experiments.statistics.traits import traits
from experiments.statistics.weight_sharing import most_frequent, relative_entropy, weight_sharing_finals
from experiments.storage.directories import RecordError
from supernets.settings import NetworkScale

TSS, SSS = SPACES["tss"], SPACES["sss"]


class UnevenSpace(SizeSpace):
    """Decisions with 2, 8 and 1 options."""

    decisions = ("first", "second", "third")
    choices = (tuple("ab"), tuple("abcdefgh"), tuple("a"))


START, CONV, MIXED, SKIP = (TSS.index(arch) for arch in [(2,) * 6, (3,) * 6, (3, 3, 0, 3, 1, 3), (1,) * 6])
TEST = {START: 80.0, CONV: 94.0, MIXED: 93.0, SKIP: 54.0}
RANK = {CONV: 1000, MIXED: 2500, SKIP: 15000}
FINAL = {"gdas": [CONV, CONV, MIXED], "darts_v1": [SKIP] * 3}
"""Of the runs 0, 1, 2; derived from the third of four epochs on."""
EPOCHS, RUNS = 4, 3
OPTIMUM = 95.0
CHANNELS = [8, 16, 24, 32, 40, 48, 56, 64]
TABLE = {"name": "made-up", "provenance": {"source": "nowhere", "imported_by": "version 1"}}
REPORTED = {"digits": {"schedule": "200", "epoch": 200}}
IMAGES = {"dataset": "digits", "split": "by hand", "fingerprint": "f" * 64}
SCALE = {"width": 4, "depth": 1, "channels": CHANNELS}
SHARED = {
    "images": {**IMAGES, "counts": {"train": 100, "valid": 50}, "image_shape": [1, 10, 10], "num_classes": 10},
    "scale": SCALE,
}  # fmt: skip
LEGEND = {"gdas": "gdas (n = 3)", "darts_v1": "darts_v1 (n = 3)"}
LOOKED_UP = {"table": TABLE, "report_fidelity": REPORTED}


def weight_sharing_header(*methods: str, **settings: Any) -> StudyHeader:
    held = {
        "kind": "weight_sharing", "space": "tss", **SHARED,
        "algorithms": {name: {"epochs": EPOCHS} for name in methods or FINAL},
        "datasets": ["digits"], "runs": RUNS, "seed": 7, "threads": 1, "report_fidelity": {},
    }  # fmt: skip
    optima = {"digits": Optimum(6111, OPTIMUM, math.nan, architectures=15_001)} if "table" in settings else {}
    return StudyHeader(
        convert({**held, **settings}, Settings), optima, {"torch": "2.8", "hardware": "a fast GPU"}, "abc123"
    )


def weight_sharing_study(path: Path, header: StudyHeader | None = None, runs: int = RUNS, epochs: int = EPOCHS) -> Path:
    """Write a study; run r takes 16 (1 + r) seconds per epoch. Returns its path."""
    header = header or weight_sharing_header(**LOOKED_UP)
    records = StudyRecords(path)
    records.begin(header)
    (dataset,) = header.settings.datasets
    for method, run in product(header.settings.algorithms, range(runs)):
        key = {"algorithm": method, "dataset": dataset, "run": run}
        trials, rows = [], []
        for epoch in range(1, epochs + 1):
            derived = START if epoch <= epochs / 2 else FINAL.get(method, FINAL["gdas"])[run]
            seconds = {"weights": 10.0, "architecture": 5.0, "controller": 0.0, "derivation": 1.0}
            seconds = {f"{phase}_seconds": spent * (1 + run) for phase, spent in seconds.items()}
            common = {**key, "architecture": derived, "epoch": epoch}
            rows.append(
                {
                    **common, **seconds, "weight_loss": 2.0 / epoch, "weight_accuracy": 20.0 * epoch,
                    "rank": RANK.get(derived) if header.settings.table else None,
                    "architecture_loss": 1.0, "one_shot_validation": 10.0 * epoch + run,
                    "entropy": math.log(max(TSS.options)) * (1 - epoch / 5), "probabilities": [0.2] * 30,
                }
            )  # fmt: skip
            trials.append(
                {
                    **common, "trial": epoch, "schedule": "shared", "validation": 10.0 * epoch + run,
                    "seconds": 16.0 * (1 + run), "elapsed": 16.0 * (1 + run) * epoch, "incumbent": True,
                    "report_validation": math.nan,
                    "report_test": TEST.get(derived, 90.0) if header.settings.table else math.nan,
                }
            )  # fmt: skip
        overhead = [{**key, "search_seconds": 16.0 * (1 + run) * epochs}]
        records.write_job(
            f"{method}-{run}",
            pa.Table.from_pylist(trials, TRIALS_SCHEMA),
            pa.Table.from_pylist(overhead, OVERHEAD_SCHEMA),
            pa.Table.from_pylist(rows, EPOCHS_SCHEMA),
        )
    return path


def multi_trial_study(path: Path, budget: float = 100.0, **settings: Any) -> Path:
    """Write two runs of random search with answers of 90 and 93 percent. Returns its path."""
    fidelity = {"digits": {"schedule": "12", "epoch": 12}}
    held = {
        "kind": "table", "space": "tss", **LOOKED_UP, "algorithms": {"random_search": {}},
        "datasets": ["digits"], "runs": 2, "seed": 1,
        "budgets": {"digits": Budget(budget)}, "cost_model": "nats",
        "seed_policy": "sampled", "fidelity": fidelity,
    }  # fmt: skip
    held |= settings
    optima = {} if held["kind"] == "training" else {"digits": Optimum(6111, OPTIMUM, math.nan)}
    records = StudyRecords(path)
    records.begin(StudyHeader(convert(held, Settings), optima, {"numpy": "2.0", "hardware": "a processor"}, "abc123"))
    key = {"algorithm": "random_search", "dataset": "digits"}
    trials = [
        {
            **key, "run": run, "trial": i + 1, "architecture": i, "schedule": "12", "epoch": 12, "validation": test - 9,
            "seconds": budget / 4, "elapsed": budget * (i + 1) / 4, "incumbent": i < 2, "report_test": test,
            "report_validation": math.nan,
        }
        for run, (i, test) in product(range(2), enumerate([90.0, 93.0, 50.0, 50.0]))
    ]  # fmt: skip
    overhead = [{**key, "run": run, "search_seconds": 0.25} for run in range(2)]
    tables = pa.Table.from_pylist(trials, TRIALS_SCHEMA), pa.Table.from_pylist(overhead, OVERHEAD_SCHEMA)
    records.write_job("random_search", *tables)
    return path


def compared(*paths: Path) -> tuple[list[RecordedStudy], list[Entry]]:
    studies = read_studies(paths)
    return studies, entries_of(studies)


def given_of(*paths: Path, **options: Any) -> SectionInput:
    studies = read_studies(paths, every_trial=options.get("interpolation") == "nats")
    return SectionInput(studies, entries_of(studies), Path(), **options)


def page_of(*paths: Path) -> str:
    """The notes and the description of the studies in a report."""
    studies = read_studies(paths)
    with TemporaryDirectory() as tables:
        given = SectionInput(studies, entries_of(studies), Path(tables))
        return page(given.header, [section(given) for section in (notes.section, final.section, provenance.section)])


def cells(markdown: str) -> list[list[str]]:
    """The rows of a table, without the line below its headers."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]
    return [rows[0], *rows[2:]]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weight_sharing_study(tmp_path_factory.mktemp("studies") / "shared")


@pytest.fixture(scope="module", autouse=True)
def one_format() -> Iterator[None]:
    """Figures as SVG only, in a third of the time: test_report.py and test_figures.py write the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FORMATS", {"svg": figures.FORMATS["svg"]})
        yield


@pytest.fixture(scope="module")
def multi_trial(study: Path) -> Path:
    return multi_trial_study(study.with_name("multi-trial"))


@pytest.fixture(scope="module")
def printed() -> StringIO:
    """What the command prints."""
    return StringIO()


@pytest.fixture(scope="module")
def report(study: Path, multi_trial: Path, printed: StringIO) -> Path:
    """The common report that the command writes."""
    out = study.with_name("report")
    with redirect_stdout(printed):
        assert main([str(multi_trial), str(study), "--out", str(out)]) == 0
    return out


class TestNumbers:
    def test_are_arranged_by_run_and_epoch(self, study: Path) -> None:
        _, (gdas, darts) = compared(study)
        runs = gdas.epochs["digits"]
        assert runs.number.tolist() == [0, 1, 2]
        assert runs.epochs == EPOCHS
        assert runs.architecture[2].tolist() == [START, START, MIXED, MIXED]
        assert runs.final[:, -1].tolist() == [94, 94, 93]
        assert runs.one_shot_validation[1].tolist() == [11, 21, 31, 41]
        assert runs.seconds["derivation"][2].tolist() == [3, 3, 3, 3]
        assert darts.epochs["digits"].final[:, -1].tolist() == [54, 54, 54]

    def test_of_the_end(self, study: Path) -> None:
        _, (gdas, _) = compared(study)
        settings = gdas.study.header.settings
        assert isinstance(settings, WeightSharingSettings)
        finals = weight_sharing_finals(gdas.epochs["digits"], settings, OPTIMUM, 3001)
        means = {name: float(value.mean) for name, value in finals.items()}
        assert means == pytest.approx(
            {
                "final": 281 / 3, "regret": 95 - 281 / 3, "rank": 1500, "beats": 50 + 1 / 30, "one_shot_validation": 41,
                "search_seconds": 128,
                "weights_seconds": 80, "architecture_seconds": 40, "controller_seconds": 0, "derivation_seconds": 8,
                "relative_entropy": 0.2, "skip_connect edges": 1 / 3, "none edges": 1 / 3,
            }
        )  # fmt: skip

    def test_entropy_is_relative_to_the_uniform_distribution(self) -> None:
        assert relative_entropy(SSS, np.array([0, math.log(8)])).tolist() == [0, 1]

    def test_entropy_is_relative_to_the_uniform_distribution_where_numbers_of_options_differ(self) -> None:
        uniform = (math.log(2) + math.log(8) + math.log(1)) / 3
        assert relative_entropy(UnevenSpace(), np.array([0, uniform])).tolist() == pytest.approx([0, 1])

    def test_traits_are_those_of_the_space(self) -> None:
        edges = traits(TSS, NetworkScale(), np.array([[START, SKIP], [MIXED, CONV]], np.int32))
        assert {name: values.tolist() for name, values in edges.items()} == {
            "skip_connect edges": [[0, 6], [1, 0]],
            "none edges": [[0, 0], [1, 0]],
        }
        scale = NetworkScale(channels=(2, 3, 4, 5, 6, 7, 8, 9))
        (channels,) = traits(SSS, scale, np.array([[SSS.index((0, 1, 2, 3, 4))]], np.int32)).values()
        assert channels.tolist() == [[4]], "as wide as the supernet's"

    def test_the_most_frequent_is_the_first_of_several(self) -> None:
        assert most_frequent([5, 3, 3, 5, 4]) == (5, 2)

    def test_epochs_of_a_run_that_is_not_complete_are_left_out(self, tmp_path: Path) -> None:
        path = weight_sharing_study(tmp_path / "study")
        (path / "trials" / "gdas-1.parquet").unlink()
        _, (gdas, _) = compared(path)
        assert gdas.epochs["digits"].number.tolist() == [0, 2]
        text = page_of(path)
        assert "**gdas on digits is unfinished: 2 of 3 runs are recorded.**" in text
        assert "within the budget" not in text

    @pytest.mark.parametrize("damage", ["missing", "shorter", "another"])
    def test_epochs_that_do_not_fit_the_trials_are_damage(self, tmp_path: Path, damage: str) -> None:
        path = weight_sharing_study(tmp_path / "study")
        records = StudyRecords(path)
        file = path / "epochs" / "gdas-1.parquet"
        rows = [row for row in records.epochs().to_pylist() if (row["algorithm"], row["run"]) == ("gdas", 1)]
        file.unlink()
        changed = {"missing": [], "shorter": rows[:-1], "another": [*rows[:-1], {**rows[-1], "architecture": 1}]}
        if changed[damage]:
            pa.parquet.write_table(pa.Table.from_pylist(changed[damage], EPOCHS_SCHEMA), file)
        with pytest.raises(RecordError, match=r"the epochs of gdas on digits do not match its trials.*Delete both"):
            read_studies([path])


class TestComparison:
    def test_unites_what_agrees_where_both_have_it(self, study: Path, multi_trial: Path, tmp_path: Path) -> None:
        bare = weight_sharing_study(tmp_path / "bare", weight_sharing_header())
        for paths in ([study, multi_trial], [multi_trial, study], [bare, multi_trial]):
            studies, entries = compared(*paths)
            assert [entry.weight_sharing for entry in entries] == [
                isinstance(entry.study.header.settings, WeightSharingSettings) for entry in entries
            ]
            assert common_header(studies).optima["digits"].test == OPTIMUM

    @pytest.mark.parametrize("first", ["shared", "multi-trial"])
    def test_is_written_whatever_comes_first(self, first: str, study: Path, multi_trial: Path, tmp_path: Path) -> None:
        paths = [study, multi_trial] if first == "shared" else [multi_trial, study]
        report = write_report(paths, tmp_path / "report")
        assert {"reached.svg", "report.html"} <= {path.name for path in report.files}

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"space": "sss"}, "space is 'sss' in one and 'tss'"),
            ({"datasets": ["digits", "more"]}, r"datasets is \['digits', 'more'\] in one and \['digits'\]"),
            ({"table": {**TABLE, "name": "other"}}, "table name is 'other' in one and 'made-up'"),
            ({"report_fidelity": {"digits": {"schedule": "12", "epoch": 12}}}, "report_fidelity digits schedule is"),
        ],
    )
    def test_refuses_a_multi_trial_study_of_something_else(
        self, study: Path, tmp_path: Path, settings: dict[str, Any], named: str
    ) -> None:
        other = multi_trial_study(tmp_path / "other", **settings)
        with pytest.raises(ReportError, match=f"other and shared cannot share a report: {named}"):
            read_studies([other, study])

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"scale": {**SCALE, "width": 8}}, "scale width is 4 in one and 8"),
            ({"images": {**SHARED["images"], "split": "random"}}, "images split is 'by hand' in one and 'random'"),
            ({"table": {**TABLE, "name": "other"}}, "table name is 'made-up' in one and 'other'"),
        ],
    )
    def test_refuses_a_weight_sharing_study_of_something_else(
        self, study: Path, tmp_path: Path, settings: dict[str, Any], named: str
    ) -> None:
        other = weight_sharing_study(tmp_path / "other", weight_sharing_header(**{**LOOKED_UP, **settings}))
        with pytest.raises(ReportError, match=f"shared and other cannot share a report: {named}"):
            read_studies([study, other])

    def test_of_weight_sharing_studies_notes_other_threads(self, study: Path, tmp_path: Path) -> None:
        other = weight_sharing_study(tmp_path / "other", weight_sharing_header("setn", **LOOKED_UP, threads=2))
        assert "**The studies differ**: threads is 1 in shared, 2 in other." in page_of(study, other)

    def test_of_multi_trial_studies_stays_strict_beside_weight_sharing(self, study: Path, tmp_path: Path) -> None:
        paths = [multi_trial_study(tmp_path / name, budget) for name, budget in (("short", 10.0), ("long", 20.0))]
        with pytest.raises(ReportError, match="short and long cannot share a report: budgets digits amount is"):
            read_studies([paths[0], study, paths[1]])

    @pytest.mark.parametrize(
        ("different", "named"),
        [
            ({}, None),
            ({"images": {**SHARED["images"], "fingerprint": "e" * 64}}, "images fingerprint is 'ff"),
            ({"scale": {**SCALE, "depth": 2}}, "images scale depth is 1 in one and 2"),
            ({"images": {**SHARED["images"], "dataset": "cifar10"}}, "images dataset is 'digits' in one and 'cifar10'"),
            ({"recipe": {"momentum": 0.5}}, None),
        ],
    )
    def test_with_trainings_needs_the_same_images_and_networks(
        self, tmp_path: Path, different: dict[str, Any], named: str | None
    ) -> None:
        bare = weight_sharing_study(tmp_path / "bare", weight_sharing_header())
        trained = multi_trial_study(tmp_path / "trained", kind="training", **{**SHARED, "recipe": {}, **different})
        if named:
            with pytest.raises(ReportError, match=f"bare and trained cannot share a report: {named}"):
                read_studies([bare, trained])
            return
        studies, _ = compared(bare, trained)
        assert common_header(studies) is studies[1].header
        assert "**Seconds were measured on different hardware** and cannot be compared" in page_of(bare, trained)


class TestTables:
    def test_the_searched_column_has_no_one_shot_scores(self, report: Path) -> None:
        rows = cells((report / "table.md").read_text())
        assert rows[0][2:] == ["digits searched validation accuracy (%)", "digits test accuracy (%)", "evaluations"]
        assert rows[1:] == [
            ["random_search", "2", "84.00 ± 0.00", "93.00 ± 0.00", "4.0"],
            ["gdas", "3", "–", "93.67 ± 0.47", "–"],
            ["darts_v1", "3", "–", "54.00 ± 0.00", "–"],
            ["optimum", "", "–", "95.00", ""],
        ]
        with (report / "table.csv").open() as stream:
            row = {row["algorithm"]: row for row in csv.DictReader(stream)}["gdas"]
        assert row["searched_validation_mean"] == row["evaluations_mean"] == ""
        assert float(row["test_mean"]) == pytest.approx(281 / 3, rel=1e-15)

    def test_one_shot_scores_have_their_own_name_where_nothing_else_was_searched(self, study: Path) -> None:
        studies, entries = compared(study)
        headers, rows = long_table(studies[0].header, entries)
        assert headers[3] == "one-shot validation (%)"
        assert rows[0][3:5] == ["41.00 ± 0.82", "93.67 ± 0.47"]

    def test_what_only_weight_sharing_has(self, report: Path) -> None:
        rows = cells((report / "table_weight_sharing.md").read_text())
        assert rows == [
            ["method", "runs", "epochs", "test accuracy (%)", "regret (points)", "rank", "beats (%)",
             "one-shot validation (%)",
             "search (s)", "weights (s)", "architecture (s)", "controller (s)", "derivation (s)", "relative entropy",
             "skip_connect edges", "none edges"],
            ["gdas", "3", "4", "93.67 ± 0.47", "1.33 ± 0.47", "1,500 ± 707", "90.0 ± 4.7", "41.00 ± 0.82",
             "128", "80.0", "40.0", "0.00", "8.00", "0.20 ± 0.00", "0.33 ± 0.47", "0.33 ± 0.47"],
            ["darts_v1", "3", "4", "54.00 ± 0.00", "41.00 ± 0.00", "15,000 ± 0", "0.0 ± 0.0", "41.00 ± 0.82",
             "128", "80.0", "40.0", "0.00", "8.00", "0.20 ± 0.00", "6.00 ± 0.00", "0.00 ± 0.00"],
        ]  # fmt: skip
        text = (report / "table_weight_sharing.tex").read_text()
        assert r"darts\_v1" in text
        assert r"0.33 $\pm$ 0.47" in text
        assert text.isascii()

    def test_csv_has_every_statistic(self, report: Path, tmp_path: Path) -> None:
        with (report / "table_weight_sharing.csv").open() as stream:
            gdas, _ = csv.DictReader(stream)
        assert (gdas["method"], gdas["dataset"], gdas["runs"], gdas["epochs"]) == ("gdas", "digits", "3", "4")
        assert float(gdas["regret_mean"]) == pytest.approx(4 / 3)
        assert float(gdas["weights_seconds_quartile3"]) == 100
        assert float(gdas["none_edges_std"]) == pytest.approx(float(np.std([0, 0, 1])))

    def test_what_a_random_architecture_has_stands_below(self, tmp_path: Path) -> None:
        header = weight_sharing_header(**LOOKED_UP)
        for old, spread in ((True, ""), (False, " ± 6.20")):
            best = Optimum(6111, OPTIMUM, math.nan, 80.5) if old else Optimum(6111, OPTIMUM, math.nan, 80.5, 6.2, 9)
            path = weight_sharing_study(tmp_path / f"{old}", replace(header, optima={"digits": best}))
            given = given_of(path)
            headers, rows = weight_sharing_table(given, given.entries)
            below = dict(zip(headers, rows[-1], strict=True))
            assert below["method"] == "random architecture"
            found = [below[name] for name in ("test accuracy (%)", "regret (points)", "rank", "beats (%)")]
            assert found == [f"80.50{spread}", f"14.50{spread}", "", "50.0"]

    def test_unknown_accuracy_is_a_dash(self, tmp_path: Path) -> None:
        given = given_of(weight_sharing_study(tmp_path / "bare", weight_sharing_header()))
        _, rows = weight_sharing_table(given, given.entries)
        assert rows[0][3:8] == ["–", "–", "–", "–", "41.00 ± 0.82"]


@pytest.fixture(scope="module")
def compared_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ranked rightly by the first run of gdas; in reverse by the second; darts_v1 was not compared."""
    path = weight_sharing_study(tmp_path_factory.mktemp("one shot") / "study")
    trained = [50.0, 60.0, 90.0, 70.0]
    rows = [
        {"algorithm": "gdas", "dataset": "digits", "run": run, "architecture": a, "shared": s, "trained": t}
        for run, shared in enumerate(([1.0, 2.0, 9.0, 3.0], [4.0, 3.0, 1.0, 2.0]))
        for a, s, t in zip((5, 6, 7, 8), shared, trained, strict=True)
    ]
    StudyRecords(path).write_one_shot(pa.Table.from_pylist(rows, ONE_SHOT_SCHEMA))
    return path


class TestOneShot:
    """What nas-bench one-shot left in a study."""

    def test_belongs_to_the_runs(self, compared_study: Path) -> None:
        _, (gdas, darts) = compared(compared_study)
        assert [(one.run, one.spearman, one.kendall) for one in gdas.one_shot_rankings["digits"]] == [
            (0, 1, 1),
            (1, -1, -1),
        ]
        assert gdas.one_shot_rankings["digits"][1].architectures.tolist() == [5, 6, 7, 8]
        assert darts.one_shot_rankings == {}

    def test_is_a_table_and_a_figure_of_the_report(self, compared_study: Path, tmp_path: Path) -> None:
        report = write_report([compared_study], tmp_path / "report")
        files = {path.name: path for path in report.files}
        assert cells(files["table_one_shot.md"].read_text())[1:] == [["gdas", "2", "0.00 ± 1.00", "0.00 ± 1.00"]]
        with files["table_one_shot.csv"].open() as stream:
            assert [float(row["spearman"]) for row in csv.DictReader(stream)] == [1, -1]
        (axes,) = draw_one_shot(one_shots_of(compared(compared_study)[1]), ACCURACY).axes
        assert axes.get_title() == "gdas: ρ = 1.00, -1.00"
        assert [line.get_xdata().tolist() for line in axes.lines] == [[1, 2, 9, 3], [4, 3, 1, 2]]
        assert files["one_shot.svg"].read_text().count("<use ") >= 8
        assert files["table_one_shot.tex"].read_text().isascii()
        assert "two numbers of 4 random architectures" in files["report.md"].read_text()

    def test_is_left_out_where_nothing_was_compared(self, study: Path) -> None:
        assert "table_one_shot" not in page_of(study)


class TestCurves:
    def test_the_time_axis_is_long_enough_for_all_and_each_line_ends_with_its_search(
        self, study: Path, tmp_path: Path
    ) -> None:
        for budget, end in ((100.0, 192.0), (1000.0, 1000.0)):
            given = given_of(study, multi_trial_study(tmp_path / f"{budget}", budget), interpolation="nats")
            panel = panel_of(given, given.entries, "digits")
            ends = {curve.label: curve.times[-1] for curve in panel.curves}
            assert panel.end == end
            assert ends == {"gdas": 192, "darts_v1": 192, "random_search": pytest.approx(budget * 149 / 150)}
            assert panel.time == "measured or simulated seconds"
        given = given_of(study)
        alone = panel_of(given, given.entries, "digits")
        assert (alone.end, alone.time) == (192, "measured seconds")

    def test_an_epoch_counts_until_the_next_whatever_the_interpolation(self, study: Path) -> None:
        for interpolation in INTERPOLATIONS:
            given = given_of(study, interpolation=interpolation)
            gdas, _ = panel_of(given, given.entries, "digits").curves
            assert gdas.score.mean[-1] == pytest.approx(281 / 3)
            assert np.nanmin(gdas.score.mean) == 80

    def test_the_axis_shows_a_collapse(self, study: Path) -> None:
        given = given_of(study)
        panel = panel_of(given, given.entries, "digits")
        limits = {name: draw([panel], LEGEND, "iqr", view).axes[0].get_ylim() for name, view in FIGURES.items()}
        assert 50 < limits["incumbent"][0] < 54
        assert 50 < limits["incumbent_log_time"][0] < 54
        assert 41 < limits["log_regret"][1] < 50


class TestEpochFigures:
    def test_accuracy_has_the_mean_of_each_epoch_and_the_optimum(self, study: Path) -> None:
        given = given_of(study)
        (axes,) = draw_epochs(final_panels(given, given.entries), LEGEND, "iqr").axes
        lines = {tuple(np.asarray(line.get_ydata(), float).round(2).tolist()) for line in axes.lines}
        assert lines == {(80, 80, 93.67, 93.67), (80, 80, 54, 54), (95, 95)}
        assert np.asarray(axes.lines[0].get_xdata()).tolist() == [1, 2, 3, 4]
        assert [text.get_text() for text in axes.texts] == ["optimum 95.00"]
        bottom, top = axes.get_ylim()
        assert 50 < bottom < 54
        assert 95 < top < 101
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "test accuracy (%)")

    def test_architecture_has_entropy_and_the_edges_of_a_collapse(self, study: Path) -> None:
        panels = architecture_panels(compared(study)[1])
        assert [panel.quantity for panel in panels] == ["relative entropy", "skip_connect edges", "none edges"]
        assert panels[0].curves["gdas"].mean.tolist() == pytest.approx([0.8, 0.6, 0.4, 0.2])
        assert panels[1].curves["darts_v1"].mean.tolist() == [0, 0, 6, 6]
        for panel, top in zip(panels, (1, 6, 6), strict=True):
            assert panel.limits == pytest.approx((-0.04 * top, 1.04 * top))

    def test_of_the_size_space_it_has_channels(self, tmp_path: Path) -> None:
        path = weight_sharing_study(tmp_path / "sizes", weight_sharing_header("tas", space="sss"))
        panels = architecture_panels(compared(path)[1])
        assert [panel.quantity for panel in panels] == ["relative entropy", "mean channels"]
        assert panels[1].limits == pytest.approx((8 - 0.04 * 56, 64 + 0.04 * 56))

    def test_training_has_the_shared_weights(self, study: Path) -> None:
        accuracy, loss, one_shot = training_panels(compared(study)[1])
        assert accuracy.curves["gdas"].mean.tolist() == [20, 40, 60, 80]
        assert loss.curves["gdas"].mean.tolist() == pytest.approx([2, 1, 2 / 3, 0.5])
        assert one_shot.curves["gdas"].mean.tolist() == [11, 21, 31, 41]

    def test_what_is_not_drawn_is_not_in_the_legend(self, study: Path) -> None:
        legend = {**LEGEND, "random_search": "random_search (n = 2)"}
        figure = draw_epochs(training_panels(compared(study)[1]), legend, "std")
        (drawn,) = figure.legends
        assert [text.get_text() for text in drawn.get_texts()] == list(LEGEND.values())

    def test_one_epoch_of_one_run_is_a_mark(self, tmp_path: Path) -> None:
        path = weight_sharing_study(
            tmp_path / "short", weight_sharing_header("gdas", **LOOKED_UP, runs=1), runs=1, epochs=1
        )
        write_report([path], tmp_path / "report", band="sem")
        given = given_of(path)
        (axes,) = draw_epochs(final_panels(given, given.entries), LEGEND, "sem").axes
        assert axes.lines[0].get_markevery() is None
        low, high = axes.get_xlim()
        assert low < 1 < high

    def test_rare_dips_are_left_out_but_not_the_end(self) -> None:
        dips = np.full(100, 90.0)
        dips[[20, 40]] = 10
        assert lowest_but_rare(dips) == 90
        dips[-1] = 50
        assert lowest_but_rare(dips) == 50


class TestReport:
    FIGURES = ("incumbent", "log_regret", "incumbent_log_time", "log_regret_log_time", "comparison_matrix",
               "reached", "found", "found_cells", "weight_sharing_final", "weight_sharing_architecture",
               "weight_sharing_training", "cell_gdas", "cell_darts_v1")  # fmt: skip
    TABLES = (
        "table",
        "table_weight_sharing",
        "found",
        "diversity",
        "checklist",
        "study1_datasets",
        "study1_algorithms",
    )
    MORE = ("comparison", "targets", "anytime", "overhead", "study2_datasets", "study2_algorithms")
    """Tables of what multi-trial searches do."""

    def files(self, figures: tuple[str, ...], more: tuple[str, ...] = ()) -> set[str]:
        """Of figures as SVG."""
        tables = {f"{name}.{suffix}" for name, suffix in product((*self.TABLES, *more), ("md", "csv", "tex"))}
        return {"report.md", "report.html"} | tables | {f"{name}.svg" for name in figures}

    def test_has_all_files_and_links_them(self, report: Path) -> None:
        names = self.files(self.FIGURES, self.MORE)
        assert {path.name for path in report.iterdir()} == names | {".files"}
        text = (report / "report.md").read_text()
        linked = {re.sub("png$|pdf$", "svg", link) for link in re.findall(r"\]\(([^)#]*)\)", text)}
        assert linked == {name for name in names if not name.endswith((".md", ".html"))}
        assert "## Weight sharing\n\n" + (report / "table_weight_sharing.md").read_text() in text

    def test_tells_what_to_know_first(self, report: Path) -> None:
        text = (report / "report.md").read_text()
        assert "**The searched score of weight-sharing methods (gdas, darts_v1) is one-shot**" in text
        assert "**Seconds are of two kinds**: measured on a fast GPU in shared; simulated in multi-trial" in text
        assert "The studies differ" not in text
        assert "divided by that of a uniform distribution: 1 is uniform" in text

    def test_draws_the_most_frequent_answer(self, report: Path) -> None:
        text = (report / "report.md").read_text()
        assert f"gdas: tss {CONV}, derived by 2 of 3 runs, test accuracy 94.00 %" in text
        assert f"darts_v1: tss {SKIP}, derived by 3 of 3 runs, test accuracy 54.00 %" in text

    def test_says_what_was_run(self, report: Path) -> None:
        text = (report / "report.md").read_text().partition("### shared")[2]
        for fact in ("fingerprint: ffff", "train: 100", "width: 4", "threads: 1", "hardware: a fast GPU", "seed: 7",
                     "epochs: 4", "epoch 200 of schedule 200", "6111"):  # fmt: skip
            assert fact in text, fact
        assert "budget" not in text

    def test_is_the_same_again(self, report: Path, study: Path, multi_trial: Path, tmp_path: Path) -> None:
        write_report([multi_trial, study], tmp_path / "again")
        for file in report.iterdir():
            assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name

    def test_without_a_table_leaves_accuracy_out_and_says_why(self, tmp_path: Path) -> None:
        path = weight_sharing_study(tmp_path / "bare", weight_sharing_header())
        out = tmp_path / "report"
        write_report([path], out)
        drawn = (
            "found",
            "found_cells",
            "weight_sharing_architecture",
            "weight_sharing_training",
            "cell_gdas",
            "cell_darts_v1",
        )
        assert {file.name for file in out.iterdir()} == self.files(drawn) | {".files"}
        text = (out / "report.md").read_text()
        assert text.startswith("# Architecture search on tss: weight sharing on digits\n")
        assert "## Curves\n\nThere are no curves of test accuracy: without a benchmark table" in text
        assert "**The performance of the architectures of gdas, darts_v1 is unknown**" in text
        assert "have no test accuracy at the reporting fidelity" not in text
        assert "Seconds were measured on a fast GPU" in text
        assert "crosses the budget" not in text

    def test_of_the_size_space_imports_no_torch(self, tmp_path: Path) -> None:
        scale = {**SCALE, "channels": [2, 4, 6, 8, 10, 12, 14, 16]}
        header = weight_sharing_header("tas", "mask_rl", space="sss", scale=scale, **LOOKED_UP)
        path = weight_sharing_study(tmp_path / "sizes", header)
        code = (
            "import sys; from pathlib import Path; from experiments.reports import figures\n"
            "from experiments.reports.report import write_report\n"
            "figures.FORMATS = {'svg': figures.FORMATS['svg']}\n"
            f"write_report([Path({str(path)!r})], Path({str(tmp_path / 'report')!r}))\n"
            "assert not {'torch', 'ray'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
        assert (tmp_path / "report" / "cell_mask_rl.svg").exists()
        text = (tmp_path / "report" / "report.md").read_text()
        assert "here the choices stood for 2, 4, 6, 8, 10, 12, 14, 16." in text
        assert "Mean channels: the mean over the layers" in text

    def test_tells_two_studies_of_a_method_apart(self, study: Path, tmp_path: Path) -> None:
        other = weight_sharing_study(tmp_path / "other", weight_sharing_header("gdas", **LOOKED_UP, seed=8))
        section = derived.section(SectionInput(*compared(study, other), tmp_path))
        drawn = {file.name for file in tmp_path.glob("cell_*.svg")}
        assert drawn == {"cell_gdas_1.svg", "cell_gdas_2.svg", "cell_darts_v1.svg"}
        assert "gdas (other): tss" in section


class TestTerminal:
    def test_the_command_prints_a_line_per_method(self, report: Path, printed: StringIO) -> None:
        lines = {line.split("│")[1].strip(): line for line in printed.getvalue().splitlines() if "│" in line}
        assert "93.67 ± 0.47" in lines["gdas"]
        assert "41.00" not in lines["gdas"]
        assert "54.00 ± 0.00" in lines["darts_v1"]
        assert f"{report / 'table_weight_sharing.csv'}\n" in printed.getvalue()

    def test_nas_run_can_tell_how_a_study_ended(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = weight_sharing_study(tmp_path / "bare", weight_sharing_header("gdas", runs=1), runs=1)
        studies, entries = compared(path)
        show_results(*long_table(studies[0].header, entries))
        show_answers(StudyRecords(path))
        text = capsys.readouterr().out
        assert "one-shot validation (%)" in text
        assert "40.00" in text
        assert f"gdas on digits found architecture {CONV}: {TSS.to_string((3,) * 6)}" in text

    def test_a_study_without_a_finished_run_is_told_so(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = weight_sharing_study(tmp_path / "study")
        for file in (path / "trials").iterdir():
            file.unlink()
        assert main([str(path)]) == 2
        assert "holds no finished run yet" in capsys.readouterr().err


def test_a_report_of_multi_trial_studies_has_nothing_of_weight_sharing(multi_trial: Path, tmp_path: Path) -> None:
    files = write_report([multi_trial], tmp_path / "report").files
    assert not [file.name for file in files if "shared" in file.name or file.name.startswith("cell")]
    assert "eight sharing" not in (tmp_path / "report" / "report.md").read_text()
    assert final_table(given_of(multi_trial))[1][0][4] == "4.0"
