"""A study on a benchmark table: algorithms x data sets x independent runs, split into jobs of whole runs.

The records of a job are a pure function of the study and the job, wherever and whenever it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.errors import TableError
from benchmarks.oracle import Oracle
from benchmarks.outcomes import Fidelity
from benchmarks.table import BenchmarkTable
from experiments.execution.calls import Calls
from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.execution.tasks import run_tasks
from experiments.records.headers import Optimum, StudyHeader, TableIdentity, TableSettings, reporting_facts
from experiments.records.study import JobFiles, StudyRecords
from experiments.storage.provenance import git_commit, versions
from experiments.studies.jobs import Job
from experiments.studies.plan import Plan
from experiments.studies.rows import overhead_table, trials_table
from experiments.studies.search_loop import run
from experiments.tables.oracles import oracle_of
from nas_algos.searcher import Searcher


@dataclass(frozen=True)
class TableStudy(Plan):
    """A study on a table. Equal studies give equal records."""

    table: Path

    def oracle(self, dataset: str) -> Oracle:
        return oracle_of(self.table, dataset, self.cost_model, self.seed_policy)

    def fidelity(self, oracle: Oracle) -> Fidelity:
        """The highest fidelity of the search: the last validated epoch of its schedule."""
        if self.schedule is None:
            return oracle.search_fidelity
        return Fidelity(self.schedule, oracle.epochs(self.schedule)[-1])

    def searcher(self, algorithm: str, oracle: Oracle, rng: np.random.Generator) -> Searcher:
        return self.searcher_at(algorithm, oracle.space, self.fidelity(oracle), rng)

    def check(self) -> None:
        """Raise TableError for a missing data set, fidelity, seed or time in the table, else InputError."""
        for dataset, budget in self.budgets.items():
            oracle = self.oracle(dataset)
            self.clock(dataset)
            for algorithm in self.algorithms:
                searcher = self.searcher(algorithm, oracle, np.random.default_rng(0))
                _check_fidelities(algorithm, searcher.fidelities, oracle, charged=budget.unit == "seconds")

    def header(self) -> StudyHeader:
        oracles = {dataset: self.oracle(dataset) for dataset in self.budgets}
        table = BenchmarkTable.open(self.table).info
        settings = self.settings(
            TableSettings,
            space=table.space,
            table=TableIdentity(name=table.name, provenance=dict(table.provenance)),
            fidelity={dataset: self.fidelity(oracle) for dataset, oracle in oracles.items()},
            report_fidelity={dataset: oracle.report_fidelity for dataset, oracle in oracles.items()},
            **reporting_facts(oracles),
        )
        return StudyHeader(
            settings, {name: Optimum.of(oracle) for name, oracle in oracles.items()}, versions(), git_commit()
        )

    def execute(
        self, jobs: Sequence[Job], records: StudyRecords, resources: Resources, progress: Progress
    ) -> Iterator[tuple[Job, JobFiles]]:
        _ = records, progress  # a job stores nothing before it has finished
        return run_tasks(Calls(function=_job_files, shared=(self,), files=(self.table,)), jobs, resources)


def _check_fidelities(algorithm: str, fidelities: tuple[Fidelity, ...], oracle: Oracle, charged: bool) -> None:
    """Raise TableError unless the table has every score, and if searches are `charged` seconds, only costs above 0."""
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
        if charged:
            oracle.costs.require_times(fidelity.schedule)
        _, seconds = oracle.query_many(np.arange(len(oracle.space)), fidelity, np.random.default_rng(0))
        if charged and seconds.min() <= 0:
            raise TableError(
                f"{oracle.table.info.name} has evaluations of {oracle.dataset} at {fidelity} that cost 0 s or less, "
                "with which a search would never end; correct the seconds in its source and import it again"
            )


def run_job(study: TableStudy, job: Job) -> tuple[pa.Table, pa.Table]:
    """Execute a job; return its (trials, overhead) tables."""
    oracle = study.oracle(job.dataset)
    results = []
    for number in range(job.first, job.stop):
        search_rng, oracle_rng = study.streams(job.algorithm, job.dataset, number)
        searcher = study.searcher(job.algorithm, oracle, search_rng)
        results.append(run(searcher, oracle, study.clock(job.dataset), oracle_rng, study.incumbent))
    trials = trials_table(job, oracle.space, results, oracle.final_validation, oracle.final_test)
    return trials, overhead_table(job, results)


def _job_files(study: TableStudy, table: Path, job: Job) -> JobFiles:
    """Run a job on a node that may have the table at another path; returning files leaves the writer little work."""
    return JobFiles.of(*run_job(replace(study, table=table), job))
