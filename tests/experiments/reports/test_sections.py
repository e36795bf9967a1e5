"""Sections of a report about comparison, speed and answers, of studies made up in memory."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from msgspec import convert, structs

from benchmarks.spaces import SPACES
from experiments.records.budgets import Budget
from experiments.records.headers import Optimum, Settings, StudyHeader
from experiments.records.runs import RecordedTrials, Runs, fidelities, runs_by_group
from experiments.records.study import TRIALS_SCHEMA
from experiments.reports import figures
from experiments.reports.entries import Entry, RecordedStudy, ReportError, entries_of
from experiments.reports.figures import STYLES
from experiments.reports.section import SectionInput
from experiments.reports.sections import found, overhead, pairwise, ranks, speed
from experiments.reports.sections.found import draw_cells, draw_counts, final_architectures
from experiments.reports.sections.pairwise import draw_matrix
from experiments.reports.sections.ranks import SHARES, draw_diagram, draw_ranks
from experiments.reports.sections.speed import anytime_table, asked_targets, draw_reached, target_table, usual_targets
from experiments.reports.tables import ReportTable, write_table
from experiments.reports.text import format_p
from experiments.statistics.anytime import median_needed, reach
from experiments.statistics.inference import Ranks, compare_all, nemenyi_quantile

DATASETS = ("one", "two")
BUDGET, OPTIMUM = 100.0, 95.0
FINAL = {
    "random_search": [90.0, 91.0, 92.0, 93.0],
    "regularized_ea": [93.5, 94.2, 94.6, 95.0],
    "reinforce": [91.6, 92.5, 92.5, 93.4],
}
"""Test percent at the end of each run, on both data sets; its first answer, at 20 s, has 80, its last comes at 50 s."""
LEGEND = {label: f"{label} (n = 4)" for label in FINAL}


def given(study: RecordedStudy, directory: Path = Path(), **options: Any) -> SectionInput:
    return SectionInput([study], entries_of([study]), directory, **options)


def a_study(finals: Mapping[str, Sequence[float]] = FINAL, datasets: Sequence[str] = DATASETS) -> RecordedStudy:
    """Architectures are numbered by their tenths of a percent."""
    rows = [
        {
            "algorithm": algorithm, "dataset": dataset, "run": run, "trial": trial, "architecture": round(10 * test),
            "schedule": "12", "epoch": 12, "validation": test - 1, "seconds": 10.0, "elapsed": elapsed,
            "incumbent": trial != 2, "report_validation": test - 2, "report_test": test,
        }
        for algorithm, ends in finals.items()
        for dataset in datasets
        for run, end in enumerate(ends)
        for trial, (elapsed, test) in enumerate([(20.0, 80.0), (30.0, 70.0), (50.0, end)], 1)
    ]  # fmt: skip
    trials = pa.Table.from_pylist(rows, TRIALS_SCHEMA)
    settings: dict[str, Any] = {
        "kind": "table", "space": "tss", "table": {"name": "made-up"}, "algorithms": {name: {} for name in finals},
        "seed": 7, "datasets": list(datasets), "budgets": dict.fromkeys(datasets, Budget(BUDGET)), "runs": 4,
        "cost_model": "nats", "seed_policy": "sampled", "fidelity": {},
        "report_fidelity": {dataset: {"schedule": "200", "epoch": 200} for dataset in datasets},
    }  # fmt: skip
    optima = {dataset: Optimum(950, OPTIMUM, math.nan) for dataset in datasets}
    groups, header = runs_by_group(trials), StudyHeader(convert(settings, Settings), optima, {"python": "3"}, "abc")
    finished, overhead = dict.fromkeys(groups, 4), dict.fromkeys(groups, 0.06)
    recorded = RecordedTrials(groups, fidelities(trials), 0)
    return RecordedStudy("study", header, recorded, finished, overhead, {}, {}, 4)


@pytest.fixture(scope="module")
def study() -> RecordedStudy:
    return a_study()


@pytest.fixture(scope="module")
def entries(study: RecordedStudy) -> list[Entry]:
    return entries_of([study])


@pytest.fixture(scope="module", autouse=True)
def one_format() -> Iterator[None]:
    """Figures as SVG only, in a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FORMATS", {"svg": figures.FORMATS["svg"]})
        yield


def facts(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def written(study: RecordedStudy, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The section that compares, and the directory of its files."""
    directory = tmp_path_factory.mktemp("comparison")
    return pairwise.section(given(study, directory)), directory


def squeezed(text: str) -> str:
    """Without the blanks that align columns."""
    return " ".join(text.split())


class TestComparison:
    def test_pairs_are_tabulated_with_effect_and_corrected_p(self, written: tuple[str, Path]) -> None:
        rows = facts(written[1] / "comparison.csv")
        assert len(rows) == 12, "three pairs on two data sets, of test and validation"
        first = rows[0]
        assert (first["split"], first["dataset"], first["first"]) == ("test", "one", "random_search")
        assert float(first["difference"]) == pytest.approx(91.5 - 94.325)
        assert (float(first["a12"]), float(first["cliffs_delta"])) == (0, -1)
        assert float(first["mann_whitney_p"]) == pytest.approx(2 / 70)
        assert float(first["holm_p"]) == pytest.approx(6 * 2 / 70)
        assert "| one | random_search | regularized_ea | -2.82 | 0.00 | large | 0.029 | 0.171 |" in squeezed(written[0])
        assert "all 6 tests in the table" in written[0]

    def test_too_few_runs_to_conclude_anything_are_called_out(self, tmp_path: Path) -> None:
        few = a_study({"random_search": [90.0, 91.0, 92.0], "reinforce": [93.0, 94.0, 95.0]})
        text = pairwise.section(given(few, tmp_path))
        assert "p after Holm's correction could not be below 0.20" in text, "2 tests, each 0.10 at least"

    def test_the_effect_of_a_single_run_has_no_name(self, tmp_path: Path) -> None:
        single = given(a_study({"random_search": [90.0], "reinforce": [93.0]}), tmp_path)
        assert "| one | random_search | reinforce | -3.00 | 0.00 | – | 1.000 | 1.000 |" in squeezed(
            pairwise.section(single)
        )

    def test_enough_runs_are_not(self, tmp_path: Path) -> None:
        ends = {"random_search": [90.0 + i / 10 for i in range(6)], "reinforce": [94.0 + i / 10 for i in range(6)]}
        assert "too few runs" not in pairwise.section(given(a_study(ends), tmp_path))

    def test_ranks_over_data_sets_admit_their_little_power(self, study: RecordedStudy, tmp_path: Path) -> None:
        text, directory = ranks.section(given(study, tmp_path)), tmp_path
        assert "**With only 2 data sets, this test has little power**" in text
        assert "Wilcoxon's signed-rank test over data sets is left out: with 2 of them, p cannot be below 0.50." in text
        assert [row["algorithm"] for row in facts(directory / "ranks.csv")] == [
            "regularized_ea", "reinforce", "random_search",
        ]  # fmt: skip
        assert (directory / "critical_difference.svg").exists()

    def test_on_one_data_set_there_is_no_diagram_but_a_reason(self, tmp_path: Path) -> None:
        text = ranks.section(given(a_study(datasets=["one"]), tmp_path))
        assert "There is no critical-difference diagram: it needs at least three algorithms" in text
        assert "here there are 3 on 1" in text
        assert not (tmp_path / "critical_difference.svg").exists()
        assert "mean over data sets" not in text

    def test_on_many_data_sets_there_are_signed_ranks(self, tmp_path: Path) -> None:
        many = given(a_study(datasets=[f"d{i}" for i in range(6)]), tmp_path)
        text = ranks.section(many)
        assert "- random_search and regularized_ea: p = 0.031, 0.094 after Holm's correction" in text
        assert "| d0 " in pairwise.section(many), "18 pairs are not too many"

    def test_one_algorithm_is_not_compared(self, tmp_path: Path) -> None:
        alone = given(a_study({"bohb": [90.0, 91.0]}), tmp_path)
        assert pairwise.section(alone) == ranks.section(alone) == ""
        assert list(tmp_path.iterdir()) == []

    def test_p_is_told_in_three_digits(self) -> None:
        assert [format_p(p) for p in (0.0004, 0.001, 0.0456, 1)] == ["< 0.001", "0.001", "0.046", "1.000"]


class TestMatrix:
    def test_cells_mirror_each_other_and_stars_stand_for_significance(self) -> None:
        good, poor = np.arange(10.0, 20), np.arange(0.0, 10)
        compared = compare_all({"one": {"reinforce": good, "random_search": poor}})
        (axes,) = draw_matrix(compared, LEGEND).axes
        assert {text.get_position(): text.get_text() for text in axes.texts} == {(0, 1): "1.00*", (1, 0): "0.00*"}
        assert [label.get_text() for label in axes.get_yticklabels()] == ["random_search  1", "reinforce  2"]


class TestRanksOverTime:
    def test_the_best_is_on_top_in_its_own_colour(self) -> None:
        ranks = {"one": np.stack([np.full(len(SHARES), 1.0), np.full(len(SHARES), 2.0)])}
        (axes,) = draw_ranks(ranks, ["reinforce", "random_search"], LEGEND, "budget spent (%)").axes
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
        assert [line.get_color() for line in axes.lines] == [STYLES[n].colour for n in ("reinforce", "random_search")]
        assert np.asarray(axes.lines[0].get_ydata())[-1] == 1


class TestDiagram:
    RANKS = Ranks({"random_search": 2.8, "regularized_ea": 1.2, "reinforce": 2.0}, 9, 5.0, 0.05, 1.0)

    def lines(self, axes: Axes, width: float) -> list[list[float]]:
        return [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_linewidth() == width]

    def test_joins_what_is_within_the_critical_difference(self) -> None:
        (axes,) = draw_diagram(self.RANKS, LEGEND).axes
        joined = self.lines(axes, 4.5)
        assert joined == [pytest.approx([1.2, 2.0], abs=0.05), pytest.approx([2.0, 2.8], abs=0.05)]
        assert [1, 2.0] in self.lines(axes, 1.3), "the bar of the critical difference"

    def test_every_name_is_inside_the_figure(self) -> None:
        label = "regularized_ea (a study of quite a long name)"
        ranks = replace(self.RANKS, average={**self.RANKS.average, label: 4.0}, critical_difference=9.0)
        figure = draw_diagram(ranks, {**LEGEND, label: label})
        figure.draw_without_rendering()
        (axes,) = figure.axes
        texts = [text.get_text() for text in axes.texts]
        assert f"4.00  {label}" in texts
        assert "CD = 9.00 (beyond the axis)" in texts
        for text in axes.texts:
            extent = text.get_window_extent()
            assert figure.bbox.x0 <= extent.x0 <= extent.x1 <= figure.bbox.x1, text.get_text()
            assert figure.bbox.y0 <= extent.y0 <= extent.y1 <= figure.bbox.y1, text.get_text()

    def test_the_critical_difference_is_that_of_the_test(self, study: RecordedStudy, tmp_path: Path) -> None:
        ranks.section(given(study, tmp_path))
        expected = nemenyi_quantile(3) * math.sqrt(3 * 4 / (6 * 2))
        assert float(facts(tmp_path / "ranks.csv")[0]["critical_difference"]) == pytest.approx(expected)


class TestSpeed:
    def test_targets_by_hand(self, study: RecordedStudy, entries: list[Entry]) -> None:
        targets = usual_targets(given(study), entries)
        assert [target.name for target in targets] == ["within 1", "within 0.5", "within 0.1"]
        table = target_table(given(study), entries, targets)
        assert table.headers[2:5] == ["within 1", "s", "n"]
        # Within 1, 0.5 and 0.1 points of 95 are three, two and one of its four runs, at their third trial.
        assert table.rows[1] == ["one", "regularized_ea", "75%", "50.0", "3", "50%", "50.0", "3", "25%", "–", "–"]
        assert table.rows[0][2:] == ["0%", "–", "–"] * 3
        fact = table.facts[3]
        assert (fact["algorithm"], fact["runs_reached"], fact["target_value"]) == ("regularized_ea", 3, 94)

    def test_usual_targets_are_easier_where_half_of_no_algorithm_gets_so_near(self) -> None:
        """On the second data set the best algorithm ends 6 points below the best architecture, as a rule."""
        far = a_study({"random_search": [89, 89.1, 88, 80], "regularized_ea": [70, 70, 70, 94.9]}, datasets=["one"])
        targets = usual_targets(given(far), entries_of([far]))
        assert [target.scores["one"] for target in targets] == [85, 90, 93]
        hopeless = a_study({"random_search": [50, 50, 50, 50]}, datasets=["one"])
        assert usual_targets(given(hopeless), entries_of([hopeless])) == targets

    def test_medians_are_told_only_if_half_of_the_runs_reached_the_target(self, study: RecordedStudy) -> None:
        """Two runs end after 1 evaluation, one of four reaches the target at its third: of those left that is half."""
        first, whole = np.array([0, 1, 2, 5, 8]), study.recorded.groups["regularized_ea", "one"]
        test, told = np.array([80.0, 80, 80, 80, 95, 80, 80, 80]), np.array([1, 1, 1, 2, 3, 1, 2, 3], np.int32)
        elapsed, ones = np.array([90.0, 90, 20, 30, 50, 20, 30, 50]), np.ones(8, bool)
        runs = Runs(whole.number, first, told, elapsed, ones, np.zeros(8, np.int32), test, test, test)
        found = reach(runs, 94.0, BUDGET)
        assert median_needed(found.evaluations, found.reached) == 3, "the estimate"
        entry = replace(entries_of([study])[1], runs={"one": runs})
        table = target_table(given(study), [entry], asked_targets(given(study, targets=[(None, 94.0)])))
        assert table.rows[0][2:] == ["25%", "–", "–"]

    def test_a_data_set_whose_test_accuracies_are_unknown_has_no_usual_target(self, study: RecordedStudy) -> None:
        runs = {key: replace(of, test=np.full(len(of.test), math.nan)) for key, of in study.recorded.groups.items()}
        groups = {key: runs[key] if key[1] == "two" else of for key, of in study.recorded.groups.items()}
        half = replace(study, recorded=replace(study.recorded, groups=groups))
        targets = usual_targets(given(half), entries_of([half]))
        assert [target.scores for target in targets] == [{"one": 94.0}, {"one": 94.5}, {"one": 94.9}]

    def test_a_target_of_a_data_set_without_runs_is_left_out(self, tmp_path: Path) -> None:
        study = a_study(datasets=["one"])
        header = replace(study.header, settings=structs.replace(study.header.settings, datasets=("one", "two")))
        text = speed.section(given(replace(study, header=header), tmp_path, targets=[("two", 94.0)]))
        assert "it was given for data sets without a recorded run" in text

    def test_targets_may_be_given(self, study: RecordedStudy, entries: list[Entry], tmp_path: Path) -> None:
        targets = asked_targets(given(study, targets=[(None, 94.0), ("two", 92.5)]))
        table = target_table(given(study), entries, targets)
        assert table.headers[2:] == ["94 %", "s", "n", "92.5 %", "s", "n"]
        assert table.rows[1] == ["one", "regularized_ea", "75%", "50.0", "3", "–", "–", "–"]
        assert table.rows[5] == ["two", "reinforce", "–", "–", "–", "75%", "50.0", "3"]
        with pytest.raises(ReportError, match="a target names the data set 'three', but the studies have one, two"):
            asked_targets(given(study, targets=[("three", 94.0)]))

    def test_targets_that_are_given_need_no_optimum(self, tmp_path: Path) -> None:
        study = a_study(datasets=["one"])
        study = replace(study, header=replace(study.header, optima={}))
        text = speed.section(given(study, tmp_path, targets=[(None, 94.0)]))
        assert "94 % |" in text
        assert "distances from the best" not in text
        assert (tmp_path / "reached.svg").exists()

    def test_anytime_by_hand(self, study: RecordedStudy, entries: list[Entry]) -> None:
        table = anytime_table(given(study), entries)
        # 80 % until 50 s, then the end: 92.5 % on average.
        assert table.facts[2]["regret_over_time_mean"] == pytest.approx(95 - (80 + 92.5) / 2)
        assert table.rows[2][:2] == ["one", "reinforce"]
        assert table.rows[2][4] == "2.50 ± 0.64"
        assert table.headers[2] == "regret (points) over time"

    def test_without_an_optimum_there_are_accuracies_but_no_targets(self, tmp_path: Path) -> None:
        study = a_study(datasets=["one"])
        study = replace(study, header=replace(study.header, optima={}))
        text = speed.section(given(study, tmp_path))
        assert "the test accuracy of the best architecture is unknown" in text
        assert "test accuracy (%) over time" in text
        assert {path.name for path in tmp_path.iterdir()} == {"anytime.md", "anytime.csv", "anytime.tex"}

    def test_lines_go_on_to_the_end_of_the_search(self, study: RecordedStudy) -> None:
        runs = study.recorded.groups["regularized_ea", "one"]
        found = {"one": {"regularized_ea": reach(runs, 94.5, BUDGET)}}
        (axes,) = draw_reached(found, {"one": "one: 94.50 %"}, {"one": BUDGET}, LEGEND, "s").axes
        (line,) = axes.lines
        assert np.asarray(line.get_xdata()).tolist() == [0, 50, 100, 100]
        assert np.asarray(line.get_ydata()).tolist() == [0, 0.5, 0.5, 0.5]

    def test_overhead_is_by_run_and_evaluation(
        self, study: RecordedStudy, entries: list[Entry], tmp_path: Path
    ) -> None:
        text = overhead.section(given(study, tmp_path))
        assert text.startswith("## Search overhead\n")
        row = facts(tmp_path / "overhead.csv")[0]
        assert (float(row["search_host_seconds_mean"]), float(row["evaluations_mean"])) == (0.06, 3)
        assert float(row["search_host_seconds_per_evaluation"]) == pytest.approx(0.02)
        assert "20 |" in text


class TestFound:
    def test_answers_are_counted_by_algorithm_the_most_frequent_first(self, entries: list[Entry]) -> None:
        found = final_architectures(entries, "one")
        assert sum(one.times for one in found) == 12
        assert (found[0].architecture, found[0].score, found[0].runs) == (925, 92.5, {"reinforce": 2})
        assert [one.architecture for one in found[1:3]] == [950, 946], "of equally frequent ones the better"

    def test_section(self, study: RecordedStudy, entries: list[Entry], tmp_path: Path) -> None:
        text = found.section(given(study, tmp_path))
        string = SPACES["tss"].to_string(SPACES["tss"].arch(925)).replace("|", "\\|")
        assert re.search(rf"\| one +\| +925 \| {re.escape(string)} ", text)
        assert "| one | reinforce | 4 | 3 | 925 | 2 (50%) |" in squeezed(text)
        assert len(facts(tmp_path / "found.csv")) == 22, "every answer of every algorithm, on both data sets"
        assert "|" not in (tmp_path / "found.tex").read_text()
        assert {path.name for path in tmp_path.glob("*.svg")} == {"found.svg", "found_cells.svg"}

    def test_answers_that_are_all_different_are_not_drawn(self, tmp_path: Path) -> None:
        study = a_study({"random_search": [90.0, 91.0]}, ["one"])
        text = found.section(given(study, tmp_path))
        assert "No two runs ended with the same architecture" in text
        assert not list(tmp_path.glob("*.svg"))

    def test_a_space_that_is_not_there_has_indices_only(self, study: RecordedStudy, tmp_path: Path) -> None:
        header = replace(study.header, settings=structs.replace(study.header.settings, space="my own"))
        text = found.section(given(replace(study, header=header), tmp_path))
        assert "| one | 925 | – | 92.50 |" in squeezed(text)
        assert {path.name for path in tmp_path.glob("*.svg")} == {"found.svg"}

    def test_bars_are_as_long_as_the_runs_of_each_algorithm(self, entries: list[Entry]) -> None:
        (axes,) = draw_counts({"one": final_architectures(entries, "one")[:2]}, LEGEND).axes
        bars = [
            (bar.get_width(), to_hex(bar.get_facecolor()).upper()) for bar in axes.patches if isinstance(bar, Rectangle)
        ]
        assert bars == [(2, STYLES["reinforce"].colour), (1, STYLES["regularized_ea"].colour)]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["925", "950"]

    @pytest.mark.parametrize("space", ["tss", "sss"])
    def test_architectures_are_drawn_one_below_the_other(self, space: str) -> None:
        figure = draw_cells(SPACES[space], [(1, "first"), (2, "second")])
        titles = [text.get_text() for text in figure.texts]
        assert titles == ["first", "second"]
        assert figure.texts[0].get_position()[1] > figure.texts[1].get_position()[1]
        assert len(figure.axes) == 2


def test_a_table_is_written_in_three_forms(tmp_path: Path) -> None:
    table = ReportTable(
        ["name", "value"], [["a|b", "1.00"]], [{"name": "a|b", "value": 1.0, "more": math.nan}, {"other": 2}]
    )
    assert write_table(table, tmp_path / "t") in (tmp_path / "t.md").read_text()
    assert "a\\|b" in (tmp_path / "t.md").read_text()
    assert r"a\textbar{}b & 1.00" in " ".join((tmp_path / "t.tex").read_text().split())
    assert (tmp_path / "t.csv").read_text() == "name,value,more,other\na|b,1.0,,\n,,,2\n"
