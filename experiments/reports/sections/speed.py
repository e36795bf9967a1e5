"""The sections of a report about speed: when targets are reached, accuracy over the whole time, cost of searching."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments.records.headers import StudyHeader
from experiments.records.study import clock
from experiments.reports.entries import Entry, ReportError
from experiments.reports.figures import COLUMNS, add_legend, figure_for, line_style, marks, report_style, save, styles
from experiments.reports.section import AskedTarget, SectionInput
from experiments.reports.tables import DASH, Fact, ReportTable, number, plus_minus, seconds, write_table
from experiments.reports.text import figure, sources
from experiments.statistics.aggregates import CONFIDENCE, RESAMPLES, Aggregate, aggregate, regret
from experiments.statistics.anytime import Reached, mean_over_time, median_needed, reach, reached_by, within_reach

TARGET_RULE = (
    "Share of the runs whose answer reached a target test accuracy, and the seconds of the search (s) and evaluations "
    "(n) until half of the runs had: a dash where fewer did. {within}One whose answer got worse afterwards has reached "
    "it all the same. Runs end by time and keep their answers; in evaluations, of which runs of costly architectures "
    "make fewer, one that did not reach the target is right-censored at its last (Kaplan-Meier), which makes those "
    "medians approximate. Searches choose by validation accuracy and cannot know when they get there. {sources}"
)
WITHIN = (
    "Targets are so many percentage points below the best architecture; the first is the hardest of 10, 5, 2 and 1 "
    "that half of some algorithm's runs reach on every data set (10 if there is none). Others: `nas-report --target`. "
)
NO_TARGETS = (
    "Times to reach a target are left out: the best test accuracy is unknown, and `nas-report --target` was not given."
)
NO_RUNS = "Times to reach a target are left out: it is for data sets of which no run is recorded yet."
REACHED_RULE = (
    "The figure is the same estimate over time, of the first target of each data set; a line that ends below 1 belongs "
    "to an algorithm some of whose runs never got so far."
)
ANYTIME_RULE = (
    "Over time: test accuracy of the incumbent, averaged over the whole budget of each run (the area under its step "
    "function divided by the budget), mean ± standard deviation over runs; before its first answer a run counts with "
    "that answer. At the end: of the last incumbent. Intervals are {confidence:.0%} percentile bootstrap intervals of "
    "the mean ({resamples:,} resamples of runs); of few runs they are too narrow. {sources}"
)


class Target(NamedTuple):
    """What a search is to reach."""

    name: str
    test: Mapping[str, float]
    """Data set -> percent test accuracy; only of those that it is meant for."""


def section(given: SectionInput) -> str:
    """How fast searches reach targets, and their accuracy over time; empty if there are only weight-sharing methods.

    Raises:
        ReportError: a target names a data set that the studies do not have.
    """
    header, directory, targets = given.header, given.directory, asked_targets(given.header, given.targets)
    timed = [entry for entry in given.entries if not entry.shared and any(map(entry.has_test, entry.runs))]
    if not timed:
        return ""
    if not targets and header.optima:
        targets = usual_targets(header, timed)
    parts = ["## How fast", *(_targets(given, timed, targets) if targets else [NO_TARGETS])]
    parts += [write_table(anytime_table(header, timed), directory / "anytime")]
    parts += [ANYTIME_RULE.format(confidence=CONFIDENCE, resamples=RESAMPLES, sources=sources("anytime"))]
    return "\n\n".join(parts)


def asked_targets(header: StudyHeader, asked: Sequence[AskedTarget]) -> list[Target]:
    """Test accuracies that the user gave; those for a data set are instead of those for all."""
    datasets = header.settings.datasets
    unknown = [dataset for dataset, _ in asked if dataset and dataset not in datasets]
    if unknown:
        raise ReportError(f"a target is for {unknown[0]!r}, but the studies are of {', '.join(datasets)}")
    others = [dataset for dataset in datasets if dataset not in {named for named, _ in asked}]
    targets = [Target(f"{test:g} %", dict.fromkeys([dataset] if dataset else others, test)) for dataset, test in asked]
    return [target for target in targets if target.test]


def usual_targets(header: StudyHeader, entries: Sequence[Entry]) -> list[Target]:
    """So many points below the best architecture, in steps that can be told apart by."""
    best = {dataset: header.optima[dataset].test for dataset in header.settings.datasets}

    known = {dataset: [entry for entry in entries if entry.has_test(dataset)] for dataset in best}

    def share(points: float) -> float:
        return min(
            max(reach(entry.runs[name], best[name] - points, entry.end(name)).fraction for entry in of_dataset)
            for name, of_dataset in known.items()
            if of_dataset
        )

    return [
        Target(f"within {points:g}", {dataset: best[dataset] - points for dataset in best if known[dataset]})
        for points in within_reach(share)
    ]


def _targets(given: SectionInput, entries: Sequence[Entry], targets: Sequence[Target]) -> list[str]:
    first: dict[str, Target] = {}
    for target in targets:
        first |= {dataset: target for dataset in target.test if dataset not in first}
    there = {name: target.test[name] for name, target in first.items() if any(name in one.runs for one in entries)}
    if not there:
        return [NO_RUNS]
    write_reached(there, entries, given.legend, given.directory)
    rule = WITHIN if targets[0].name.startswith("within") else ""
    return [
        write_table(target_table(given.header, entries, targets), given.directory / "targets"),
        TARGET_RULE.format(within=rule, sources=sources("targets")),
        figure("reached", "Fraction of runs that have reached the test accuracy above each panel"),
        REACHED_RULE,
    ]


def target_table(header: StudyHeader, entries: Sequence[Entry], targets: Sequence[Target]) -> ReportTable:
    """A row per data set and algorithm, three columns per target."""
    headers = ["data set", "algorithm"]
    for target in targets:
        headers += [target.name, "s", "n"]
    rows, facts = [], []
    for dataset in header.settings.datasets:
        for entry in (entry for entry in entries if dataset in entry.runs):
            row = [dataset, entry.text]
            for target in targets:
                if dataset in target.test:
                    facts.append(_target_facts(header, entry, dataset, target))
                    row += _target_cells(facts[-1])
                else:
                    row += [DASH] * 3
            rows.append(row)
    return ReportTable(headers, rows, facts)


def _target_facts(header: StudyHeader, entry: Entry, dataset: str, target: Target) -> dict[str, Fact]:
    accuracy, best = target.test[dataset], header.optima.get(dataset)
    found = reach(entry.runs[dataset], accuracy, entry.end(dataset))
    known = found.fraction >= 0.5  # of evaluations, which differ between runs, an estimate may pass it before
    return {
        "dataset": dataset, "algorithm": entry.text, "target": target.name, "test_accuracy": accuracy,
        "points_below_best": best.test - accuracy if best else math.nan,
        "runs": len(found.reached), "runs_reached": int(found.reached.sum()), "fraction_reached": found.fraction,
        "median_seconds": median_needed(found.seconds, found.reached) if known else math.nan,
        "median_evaluations": median_needed(found.evaluations, found.reached) if known else math.nan,
    }  # fmt: skip


def _target_cells(fact: Mapping[str, Fact]) -> list[str]:
    medians = float(fact["median_seconds"]), float(fact["median_evaluations"])
    told = [seconds(medians[0]), f"{medians[1]:,.0f}"]
    told = [DASH if math.isnan(median) else text for median, text in zip(medians, told, strict=True)]
    return [f"{float(fact['fraction_reached']):.0%}", *told]


def anytime_table(header: StudyHeader, entries: Sequence[Entry]) -> ReportTable:
    """A row per data set and algorithm: accuracy, or regret where the best is known, over time and at the end."""
    known = bool(header.optima)
    what = "regret (points)" if known else "test (%)"
    headers = ["data set", "algorithm", f"{what} over time", "interval", f"{what} at the end", "interval"]
    rows: list[list[str]] = []
    facts: list[dict[str, Fact]] = []
    for dataset in header.settings.datasets:
        for entry in (entry for entry in entries if dataset in entry.runs):
            accuracies = mean_over_time(entry.runs[dataset], entry.end(dataset)), entry.answers(dataset).test
            best = header.optima[dataset].test if known else math.nan
            values = (regret(best, value) if known else value for value in accuracies)
            over_time, end = (aggregate(value, interval=True) for value in values)
            rows.append(
                [dataset, entry.text, plus_minus(over_time), _interval(over_time), plus_minus(end), _interval(end)]
            )
            quantity = "regret" if known else "test"
            named: dict[str, Fact] = {"dataset": dataset, "algorithm": entry.text, "runs": len(entry.runs[dataset])}
            facts.append(named | _facts(f"{quantity}_over_time", over_time) | _facts(f"{quantity}_at_end", end))
    return ReportTable(headers, rows, facts)


def _interval(value: Aggregate) -> str:
    low, high = float(value.low), float(value.high)
    return DASH if math.isnan(low) else f"{number(low)} to {number(high)}"


def _facts(name: str, value: Aggregate) -> dict[str, Fact]:
    columns = {"mean": value.mean, "std": value.std, "median": value.median, "ci95_low": value.low,
               "ci95_high": value.high}  # fmt: skip
    return {f"{name}_{column}": float(number) for column, number in columns.items()}


def write_reached(
    targets: Mapping[str, float], entries: Sequence[Entry], legend: Mapping[str, str], directory: Path
) -> None:
    """A panel per data set.

    Args:
        targets: data set, of which there are runs -> percent test accuracy.
    """
    there = {dataset: [entry for entry in entries if dataset in entry.runs] for dataset in targets}
    found = {
        dataset: {entry.label: reach(entry.runs[dataset], targets[dataset], entry.end(dataset)) for entry in some}
        for dataset, some in there.items()
    }
    ends = {dataset: max(entry.end(dataset) for entry in some) for dataset, some in there.items()}
    with report_style():
        figure = draw_reached(found, targets, ends, legend, f"{clock(entries[0].study.header)} seconds")
        save(figure, directory / "reached")


def draw_reached(
    found: Mapping[str, Mapping[str, Reached]],
    targets: Mapping[str, float],
    ends: Mapping[str, float],
    legend: Mapping[str, str],
    time: str,
) -> Figure:
    """A panel per data set; the steps of each line go on to the end of the search.

    Args:
        found: data set -> label -> when runs reached the target.
        targets: data set -> percent test accuracy.
        ends: data set -> seconds.
        time: what the axis counts.
    """
    look = styles(legend)
    figure, grid = figure_for(len(found))
    for i, (axes, (dataset, lines)) in enumerate(zip(grid, found.items(), strict=True)):
        axes.set_title(f"{dataset}: {targets[dataset]:.2f} %")
        for n, (label, reached) in enumerate(lines.items()):
            times, fraction = reached_by(reached.seconds, reached.reached)
            times, fraction = np.concatenate([[0], times, [ends[dataset]]]), np.append(0, fraction)
            shown = np.append(times[:-1] <= ends[dataset], True)
            fraction = np.append(fraction, fraction[shown[:-1]][-1])
            axes.plot(
                times[shown], fraction[shown], drawstyle="steps-post", markevery=marks(n / len(lines), len(times)),
                **line_style(look[label]),
            )  # fmt: skip
        axes.set(xlim=(0, ends[dataset]), ylim=(-0.03, 1.03), xlabel=time)
        axes.set_ylabel("runs that reached the target" if i % COLUMNS == 0 else "")
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 3, 4, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:,.10g}"))
    add_legend(figure, legend, [label for lines in found.values() for label in lines])
    return figure
