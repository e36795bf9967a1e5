"""Costs of evaluations: the seconds that a cost model charges, computed from the times recorded in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import TableError
from benchmarks.outcomes import Fidelity, format_ranges

if TYPE_CHECKING:
    from benchmarks.table import BenchmarkTable

CostModel = Literal["nats", "train_only", "train_and_valid_each_epoch"]
COST_MODELS: tuple[CostModel, ...] = get_args(CostModel)


@dataclass(frozen=True)
class EvaluationCosts:
    """The costs of one data set's evaluations under one cost model."""

    table: BenchmarkTable
    dataset: str
    cost_model: CostModel

    @property
    def _record(self) -> str:
        return self.table.task(self.dataset).search_record

    def is_timed(self, schedule: str) -> bool:
        """Whether the table has training or validation times at `schedule`."""
        return any(f"{self._record}/{schedule}/{split}/seconds" in self.table.columns for split in ("train", "valid"))

    def require_times(self, schedule: str) -> None:
        """Raise TableError unless evaluations at `schedule` can be charged seconds."""
        if not self.is_timed(schedule):
            raise TableError(
                f"{self.table.info.name} has no training or validation times of {self.dataset} at schedule {schedule}, "
                "so a search on it cannot have a budget in seconds: use a budget in evaluations (--evaluations N)"
            )

    def seconds(self, fidelity: Fidelity, seeds: tuple[str, ...]) -> NDArray[np.float64]:
        """The seconds charged at `fidelity`, (rows, seeds); 0 if the table has no times at its schedule.

        Raises:
            TableError: the table has times, but lacks some that the cost model needs.
        """
        if not self.is_timed(fidelity.schedule):
            return np.zeros((len(self.table), len(seeds)))
        train = self._times("train", fidelity, seeds)
        cost: NDArray[np.float64] = train[:, :, : fidelity.epoch].sum(2)
        if self.cost_model != "train_only":
            first_pass = fidelity.epoch - 1 if self.cost_model == "nats" else 0
            cost += self._times("valid", fidelity, seeds)[:, :, first_pass : fidelity.epoch].sum(2)
        return cost

    def _times(self, split: str, fidelity: Fidelity, seeds: tuple[str, ...]) -> NDArray[np.float64]:
        """The seconds (rows, seeds, epochs) of each epoch's training, or of each epoch's pass over `split`."""
        name = f"{self._record}/{fidelity.schedule}/{split}/seconds"
        column = self.table.columns.get(name)
        if column is None or column.seeds != seeds:
            advice = "" if split == "train" else ": use the cost model 'train_only' (--cost-model train_only)"
            raise TableError(
                f"{self.table.info.name} has no {split} seconds of {self.dataset} at schedule {fidelity.schedule}, "
                f"which the cost model {self.cost_model!r} needs{advice}"
            )
        needed = tuple(range(1, fidelity.epoch + 1))
        values = self.table.values(name)
        if not column.epochs:
            return np.broadcast_to(values, (*values.shape[:2], len(needed)))
        if column.epochs[: len(needed)] != needed:
            raise TableError(f"{name} of {self.table.info.name} must cover the epochs {format_ranges(needed)}")
        return values
