"""Figures of weight-sharing searches: what they found, how sure they were and how their weights learned, by epoch.

A line is the mean over runs, with the band of the report around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.spaces import Space, space_named
from benchmarks.spaces.sss import CHANNELS
from experiments.records.runs import Floats
from experiments.reports.drawings.painters import TITLE_INCHES, WIDTH_INCHES, draw_architecture
from experiments.reports.drawings.sss import CHANNELS_INCHES, draw_channels
from experiments.reports.entries import Entry
from experiments.reports.figures import (
    CENTRED,
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
from experiments.statistics.aggregates import Aggregate, Band, aggregate
from experiments.statistics.traits import traits
from experiments.statistics.weight_sharing import OneShotRanking, WeightSharingRuns, relative_entropy

EARLY = 0.05
"""Part of the epochs after which the axis of test accuracy shows a curve whole: first architectures are poor."""

ONE_SHOT = "one_shot"
"""File name of the figure of accuracies with shared weights and after training."""


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
        compared = one_shots_of(entries)
        if compared:
            save(draw_one_shot(compared), directory / ONE_SHOT)
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
    space, scale = space_named(settings["space"]), settings["shared"]["scale"]
    decisions, options = len(space.options), max(space.options)
    uniform = np.array([space.index((option,) * decisions) for option in range(options)], np.int32)
    entropy = _curves(entries, lambda runs: relative_entropy(space, runs.entropy))
    panels = [EpochPanel("relative entropy", entropy, _with_margins(0, 1))]
    for name, extremes in traits(space, scale, uniform).items():
        curves = _curves(entries, partial(_trait, space, scale, name))
        panels.append(EpochPanel(name, curves, _with_margins(extremes.min(), extremes.max())))
    return panels


def _trait(space: Space, scale: Mapping[str, Any], name: str, runs: WeightSharingRuns) -> Floats:
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


def draw_answer(space: Space, architecture: int) -> Figure:
    """A picture of an official index: its cell (tss) or the channels of its layers (sss)."""
    if space.name != "sss":
        return draw_architecture(space.name, space.arch(architecture))
    arch, height = space.arch(architecture), TITLE_INCHES + CHANNELS_INCHES  # the cell is the same in all of sss
    figure = Figure((WIDTH_INCHES, height))
    figure.text(0.5, 1 - 0.27 / height, f"{space.name} {architecture}", fontsize=13, weight="bold", **CENTRED)
    figure.text(0.5, 1 - 0.56 / height, space.to_string(arch), fontsize=11, family="monospace", **CENTRED)
    draw_channels(figure.add_axes((0, 0, 1, CHANNELS_INCHES / height)), [CHANNELS[choice] for choice in arch])
    return figure


def write_answer(space: Space, architecture: int, stem: Path) -> None:
    """Draw an architecture in every format, `stem` with the suffix appended."""
    with report_style():
        save(draw_answer(space, architecture), stem)


def one_shots_of(entries: Sequence[Entry]) -> dict[str, Sequence[OneShotRanking]]:
    """Label -> the runs that were compared with a table, of the entries that have any."""
    return {entry.label: runs for entry in entries for runs in entry.one_shot_rankings.values()}


def draw_one_shot(compared: Mapping[str, Sequence[OneShotRanking]]) -> Figure:
    """Accuracy with shared weights against that after training: a panel per label, all its runs; a point each."""
    look = styles(compared)
    figure, grid = figure_for(len(compared), gap=0.04)
    for axes, (label, runs) in zip(grid, compared.items(), strict=True):
        correlations = ", ".join(f"{one.spearman:.2f}" for one in runs)
        axes.set_title(f"{label}: ρ = {correlations}")
        for one in runs:
            axes.plot(
                one.shared, one.trained, look[label].marker, color=look[label].colour, alpha=0.5,
                markersize=4, markeredgewidth=0,
            )  # fmt: skip
        axes.set(xlabel="with shared weights (%)", ylabel="after training (%)")
    return figure
