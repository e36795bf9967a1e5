"""The section of a report that compares its algorithms: tests and effect sizes by data set, ranks over data sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from experiments.comparison import Entry
from experiments.inference import (
    ALPHA,
    FEWEST_SIGNED,
    Comparison,
    Ranks,
    compare_all,
    compare_over_datasets,
    effect_size,
    least_p,
    rank_datasets,
)
from experiments.recorded_runs import Floats
from experiments.report_tables import DASH, Fact, Table, number, write_table
from experiments.report_text import bullets, figure, sources

MOST_ROWS = 30
"""Of the pairwise table on the page; a longer one is in its files only."""
MANY_DATASETS = 10
"""Below which Friedman's chi-squared is a rough approximation: Demšar 2006, section 3.2.2."""
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
RANK_TIME_RULE = (
    "Rank over time: if one run of each algorithm is drawn at random, the rank of its answer by test accuracy, 1 is "
    "best, mean over all such draws (computed exactly, without drawing). Algorithms without an answer yet share the "
    "last ranks.{mean}{shared}"
)
DIAGRAM_RULE = (
    "Ranks over data sets: each data set counts once, by mean final test accuracy over runs. Friedman's test of "
    "{count} algorithms on {datasets} data sets: chi-squared {statistic:.2f}, p = {p}. The bar CD is Nemenyi's "
    "critical difference at level {alpha} ({difference:.2f} ranks): thick lines join algorithms whose ranks differ by "
    "less (Demšar, JMLR 7, 2006). {caution}"
)
CAUTION = (
    "**With only {datasets} data sets this has little power**: joined algorithms may well differ, the p is a rough "
    "approximation, and the tests above say more about these data sets."
)
NO_DIAGRAM = (
    "There is no critical-difference diagram: it takes at least three algorithms with test accuracy on at least two "
    "data sets, here {count} on {datasets}. Tests between runs say nothing about other data sets."
)


def write_comparison(entries: Sequence[Entry], legend: Mapping[str, str], directory: Path) -> str:
    """Write the tables and figures that compare entries into a directory.

    Args:
        legend: label of an entry -> its text in the legends.

    Returns: the section of report.md; empty if there are no two algorithms to compare.
    """
    from experiments.comparison_figures import write_matrix, write_ranks_over_time  # matplotlib is slow to import

    datasets = list(dict.fromkeys(dataset for entry in entries for dataset in entry.runs))
    tests = _final_tests(entries, datasets)
    compared = compare_all(tests)
    if not compared:
        return ""
    table = _pair_table(compared, tests, _validations(entries, datasets))
    text = write_table(table, directory / "comparison")
    rule = PAIR_RULE.format(tests=len(compared), sources=sources("comparison"))
    write_matrix(compared, legend, directory)
    parts = [
        "## Comparison",
        text if len(table.rows) <= MOST_ROWS else "",
        rule,
        *_too_few_runs(tests),
        figure("comparison_matrix", "Probability that the row's algorithm ends better than the column's, by data set"),
        MATRIX_RULE,
    ]
    timed = [entry for entry in entries if not entry.shared and set(datasets) <= set(entry.runs)]
    if len(timed) > 1:
        write_ranks_over_time(timed, datasets, legend, directory)
        mean = " The last panel is the mean over data sets." if len(datasets) > 1 else ""
        shared = " Weight sharing is left out: its clock is another." if any(e.shared for e in entries) else ""
        parts += [figure("rank_over_time", "Rank by test accuracy of the incumbent, over the budget spent")]
        parts += [RANK_TIME_RULE.format(mean=mean, shared=shared)]
    parts += _over_datasets(tests, legend, directory)
    return "\n\n".join(part for part in parts if part)


def _final_tests(entries: Sequence[Entry], datasets: Sequence[str]) -> dict[str, dict[str, Floats]]:
    """Data set -> label -> final test percent of each run."""
    return {
        dataset: {entry.label: entry.answers(dataset).test for entry in entries if entry.has_test(dataset)}
        for dataset in datasets
    }


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
) -> Table:
    rows = [
        [
            pair.dataset, pair.first, pair.second, f"{pair.difference:+.2f}", f"{pair.a12:.2f}",
            effect_size(pair.a12) if min(_runs(tests, pair)) > 1 else DASH, told_p(pair.p), told_p(pair.holm),
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
    return Table(headers, rows, facts)


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


def told_p(p: float) -> str:
    """'0.012', or '< 0.001'."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


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


def _over_datasets(tests: Mapping[str, Mapping[str, Floats]], legend: Mapping[str, str], directory: Path) -> list[str]:
    """Ranks over data sets, of the algorithms that have test accuracy on all."""
    from experiments.comparison_figures import write_diagram

    labels = [label for label in legend if all(label in of_dataset for of_dataset in tests.values())]
    means = {label: [float(np.nanmean(of_dataset[label])) for of_dataset in tests.values()] for label in labels}
    if len(means) < 3 or len(tests) < 2:
        return [NO_DIAGRAM.format(count=len(means), datasets=len(tests))]
    ranks = rank_datasets(means)
    write_diagram(ranks, legend, directory)
    caution = CAUTION.format(datasets=ranks.datasets) if ranks.datasets < MANY_DATASETS else ""
    rule = DIAGRAM_RULE.format(
        count=len(means), datasets=ranks.datasets, statistic=ranks.statistic, p=told_p(ranks.p).replace("< ", "below "),
        alpha=ALPHA, difference=ranks.critical_difference, caution=caution,
    )  # fmt: skip
    return [
        figure("critical_difference", "Average rank by final test accuracy over data sets, and critical difference"),
        write_table(_rank_table(ranks, means), directory / "ranks"),
        f"{rule} {sources('ranks')}",
        _signed_ranks(means),
    ]


def _rank_table(ranks: Ranks, means: Mapping[str, Sequence[float]]) -> Table:
    order = sorted(ranks.average, key=lambda label: ranks.average[label])
    rows = [[label, number(ranks.average[label]), number(math.fsum(means[label]) / ranks.datasets)] for label in order]
    facts: list[dict[str, Fact]] = [
        {
            "algorithm": label, "average_rank": ranks.average[label], "datasets": ranks.datasets,
            "friedman_chi_squared": ranks.statistic, "friedman_p": ranks.p,
            "critical_difference": ranks.critical_difference,
        }
        for label in order
    ]  # fmt: skip
    return Table(["algorithm", "average rank", "mean test over data sets (%)"], rows, facts)


def _signed_ranks(means: Mapping[str, Sequence[float]]) -> str:
    """Wilcoxon tests over data sets, if there are enough for one to be significant."""
    datasets = len(next(iter(means.values())))
    if datasets < FEWEST_SIGNED:
        return (
            f"Wilcoxon's signed-rank test over data sets is left out: with {datasets} its p cannot be below "
            f"{2 / 2**datasets:.2f}."
        )
    found = (
        f"{first} and {second}: p = {told_p(p)}, {told_p(adjusted)} after Holm's correction"
        for first, second, p, adjusted in compare_over_datasets(means)
    )
    return "Wilcoxon's signed-rank test over data sets, two-sided:\n\n" + bullets(found)
