"""A study: algorithms x data sets x independent runs, cut into jobs of whole runs; and the one on a table.

On a table, a job is a pure function of the study and its own name: it gives the same records wherever and whenever it
runs.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.oracle import CostModel, Fidelity, Oracle, SeedPolicy
from benchmarks.spaces import Space
from benchmarks.table import BenchmarkTable, TableError
from experiments.records import OVERHEAD_SCHEMA, TRIALS_SCHEMA, Optimum, StudyHeader
from experiments.run import Clock, Crossing, IncumbentRule, RunResult, run
from experiments.versions import git_commit, versions
from nas_algos.multi_trial import algorithm_named, code_of
from nas_algos.searcher import Config, Searcher

RUNS_PER_JOB = 25
JOBS = 1000  # of one algorithm on one data set, or so many more as keep them small enough for memory:
MOST_RUNS_PER_JOB = 500


@dataclass(frozen=True)
class Job:
    """Whole runs `first`, ..., `stop` - 1 of one algorithm on one data set."""

    algorithm: str
    dataset: str
    first: int
    stop: int

    @property
    def name(self) -> str:
        algorithm = self.algorithm.replace(":", ".")  # which a file name may not hold everywhere
        return f"{algorithm}-{self.dataset}-{self.first:07d}-{self.stop - 1:07d}"


def cut(algorithms: Iterable[str], datasets: Iterable[str], runs: int, runs_per_job: int) -> list[Job]:
    """All runs of all algorithms on all data sets."""
    return [
        Job(algorithm, dataset, first, min(first + runs_per_job, runs))
        for algorithm, dataset in product(algorithms, datasets)
        for first in range(0, runs, runs_per_job)
    ]


def seeds_of(study_seed: int, algorithm: str, dataset: str, number: int) -> np.random.SeedSequence:
    """What all random numbers of one run come from, apart from those of every other."""
    key = (zlib.crc32(algorithm.encode()), zlib.crc32(dataset.encode()), number)
    return np.random.SeedSequence(study_seed, spawn_key=key)


@dataclass(frozen=True, kw_only=True)
class Plan(ABC):
    """What to run, whatever evaluates. Every field decides numbers."""

    algorithms: Mapping[str, Config]
    budgets: Mapping[str, float]
    """Data set -> seconds; its keys are the data sets."""
    runs: int
    seed: int
    cost_model: CostModel
    seed_policy: str
    schedule: str | None = None
    """Search schedule; None for that of the table."""
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

    def clock(self, dataset: str) -> Clock:
        return Clock(self.budgets[dataset], self.crossing, self.cache, self.simulated_workers)

    def jobs(self) -> list[Job]:
        return cut(self.algorithms, self.budgets, self.runs, self.runs_per_job)

    @property
    def runs_per_job(self) -> int:
        """Depends on the study alone, and not on how many workers there are."""
        return max(RUNS_PER_JOB, min(MOST_RUNS_PER_JOB, -(-self.runs // JOBS)))

    def streams(self, algorithm: str, dataset: str, number: int) -> tuple[np.random.Generator, np.random.Generator]:
        """(searcher's, oracle's) independent random streams of one run."""
        searcher, oracle = seeds_of(self.seed, algorithm, dataset, number).spawn(2)
        return np.random.default_rng(searcher), np.random.default_rng(oracle)

    def searcher_at(self, algorithm: str, space: Space, fidelity: Fidelity, rng: np.random.Generator) -> Searcher:
        """A searcher whose highest fidelity is `fidelity`."""
        return algorithm_named(algorithm)(space, self.algorithms[algorithm], fidelity, rng)

    @abstractmethod
    def check(self) -> None:
        """Raise now what a run would raise later."""

    @abstractmethod
    def header(self) -> StudyHeader:
        """What the records must say about themselves."""

    def settings(self) -> dict[str, Any]:
        """The part of the header that does not depend on what evaluates."""
        own = {name: code for name in self.algorithms if (code := code_of(name))}
        return {
            "algorithms": {name: asdict(config) for name, config in self.algorithms.items()},
            **({"code": own} if own else {}),
            "datasets": list(self.budgets),
            "runs": self.runs,
            "seed": self.seed,
            "budgets": dict(self.budgets),
            "preset": self.preset,
            "cost_model": self.cost_model,
            "seed_policy": self.seed_policy,
            "crossing": self.crossing,
            "cache": self.cache,
            "simulated_workers": self.simulated_workers,
            "incumbent": self.incumbent,
        }


@dataclass(frozen=True)
class Study(Plan):
    """A plan on a table. Two equal studies give equal records."""

    table: Path

    def oracle(self, dataset: str) -> Oracle:
        return _oracle(self.table, dataset, self.cost_model, self.seed_policy)

    def fidelity(self, oracle: Oracle) -> Fidelity:
        """The highest fidelity of the search: the last validated epoch of its schedule."""
        if self.schedule is None:
            return oracle.search_fidelity
        return Fidelity(self.schedule, oracle.epochs(self.schedule)[-1])

    def searcher(self, algorithm: str, oracle: Oracle, rng: np.random.Generator) -> Searcher:
        return self.searcher_at(algorithm, oracle.space, self.fidelity(oracle), rng)

    def check(self) -> None:
        """TableError for a missing data set, fidelity, seed or time in the table; InputError for the rest."""
        for dataset in self.budgets:
            oracle = self.oracle(dataset)
            self.clock(dataset)
            for algorithm in self.algorithms:
                searcher = self.searcher(algorithm, oracle, np.random.default_rng(0))
                _check_fidelities(algorithm, searcher.fidelities, oracle)

    def header(self) -> StudyHeader:
        oracles = {dataset: self.oracle(dataset) for dataset in self.budgets}
        table = BenchmarkTable.open(self.table).info
        settings = {
            "space": table.space,
            "table": {"name": table.name, "provenance": dict(table.provenance)},
            **self.settings(),
            "fidelity": {dataset: asdict(self.fidelity(oracle)) for dataset, oracle in oracles.items()},
            "report_fidelity": {dataset: asdict(oracle.report_fidelity) for dataset, oracle in oracles.items()},
        }
        return StudyHeader(
            settings, {name: Optimum.of(oracle) for name, oracle in oracles.items()}, versions(), git_commit()
        )


def _check_fidelities(algorithm: str, fidelities: tuple[Fidelity, ...], oracle: Oracle) -> None:
    for fidelity in fidelities:
        try:
            missing = len(oracle.unmeasured(fidelity))
        except TableError as error:
            if len(fidelities) == 1:
                raise
            epochs = ", ".join(str(fidelity.epoch) for fidelity in fidelities)
            raise TableError(
                f"{error}. {algorithm} compares trainings of {epochs} epochs, for which the table needs learning "
                f"curves; give --min-epochs {fidelities[-1].epoch} to search at the highest fidelity alone"
            ) from error
        if missing:
            raise TableError(
                f"{oracle.table.info.name} has no score of {missing} of {len(oracle.space)} architectures on "
                f"{oracle.dataset} at {fidelity}; a search needs all of them: choose a complete table with --table"
            )

        _, seconds = oracle.query_many(np.arange(len(oracle.space)), fidelity, np.random.default_rng(0))
        if seconds.min() <= 0:
            raise TableError(
                f"{oracle.table.info.name} has evaluations of {oracle.dataset} at {fidelity} that cost 0 s or less, "
                "with which a search would never end; correct the seconds in its source and import it again"
            )


@lru_cache(maxsize=8)
def _oracle(table: Path, dataset: str, cost_model: CostModel, seed_policy: str) -> Oracle:
    """One oracle per process and data set: it maps the table once, and what it has read serves all jobs."""
    policy = SeedPolicy.parse(seed_policy)
    return Oracle(BenchmarkTable.open(table), dataset, cost_model=cost_model, seed_policy=policy)


def execute(study: Study, job: Job) -> tuple[pa.Table, pa.Table]:
    """Run a job; return its (trials, overhead) tables."""
    oracle = study.oracle(job.dataset)
    results = []
    for number in range(job.first, job.stop):
        search_rng, oracle_rng = study.streams(job.algorithm, job.dataset, number)
        searcher = study.searcher(job.algorithm, oracle, search_rng)
        results.append(run(searcher, oracle, study.clock(job.dataset), oracle_rng, study.incumbent))
    trials = trials_table(job, oracle.space, results, oracle.final_validation, oracle.final_test)
    return trials, overhead_table(job, results)


def trials_table(
    job: Job, space: Space, results: list[RunResult], validation: NDArray[np.float64], test: NDArray[np.float64]
) -> pa.Table:
    """TRIALS_SCHEMA.

    Args:
        validation, test: (architectures of the space,) percent at the reporting fidelity; NaN where unknown.
    """
    trials = [trial for result in results for trial in result.trials]
    outcomes = [outcome for result in results for outcome in result.outcomes]
    indices = np.array([space.index(trial.arch) for trial in trials], np.int32)
    columns = {
        "algorithm": [job.algorithm] * len(trials),
        "dataset": [job.dataset] * len(trials),
        "run": np.repeat(np.arange(job.first, job.stop, dtype=np.int32), [len(result.trials) for result in results]),
        "trial": np.array([trial.id for trial in trials], np.int32),
        "architecture": indices,
        "schedule": [trial.fidelity.schedule for trial in trials],
        "epoch": np.array([trial.fidelity.epoch for trial in trials], np.int32),
        "validation": np.array([outcome.score for outcome in outcomes]),
        "seconds": np.array([outcome.seconds for outcome in outcomes]),
        "elapsed": np.array([time for result in results for time in result.elapsed]),
        "incumbent": np.array([flag for result in results for flag in result.incumbent], bool),
        "report_validation": validation[indices],
        "report_test": test[indices],
    }
    return pa.table([pa.array(columns[name], TRIALS_SCHEMA.field(name).type) for name in columns], schema=TRIALS_SCHEMA)


def overhead_table(job: Job, results: list[RunResult]) -> pa.Table:
    """OVERHEAD_SCHEMA."""
    rows: Iterator[dict[str, Any]] = (
        {"algorithm": job.algorithm, "dataset": job.dataset, "run": number, "search_seconds": result.search_seconds}
        for number, result in enumerate(results, start=job.first)
    )
    return pa.Table.from_pylist(list(rows), schema=OVERHEAD_SCHEMA)
