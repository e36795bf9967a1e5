"""Section: the architectures that weight-sharing methods derived."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.spaces import Space, space_named
from experiments.records.headers import WeightSharingSettings
from experiments.reports.drawings import DRAWINGS
from experiments.reports.drawings.painters import draw_architecture
from experiments.reports.entries import Entry
from experiments.reports.figures import report_style, save
from experiments.reports.section import SectionInput
from experiments.reports.tables import number
from experiments.reports.text import figure
from experiments.statistics.weight_sharing import most_frequent

ANSWER_RULE = "Of each method the final architecture that most runs derived; of several, that of the earliest run."


def section(given: SectionInput) -> str:
    """A drawing per method; empty if there are none."""
    shared = [entry for entry in given.entries if entry.epochs]
    return "\n\n".join(["## Derived architectures", *_answers(shared, given.directory)]) if shared else ""


def _answers(entries: Sequence[Entry], directory: Path) -> Iterator[str]:
    """Draw the final architectures where the space has a drawing, and describe them."""
    settings = entries[0].study.header.settings
    assert isinstance(settings, WeightSharingSettings)
    space, drawing = space_named(settings.space), DRAWINGS.get(settings.space)
    yield " ".join(filter(None, (ANSWER_RULE, drawing.scale_note(settings.scale) if drawing else "")))
    for name, entry in zip(_names(entries), entries, strict=True):
        for runs in entry.epochs.values():
            architecture, times = most_frequent(runs.architecture[:, -1].tolist())
            test = runs.test[:, -1][runs.architecture[:, -1] == architecture][0]
            caption = f"{entry.label}: {space.name} {architecture}, derived by {times} of {len(runs.number)} runs"
            caption += f", test accuracy {number(float(test))} %" if test == test else ""
            if drawing:
                write_answer(space, architecture, directory / name)
                yield figure(name, caption)
            else:
                yield f"{caption}: `{space.to_string(space.arch(architecture))}`"


def _names(entries: Sequence[Entry]) -> list[str]:
    """Of the files: cell_METHOD, and the number of the study if several ran the method."""
    studies = list(dict.fromkeys(entry.study.name for entry in entries))
    algorithms = [entry.algorithm for entry in entries]
    return [
        f"cell_{entry.algorithm}"
        + (f"_{studies.index(entry.study.name) + 1}" if algorithms.count(entry.algorithm) > 1 else "")
        for entry in entries
    ]


def write_answer(space: Space, architecture: int, stem: Path) -> None:
    """Draw an architecture of one of DRAWINGS in every format, `stem` with the suffix appended."""
    with report_style():
        save(draw_architecture(space.name, space.arch(architecture), common=False), stem)
