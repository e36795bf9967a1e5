"""Section: the architectures that weight-sharing methods derived."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.spaces import Space, space_named
from benchmarks.spaces.sss import CHANNELS
from experiments.records.headers import WeightSharingSettings
from experiments.reports.drawings.painters import TITLE_INCHES, WIDTH_INCHES, draw_architecture
from experiments.reports.drawings.sss import CHANNELS_INCHES, draw_channels
from experiments.reports.entries import Entry
from experiments.reports.figures import CENTRED, report_style, save
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
    """Draw the final architectures, and describe them."""
    settings = entries[0].study.header.settings
    assert isinstance(settings, WeightSharingSettings)
    space, channels = space_named(settings.space), settings.scale.channels
    rescaled = space.name == "sss" and list(channels) != list(CHANNELS)
    yield ANSWER_RULE + (
        f" Channels are those of the published networks; here the choices stood for {', '.join(map(str, channels))}."
        if rescaled
        else ""
    )
    for name, entry in zip(_names(entries), entries, strict=True):
        for runs in entry.epochs.values():
            architecture, times = most_frequent(runs.architecture[:, -1].tolist())
            test = runs.test[:, -1][runs.architecture[:, -1] == architecture][0]
            write_answer(space, architecture, directory / name)
            caption = f"{entry.label}: {space.name} {architecture}, derived by {times} of {len(runs.number)} runs"
            yield figure(name, f"{caption}, test accuracy {number(float(test))} %" if test == test else caption)


def _names(entries: Sequence[Entry]) -> list[str]:
    """Of the files: cell_METHOD, and the number of the study if several ran the method."""
    studies = list(dict.fromkeys(entry.study.name for entry in entries))
    algorithms = [entry.algorithm for entry in entries]
    return [
        f"cell_{entry.algorithm}"
        + (f"_{studies.index(entry.study.name) + 1}" if algorithms.count(entry.algorithm) > 1 else "")
        for entry in entries
    ]


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
