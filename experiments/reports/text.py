"""Wording and layout shared by the sections of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.statistics.aggregates import CONFIDENCE, RESAMPLES, Band

BAND_RULES: dict[Band, str] = {
    "iqr": "Lines are means over runs, bands are interquartile ranges; a mean leaves its band when a few runs lag far "
    "behind.",
    "sem": "Lines are means over runs, bands are one standard error of the mean on either side.",
    "std": "Lines are means over runs, bands are one standard deviation (population) on either side.",
    "ci": f"Lines are means over runs, bands are {CONFIDENCE:.0%} percentile bootstrap intervals of the mean "
    f"({RESAMPLES:,} resamples of runs); with few runs they are too narrow.",
}


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def figure(name: str, caption: str) -> str:
    """Markdown of a figure, with links to its other formats.

    Args:
        name: that of its files, without extension.
    """
    return f"![{caption}]({name}.png)\n\n{caption} ([SVG]({name}.svg), [PDF]({name}.pdf))."


def sources(name: str) -> str:
    """Links to the other formats of a table.

    Args:
        name: that of its files, without extension.
    """
    return f"Full precision: [{name}.csv]({name}.csv); for a paper: [{name}.tex]({name}.tex)."


def format_setting(value: Any) -> str:
    """A setting in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {format_setting(inner)}" for key, inner in value.items()) or "none"
    return "none" if value is None else str(value)


def format_fidelities(used: Iterable[tuple[str, int]]) -> str:
    """(schedule, epoch) pairs as 'epochs 1, 4, 12 of schedule 12'."""
    schedules: dict[str, list[int]] = {}
    for schedule, epoch in sorted(used):
        schedules.setdefault(schedule, []).append(epoch)
    return "; ".join(
        f"epoch{'s' * (len(epochs) > 1)} {', '.join(map(str, epochs))} of schedule {schedule}"
        for schedule, epochs in schedules.items()
    )


def format_p(p: float) -> str:
    """'0.012', or '< 0.001'."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
