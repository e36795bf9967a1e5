"""Budgets: how long one search goes on, in seconds of its clock or in evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from benchmarks.errors import InputError

BudgetUnit = Literal["seconds", "evaluations"]
BUDGET_UNITS: tuple[BudgetUnit, ...] = get_args(BudgetUnit)


@dataclass(frozen=True)
class Budget:
    """What one search may spend.

    Seconds: evaluations begin while the search's clock is below the amount. Evaluations: exactly so many begin and end,
    failed ones and repeated ones included.

    Raises:
        InputError: the amount is not positive and finite, or not a whole number of evaluations.
    """

    amount: float
    unit: BudgetUnit = "seconds"

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", float(self.amount))  # 300 and 300.0 are one budget, and written alike
        if not self.amount > 0 or math.isinf(self.amount):
            raise InputError(f"a budget is a positive number of {self.unit}, got {self.amount}")
        if self.unit == "evaluations" and self.amount != int(self.amount):
            raise InputError(f"a budget is a whole number of evaluations, got {self.amount}")

    def spent(self, seconds: float, evaluations: int) -> float:
        """The part of `amount` that is spent after so many seconds and evaluations, in the budget's own unit."""
        return seconds if self.unit == "seconds" else evaluations

    def __str__(self) -> str:
        return f"{self.amount:,g} {'s' if self.unit == 'seconds' else self.unit}"
