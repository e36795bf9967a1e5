"""The section of a report about the architectures that the searches ended with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from benchmarks.spaces import SPACES, Space
from experiments.reports.drawings import DRAWINGS
from experiments.reports.drawings.painters import WIDTH_INCHES
from experiments.reports.entries import Entry
from experiments.reports.figures import CENTRED, COLUMNS, figure_for, place_legend, report_style, save, styles
from experiments.reports.section import SectionInput
from experiments.reports.tables import DASH, Fact, ReportTable, number, write_table
from experiments.reports.text import figure, sources

MOST = 5
"""Architectures per data set in the table and the figure."""
RULE = (
    "The architectures, up to {most}, that were most often the final answer, by official index, with the runs that "
    "ended with them; {isomorphic}test accuracy is at the reporting fidelity. All answers: [found.csv](found.csv); for "
    "a paper: [found.tex](found.tex)."
)
ISOMORPHIC = "cells that compute the same function under different indices count apart; "
ALL_DIFFERENT = "No two runs ended with the same architecture: there is no most frequent one to draw."
DIVERSITY_RULE = (
    "How many different architectures the runs of each algorithm ended with, and the one that most did (of several, "
    "that with the best test accuracy). {sources}"
)


@dataclass(frozen=True)
class FinalArchitecture:
    """An architecture that was the final answer of a run."""

    architecture: int
    """Official index."""
    test: float
    """Percent; NaN where it is unknown."""
    runs: Mapping[str, int]
    """Label -> how many runs ended with it; only labels with any."""

    @property
    def times(self) -> int:
        return sum(self.runs.values())


def final_architectures(entries: Sequence[Entry], dataset: str) -> list[FinalArchitecture]:
    """Every final answer on a data set, the most frequent first, of equally frequent the better one."""
    counts: dict[int, Counter[str]] = {}
    test: dict[int, float] = {}
    for entry in (entry for entry in entries if dataset in entry.runs):
        answers = entry.answers(dataset)
        for architecture, accuracy in zip(answers.architecture.tolist(), answers.test.tolist(), strict=True):
            if architecture >= 0:
                counts.setdefault(architecture, Counter())[entry.label] += 1
                test[architecture] = accuracy
    found = [FinalArchitecture(architecture, test[architecture], runs) for architecture, runs in counts.items()]
    return sorted(found, key=lambda one: (-one.times, -_or_worst(one.test), one.architecture))


def _or_worst(test: float) -> float:
    return -math.inf if math.isnan(test) else test


def section(given: SectionInput) -> str:
    """The architectures with which searches ended; empty if no run has an answer."""
    header, legend, directory = given.header, given.legend, given.directory
    name = header.settings.space
    space = SPACES.get(name)  # None: somebody's own, which is not there now
    all_answers = {dataset: final_architectures(given.entries, dataset) for dataset in given.recorded_datasets}
    found = {dataset: answers for dataset, answers in all_answers.items() if answers}
    if not found:
        return ""
    labels = [label for label in legend if any(label in one.runs for answers in found.values() for one in answers)]
    repeated = {dataset: answers for dataset, answers in found.items() if answers[0].times > 1}
    answered = {one.architecture for answers in found.values() for one in answers}
    isomorphic = ISOMORPHIC if space and _has_canonical_forms(space, answered) else ""
    parts = [
        "## What was found",
        write_table(diversity_table(found, labels), directory / "diversity"),
        DIVERSITY_RULE.format(sources=sources("diversity")),
        write_table(found_table(space, found, labels), directory / "found"),
        RULE.format(most=MOST, isomorphic=isomorphic),
    ]
    if not repeated:
        return "\n\n".join([*parts, ALL_DIFFERENT])
    write_counts({dataset: answers[:MOST] for dataset, answers in repeated.items()}, legend, directory)
    parts.append(figure("found", "How many runs ended with the most frequent final answers, by official index"))
    if space and name in DRAWINGS:
        best = {dataset: answers[0] for dataset, answers in repeated.items()}
        write_cells(space, {dataset: (one.architecture, _caption(space, dataset, one, found[dataset]))
                            for dataset, one in best.items()}, directory)  # fmt: skip
        parts.append(figure("found_cells", "The most frequent final answer on each data set"))
        note = DRAWINGS[name].table_note
        if note and "network" in (header.settings.table.provenance if header.settings.table else ()):
            parts.append(note)
    return "\n\n".join(parts)


def _has_canonical_forms(space: Space, architectures: Iterable[int]) -> bool:
    """Whether the space tells architectures apart that compute the same function."""
    return any(space.canonical(arch) != space.to_string(arch) for arch in map(space.arch, architectures))


def _caption(space: Space, dataset: str, one: FinalArchitecture, answers: Sequence[FinalArchitecture]) -> str:
    runs = sum(other.times for other in answers)
    test = "" if math.isnan(one.test) else f", {number(one.test)} %"
    return f"{dataset}: {space.name} {one.architecture}, {one.times} of {runs} runs{test}"


def _told(space: Space | None, architecture: int) -> str:
    """The official string of an index; a dash where the space is unknown."""
    return space.to_string(space.arch(architecture)) if space else DASH


def found_table(
    space: Space | None, found: Mapping[str, Sequence[FinalArchitecture]], labels: Sequence[str]
) -> ReportTable:
    """The most frequent answers, with a column of runs per algorithm; the facts are of all answers."""
    rows = [
        [
            dataset, str(one.architecture), _told(space, one.architecture), number(one.test),
            *(str(one.runs.get(label, 0)) for label in labels),
        ]
        for dataset, answers in found.items()
        for one in answers[:MOST]
    ]  # fmt: skip
    facts: list[dict[str, Fact]] = [
        {
            "dataset": dataset, "architecture": one.architecture,
            "string": _told(space, one.architecture), "test": one.test, "algorithm": label,
            "runs": one.runs[label],
        }
        for dataset, answers in found.items()
        for one in answers
        for label in labels
        if label in one.runs
    ]  # fmt: skip
    return ReportTable(["data set", "index", "architecture", "test (%)", *labels], rows, facts)


def diversity_table(found: Mapping[str, Sequence[FinalArchitecture]], labels: Sequence[str]) -> ReportTable:
    """How many different answers each algorithm has."""
    rows: list[list[str]] = []
    facts: list[dict[str, Fact]] = []
    for dataset, answers in found.items():
        for label in labels:
            own = [one for one in answers if label in one.runs]
            if not own:
                continue
            runs, most = sum(one.runs[label] for one in own), max(own, key=lambda one: one.runs[label])
            times = most.runs[label]
            rows.append(
                [dataset, label, str(runs), str(len(own)), str(most.architecture), f"{times} ({times / runs:.0%})"]
            )
            facts.append({"dataset": dataset, "algorithm": label, "runs": runs, "different_answers": len(own),
                          "most_frequent": most.architecture, "most_frequent_runs": times})  # fmt: skip
    headers = ["data set", "algorithm", "runs with an answer", "different answers", "most frequent", "by runs"]
    return ReportTable(headers, rows, facts)


TITLE_INCHES = 0.45


def write_counts(found: Mapping[str, Sequence[FinalArchitecture]], legend: Mapping[str, str], directory: Path) -> None:
    """A panel per data set: a bar per architecture, as long as the number of runs that ended with it."""
    with report_style():
        save(draw_counts(found, legend), directory / "found")


def draw_counts(found: Mapping[str, Sequence[FinalArchitecture]], legend: Mapping[str, str]) -> Figure:
    """Bars are made up of the runs of each algorithm.

    Args:
        found: data set -> architectures, the most frequent first.
    """
    look = styles(legend)
    figure, grid = figure_for(len(found), gap=0.04)
    for i, (axes, (dataset, architectures)) in enumerate(zip(grid, found.items(), strict=True)):
        axes.set_title(dataset)
        for row, one in enumerate(architectures):
            left = 0
            for label in (label for label in legend if label in one.runs):
                axes.barh(row, one.runs[label], left=left, height=0.7, color=look[label].colour, edgecolor="white")
                left += one.runs[label]
        axes.set_yticks(range(len(architectures)), [str(one.architecture) for one in architectures])
        axes.set(xlabel="runs", ylabel="architecture" if i % COLUMNS == 0 else "")
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    shown = {label for architectures in found.values() for one in architectures for label in one.runs}
    patches = [Patch(color=look[label].colour, label=label) for label in legend if label in shown]
    place_legend(figure, patches)
    return figure


def write_cells(space: Space, chosen: Mapping[str, tuple[int, str]], directory: Path) -> None:
    """Draw an architecture per data set, one below the other.

    Args:
        space: one of DRAWINGS.
        chosen: data set -> (official index, title).
    """
    with report_style():
        save(draw_cells(space, list(chosen.values())), directory / "found_cells")


def draw_cells(space: Space, chosen: Sequence[tuple[int, str]]) -> Figure:
    """What distinguishes each of the architectures, under their titles."""
    drawing = DRAWINGS[space.name]
    each = TITLE_INCHES + drawing.inches
    height = each * len(chosen)
    figure = Figure((WIDTH_INCHES, height))
    for i, (architecture, title) in enumerate(chosen):
        top = height - each * i
        figure.text(0.5, (top - 0.27) / height, title, fontsize=13, weight="bold", **CENTRED)
        axes = figure.add_axes((0, (top - each) / height, 1, drawing.inches / height))
        drawing.draw(axes, space.arch(architecture))
    return figure
