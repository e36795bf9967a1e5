"""Section: pairwise tests and effect sizes between the final results of algorithms, by data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.records.runs import Floats
from experiments.reports.entries import final_scores
from experiments.reports.figures import (
    BESIDE,
    COLUMNS,
    INK,
    LEAST_WIDTH,
    PANEL_INCHES,
    figure_for,
    report_style,
    save,
    text_inches,
)
from experiments.reports.measures import Measure, common, with_unit
from experiments.reports.section import SectionInput
from experiments.reports.tables import DASH, Fact, ReportTable, write_table
from experiments.reports.text import figure, format_p, sources
from experiments.statistics.inference import (
    ALPHA,
    Comparison,
    compare_all,
    effect_size,
    least_p,
)

DARK = 0.33
"""Distance of an A12 from 0.5 beyond which its cell is dark and the text in it white."""
FEW, CELL = 6, 0.36
"""Largest number of algorithms whose matrices stand side by side; height of a row of a larger matrix, inches."""
MOST_ROWS = 30
"""Longest pairwise table shown on the page; a longer one is in its files only."""
PAIR_RULE = (
    "For every two algorithms on a data set: difference, the mean final {judged} of the first minus that of the "
    "second; A12, the probability that a run of the first ends better than a run of the second, counting ties as one "
    "half (0.5 means no difference; effects are called small, medium and large from 0.56, 0.64 and 0.71, or from 0.44, "
    "0.36 and 0.29 downwards); p, of the two-sided Mann-Whitney U test for independent runs, and the same after Holm's "
    "correction for all {tests} tests in the table. An effect can be significant and too small to matter, or large and "
    "not significant: read both columns. {validations}{sources}"
)
VALIDATIONS = "Tests of the validation {metric} are in the CSV file, corrected as a family of their own. "
MATRIX_RULE = (
    f"A cell of the figure is the A12 of the row's algorithm against the column's; a star marks p < {ALPHA} after "
    "Holm's correction."
)
TOO_FEW_RUNS = (
    "**Some algorithms have too few runs for this many tests**: whatever their results, p after Holm's correction "
    "could not be below {least:.2f}. A difference that is not significant may still exist."
)


def section(given: SectionInput) -> str:
    """Tests and effect sizes between final results; empty if there are no two algorithms to compare."""
    finals = final_scores(given.entries, given.recorded_datasets)
    compared = compare_all(finals)
    if not compared:
        return ""
    table = _pair_table(given, compared, finals)
    text = write_table(table, given.directory / "comparison")
    write_matrix(compared, given.legend, given.directory)
    parts = [
        "## Comparison",
        text if len(table.rows) <= MOST_ROWS else "",
        _pair_rule(given, len(compared)),
        *_too_few_runs(finals),
        figure("comparison_matrix", "Probability that the row's algorithm ends better than the column's, by data set"),
        MATRIX_RULE,
    ]
    return "\n\n".join(part for part in parts if part)


def _pair_rule(given: SectionInput, tests: int) -> str:
    tested = any(measure.split == "test" for measure in given.measures.values())
    metric = common(given.measures.values(), lambda measure: measure.metric.name, "score")
    return PAIR_RULE.format(
        judged=given.judged,
        tests=tests,
        validations=VALIDATIONS.format(metric=metric) if tested else "",
        sources=sources("comparison"),
    )


def _validations(given: SectionInput) -> dict[str, dict[str, Floats]]:
    """Data set with a test -> label -> validation score of the last incumbents at the reporting fidelity."""
    return {
        dataset: {entry.label: entry.answers(dataset).validation for entry in given.entries if dataset in entry.runs}
        for dataset in given.recorded_datasets
        if given.measures[dataset].split == "test"
    }


def _pair_table(
    given: SectionInput, compared: Sequence[Comparison], finals: Mapping[str, Mapping[str, Floats]]
) -> ReportTable:
    rows = [
        [
            given.named(pair.dataset), pair.first, pair.second, _signed(given.measures[pair.dataset], pair.difference),
            f"{pair.a12:.2f}", effect_size(pair.a12) if min(_runs(finals, pair)) > 1 else DASH,
            format_p(pair.p), format_p(pair.holm),
        ]
        for pair in compared
    ]  # fmt: skip
    difference = with_unit("difference", given.difference_unit)
    headers = ["data set", "first", "second", difference, "A12", "effect", "p", "p (Holm)"]
    validations = _validations(given)
    facts = [_facts(given.measures[pair.dataset], pair, finals) for pair in compared]
    facts += [
        _facts(replace(given.measures[pair.dataset], split="validation"), pair, validations)
        for pair in compare_all(validations)
    ]
    return ReportTable(headers, rows, facts)


def _signed(measure: Measure, difference: float) -> str:
    return f"{measure.value(difference):+.{measure.digits}f}"


def _facts(measure: Measure, pair: Comparison, scores: Mapping[str, Mapping[str, Floats]]) -> dict[str, Fact]:
    first, second = _runs(scores, pair)
    return {
        "split": measure.split, "dataset": pair.dataset, "first": pair.first, "second": pair.second,
        "runs_first": first, "runs_second": second, "difference": measure.value(pair.difference), "a12": pair.a12,
        "cliffs_delta": 2 * pair.a12 - 1, "mann_whitney_p": pair.p, "holm_p": pair.holm,
    }  # fmt: skip


def _runs(scores: Mapping[str, Mapping[str, Floats]], pair: Comparison) -> tuple[int, int]:
    """Numbers of runs with a score of the first and of the second."""
    first, second = (scores[pair.dataset][name] for name in (pair.first, pair.second))
    return int((~np.isnan(first)).sum()), int((~np.isnan(second)).sum())


def _too_few_runs(finals: Mapping[str, Mapping[str, Floats]]) -> Iterator[str]:
    """A warning if two algorithms have so few runs that no outcome could be significant."""
    counts = [[int((~np.isnan(scores)).sum()) for scores in of_dataset.values()] for of_dataset in finals.values()]
    least = [least_p(*pair) for of_dataset in counts for pair in combinations([n for n in of_dataset if n], 2)]
    corrected = max(*least, len(least) * min(least))  # no Holm-adjusted p is below that of the smallest p
    if corrected >= ALPHA:
        yield TOO_FEW_RUNS.format(least=min(corrected, 1))


def write_matrix(compared: Sequence[Comparison], legend: Mapping[str, str], directory: Path) -> None:
    """A panel per data set with the A12 of each algorithm against each other one."""
    with report_style():
        save(draw_matrix(compared, legend), directory / "comparison_matrix")


def draw_matrix(compared: Sequence[Comparison], legend: Mapping[str, str]) -> Figure:
    """Rows and columns have the same numbers; names stand at the rows of the leftmost panels."""
    datasets = list(dict.fromkeys(pair.dataset for pair in compared))
    labels = [label for label in legend if any(label in (pair.first, pair.second) for pair in compared)]
    large = len(labels) > FEW
    columns, inches = (1, (LEAST_WIDTH, 0.6 + CELL * len(labels))) if large else (COLUMNS, PANEL_INCHES)
    figure, grid = figure_for(len(datasets), columns=columns, inches=inches)
    for i, (axes, dataset) in enumerate(zip(grid, datasets, strict=True)):
        axes.set_title(dataset)
        _draw_cells(axes, [pair for pair in compared if pair.dataset == dataset], labels)
        numbers = [str(n + 1) for n in range(len(labels))]
        axes.set_xticks(range(len(labels)), numbers)
        named = [f"{label}  {n}" for label, n in zip(labels, numbers, strict=True)]
        axes.set_yticks(range(len(labels)), named if i % columns == 0 else numbers)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + max(0, text_inches(labels) - BESIDE), height)
    return figure


def _draw_cells(axes: Axes, pairs: Sequence[Comparison], labels: Sequence[str]) -> None:
    colours, size = colormaps["PuOr"], len(labels)
    points = min(10.0, (44 if size <= FEW else 100) / size)
    for pair in pairs:
        i, j = labels.index(pair.first), labels.index(pair.second)
        for row, column, value in ((i, j, pair.a12), (j, i, 1 - pair.a12)):
            axes.fill_between([column - 0.5, column + 0.5], row - 0.5, row + 0.5, color=colours(value), linewidth=0)
            axes.text(
                column, row, f"{value:.2f}{'*' if pair.holm < ALPHA else ''}", ha="center", va="center",
                color="white" if abs(value - 0.5) > DARK else INK, fontsize=points,
            )  # fmt: skip
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
