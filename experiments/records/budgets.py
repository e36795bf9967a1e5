"""Budgets of searches, in seconds of the search's clock or in evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from benchmarks.errors import InputError

BudgetUnit = Literal["seconds", "evaluations"]
BUDGET_UNITS: tuple[BudgetUnit, ...] = get_args(BudgetUnit)


@dataclass(frozen=True)
class Budget:
    """The budget of one search.

    With seconds, evaluations start while the search's clock is below the amount. With evaluations, exactly this number
    of them starts and ends, including failed and repeated ones.

    Raises:
        InputError: the amount is not positive and finite, or not a whole number of evaluations.
    """

    amount: float
    unit: BudgetUnit = "seconds"

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", float(self.amount))  # 300 and 300.0 are the same budget
        if not self.amount > 0 or math.isinf(self.amount):
            raise InputError(f"a budget is a positive number of {self.unit}, got {self.amount}")
        if self.unit == "evaluations" and self.amount != int(self.amount):
            raise InputError(f"a budget is a whole number of evaluations, got {self.amount}")

    def spent(self, seconds: float, evaluations: int) -> float:
        """The amount spent after these numbers of seconds and evaluations, in the unit of the budget."""
        return seconds if self.unit == "seconds" else evaluations

    def __str__(self) -> str:
        return f"{self.amount:,g} {'s' if self.unit == 'seconds' else self.unit}"
