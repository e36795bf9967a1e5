"""Section: results of weight-sharing methods only, in a table and in figures by epoch."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.metrics import ACCURACY
from benchmarks.spaces import Space, space_named
from experiments.records.headers import Optimum, WeightSharingSettings
from experiments.records.runs import Floats
from experiments.reports.entries import Entry
from experiments.reports.figures import (
    add_legend,
    draw_optimum,
    figure_for,
    line_style,
    lowest_but_rare,
    marks,
    report_style,
    save,
    styles,
)
from experiments.reports.measures import Measure, with_unit
from experiments.reports.section import SectionInput
from experiments.reports.tables import (
    latex,
    markdown,
    plus_minus,
    seconds,
    statistics_columns,
    without_nan,
)
from experiments.reports.text import BAND_RULES, bullets, figure
from experiments.statistics.aggregates import Aggregate, Band, aggregate
from experiments.statistics.traits import trait_ranges, traits
from experiments.statistics.weight_sharing import WeightSharingRuns, relative_entropy, weight_sharing_finals
from nas_algos.weight_sharing import PHASES
from supernets.settings import NetworkScale

TABLE_RULE = (
    "After the last epoch of each run, mean ± standard deviation over runs (population): the {judged} of the derived "
    "architecture at the reporting fidelity{regret}; its one-shot validation accuracy, with the shared weights; and "
    "the relative entropy (see below) of the distribution from which it was derived. Seconds are measured, mean per "
    "run, without the pass that measures one-shot validation. Full precision: "
    "[table_weight_sharing.csv](table_weight_sharing.csv); for a paper: "
    "[table_weight_sharing.tex](table_weight_sharing.tex)."
)
REGRET = (
    ", its regret (distance from the best architecture of the table), its rank in the table (1 is best), and the "
    "percentage of the other architectures of the table that it beats (50 on average for a random architecture)"
)
FINAL_RULE = (
    "The {judged} is looked up after the search, at the reporting fidelity. Its axis leaves out the first epochs, and "
    "dips that make up less than a tenth of a line."
)
ENTROPY_RULE = (
    "Relative entropy: entropy of the distribution over the options, mean over decisions, divided by that of a uniform "
    "distribution: 1 is uniform, 0 is decided. Methods that learn no distribution stay at 1."
)
TRAINING_RULE = (
    "Training accuracy and loss are means over the images of an epoch as each step saw them, on one sampled path or on "
    "a mixture of all: compare epochs of one method rather than methods. One-shot accuracy is that of the derived "
    "architecture with the shared weights on all validation images."
)
EARLY = 0.05
"""Fraction of the epochs after which the axis of the final scores shows a curve completely."""
COLUMNS = {
    "rank": "rank",
    "beats": "beats (%)",
    "one_shot_validation": with_unit("one-shot validation", ACCURACY.unit),
    "search_seconds": "search (s)",
    **{f"{phase}_seconds": f"{phase} (s)" for phase in PHASES},
    "relative_entropy": "relative entropy",
}
"""Result of `weight_sharing_finals` -> heading; 'final' and 'regret' come before, traits of the space after these."""


def section(given: SectionInput) -> str:
    """Results of weight-sharing methods only, in a table and by epoch; empty if there are none."""
    methods = [entry for entry in given.entries if entry.epochs]
    if not methods:
        return ""
    headers, rows = weight_sharing_table(given, methods)
    (given.directory / "table_weight_sharing.md").write_text(markdown(headers, rows) + "\n", "utf-8")
    (given.directory / "table_weight_sharing.tex").write_text(latex(headers, rows) + "\n", "utf-8")
    _write_csv(given, methods)
    figures = write_weight_sharing_figures(given, methods)
    where = " and ".join(dict.fromkeys(dataset for entry in methods for dataset in entry.epochs))
    known = any(entry.study.header.optima for entry in methods)
    parts = [
        "## Weight sharing",
        markdown(headers, rows),
        TABLE_RULE.format(judged=given.judged, regret=REGRET if known else ""),
        *(figure(name, f"{caption} on {where}") for name, caption in figures.items()),
        bullets(_rules(given, methods, "weight_sharing_final" in figures)),
    ]
    return "\n\n".join(parts)


def _rules(given: SectionInput, entries: Sequence[Entry], known: bool) -> Iterator[str]:
    """How the figures are drawn.

    Args:
        known: whether there are final scores.
    """
    space = space_named(entries[0].study.header.settings.space)
    yield BAND_RULES[given.band]
    if known:
        yield FINAL_RULE.format(judged=given.judged)
    yield ENTROPY_RULE
    if space.trait_rule:
        yield space.trait_rule
    yield TRAINING_RULE


def weight_sharing_table(given: SectionInput, entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of results of weight-sharing methods only, a row per method and data set.

    Cells are mean ± standard deviation over runs; seconds are means.
    """
    rows, traits = [], []
    for entry in entries:
        for dataset, runs in entry.epochs.items():
            finals, measure = _finals(entry, dataset), given.measures[dataset]
            traits = [name for name in finals if name not in ("final", "regret", *COLUMNS)]
            cells = [_cell(name, value, measure) for name, value in finals.items()]
            rows.append([entry.text, str(len(runs.number)), str(runs.epochs), *cells])
    optima = {name: best for entry in entries for name, best in entry.study.header.optima.items()}
    for dataset, best in optima.items():
        if not math.isnan(best.mean_final):
            known = _random_architecture(best, given.measures[dataset])
            cells = [known.get(name, "") for name in ["final", "regret", *COLUMNS, *traits]]
            rows.append(["random architecture", "", "", *cells])
    regret = with_unit("regret", given.difference_unit)
    return ["method", "runs", "epochs", given.judged_label, regret, *COLUMNS.values(), *traits], rows


def _cell(name: str, value: Aggregate, measure: Measure) -> str:
    """One result of `weight_sharing_finals`."""
    if name == "final":
        return measure.plus_minus(value)
    if name.endswith("seconds"):
        return seconds(float(value.mean))
    return plus_minus(value, {"regret": measure.digits, "rank": 0, "beats": 1}.get(name, 2))


def _random_architecture(best: Optimum, measure: Measure) -> dict[str, str]:
    """Expected results of a random architecture of the table."""
    spread = f" ± {measure.difference(best.std_final)}" if best.architectures else ""
    return {
        "final": measure.number(best.mean_final) + spread,
        "regret": measure.difference(best.final - best.mean_final) + spread,
        "beats": "50.0",
    }


def _finals(entry: Entry, dataset: str) -> dict[str, Aggregate]:
    """`weight_sharing_finals` in the order of the columns."""
    header = entry.study.header
    best = header.optima.get(dataset)
    known = (best.final, best.architectures) if best else ()
    assert isinstance(header.settings, WeightSharingSettings)
    finals = weight_sharing_finals(entry.epochs[dataset], header.settings, *known)
    return {name: finals[name] for name in ("final", "regret", *COLUMNS)} | finals


def _write_csv(given: SectionInput, entries: Sequence[Entry]) -> None:
    """Write `weight_sharing_table` in full precision with every statistic; cells without a number are empty."""
    rows: list[dict[str, Any]] = []
    columns: list[str] = []
    for entry in entries:
        for dataset, runs in entry.epochs.items():
            names, measure = {"method": entry.text, "dataset": dataset}, given.measures[dataset]
            row: dict[str, float] = {"runs": len(runs.number), "epochs": runs.epochs}
            for name, value in _finals(entry, dataset).items():
                if name == "final":
                    row |= statistics_columns(measure.split, value.in_units_of(measure.metric))
                else:
                    row |= statistics_columns(name.replace(" ", "_"), value)
            columns = list(dict.fromkeys([*columns, *names, *row]))
            rows.append({**names, **without_nan(row)})
    with (given.directory / "table_weight_sharing.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@dataclass(frozen=True)
class EpochPanel:
    """One quantity of all methods."""

    quantity: str
    """Label of the axis."""
    curves: Mapping[str, Aggregate]
    """Label -> statistics over runs, shape (epochs,)."""
    limits: tuple[float, float] | None = None
    """Limits of the axis; None for those of the curves."""
    optimum: float = math.nan
    """Score of the best architecture, which is drawn; NaN if there is none."""
    measure: Measure | None = None
    """What judges architectures, if `optimum` is given."""


def write_weight_sharing_figures(given: SectionInput, entries: Sequence[Entry]) -> dict[str, str]:
    """Draw the figures of weight-sharing entries, all of one space and data set, in every format.

    Returns: file name without extension -> caption.
    """
    judged = given.judged.capitalize()
    figures = {
        "weight_sharing_final": (final_panels(given, entries), f"{judged} of the derived architecture by epoch"),
        "weight_sharing_architecture": (
            architecture_panels(entries),
            "Relative entropy and derived architecture by epoch",
        ),
        "weight_sharing_training": (training_panels(entries), "Training of the shared weights by epoch"),
    }
    with report_style():
        for name, (panels, _) in figures.items():
            if panels:
                save(draw_epochs(panels, given.legend, given.band), given.directory / name)
    return {name: caption for name, (panels, caption) in figures.items() if panels}


def final_panels(given: SectionInput, entries: Sequence[Entry]) -> list[EpochPanel]:
    """Final scores from where the worst curve is early to just beyond the optimum; empty if they are unknown."""
    known = [entry for entry in entries if any(map(entry.has_final, entry.runs))]
    if not known:
        return []
    curves = _curves(known, lambda runs: runs.final)
    optima = known[0].study.header.optima
    dataset = max(optima, key=lambda name: optima[name].final)
    measure, optimum = given.measures[dataset], optima[dataset].final
    settled = [curve.mean[int(EARLY * len(curve.mean)) :] for curve in curves.values()]
    lowest = [lowest_but_rare(means[~np.isnan(means)]) for means in settled if not np.isnan(means).all()]
    worst = min([*lowest, optimum - 1])
    margin = optimum - worst
    low, high = sorted(measure.value(end) for end in (worst - 0.03 * margin, optimum + 0.13 * margin))
    values = {label: curve.in_units_of(measure.metric) for label, curve in curves.items()}
    return [EpochPanel(measure.label, values, (low, high), optimum, measure)]


def architecture_panels(entries: Sequence[Entry]) -> list[EpochPanel]:
    """Relative entropy, and traits of the derived architectures on axes for the whole space."""
    settings = entries[0].study.header.settings
    assert isinstance(settings, WeightSharingSettings)
    space, scale = space_named(settings.space), settings.scale
    entropy = _curves(entries, lambda runs: relative_entropy(space, runs.entropy))
    panels = [EpochPanel("relative entropy", entropy, _with_margins(0, 1))]
    for name, extremes in trait_ranges(space, scale).items():
        curves = _curves(entries, partial(_trait, space, scale, name))
        panels.append(EpochPanel(name, curves, _with_margins(*extremes)))
    return panels


def _trait(space: Space, scale: NetworkScale, name: str, runs: WeightSharingRuns) -> Floats:
    return traits(space, scale, runs.architecture)[name]


def training_panels(entries: Sequence[Entry]) -> list[EpochPanel]:
    return [
        EpochPanel(f"training {ACCURACY.label}", _curves(entries, lambda runs: runs.weight_accuracy)),
        EpochPanel("training loss (nats)", _curves(entries, lambda runs: runs.weight_loss)),
        EpochPanel(f"one-shot {ACCURACY.label}", _curves(entries, lambda runs: runs.one_shot_validation)),
    ]


def _curves(entries: Sequence[Entry], quantity: Callable[[WeightSharingRuns], Floats]) -> dict[str, Aggregate]:
    return {
        entry.label: aggregate(quantity(runs), interval=True) for entry in entries for runs in entry.epochs.values()
    }


def _with_margins(low: float, high: float) -> tuple[float, float]:
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def draw_epochs(panels: Sequence[EpochPanel], legend: Mapping[str, str], band: Band) -> Figure:
    """The panels side by side, and a common legend below."""
    figure, grid = figure_for(len(panels), gap=0.06)  # every panel has a label at its axis
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel, band, legend)
    add_legend(figure, legend, panels[0].curves.keys())
    return figure


def _draw_panel(axes: Axes, panel: EpochPanel, band: Band, legend: Mapping[str, str]) -> None:
    look, last = styles(legend), max(len(curve.mean) for curve in panel.curves.values())
    for i, (label, curve) in enumerate(panel.curves.items()):
        epochs = np.arange(1, len(curve.mean) + 1)
        axes.fill_between(epochs, *curve.band(band), color=look[label].colour, alpha=0.12, linewidth=0)
        marked = marks(i / len(panel.curves), len(epochs))
        axes.plot(epochs, curve.mean, markevery=marked, zorder=3, **line_style(look[label]))
    axes.set(xlabel="epoch", ylabel=panel.quantity, xlim=(0, last + 0.02 * last), ylim=panel.limits)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if panel.measure:
        optimum, metric = panel.optimum, panel.measure.metric
        draw_optimum(axes, metric.value(optimum), panel.measure.number(optimum), above=metric.larger_is_better)
