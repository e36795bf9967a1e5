"""Section: how fast searches reach targets, and their performance averaged over the whole search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments.records.headers import Optimum
from experiments.reports.entries import Entry, ReportError
from experiments.reports.figures import COLUMNS, add_legend, figure_for, line_style, marks, report_style, save, styles
from experiments.reports.measures import Measure, with_unit
from experiments.reports.section import SectionInput
from experiments.reports.tables import DASH, Fact, ReportTable, plus_minus, seconds, write_table
from experiments.reports.text import figure, sources
from experiments.statistics.aggregates import CONFIDENCE, RESAMPLES, Aggregate, aggregate, regret
from experiments.statistics.anytime import (
    LADDER,
    Reached,
    mean_over_time,
    median_needed,
    reach,
    reached_by,
    within_reach,
)

TARGET_RULE = (
    "Percentage of runs whose incumbent reached a target {judged}, and {needed} until half of the runs had reached it "
    "(a dash where fewer did). {within}A run counts as having reached the target even if its incumbent got worse "
    "afterwards. {censored}Searches choose by validation score and cannot know when they reach a target. {sources}"
)
NEEDED = {"seconds": "the seconds of the search (s) and the evaluations (n)", "evaluations": "the evaluations (n)"}
CENSORED = {
    "seconds": "In seconds, a run that has ended keeps its incumbent. In evaluations, of which runs on costly "
    "architectures make fewer, a run that did not reach the target is right-censored at its last one (Kaplan-Meier "
    "estimate), so that these medians are approximate. ",
    "evaluations": "A run that did not reach the target is right-censored at its last evaluation (Kaplan-Meier "
    "estimate). ",
}
WITHIN = (
    "Targets are distances from the best architecture's {judged}{unit}: the first is the hardest of {steps} that half "
    "of the runs of some algorithm reach on every data set ({easiest} if there is none). Choose others with "
    "`nas-report --target`. "
)
WITHIN_EACH = (
    "Targets are distances from the best architecture, in the unit of each data set: the first is the hardest step "
    "that half of the runs of some algorithm reach. Choose others with `nas-report --target`. "
)
NO_TARGETS = (
    "There are no times to reach a target: the {judged} of the best architecture is unknown, and `nas-report --target` "
    "was not given."
)
NO_RUNS = "There are no times to reach a target: it was given for data sets without a recorded run."
REACHED_RULE = (
    "The figure shows the same estimate over the search, for the first target of each data set. A line that ends below "
    "1 belongs to an algorithm some of whose runs never reached the target."
)
ANYTIME_RULE = (
    "Over {time}: {judged} of the incumbent, averaged over the whole search (the area under its step function divided "
    "by its length), mean ± standard deviation over runs; before its first incumbent, a run counts with that one. At "
    "the end: of the last incumbent. Intervals are {confidence:.0%} percentile bootstrap intervals of the mean "
    "({resamples:,} resamples of runs); with few runs they are too narrow. {sources}"
)


class Target(NamedTuple):
    """What searches are to reach."""

    name: str
    scores: Mapping[str, float]
    """Data set -> least final score, only for the data sets to which the target applies."""


def section(given: SectionInput) -> str:
    """Times to targets and averages over the search; empty if there are only weight-sharing methods.

    Raises:
        ReportError: a target names an unknown data set, or is outside the range of the metric.
    """
    targets = asked_targets(given)
    timed = [entry for entry in given.entries if not entry.weight_sharing and any(map(entry.has_final, entry.runs))]
    if not timed:
        return ""
    if not targets and given.header.optima:
        targets = usual_targets(given, timed)
    parts = ["## How fast"]
    parts += _targets(given, timed, targets) if targets else [NO_TARGETS.format(judged=given.judged)]
    parts += [write_table(anytime_table(given, timed), given.directory / "anytime"), _anytime_rule(given)]
    return "\n\n".join(parts)


def asked_targets(given: SectionInput) -> list[Target]:
    """Targets chosen by the user; those for one data set replace those for all."""
    datasets = given.header.settings.datasets
    for dataset, value in given.targets:
        if dataset and dataset not in datasets:
            raise ReportError(f"a target names the data set {dataset!r}, but the studies have {', '.join(datasets)}")
        for name in [dataset] if dataset else datasets:
            low, high = given.measures[name].metric.bounds
            if not low <= value <= high:
                label = given.measures[name].metric.label
                raise ReportError(f"{label} on {name} ranges from {low:g} to {high:g}: no search can reach {value:g}")
    named = {dataset for dataset, _ in given.targets}
    others = [dataset for dataset in datasets if dataset not in named]
    targets = []
    for dataset, value in given.targets:
        measures = {name: given.measures[name] for name in ([dataset] if dataset else others)}
        units = {measure.metric.unit for measure in measures.values()}
        name = f"{value:g} {units.pop() if len(units) == 1 else ''}".rstrip()
        targets.append(Target(name, {name: measure.metric.score(value) for name, measure in measures.items()}))
    return [target for target in targets if target.scores]


def usual_targets(given: SectionInput, entries: Sequence[Entry]) -> list[Target]:
    """Some distances from the best architecture at which algorithms differ, for each unit."""
    groups: dict[tuple[str, float], list[str]] = {}
    for dataset, measure in given.measures.items():
        if any(entry.has_final(dataset) for entry in entries):
            step = step_of(measure, given.header.optima[dataset])
            groups.setdefault((measure.metric.unit, step), []).append(dataset)
    return [
        target for (unit, step), datasets in groups.items() for target in _near(given, entries, datasets, unit, step)
    ]


def step_of(measure: Measure, optimum: Optimum) -> float:
    """The unit of LADDER: one percentage point, or a power of ten a tenth to a hundredth of the distance between the
    best architecture and a random one."""
    if measure.metric.unit == "%":
        return 1.0
    distance = abs(optimum.final - optimum.mean_final)
    return 10.0 ** math.floor(math.log10(distance / 10)) if distance > 0 else 0.1  # NaN compares as False


def _near(
    given: SectionInput, entries: Sequence[Entry], datasets: Sequence[str], unit: str, step: float
) -> list[Target]:
    """Targets near the best architectures of data sets with one unit."""
    best = {dataset: given.header.optima[dataset].final for dataset in datasets}
    known = {dataset: [entry for entry in entries if entry.has_final(dataset)] for dataset in datasets}

    def share(rung: float) -> float:
        return min(
            max(reach(entry.runs[name], best[name] - rung * step, entry.ends[name]).fraction for entry in of_dataset)
            for name, of_dataset in known.items()
        )

    suffix = "" if unit == "%" else unit
    return [
        Target(f"within {rung * step:g} {suffix}".rstrip(), {name: best[name] - rung * step for name in datasets})
        for rung in within_reach(share)
    ]


def _targets(given: SectionInput, entries: Sequence[Entry], targets: Sequence[Target]) -> list[str]:
    first: dict[str, float] = {}
    for target in targets:
        first = {**target.scores, **first}
    shown = {name: first[name] for name in first if any(name in one.runs for one in entries)}
    if not shown:
        return [NO_RUNS]
    _write_reached(given, shown, entries)
    rule = TARGET_RULE.format(
        judged=given.judged,
        needed=NEEDED[given.over],
        within="" if given.targets else _within(given),
        censored=CENSORED[given.over],
        sources=sources("targets"),
    )
    caption = f"Fraction of runs that have reached the {given.judged} above each panel"
    return [
        write_table(target_table(given, entries, targets), given.directory / "targets"),
        rule,
        figure("reached", caption),
        REACHED_RULE,
    ]


def _within(given: SectionInput) -> str:
    """What the usual targets are."""
    steps = {
        step_of(measure, given.header.optima[dataset])
        for dataset, measure in given.measures.items()
        if any(entry.has_final(dataset) for entry in given.entries)
    }
    if len(steps) > 1 or len(set(given.measures.values())) > 1:
        return WITHIN_EACH
    (step,), (measure,) = steps, set(given.measures.values())
    *rest, last = (f"{rung * step:g}" for rung in LADDER[:4])
    unit = f", in {measure.difference_unit}" if measure.difference_unit else ""
    return WITHIN.format(judged=given.judged, unit=unit, steps=f"{', '.join(rest)} and {last}", easiest=rest[0])


def target_table(given: SectionInput, entries: Sequence[Entry], targets: Sequence[Target]) -> ReportTable:
    """A row per data set and algorithm; for each target the fraction of runs that reached it, and the medians."""
    units = ["s", "n"] if given.over == "seconds" else ["n"]
    headers = ["data set", "algorithm", *(cell for target in targets for cell in (target.name, *units))]
    rows, facts = [], []
    for dataset in given.header.settings.datasets:
        for entry in (entry for entry in entries if dataset in entry.runs):
            row = [given.named(dataset), entry.text]
            for target in targets:
                if dataset in target.scores:
                    facts.append(_target_facts(given, entry, dataset, target))
                    row += _target_cells(facts[-1])
                else:
                    row += [DASH] * (1 + len(units))
            rows.append(row)
    return ReportTable(headers, rows, facts)


def _target_facts(given: SectionInput, entry: Entry, dataset: str, target: Target) -> dict[str, Fact]:
    score, best = target.scores[dataset], given.header.optima.get(dataset)
    found = reach(entry.runs[dataset], score, entry.ends[dataset])
    known = found.fraction >= 0.5  # in evaluations, which differ between runs, the estimate may reach one half earlier
    facts: dict[str, Fact] = {
        "dataset": dataset, "algorithm": entry.text, "target": target.name,
        "target_value": given.measures[dataset].value(score),
        "distance_from_best": best.final - score if best else math.nan,
        "runs": len(found.reached), "runs_reached": int(found.reached.sum()), "fraction_reached": found.fraction,
    }  # fmt: skip
    if given.over == "seconds":
        facts["median_seconds"] = median_needed(found.seconds, found.reached) if known else math.nan
    facts["median_evaluations"] = median_needed(found.evaluations, found.reached) if known else math.nan
    return facts


def _target_cells(facts: Mapping[str, Fact]) -> list[str]:
    medians = {"median_seconds": seconds, "median_evaluations": "{:,.0f}".format}
    values = [(float(facts[name]), text) for name, text in medians.items() if name in facts]
    cells = [DASH if math.isnan(value) else text(value) for value, text in values]
    return [f"{float(facts['fraction_reached']):.0%}", *cells]


def anytime_table(given: SectionInput, entries: Sequence[Entry]) -> ReportTable:
    """A row per data set and algorithm: regret, or the metric where the best is unknown, over the search and at the
    end."""
    known, time = bool(given.header.optima), _time(given)
    what = with_unit("regret", given.difference_unit) if known else given.judged_label
    headers = ["data set", "algorithm", f"{what} over {time}", "interval", f"{what} at the end", "interval"]
    rows: list[list[str]] = []
    facts: list[dict[str, Fact]] = []
    for dataset in given.header.settings.datasets:
        measure = given.measures[dataset]
        for entry in (entry for entry in entries if dataset in entry.runs):
            over_time, end = _averages(given, entry, dataset)
            rows.append([given.named(dataset), entry.text, *_average(over_time, measure), *_average(end, measure)])
            quantity = "regret" if known else measure.split
            named: dict[str, Fact] = {"dataset": dataset, "algorithm": entry.text, "runs": len(entry.runs[dataset])}
            facts.append(named | _facts(f"{quantity}_over_{time}", over_time) | _facts(f"{quantity}_at_end", end))
    return ReportTable(headers, rows, facts)


def _averages(given: SectionInput, entry: Entry, dataset: str) -> tuple[Aggregate, Aggregate]:
    """(over the search, at the end): regret, or the metric where the best architecture is unknown."""
    scores = mean_over_time(entry.runs[dataset], entry.ends[dataset]), entry.answers(dataset).final
    if given.header.optima:
        best = given.header.optima[dataset].final
        over_time, end = (aggregate(regret(best, values), interval=True) for values in scores)
        return over_time, end
    metric = given.measures[dataset].metric
    over_time, end = (aggregate(values, interval=True).in_units_of(metric) for values in scores)
    return over_time, end


def _time(given: SectionInput) -> str:
    return "time" if given.over == "seconds" else given.over


def _anytime_rule(given: SectionInput) -> str:
    return ANYTIME_RULE.format(
        time=_time(given),
        judged=given.judged,
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        sources=sources("anytime"),
    )


def _average(value: Aggregate, measure: Measure) -> tuple[str, str]:
    """(mean ± standard deviation, bootstrap interval of the mean)."""
    low, high = float(value.low), float(value.high)
    interval = DASH if math.isnan(low) else f"{measure.difference(low)} to {measure.difference(high)}"
    return plus_minus(value, measure.digits), interval


def _facts(name: str, value: Aggregate) -> dict[str, Fact]:
    columns = {"mean": value.mean, "std": value.std, "median": value.median, "ci95_low": value.low,
               "ci95_high": value.high}  # fmt: skip
    return {f"{name}_{column}": float(number) for column, number in columns.items()}


def _write_reached(given: SectionInput, targets: Mapping[str, float], entries: Sequence[Entry]) -> None:
    """The figure of runs that reached a target score on each data set."""
    recorded = {dataset: [entry for entry in entries if dataset in entry.runs] for dataset in targets}
    found = {
        dataset: {entry.label: reach(entry.runs[dataset], targets[dataset], entry.ends[dataset]) for entry in some}
        for dataset, some in recorded.items()
    }
    ends = {dataset: max(entry.ends[dataset] for entry in some) for dataset, some in recorded.items()}
    titles = {dataset: f"{dataset}: {given.measures[dataset].quantity(score)}" for dataset, score in targets.items()}
    with report_style():
        save(draw_reached(found, titles, ends, given.legend, given.axis), given.directory / "reached")


def draw_reached(
    found: Mapping[str, Mapping[str, Reached]],
    titles: Mapping[str, str],
    ends: Mapping[str, float],
    legend: Mapping[str, str],
    time: str,
) -> Figure:
    """A panel per data set; each line is drawn to the end of the search.

    Args:
        found: data set -> label -> when runs reached the target.
        titles: data set -> title of its panel.
        ends: data set -> end of the time axis.
        time: what the axis counts.
    """
    look = styles(legend)
    figure, grid = figure_for(len(found))
    for i, (axes, (dataset, lines)) in enumerate(zip(grid, found.items(), strict=True)):
        axes.set_title(titles[dataset])
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
        axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _: f"{time:,.10g}"))
    add_legend(figure, legend, [label for lines in found.values() for label in lines])
    return figure
