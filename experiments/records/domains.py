"""Domains of the knobs that a sweep tunes, as sweeps record them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """The numbers between two, both included."""

    low: float
    high: float
    whole: bool
    log: bool

    def describe(self) -> str:
        return f"{self.low:g}:{self.high:g}{':log' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """One of a few values, without an order."""

    values: tuple[Any, ...]

    def describe(self) -> str:
        return ",".join(map(str, self.values))


Domain = Range | Choice


Tuned = Mapping[str, Domain]
"""Knob -> where it is looked for."""


def tuned_of(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Domain]:
    """The domains whose fields are in `facts`, as a sweep's header has them."""
    return {
        name: Choice(tuple(domain["values"])) if "values" in domain else Range(**domain)
        for name, domain in facts.items()
    }
