"""The section of a report about weight-sharing methods: what only they have, in a table and in figures by epoch."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.spaces import Space, space_named
from experiments.records.headers import WeightSharingSettings
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
from experiments.reports.section import SectionInput
from experiments.reports.tables import (
    latex,
    markdown,
    number,
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
    "Of the last epoch of each run, mean ± standard deviation over runs (population): the derived architecture's test "
    "accuracy at the reporting fidelity{regret}, and its validation accuracy with the shared weights; the relative "
    "entropy (see below) of the distribution it comes from. Seconds are means per run, measured; the pass that "
    "measures one-shot validation is not among them. Full precision: [table_shared.csv](table_shared.csv); for a "
    "paper: [table_shared.tex](table_shared.tex)."
)
REGRET = (
    ", by how many percentage points it stays below the table's best, its rank there (1 is best), and the percentage "
    "of the table's other architectures that it beats (50 of a random one, on average, whatever its accuracy)"
)
ACCURACY_RULE = (
    "Test accuracy is looked up afterwards, at the reporting fidelity; no search sees it. Its axis leaves out the "
    "first epochs, and dips that make up less than a tenth of a line."
)
ENTROPY_RULE = (
    "Relative entropy: entropy of the distribution over the {options} options, mean over decisions, divided by "
    "log({options}): 1 is uniform, 0 decided. Methods that learn no distribution stay at 1."
)
TRAINING_RULE = (
    "Training accuracy and loss are means over an epoch's images as each step saw them, on one sampled path or on a "
    "mixture of all: they compare between epochs rather than between methods. One-shot validation is of the derived "
    "architecture, with the shared weights, on all validation images."
)
EARLY = 0.05
"""Part of the epochs after which the axis of test accuracy shows a curve whole: first architectures are poor."""


def section(given: SectionInput) -> str:
    """What only weight-sharing methods have, in a table and by epoch; empty if there are none."""
    shared = [entry for entry in given.entries if entry.epochs]
    if not shared:
        return ""
    headers, rows = weight_sharing_table(shared)
    (given.directory / "table_shared.md").write_text(markdown(headers, rows) + "\n", "utf-8")
    (given.directory / "table_shared.tex").write_text(latex(headers, rows) + "\n", "utf-8")
    write_weight_sharing_csv(given.directory / "table_shared.csv", shared)
    figures = write_weight_sharing_figures(shared, given.legend, given.band, given.directory)
    where = " and ".join(dict.fromkeys(dataset for entry in shared for dataset in entry.epochs))
    known = any(entry.study.header.optima for entry in shared)
    parts = [
        "## Weight sharing",
        markdown(headers, rows),
        TABLE_RULE.format(regret=REGRET if known else ""),
        *(figure(name, f"{caption} on {where}") for name, caption in figures.items()),
        bullets(_rules(shared, given.band, "shared_accuracy" in figures)),
    ]
    return "\n\n".join(parts)


def _rules(entries: Sequence[Entry], band: Band, known: bool) -> Iterator[str]:
    """How the figures are drawn.

    Args:
        known: whether there is test accuracy.
    """
    space = space_named(entries[0].study.header.settings.space)
    yield BAND_RULES[band]
    if known:
        yield ACCURACY_RULE
    yield ENTROPY_RULE.format(options=max(space.options))
    if space.trait_rule:
        yield space.trait_rule
    yield TRAINING_RULE


WEIGHT_SHARING_COLUMNS = {
    "test": "test (%)",
    "regret": "regret (points)",
    "rank": "rank",
    "beats": "beats (%)",
    "one_shot_validation": "one-shot validation (%)",
    "search_seconds": "search (s)",
    **{f"{phase}_seconds": f"{phase} (s)" for phase in PHASES},
    "relative_entropy": "relative entropy",
}
"""Of `weight_sharing_finals` -> heading; traits of the space follow under their own names."""


def weight_sharing_table(entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of what only weight-sharing methods have, a row per method and data set.

    Accuracies, regret, rank, entropy and traits are mean ± standard deviation over runs, seconds the mean.
    """
    rows, traits = [], []
    for entry in entries:
        for dataset, runs in entry.epochs.items():
            finals = _finals(entry, dataset)
            traits = [name for name in finals if name not in WEIGHT_SHARING_COLUMNS]
            cells = [
                seconds(float(value.mean))
                if name.endswith("seconds")
                else plus_minus(value, {"rank": 0, "beats": 1}.get(name, 2))
                for name, value in finals.items()
            ]
            rows.append([entry.text, str(len(runs.number)), str(runs.epochs), *cells])
    optima = {name: best for entry in entries for name, best in entry.study.header.optima.items()}
    for best in optima.values():
        if not math.isnan(best.mean_test):
            spread = f" ± {number(best.std_test)}" if best.architectures else ""
            known = {
                "test": number(best.mean_test) + spread,
                "regret": number(best.test - best.mean_test) + spread,
                "beats": "50.0",
            }
            cells = [known.get(name, "") for name in [*WEIGHT_SHARING_COLUMNS, *traits]]
            rows.append(["random architecture", "", "", *cells])
    return ["method", "runs", "epochs", *WEIGHT_SHARING_COLUMNS.values(), *traits], rows


def _finals(entry: Entry, dataset: str) -> dict[str, Aggregate]:
    """In the order of SHARED_COLUMNS, then traits."""
    header = entry.study.header
    best = header.optima.get(dataset)
    known = (best.test, best.architectures) if best else ()
    assert isinstance(header.settings, WeightSharingSettings)
    finals = weight_sharing_finals(entry.epochs[dataset], header.settings, *known)
    return {name: finals[name] for name in WEIGHT_SHARING_COLUMNS} | finals


def write_weight_sharing_csv(path: Path, entries: Sequence[Entry]) -> None:
    """`weight_sharing_table` in full precision, with every statistic; empty where there is none."""
    rows, columns = [], []
    for entry in entries:
        for dataset, runs in entry.epochs.items():
            names = {"method": entry.text, "dataset": dataset}
            row: dict[str, float] = {"runs": len(runs.number), "epochs": runs.epochs}
            for name, value in _finals(entry, dataset).items():
                row |= statistics_columns(name.replace(" ", "_"), value)
            columns = [*names, *row]
            rows.append({**names, **without_nan(row)})
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@dataclass(frozen=True)
class EpochPanel:
    """One quantity of all methods."""

    quantity: str
    """What its axis says."""
    curves: Mapping[str, Aggregate]
    """Label -> statistics over runs, shape (epochs,)."""
    limits: tuple[float, float] | None = None
    """Of the axis; None: what the curves need."""
    optimum: float = math.nan
    """Of the quantity, to be drawn; NaN if there is none."""


def write_weight_sharing_figures(
    entries: Sequence[Entry], legend: Mapping[str, str], band: Band, directory: Path
) -> dict[str, str]:
    """Draw the figures of weight-sharing entries, all of one space and data set, in every format.

    Args:
        legend: label of an entry -> its text in the legend.

    Returns: file name without extension -> caption.
    """
    figures = {
        "shared_accuracy": (accuracy_panels(entries), "Test accuracy of the derived architecture by epoch"),
        "shared_architecture": (architecture_panels(entries), "Relative entropy and derived architecture by epoch"),
        "shared_training": (training_panels(entries), "Training of the shared weights by epoch"),
    }
    with report_style():
        for name, (panels, _) in figures.items():
            if panels:
                save(draw_epochs(panels, legend, band), directory / name)
    return {name: caption for name, (panels, caption) in figures.items() if panels}


def accuracy_panels(entries: Sequence[Entry]) -> list[EpochPanel]:
    """Test accuracy from where the lowest curve is early to just above the optimum; nothing where it is unknown."""
    known = [entry for entry in entries if any(map(entry.has_test, entry.runs))]
    if not known:
        return []
    curves = _curves(known, lambda runs: runs.test)
    optimum = max(best.test for best in known[0].study.header.optima.values())
    settled = [curve.mean[int(EARLY * len(curve.mean)) :] for curve in curves.values()]
    lowest = [lowest_but_rare(means[~np.isnan(means)]) for means in settled if not np.isnan(means).all()]
    bottom = min([*lowest, optimum - 1])
    height = optimum - bottom
    limits = bottom - 0.03 * height, optimum + 0.13 * height
    return [EpochPanel("test accuracy (%)", curves, limits, optimum)]


def architecture_panels(entries: Sequence[Entry]) -> list[EpochPanel]:
    """Relative entropy, and the traits of what was derived on an axis for the whole space."""
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
        EpochPanel("training accuracy (%)", _curves(entries, lambda runs: runs.weight_accuracy)),
        EpochPanel("training loss (nats)", _curves(entries, lambda runs: runs.weight_loss)),
        EpochPanel("one-shot validation (%)", _curves(entries, lambda runs: runs.one_shot_validation)),
    ]


def _curves(entries: Sequence[Entry], quantity: Callable[[WeightSharingRuns], Floats]) -> dict[str, Aggregate]:
    return {
        entry.label: aggregate(quantity(runs), interval=True) for entry in entries for runs in entry.epochs.values()
    }


def _with_margins(low: float, high: float) -> tuple[float, float]:
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def draw_epochs(panels: Sequence[EpochPanel], legend: Mapping[str, str], band: Band) -> Figure:
    """The panels side by side, and a common legend below of what they show."""
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
    if not math.isnan(panel.optimum):
        draw_optimum(axes, panel.optimum)
