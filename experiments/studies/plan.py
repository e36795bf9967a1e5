"""The plan of a study: algorithms, data sets, budgets and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from benchmarks.costs import CostModel
from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity
from benchmarks.spaces import Space
from experiments.records.budgets import Budget
from experiments.records.headers import MultiTrialSettings
from experiments.studies.jobs import JOBS, MOST_RUNS_PER_JOB, RUNS_PER_JOB, Job, seeds_of, split_into_jobs
from experiments.studies.search_loop import Clock, Crossing, IncumbentRule
from experiments.studies.study import Study
from nas_algos.config import Config
from nas_algos.multi_trial import algorithm_named, code_of
from nas_algos.searcher import Searcher

S = TypeVar("S", bound=MultiTrialSettings)


@dataclass(frozen=True, kw_only=True)
class Plan(Study):
    """A multi-trial study, on a table or by training. Every field affects the numbers."""

    algorithms: Mapping[str, Config]
    budgets: Mapping[str, Budget]
    """Data set -> budget, all in one unit; the keys are the data sets of the study."""
    runs: int
    seed: int
    cost_model: CostModel
    seed_policy: str
    schedule: str | None = None
    """Search schedule; None for the one that the table names."""
    crossing: Crossing = "keep"
    cache: bool = False
    simulated_workers: int = 1
    incumbent: IncumbentRule = "highest_fidelity"
    preset: str | None = None

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise InputError(f"a study has at least 1 run, got {self.runs}")
        if self.seed < 0:
            raise InputError(f"a seed is a non-negative integer, got {self.seed}")
        if len({budget.unit for budget in self.budgets.values()}) > 1:
            budgets = ", ".join(f"{dataset}: {budget}" for dataset, budget in self.budgets.items())
            raise InputError(f"the budgets of a study are all in seconds or all in evaluations, got {budgets}")

    def clock(self, dataset: str) -> Clock:
        return Clock(self.budgets[dataset], self.crossing, self.cache, self.simulated_workers)

    def jobs(self) -> list[Job]:
        return split_into_jobs(self.algorithms, self.budgets, self.runs, self.runs_per_job)

    @property
    def runs_per_job(self) -> int:
        """Number of runs per job, which depends on the study but not on the number of workers."""
        return max(RUNS_PER_JOB, min(MOST_RUNS_PER_JOB, -(-self.runs // JOBS)))

    def streams(self, algorithm: str, dataset: str, number: int) -> tuple[np.random.Generator, np.random.Generator]:
        """Independent random generators of one run: (for its searcher, for its oracle)."""
        searcher, oracle = seeds_of(self.seed, algorithm, dataset, number).spawn(2)
        return np.random.default_rng(searcher), np.random.default_rng(oracle)

    def searcher_at(self, algorithm: str, space: Space, fidelity: Fidelity, rng: np.random.Generator) -> Searcher:
        """A searcher whose highest fidelity is `fidelity`."""
        return algorithm_named(algorithm)(space, self.algorithms[algorithm], fidelity, rng)

    def settings(self, kind: type[S], **facts: Any) -> S:
        """The settings of the header.

        Args:
            facts: settings that depend on how architectures are evaluated.
        """
        return kind(
            algorithms={name: asdict(config) for name, config in self.algorithms.items()},
            code={name: code for name in self.algorithms if (code := code_of(name))},
            datasets=tuple(self.budgets),
            runs=self.runs,
            seed=self.seed,
            budgets=dict(self.budgets),
            preset=self.preset,
            cost_model=self.cost_model,
            seed_policy=self.seed_policy,
            crossing=self.crossing,
            cache=self.cache,
            simulated_workers=self.simulated_workers,
            incumbent=self.incumbent,
            **facts,
        )
