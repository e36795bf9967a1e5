"""Fidelities, the outcome of an evaluation, and the final report about an architecture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The extent of a training: `epoch` epochs of the training schedule `schedule`.

    Epoch 12 of schedule '12' ends a training; epoch 12 of schedule '200' does not: its learning rate is still high.
    """

    schedule: str
    epoch: int

    def __str__(self) -> str:
        return f"epoch {self.epoch} of schedule {self.schedule}"


class Outcome(NamedTuple):
    """The result of one evaluation, as a searcher sees it."""

    score: float
    """The task's validation metric as a score: larger is better (`Metric.score`); NaN if the evaluation failed."""
    seconds: float
    """Simulated seconds charged for the evaluation; 0 if the benchmark has no times."""

    @property
    def failed(self) -> bool:
        return not math.isfinite(self.score)


class FinalReport(NamedTuple):
    """The scores (means over the recorded seeds) and the rank of an architecture, reported after a search."""

    validation: float
    """Validation score; NaN if the benchmark has none at the reporting fidelity."""
    test: float
    """Test score; NaN if the benchmark has no test."""
    rank: int
    """Rank by test score (validation score without a test) in the table, 1 for the best; ties share the best rank."""


def format_ranges(epochs: tuple[int, ...]) -> str:
    """Ascending epochs as text: '1-12' or '200'."""
    whole = epochs == tuple(range(epochs[0], epochs[-1] + 1)) and len(epochs) > 1
    return f"{epochs[0]}-{epochs[-1]}" if whole else ", ".join(map(str, epochs))
