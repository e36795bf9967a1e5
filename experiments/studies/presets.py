"""Named protocols and comparisons of the papers' scripts.

Departures from the scripts where these are faulty or charge times that a table does not hold: run seeds are not drawn
from the previous run's stream (both protocols); in nb201-paper, host seconds are not added to simulated ones,
REINFORCE's incumbent is not taken from an evaluation beyond the budget, and BOHB is not restricted to 200 epochs (use
--schedule 200 --min-epochs 200 for that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.costs import CostModel
from benchmarks.errors import InputError, unknown_name
from experiments.studies.search_loop import Crossing, IncumbentRule


@dataclass(frozen=True)
class Preset:
    """A protocol. Options of the command line take precedence."""

    summary: str
    budgets: Mapping[tuple[str, str], float]
    """(space, data set) -> simulated seconds."""
    cost_model: CostModel = "nats"
    seed_policy: str = "sampled"
    crossing: Crossing = "keep"
    incumbent: IncumbentRule = "highest_fidelity"
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Algorithm -> options that differ from its defaults."""


PRESETS: dict[str, Preset] = {
    # Dong et al. 2021, arXiv:2009.00437, and run-all.sh of AutoDL-Projects/exps/NATS-algos.
    "nats-paper": Preset(
        summary="that of NATS-Bench (a budget for each data set, the crossing evaluation kept, the scripts' mutation, "
        "BOHB's answer chosen among all fidelities)",
        budgets={
            ("tss", "cifar10"): 20_000,
            ("tss", "cifar100"): 40_000,
            ("tss", "ImageNet16-120"): 120_000,
            ("sss", "cifar10"): 20_000,
            ("sss", "cifar100"): 40_000,
            ("sss", "ImageNet16-120"): 60_000,
        },
        incumbent="any_fidelity",
        configs={"regularized_ea": {"mutation": "official"}},
    ),
    # Dong and Yang, ICLR 2020, arXiv:2001.00326, and exps/NAS-Bench-201-algos.
    "nb201-paper": Preset(
        summary="that of NAS-Bench-201 (12,000 s for every data set, the crossing evaluation dropped)",
        budgets={("tss", dataset): 12_000 for dataset in ("cifar10", "cifar100", "ImageNet16-120")},
        crossing="drop",
        configs={"regularized_ea": {"mutation": "official"}},
    ),
}


@dataclass(frozen=True)
class Comparison:
    """A paper's comparison of multi-trial algorithms."""

    space: str
    preset: str
    algorithms: tuple[str, ...] = ("random_search", "regularized_ea", "reinforce", "bohb")
    datasets: tuple[str, ...] = ("cifar10", "cifar100", "ImageNet16-120")
    runs: int = 500


STUDIES: dict[str, Comparison] = {
    "nats-paper-tss": Comparison("tss", "nats-paper"),
    "nats-paper-sss": Comparison("sss", "nats-paper"),
    "nb201-paper": Comparison("tss", "nb201-paper"),
}
"""The papers' comparisons by name."""


def preset_named(name: str) -> Preset:
    """The preset called `name`; InputError lists the known names."""
    if name not in PRESETS:
        raise InputError(unknown_name("preset", name, list(PRESETS)))
    return PRESETS[name]
