"""The evaluation options of multi-trial studies: the budget, and how evaluations are scored and charged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.costs import CostModel
from benchmarks.errors import InputError
from benchmarks.options import option
from experiments.records.budgets import Budget
from experiments.studies.presets import PRESETS, Preset, preset_named
from experiments.studies.search_loop import Crossing, IncumbentRule

DEFAULTS = Preset("the defaults", PRESETS["nats-paper"].budgets)
"""The protocol of studies without a preset."""
EVALUATIONS = 200
"""Evaluations of a run if no budget is given or published: exactly this many, or the seconds they take on average."""
_PRESETS = "; ".join(f"{name} is {preset.summary}" for name, preset in PRESETS.items())


@dataclass(frozen=True)
class EvaluationRequest:
    """How a multi-trial study evaluates architectures, and for how long.

    None leaves the choice to the preset, the table or the defaults; given values take precedence over the preset.

    Raises:
        InputError: both a budget in seconds and one in evaluations are given, or the preset is unknown.
    """

    evaluate: Literal["table", "train"] = option(
        "table", "look evaluations up in a table, or train every architecture that the search proposes"
    )
    preset: str | None = option(
        None, f"a paper's protocol, for the options that are not given: {_PRESETS}", choices=PRESETS
    )
    budget: float | None = option(
        None, "seconds per run, simulated or, with --evaluate train, measured", metavar="SECONDS",
        unset=f"the data set's nats-paper budget, else the time of {EVALUATIONS} average evaluations; on a table "
        f"without times, {EVALUATIONS} evaluations",
    )  # fmt: skip
    evaluations: int | None = option(
        None, "evaluations per run, instead of --budget; --evaluate train requires one of them", metavar="N"
    )
    cost_model: CostModel | None = option(
        None, "what an evaluation costs: its training epochs and one validation pass (nats), its training epochs "
        "alone, or its training epochs with a validation pass after each", unset="nats",
    )  # fmt: skip
    seed_policy: str | None = option(
        None, "score of an evaluation: that of a random training seed (sampled), of the mean over seeds (mean), or of "
        "one seed (fixed:SEED, the only kind for --evaluate train)", metavar="POLICY",
        unset="sampled, or mean if the table has nothing but means; with --evaluate train, fixed:0",
    )  # fmt: skip
    schedule: str | None = option(
        None, "training schedule that the search uses; with --evaluate train, its number of epochs, which is required",
        unset="the table's",
    )  # fmt: skip
    crossing: Crossing | None = option(
        None, "keep or drop the evaluation that crosses a budget in seconds", unset="keep"
    )
    cache: bool = option(False, "make repeated queries free instead of charging them again")
    simulated_workers: int | None = option(
        None, "simultaneous evaluations on the search's clock", low=1, metavar="W",
        unset="1; with --evaluate train, the number of --workers",
    )  # fmt: skip
    incumbent: IncumbentRule | None = option(
        None, "choose a run's answer among the evaluations at the highest fidelity, or among all",
        unset="highest_fidelity",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.budget is not None and self.evaluations is not None:
            raise InputError("a search has one budget: give --budget SECONDS or --evaluations N, not both")
        _ = self.protocol

    @property
    def protocol(self) -> Preset:
        """The preset, or the defaults."""
        return preset_named(self.preset) if self.preset else DEFAULTS

    def requested_budget(self) -> Budget | None:
        """The budget that is given; None if there is none."""
        if self.evaluations is not None:
            return Budget(self.evaluations, "evaluations")
        return None if self.budget is None else Budget(self.budget)

    def crossing_of(self, budget: Budget) -> Crossing:
        """What happens to the evaluation that crosses the budget; InputError if it is given and none can cross it."""
        if budget.unit == "seconds":
            return self.crossing or self.protocol.crossing
        if self.crossing:
            raise InputError(
                f"--crossing only applies to budgets in seconds (--budget), not to one of {budget}: leave it out"
            )
        return "keep"
