"""Fidelities, the outcome of an evaluation, and the report about an architecture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How far an architecture is trained: `epoch` epochs of the training schedule `schedule`.

    Epoch 12 of schedule '12' ends a training; epoch 12 of schedule '200' does not: its learning rate is still high.
    """

    schedule: str
    epoch: int

    def __str__(self) -> str:
        return f"epoch {self.epoch} of schedule {self.schedule}"


class Outcome(NamedTuple):
    """What a searcher is told about one evaluation."""

    score: float
    """The task's validation metric, larger is better (percent accuracy); NaN if the evaluation failed."""
    seconds: float
    """Simulated seconds charged for the evaluation."""

    @property
    def failed(self) -> bool:
        return not math.isfinite(self.score)


class FinalReport(NamedTuple):
    """What is reported about an architecture after a search; mean over the recorded seeds at the reporting fidelity."""

    validation: float
    """Percent validation accuracy; NaN where the benchmark has none at the reporting fidelity."""
    test: float
    """Percent test accuracy."""
    rank: int
    """1 for the best test accuracy among all architectures of the table; equal accuracies share the best rank."""
