"""A sweep as it is asked for: what to tune, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.errors import InputError
from benchmarks.options import option
from experiments.execution.resources import ResourceRequest, Resources
from experiments.records.domains import Domain
from experiments.records.headers import Objective
from experiments.studies.algorithms import configured
from experiments.studies.presets import Preset
from experiments.sweeps.knobs import tuned_knobs
from nas_algos.config import Config
from nas_algos.registry import config_named, known_key
from nas_algos.weight_sharing import METHODS

SearchAlgorithm = Literal["random", "bohb", "optuna"]
Scheduler = Literal["asha", "hyperband", "none"]
TABLE_RUNS, WEIGHT_SHARING_RUNS = 90, 1
"""Default numbers of runs."""


@dataclass(frozen=True)
class SweepRequest:
    """How a sweep compares configurations.

    Raises:
        InputError: an option is below its least value, or search, scheduler and first rung do not go together.
    """

    objective: Objective = option(
        "final_validation", "what to maximise, as a mean over runs: the validation score of a run's answer, or that of "
        "its answer so far, averaged over the budget (validation_area)",
    )  # fmt: skip
    search: SearchAlgorithm = option(
        "random", "what suggests configurations: random search, TuneBOHB in the brackets of Hyperband, or Optuna's "
        "tree of Parzen estimators",
    )  # fmt: skip
    scheduler: Literal["asha", "none"] | None = option(
        None, "stop bad configurations early (asha), or give all of them all runs (none); bohb has its own scheduler",
        unset="asha",
    )  # fmt: skip
    trials: int = option(60, "configurations to try", metavar="N")
    runs: int | None = option(
        None, "runs of the best configurations; with weight sharing, of every configuration", metavar="N",
        unset=f"{TABLE_RUNS}; with weight sharing, {WEIGHT_SHARING_RUNS}",
    )  # fmt: skip
    first_rung: int | None = option(
        None, "runs (with weight sharing, epochs) after which configurations are first compared", metavar="N",
        unset="a ninth of the last rung",
    )  # fmt: skip
    confirm_runs: int | None = option(
        None, "runs, with fresh seeds, of the best and of the default configuration; 0 skips this comparison", low=0,
        metavar="N", unset="the number of --runs",
    )  # fmt: skip
    seed: int = option(0, "seed of the searches and of the suggestions", metavar="N")

    def __post_init__(self) -> None:
        if self.confirm_runs is not None and self.confirm_runs < 0:
            raise InputError(f"--confirm-runs is 0 or more, got {self.confirm_runs}")
        if self.search == "bohb" and self.scheduler:
            raise InputError("--search bohb uses the brackets of Hyperband: leave --scheduler out")
        if self.scheduler == "none" and self.first_rung is not None:
            raise InputError("--scheduler none compares configurations at the end only: leave --first-rung out")

    @property
    def chosen_scheduler(self) -> Scheduler:
        """The scheduler, by default the usual one of the search."""
        return "hyperband" if self.search == "bohb" else self.scheduler or "asha"

    def runs_of(self, algorithm: str) -> int:
        """The number of runs of a configuration that is never stopped."""
        if self.runs is not None:
            return self.runs
        return WEIGHT_SHARING_RUNS if algorithm in METHODS else TABLE_RUNS


@dataclass(frozen=True)
class TunedAlgorithm:
    """The algorithm of a sweep, the options that are fixed, and the domains of those that are tuned."""

    key: str
    base: Config
    """Its values of tuned options are the defaults, with which the best configuration is compared."""
    domains: Mapping[str, Domain]

    @property
    def shares_weights(self) -> bool:
        """Whether it is a weight-sharing method."""
        return self.key in METHODS


def tuned_algorithm(name: str, tune: Iterable[str], preset: Preset, explicit: Mapping[str, Any]) -> TunedAlgorithm:
    """The algorithm called `name`, some of whose options are tuned.

    Args:
        tune: domains such as 'population_size=10:100', as `tuned_knobs` reads them.
        explicit: option -> value of the options that are fixed; None for options that are not given.

    Raises:
        InputError: a name is unknown, a value is out of range, or an option is both tuned and given.
    """
    key = known_key(name)
    config = config_named(key)
    fixed = {"epochs": "configurations are first compared at fewer epochs; give --epochs"} if key in METHODS else {}
    domains = tuned_knobs(config, tune, fixed)
    for knob in domains:
        if explicit.get(knob) is not None:
            raise InputError(f"{knob} is both tuned and given: leave out --{knob.replace('_', '-')} or its --tune")
    return TunedAlgorithm(key, configured(config, preset.configs.get(key, {}), explicit), domains)


def sweep_resources(request: ResourceRequest, algorithm: TunedAlgorithm) -> Resources:
    """The resources of a sweep, each of whose workers evaluates one configuration at a time.

    Raises:
        InputError: there is no worker, or this machine has no such device or too few GPUs.
    """
    if request.workers == 0:
        raise InputError("--workers is 1 or more, got 0")
    return request.resolve() if algorithm.shares_weights else request.on_cpus()
