"""Reports on metrics of either direction and any unit, with and without a test, over seconds and evaluations."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.metrics import ACCURACY, Metric
from benchmarks.outcomes import Fidelity
from experiments.records.budgets import Budget
from experiments.records.headers import Optimum, StudyHeader, TableIdentity, TableSettings
from experiments.records.study import OVERHEAD_SCHEMA, TRIALS_SCHEMA, StudyRecords
from experiments.reports import figures
from experiments.reports.entries import ReportError, entries_of, read_studies
from experiments.reports.report import write_report
from experiments.reports.section import SectionInput
from experiments.reports.sections.curves import FIGURES, draw, panel_of
from experiments.reports.summary import long_table

LOSS = Metric("loss", larger_is_better=False, range=(0.0, None))
PSNR = Metric("PSNR", "dB")
FINAL = {"random_search": (0.30, 0.32, 0.34), "reinforce": (0.21, 0.22, 0.26)}
"""Losses at the end of runs 0, 1 and 2; a PSNR is 10 dB worse than 40 dB for each unit of loss, an accuracy 100 %."""
VALUES = {LOSS: lambda loss: loss, PSNR: lambda loss: 40 - 10 * loss, ACCURACY: lambda loss: 100 - 100 * loss}


@pytest.fixture(scope="module", autouse=True)
def one_format() -> Iterator[None]:
    """Figures as SVG only, in a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FORMATS", {"svg": figures.FORMATS["svg"]})
        yield


def a_study(path: Path, metrics: Mapping[str, Metric], budget: Budget, *, tested: bool, timed: bool) -> Path:
    """Write a study of runs with three trials: losses of 0.9, of 0.5 and of FINAL. Returns its path."""
    fidelity = dict.fromkeys(metrics, Fidelity("12", 12))
    optima = {}
    for name, metric in metrics.items():
        best, mean = (metric.score(VALUES[metric](loss)) for loss in (0.2, 0.7))
        optima[name] = (
            Optimum(7, best, best, mean, 0.1, 100)
            if tested
            else Optimum(7, math.nan, best, architectures=100, mean_validation=mean, std_validation=0.1)
        )
    settings = TableSettings(
        space="tss", algorithms={name: {} for name in FINAL}, datasets=tuple(metrics), runs=3, seed=1,
        report_fidelity=fidelity, metrics=metrics, untested=() if tested else tuple(metrics),
        budgets=dict.fromkeys(metrics, budget), cost_model="nats", seed_policy="sampled", fidelity=fidelity,
        table=TableIdentity(name="made-up"),
    )  # fmt: skip
    records = StudyRecords(path)
    records.begin(StudyHeader(settings, optima, {"numpy": "2"}, "abc"))
    keys = [(algorithm, name, run) for algorithm in FINAL for name in metrics for run in range(3)]
    rows = [
        {
            "algorithm": algorithm, "dataset": name, "run": run, "trial": i + 1, "architecture": i, "schedule": "12",
            "epoch": 12, "validation": score, "seconds": 10.0 * timed, "elapsed": 10.0 * (i + 1) * timed,
            "incumbent": True, "report_validation": score, "report_test": score if tested else math.nan,
        }
        for algorithm, name, run in keys
        for i, loss in enumerate((0.9, 0.5, FINAL[algorithm][run]))
        for score in [metrics[name].score(VALUES[metrics[name]](loss))]
    ]  # fmt: skip
    overhead = [{"algorithm": a, "dataset": name, "run": run, "search_seconds": 0.1} for a, name, run in keys]
    tables = pa.Table.from_pylist(rows, TRIALS_SCHEMA), pa.Table.from_pylist(overhead, OVERHEAD_SCHEMA)
    records.write_job("all", *tables)
    return path


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("studies") / "losses"
    return a_study(path, {"speech": LOSS}, Budget(3, "evaluations"), tested=False, timed=False)


@pytest.fixture(scope="module")
def report(losses: Path) -> Path:
    """The report on the losses."""
    write_report([losses], losses / "report")
    return losses / "report"


def given_of(path: Path, **options: Any) -> SectionInput:
    studies = read_studies([path])
    return SectionInput(studies, entries_of(studies, options.get("over")), Path(), **options)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


class TestLossWithoutTestOrTimes:
    def test_the_page_speaks_of_validation_loss_and_says_that_there_is_no_test(self, report: Path) -> None:
        text = (report / "report.md").read_text()
        assert "**There is no test on speech**" in text
        assert "| algorithm     |   runs |   speech validation loss |   evaluations |" in text
        assert "Validation loss of the incumbent over evaluations" in text
        for absent in ("accuracy", "(%)", "percentage", "seconds of the search", "test loss"):
            assert absent not in text.split("## What was run")[0], absent
        (reported,) = [row for row in rows_of(report / "checklist.csv") if row["practice"].startswith("The time of")]
        assert (reported["answer"], reported["because"].split(":")[0]) == ("no", "the benchmark has no times")

    def test_numbers_are_losses(self, report: Path) -> None:
        text = (report / "report.md").read_text()
        assert "0.3200 ± 0.0163" in text
        assert "| optimum       |        |                   0.2000 |" in text
        row = next(row for row in rows_of(report / "table.csv") if row["algorithm"] == "reinforce")
        assert float(row["validation_mean"]) == pytest.approx(0.23)
        assert float(row["validation_quartile1"]) == pytest.approx(0.215)
        assert row["test_mean"] == ""

    def test_comparisons_are_by_score_and_differences_by_loss(self, report: Path) -> None:
        (row,) = rows_of(report / "comparison.csv")
        assert (row["split"], row["first"], float(row["a12"])) == ("validation", "random_search", 0.0)
        assert float(row["difference"]) == pytest.approx(0.09)

    def test_regret_and_targets_are_distances_from_the_smallest_loss(self, report: Path) -> None:
        rows = {(row["algorithm"], row["target"]): row for row in rows_of(report / "targets.csv")}
        reached = rows["reinforce", "within 0.02"]
        assert float(reached["target_value"]) == pytest.approx(0.22)
        assert (reached["runs_reached"], reached["median_evaluations"]) == ("2", "3.0")
        assert "median_seconds" not in reached
        assert rows["random_search", "within 0.02"]["runs_reached"] == "0"
        regret = next(row for row in rows_of(report / "anytime.csv") if row["algorithm"] == "reinforce")
        assert float(regret["regret_at_end_mean"]) == pytest.approx(0.03)

    def test_the_axis_ends_below_the_optimum_and_the_worst_curve_is_on_top(self, losses: Path) -> None:
        given = given_of(losses, over="evaluations")
        (axes,) = draw([panel_of(given, given.entries, "speech")], given.legend, "iqr", FIGURES["incumbent"]).axes
        assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()) == ("evaluations", "validation loss", (0, 3))
        assert axes.get_ylim()[0] < 0.2 < axes.get_ylim()[1]
        ends = {line.get_color(): float(line.get_ydata()[-1]) for line in axes.lines if line.get_linewidth() > 1.2}  # type: ignore[index, arg-type]
        look = figures.styles(given.legend)
        assert ends[look["random_search"].colour] == pytest.approx(0.32)
        assert ends[look["reinforce"].colour] == pytest.approx(0.23)
        assert [text.get_text() for text in axes.texts] == ["optimum 0.2000"]

    def test_the_terminal_table_has_no_test_column(self, losses: Path) -> None:
        given = given_of(losses)
        headers, rows = long_table(given.header, given.entries)
        assert headers == ["data set", "algorithm", "runs", "validation", "evaluations"]
        assert rows[0] == ["speech, loss", "random_search", "3", "0.3200 ± 0.0163", "3.0"]

    def test_seconds_are_refused(self, losses: Path, tmp_path: Path) -> None:
        with pytest.raises(ReportError, match=r"no seconds: the benchmark has no times\. Draw them --over evaluations"):
            write_report([losses], tmp_path / "report", over="seconds")

    def test_a_target_outside_the_range_of_the_metric_is_refused(self, losses: Path, tmp_path: Path) -> None:
        with pytest.raises(ReportError, match="loss on speech ranges from 0 to inf: no search can reach -1"):
            write_report([losses], tmp_path / "report", targets=[(None, -1.0)])


def test_decibels_are_named_everywhere(tmp_path: Path) -> None:
    path = a_study(tmp_path / "noise", {"images": PSNR}, Budget(30.0), tested=True, timed=True)
    write_report([path], tmp_path / "report", targets=[(None, 37.5)])
    text = (tmp_path / "report" / "report.md").read_text()
    assert "images test PSNR (dB)" in text
    assert "36.80 ± 0.16" in text
    assert "difference (dB)" in text
    assert "regret (dB) over time" in text
    assert "|   37.5 dB |" in text
    assert "accuracy" not in text.split("## What was run")[0]


def test_data_sets_may_differ_in_their_metrics(tmp_path: Path) -> None:
    metrics = {"speech": LOSS, "digits": ACCURACY}
    path = a_study(tmp_path / "both", metrics, Budget(30.0), tested=True, timed=True)
    write_report([path], tmp_path / "report")
    text = " ".join((tmp_path / "report" / "report.md").read_text().split())  # without the blanks that align columns
    assert "speech test loss" in text
    assert "digits test accuracy (%)" in text
    assert "| digits, test accuracy (%) | random_search | reinforce | -9.00 |" in text
    assert "| speech, test loss | random_search | reinforce | +0.0900 |" in text
    assert "within 0.02 " in text
    assert "within 2 " in text
    assert "Final score of the incumbent over time" in text


def test_a_study_with_times_is_drawn_over_either(tmp_path: Path) -> None:
    path = a_study(tmp_path / "timed", {"digits": ACCURACY}, Budget(40.0), tested=True, timed=True)
    ends = {}
    for over in ("seconds", "evaluations"):
        given = given_of(path, over=over)
        panel = panel_of(given, given.entries, "digits")
        ends[over] = panel.end, panel.time, panel.curves[0].score.mean[-1]
    assert ends["seconds"] == (40.0, "simulated seconds", pytest.approx(68.0))
    assert ends["evaluations"] == (3.0, "evaluations", pytest.approx(68.0))
