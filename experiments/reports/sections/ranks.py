"""Section: ranks of the algorithms over the search, and over data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments.records.runs import Floats
from experiments.reports.entries import Entry, budget_unit, final_scores
from experiments.reports.figures import (
    COLUMNS,
    INK,
    add_legend,
    figure_for,
    line_style,
    marks,
    report_style,
    save,
    styles,
    text_inches,
)
from experiments.reports.measures import with_unit
from experiments.reports.section import SectionInput
from experiments.reports.tables import Fact, ReportTable, number, write_table
from experiments.reports.text import bullets, figure, format_p, sources
from experiments.statistics.aggregates import incumbents
from experiments.statistics.inference import (
    ALPHA,
    FEWEST_SIGNED,
    Ranks,
    compare_over_datasets,
    expected_ranks,
    rank_datasets,
)
from experiments.statistics.resampling import blocks, resample_step

SHARES = np.linspace(0.01, 1, 100)
"""Fractions of the search at which ranks are computed."""
AXIS, ROW, TOP, NARROW = 3.2, 0.3, 0.85, 0.18
"""Lengths in a diagram, inches: of the axis, between two labels, above the axis, between two joining lines."""


MANY_DATASETS = 10
"""Number of data sets below which Friedman's chi-squared is a rough approximation: Demšar 2006, section 3.2.2."""
RANK_TIME_RULE = (
    "Rank over the search: the expected rank (1 is best) of an algorithm's incumbent by {judged} when one run of each "
    "algorithm is drawn at random, computed exactly. Algorithms without an incumbent share the last "
    "ranks.{mean}{weight_sharing}"
)
MEAN_PANEL = " The last panel is the mean over data sets."
NO_WEIGHT_SHARING = " Weight-sharing methods are left out, since their time is not comparable."
DIAGRAM_RULE = (
    "Ranks over data sets: each data set counts once, by the mean final {judged} over runs. Friedman's test of {count} "
    "algorithms on {datasets} data sets: chi-squared {statistic:.2f}, p = {p}. The bar CD is Nemenyi's critical "
    "difference at level {alpha} ({difference:.2f} ranks); thick lines join algorithms whose ranks differ by less "
    "(Demšar, JMLR 7, 2006). {caution}"
)
CAUTION = (
    "**With only {datasets} data sets, this test has little power**: joined algorithms may well differ, p is a rough "
    "approximation, and the pairwise tests above say more about these data sets."
)
NO_DIAGRAM = (
    "There is no critical-difference diagram: it needs at least three algorithms with a known {judged} on at least two "
    "data sets; here there are {count} on {datasets}. Tests between runs say nothing about other data sets."
)
NO_SIGNED_RANKS = (
    "Wilcoxon's signed-rank test over data sets is left out: with {datasets} of them, p cannot be below {least:.2f}."
)


def section(given: SectionInput) -> str:
    """Ranks over the search and over data sets; empty if there are no two algorithms to compare."""
    datasets, finals = given.recorded_datasets, final_scores(given.entries, given.recorded_datasets)
    if all(len(of_dataset) < 2 for of_dataset in finals.values()):
        return ""
    parts = ["## Ranks"]
    timed = [entry for entry in given.entries if not entry.weight_sharing and set(datasets) <= set(entry.runs)]
    if len(timed) > 1:
        whole = "budget" if given.over == budget_unit(given.studies) else given.over
        write_ranks_over_time(timed, datasets, given.legend, given.directory, f"{whole} spent (%)")
        mean = MEAN_PANEL if len(datasets) > 1 else ""
        weight_sharing = NO_WEIGHT_SHARING if any(entry.weight_sharing for entry in given.entries) else ""
        parts += [figure("rank_over_time", f"Rank by {given.judged} of the incumbent, over the {whole} spent")]
        parts += [RANK_TIME_RULE.format(judged=given.judged, mean=mean, weight_sharing=weight_sharing)]
    return "\n\n".join([*parts, *_over_datasets(given, finals)])


def _over_datasets(given: SectionInput, finals: Mapping[str, Mapping[str, Floats]]) -> list[str]:
    """Ranks over data sets, of the algorithms that have final scores on all of them."""
    labels = [label for label in given.legend if all(label in of_dataset for of_dataset in finals.values())]
    means = {label: [float(np.nanmean(of_dataset[label])) for of_dataset in finals.values()] for label in labels}
    if len(means) < 3 or len(finals) < 2:
        return [NO_DIAGRAM.format(judged=given.judged, count=len(means), datasets=len(finals))]
    ranks = rank_datasets(means)
    write_diagram(ranks, given.legend, given.directory)
    caution = CAUTION.format(datasets=ranks.datasets) if ranks.datasets < MANY_DATASETS else ""
    rule = DIAGRAM_RULE.format(
        judged=given.judged, count=len(means), datasets=ranks.datasets, statistic=ranks.statistic,
        p=format_p(ranks.p).replace("< ", "below "), alpha=ALPHA, difference=ranks.critical_difference, caution=caution,
    )  # fmt: skip
    caption = f"Average rank by final {given.judged} over data sets, and critical difference"
    return [
        figure("critical_difference", caption),
        write_table(_rank_table(given, ranks, means), given.directory / "ranks"),
        f"{rule} {sources('ranks')}",
        _signed_ranks(means),
    ]


def _rank_table(given: SectionInput, ranks: Ranks, means: Mapping[str, Sequence[float]]) -> ReportTable:
    """Average ranks and, if all data sets have one measure, means over data sets."""
    order = sorted(ranks.average, key=lambda label: ranks.average[label])
    rows = [[label, number(ranks.average[label])] for label in order]
    headers = ["algorithm", "average rank"]
    if len(set(given.measures.values())) == 1:
        measure = next(iter(given.measures.values()))
        headers.append(with_unit(f"mean {measure.name} over data sets", measure.metric.unit))
        rows = [[*row, measure.number(math.fsum(means[row[0]]) / ranks.datasets)] for row in rows]
    facts: list[dict[str, Fact]] = [
        {
            "algorithm": label, "average_rank": ranks.average[label], "datasets": ranks.datasets,
            "friedman_chi_squared": ranks.statistic, "friedman_p": ranks.p,
            "critical_difference": ranks.critical_difference,
        }
        for label in order
    ]  # fmt: skip
    return ReportTable(headers, rows, facts)


def _signed_ranks(means: Mapping[str, Sequence[float]]) -> str:
    """Wilcoxon signed-rank tests over data sets, if there are enough for one to be significant."""
    datasets = len(next(iter(means.values())))
    if datasets < FEWEST_SIGNED:
        return NO_SIGNED_RANKS.format(datasets=datasets, least=2 / 2**datasets)
    found = (
        f"{first} and {second}: p = {format_p(p)}, {format_p(adjusted)} after Holm's correction"
        for first, second, p, adjusted in compare_over_datasets(means)
    )
    return "Wilcoxon's signed-rank test over data sets, two-sided:\n\n" + bullets(found)


def write_ranks_over_time(
    entries: Sequence[Entry], datasets: Sequence[str], legend: Mapping[str, str], directory: Path, spent: str
) -> None:
    """A panel per data set and, if there are several, one for their mean; entries have runs on all data sets.

    Args:
        spent: label of the x axis.
    """
    ranks = {dataset: _ranks(entries, dataset) for dataset in datasets}
    if len(datasets) > 1:
        ranks[f"mean of {len(datasets)} data sets"] = np.mean(list(ranks.values()), axis=0)
    with report_style():
        figure = draw_ranks(ranks, [entry.label for entry in entries], legend, spent)
        save(figure, directory / "rank_over_time")


def _ranks(entries: Sequence[Entry], dataset: str) -> Floats:
    """Expected ranks of entries at SHARES of the search, shape (entries, SHARES)."""
    answers = [incumbents(entry.runs[dataset]) for entry in entries]
    ends = [entry.ends[dataset] for entry in entries]
    ranks = [
        expected_ranks([resample_step(points, shares * end) for points, end in zip(answers, ends, strict=True)])
        for shares in blocks(SHARES, sum(points.sizes.size for points in answers))
    ]
    return np.concatenate(ranks, axis=1)


def draw_ranks(ranks: Mapping[str, Floats], labels: Sequence[str], legend: Mapping[str, str], spent: str) -> Figure:
    """A panel per name.

    Args:
        ranks: name -> ranks, shape (labels, SHARES).
        spent: label of the x axis.
    """
    look = styles(legend)
    every = list(ranks.values())
    lowest, highest = float(np.max(every)) + 0.05, float(np.min(every)) - 0.05  # the best on top, in all panels alike
    figure, grid = figure_for(len(ranks))
    for i, (axes, (name, of_labels)) in enumerate(zip(grid, ranks.items(), strict=True)):
        axes.set_title(name)
        for n, (label, values) in enumerate(zip(labels, of_labels, strict=True)):
            axes.plot(100 * SHARES, values, markevery=marks(n / len(labels), len(SHARES)), **line_style(look[label]))
        axes.set(xlim=(0, 100), ylim=(lowest, highest), xlabel=spent)
        axes.set_ylabel("rank (1 is best)" if i % COLUMNS == 0 else "")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:g}"))
    add_legend(figure, legend, labels)
    return figure


def write_diagram(ranks: Ranks, legend: Mapping[str, str], directory: Path) -> None:
    """The critical-difference diagram."""
    with report_style():
        save(draw_diagram(ranks, legend), directory / "critical_difference")


def draw_diagram(ranks: Ranks, legend: Mapping[str, str]) -> Figure:
    """An axis of ranks, the best on the left; algorithms hang from it on two sides, and thick lines join groups.

    As in Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006, figure 1.
    """
    names = sorted(ranks.average, key=lambda name: ranks.average[name])
    groups, look, last = ranks.groups(), styles(legend), len(names)
    rows, deep = (last + 1) // 2, 0.2 + NARROW * len(groups)
    texts = {name: f"{name}  {ranks.average[name]:.2f}" for name in names}
    label_width = text_inches(texts.values())
    height, width = TOP + deep + ROW * rows + 0.1, AXIS + 2 * (label_width + 0.25)
    figure = Figure((width, height))
    axes = figure.add_axes((0.5 - AXIS / width / 2, 0, AXIS / width, 1))  # names stand outside
    axes.set(xlim=(1, last), ylim=(height - TOP, -TOP))  # inches below the axis of ranks
    axes.set_axis_off()
    _draw_rank_axis(axes, ranks, last)
    for i, (name, rank) in enumerate((name, ranks.average[name]) for name in names):
        left = i < rows
        y = deep + ROW * (i if left else last - 1 - i) + ROW / 2
        edge = 1 - 0.02 * (last - 1) if left else last + 0.02 * (last - 1)
        axes.plot([rank, rank, edge], [0, y, y], color=look[name].colour, linewidth=1.3, clip_on=False)
        text = texts[name] if left else f"{rank:.2f}  {name}"
        axes.annotate(text, (edge, y), xytext=(-4 if left else 4, 0), textcoords="offset points", va="center",
                      ha="right" if left else "left", color=INK, annotation_clip=False)  # fmt: skip
    margin = 0.012 * (last - 1)
    for i, group in enumerate(groups):
        ends = [ranks.average[group[0]] - margin, ranks.average[group[-1]] + margin]
        axes.plot(ends, [0.17 + NARROW * i] * 2, color=INK, linewidth=4.5, solid_capstyle="butt", clip_on=False)
    return figure


def _draw_rank_axis(axes: Axes, ranks: Ranks, last: int) -> None:
    """The axis with its numbers, and the bar of the critical difference above them."""
    axes.plot([1, last], [0, 0], color=INK, linewidth=1.3, clip_on=False)
    for rank in range(1, last + 1):
        axes.plot([rank, rank], [0, -0.08], color=INK, linewidth=1.3, clip_on=False)
        axes.text(rank, -0.13, str(rank), ha="center", va="bottom", color=INK)
    length = min(ranks.critical_difference, last - 1)
    axes.plot([1, 1 + length], [-0.5, -0.5], color=INK, linewidth=1.3)
    for end in (1, 1 + length):
        axes.plot([end, end], [-0.55, -0.45], color=INK, linewidth=1.3, clip_on=False)
    beyond = " (beyond the axis)" if length < ranks.critical_difference else ""
    text = f"CD = {ranks.critical_difference:.2f}{beyond}"
    axes.text(1 + length / 2, -0.58, text, ha="center", va="bottom", color=INK)
