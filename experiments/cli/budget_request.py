"""The budget that the command line asks for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from experiments.records.budgets import Budget

if TYPE_CHECKING:
    from experiments.studies.presets import Preset
    from experiments.studies.search_loop import Crossing


def requested_budget(given: argparse.Namespace) -> Budget | None:
    """What --budget or --evaluations says; None if neither is given."""
    if given.evaluations is not None:
        return Budget(given.evaluations, "evaluations")
    return None if given.budget is None else Budget(given.budget)


def crossing_of(given: argparse.Namespace, preset: Preset, budget: Budget) -> Crossing:
    """What happens to the evaluation that crosses the budget; InputError for --crossing where none can."""
    if budget.unit == "seconds":
        crossing: Crossing = given.crossing or preset.crossing
        return crossing
    if given.crossing:
        raise InputError(
            f"--crossing only applies to budgets in seconds (--budget), not to one of {budget}: leave it out"
        )
    return "keep"
