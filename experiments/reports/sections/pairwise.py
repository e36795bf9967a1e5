"""The section of a report that compares its algorithms: tests and effect sizes by data set, ranks over data sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.records.runs import Floats
from experiments.reports.entries import Entry, final_tests
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

MOST_ROWS = 30
"""Of the pairwise table on the page; a longer one is in its files only."""
PAIR_RULE = (
    "Of every two algorithms on a data set: the difference of their mean final test accuracy; A12, the probability "
    "that a run of the first ends with a better test accuracy than one of the second, ties counted half (0.5: no "
    "difference; from 0.56, 0.64, 0.71 or their mirror images on called small, medium, large); the two-sided "
    "Mann-Whitney U test, for which runs are independent, and its p after Holm's correction for all {tests} tests of "
    "the table. An effect can be certain and too small to matter, or large and uncertain: read both. Tests of "
    "validation accuracy are in the CSV file, corrected by themselves. {sources}"
)
MATRIX_RULE = (
    f"In the figure, a cell is the A12 of the row's algorithm against the column's, and a star stands for p < {ALPHA} "
    "after Holm's correction."
)


def section(given: SectionInput) -> str:
    """Tests and effect sizes between final results; empty if there are no two algorithms to compare."""
    tests = final_tests(given.entries, given.recorded_datasets)
    compared = compare_all(tests)
    if not compared:
        return ""
    table = _pair_table(compared, tests, _validations(given.entries, given.recorded_datasets))
    text = write_table(table, given.directory / "comparison")
    write_matrix(compared, given.legend, given.directory)
    parts = [
        "## Comparison",
        text if len(table.rows) <= MOST_ROWS else "",
        PAIR_RULE.format(tests=len(compared), sources=sources("comparison")),
        *_too_few_runs(tests),
        figure("comparison_matrix", "Probability that the row's algorithm ends better than the column's, by data set"),
        MATRIX_RULE,
    ]
    return "\n\n".join(part for part in parts if part)


def _validations(entries: Sequence[Entry], datasets: Sequence[str]) -> dict[str, dict[str, Floats]]:
    """Data set -> label -> validation percent of the final answers, where the benchmark has any but the search's."""
    return {
        dataset: {entry.label: entry.answers(dataset).validation for entry in entries if dataset in entry.runs}
        for dataset in datasets
    }


def _pair_table(
    compared: Sequence[Comparison],
    tests: Mapping[str, Mapping[str, Floats]],
    validations: Mapping[str, Mapping[str, Floats]],
) -> ReportTable:
    rows = [
        [
            pair.dataset, pair.first, pair.second, f"{pair.difference:+.2f}", f"{pair.a12:.2f}",
            effect_size(pair.a12) if min(_runs(tests, pair)) > 1 else DASH, format_p(pair.p), format_p(pair.holm),
        ]
        for pair in compared
    ]  # fmt: skip
    headers = ["data set", "first", "second", "difference (points)", "A12", "effect", "p", "p (Holm)"]
    quantities = {"test": (compared, tests), "validation": (compare_all(validations), validations)}
    facts = [
        _facts(quantity, pair, values)
        for quantity, (pairs, values) in quantities.items()
        for pair in pairs
    ]  # fmt: skip
    return ReportTable(headers, rows, facts)


def _facts(quantity: str, pair: Comparison, values: Mapping[str, Mapping[str, Floats]]) -> dict[str, Fact]:
    first, second = _runs(values, pair)
    return {
        "accuracy": quantity, "dataset": pair.dataset, "first": pair.first, "second": pair.second,
        "runs_first": first, "runs_second": second, "difference_points": pair.difference, "a12": pair.a12,
        "cliffs_delta": 2 * pair.a12 - 1, "mann_whitney_p": pair.p, "holm_p": pair.holm,
    }  # fmt: skip


def _runs(values: Mapping[str, Mapping[str, Floats]], pair: Comparison) -> tuple[int, int]:
    """Of the first and of the second, those with a value."""
    first, second = (values[pair.dataset][name] for name in (pair.first, pair.second))
    return int((~np.isnan(first)).sum()), int((~np.isnan(second)).sum())


def _too_few_runs(tests: Mapping[str, Mapping[str, Floats]]) -> Iterator[str]:
    """A warning if two algorithms have so few runs that no outcome could be significant."""
    counts = [[int((~np.isnan(values)).sum()) for values in of_dataset.values()] for of_dataset in tests.values()]
    least = [least_p(*pair) for of_dataset in counts for pair in combinations([n for n in of_dataset if n], 2)]
    corrected = max(*least, len(least) * min(least))  # no p by Holm is below that of the smallest
    if corrected >= ALPHA:
        yield (
            f"**Some algorithms have too few runs for so many tests**: whatever they found, p after Holm's correction "
            f"could not be below {min(corrected, 1):.2f} for them. That no difference is shown does not mean there is "
            "none."
        )


DARK = 0.33
"""Distance of an A12 from 0.5 beyond which its cell is dark, and the text in it white."""


FEW, CELL = 6, 0.36
"""Algorithms up to which matrices stand side by side; inches of a row of a larger one."""


def write_matrix(compared: Sequence[Comparison], legend: Mapping[str, str], directory: Path) -> None:
    """A panel per data set: the A12 of each algorithm against each other."""
    with report_style():
        save(draw_matrix(compared, legend), directory / "comparison_matrix")


def draw_matrix(compared: Sequence[Comparison], legend: Mapping[str, str]) -> Figure:
    """Rows and columns are numbered alike; names stand at the rows of the leftmost panels."""
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
