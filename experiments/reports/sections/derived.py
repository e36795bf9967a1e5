"""Section: the architectures that weight-sharing methods derived."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.spaces import Space, space_named
from experiments.records.headers import WeightSharingSettings
from experiments.reports.drawings import DRAWINGS
from experiments.reports.drawings.painters import draw_architecture
from experiments.reports.entries import Entry
from experiments.reports.figures import report_style, save
from experiments.reports.section import SectionInput
from experiments.reports.text import figure
from experiments.statistics.weight_sharing import most_frequent

DERIVED_RULE = (
    "For each method, the final architecture that most of its runs derived (of several, that of the earliest run)."
)


def section(given: SectionInput) -> str:
    """A drawing per method; empty if there are none."""
    methods = [entry for entry in given.entries if entry.epochs]
    return "\n\n".join(["## Derived architectures", *_drawings(given, methods)]) if methods else ""


def _drawings(given: SectionInput, entries: Sequence[Entry]) -> Iterator[str]:
    """Draw the most frequent final architectures where the space has a drawing, and describe them."""
    settings = entries[0].study.header.settings
    assert isinstance(settings, WeightSharingSettings)
    space, drawing = space_named(settings.space), DRAWINGS.get(settings.space)
    yield " ".join(filter(None, (DERIVED_RULE, drawing.scale_note(settings.scale) if drawing else "")))
    for name, entry in zip(_names(entries), entries, strict=True):
        for dataset, runs in entry.epochs.items():
            architecture, times = most_frequent(runs.architecture[:, -1].tolist())
            score = float(runs.final[:, -1][runs.architecture[:, -1] == architecture][0])
            caption = f"{entry.label}: {space.name} {architecture}, derived by {times} of {len(runs.number)} runs"
            if not math.isnan(score):
                caption += f", {given.measures[dataset].name} {given.measures[dataset].quantity(score)}"
            if drawing:
                _write_architecture(space, architecture, given.directory / name)
                yield figure(name, caption)
            else:
                yield f"{caption}: `{space.to_string(space.arch(architecture))}`"


def _names(entries: Sequence[Entry]) -> list[str]:
    """Names of the files: cell_METHOD, with the number of the study if several studies ran the method."""
    studies = list(dict.fromkeys(entry.study.name for entry in entries))
    algorithms = [entry.algorithm for entry in entries]
    return [
        f"cell_{entry.algorithm}"
        + (f"_{studies.index(entry.study.name) + 1}" if algorithms.count(entry.algorithm) > 1 else "")
        for entry in entries
    ]


def _write_architecture(space: Space, architecture: int, stem: Path) -> None:
    """Draw an architecture of one of DRAWINGS in every format to `stem` plus suffix."""
    with report_style():
        save(draw_architecture(space.name, space.arch(architecture), common=False), stem)
