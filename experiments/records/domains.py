"""Domains of the knobs that a sweep tunes, as sweeps record them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Range(msgspec.Struct, frozen=True, tag_field="kind", tag="range"):
    """The numbers from `low` to `high`, including both."""

    low: int | float
    high: int | float
    whole: bool
    """Whether the domain holds only whole numbers."""
    log: bool
    """Whether values are sampled on a logarithmic scale."""

    def describe(self) -> str:
        return f"{self.low:g}:{self.high:g}{':log' if self.log else ''}"


class Choice(msgspec.Struct, frozen=True, tag_field="kind", tag="choice"):
    """One of several values without an order."""

    values: tuple[Any, ...]

    def describe(self) -> str:
        return ",".join(map(str, self.values))


Domain = Range | Choice


Tuned = Mapping[str, Domain]
"""Knob -> the domain in which it is tuned."""
