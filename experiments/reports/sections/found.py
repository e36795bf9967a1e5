"""Section: the architectures with which the searches ended."""

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
from experiments.reports.tables import DASH, Fact, ReportTable, write_table
from experiments.reports.text import figure, sources

TITLE_INCHES = 0.45
MOST = 5
"""Number of architectures per data set in the table and the figure."""
RULE = (
    "The most frequent final incumbents (at most {most} per data set), by official index, with the number of runs of "
    "each algorithm that ended with them. {isomorphic}The {judged} is at the reporting fidelity. All final incumbents: "
    "[found.csv](found.csv); for a paper: [found.tex](found.tex)."
)
ISOMORPHIC = "Cells that compute the same function under different indices are counted separately. "
ALL_DIFFERENT = "No two runs ended with the same architecture, so there is no most frequent one to draw."
COUNTS_CAPTION = "Number of runs that ended with the most frequent final incumbents, by official index"
DIVERSITY_RULE = (
    "Number of different architectures with which the runs of each algorithm ended, and the most frequent one (of "
    "several, the one with the best {judged}). {sources}"
)


@dataclass(frozen=True)
class FinalArchitecture:
    """An architecture that was the final incumbent of a run."""

    architecture: int
    """Official index."""
    score: float
    """Final score; NaN where it is unknown."""
    runs: Mapping[str, int]
    """Label -> number of runs that ended with it, without labels of which none did."""

    @property
    def times(self) -> int:
        """Number of runs that ended with it."""
        return sum(self.runs.values())


def final_architectures(entries: Sequence[Entry], dataset: str) -> list[FinalArchitecture]:
    """Every final incumbent on a data set, the most frequent first; of equally frequent ones, the better first."""
    counts: dict[int, Counter[str]] = {}
    scores: dict[int, float] = {}
    for entry in (entry for entry in entries if dataset in entry.runs):
        answers = entry.answers(dataset)
        for architecture, score in zip(answers.architecture.tolist(), answers.final.tolist(), strict=True):
            if architecture >= 0:
                counts.setdefault(architecture, Counter())[entry.label] += 1
                scores[architecture] = score
    found = [FinalArchitecture(architecture, scores[architecture], runs) for architecture, runs in counts.items()]
    return sorted(found, key=lambda one: (-one.times, -_or_worst(one.score), one.architecture))


def _or_worst(score: float) -> float:
    return -math.inf if math.isnan(score) else score


def section(given: SectionInput) -> str:
    """The architectures with which searches ended; empty if no run has an incumbent."""
    header, legend, directory = given.header, given.legend, given.directory
    name = header.settings.space
    space = SPACES.get(name)  # None for a user-defined space that cannot be imported
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
        DIVERSITY_RULE.format(judged=given.judged, sources=sources("diversity")),
        write_table(found_table(given, space, found, labels), directory / "found"),
        RULE.format(most=MOST, isomorphic=isomorphic, judged=given.judged),
    ]
    if not repeated:
        return "\n\n".join([*parts, ALL_DIFFERENT])
    write_counts({dataset: answers[:MOST] for dataset, answers in repeated.items()}, legend, directory)
    parts.append(figure("found", COUNTS_CAPTION))
    if space and name in DRAWINGS:
        best = {dataset: answers[0] for dataset, answers in repeated.items()}
        write_cells(space, {dataset: (one.architecture, _caption(given, dataset, one, found[dataset]))
                            for dataset, one in best.items()}, directory)  # fmt: skip
        parts.append(figure("found_cells", "The most frequent final incumbent on each data set"))
        note = DRAWINGS[name].table_note
        if note and "network" in (header.settings.table.provenance if header.settings.table else ()):
            parts.append(note)
    return "\n\n".join(parts)


def _has_canonical_forms(space: Space, architectures: Iterable[int]) -> bool:
    """Whether the space knows canonical forms, so that isomorphic architectures have different indices."""
    return any(space.canonical(arch) != space.to_string(arch) for arch in map(space.arch, architectures))


def _caption(given: SectionInput, dataset: str, one: FinalArchitecture, answers: Sequence[FinalArchitecture]) -> str:
    runs = sum(other.times for other in answers)
    score = "" if math.isnan(one.score) else f", {given.measures[dataset].quantity(one.score)}"
    return f"{dataset}: {given.header.settings.space} {one.architecture}, {one.times} of {runs} runs{score}"


def _string(space: Space | None, architecture: int) -> str:
    """The official string of an index; a dash if the space is unknown."""
    return space.to_string(space.arch(architecture)) if space else DASH


def found_table(
    given: SectionInput, space: Space | None, found: Mapping[str, Sequence[FinalArchitecture]], labels: Sequence[str]
) -> ReportTable:
    """The most frequent final incumbents, with a column of runs per algorithm; facts about all final incumbents."""
    rows = [
        [
            given.named(dataset), str(one.architecture), _string(space, one.architecture),
            given.measures[dataset].number(one.score),
            *(str(one.runs.get(label, 0)) for label in labels),
        ]
        for dataset, answers in found.items()
        for one in answers[:MOST]
    ]  # fmt: skip
    facts: list[dict[str, Fact]] = [
        {
            "dataset": dataset, "architecture": one.architecture, "string": _string(space, one.architecture),
            given.measures[dataset].split: given.measures[dataset].value(one.score), "algorithm": label,
            "runs": one.runs[label],
        }
        for dataset, answers in found.items()
        for one in answers
        for label in labels
        if label in one.runs
    ]  # fmt: skip
    return ReportTable(["data set", "index", "architecture", given.judged_label, *labels], rows, facts)


def diversity_table(found: Mapping[str, Sequence[FinalArchitecture]], labels: Sequence[str]) -> ReportTable:
    """Number of different final incumbents of each algorithm."""
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
    headers = ["data set", "algorithm", "runs with an incumbent", "different incumbents", "most frequent", "by runs"]
    return ReportTable(headers, rows, facts)


def write_counts(found: Mapping[str, Sequence[FinalArchitecture]], legend: Mapping[str, str], directory: Path) -> None:
    """A panel per data set with a bar per architecture, as long as the number of runs that ended with it."""
    with report_style():
        save(draw_counts(found, legend), directory / "found")


def draw_counts(found: Mapping[str, Sequence[FinalArchitecture]], legend: Mapping[str, str]) -> Figure:
    """Bars are stacked from the runs of each algorithm.

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
