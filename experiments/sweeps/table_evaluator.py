"""Evaluation of configurations by searches on a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.errors import InputError
from experiments.records.headers import Objective
from experiments.records.runs import Floats, runs_by_group
from experiments.statistics.objectives import run_values
from experiments.storage.atomic import write_atomically
from experiments.studies.jobs import Job
from experiments.studies.table_study import TableStudy, run_job
from experiments.sweeps.evaluator import Evaluator
from nas_algos.config import Config


@dataclass(frozen=True)
class TableEvaluator(Evaluator):
    """Searches on a table; a rung is a number of runs."""

    unit: ClassVar[str] = "runs"
    study: TableStudy
    algorithm: str
    objective: Objective

    def __post_init__(self) -> None:
        if len(self.study.budgets) != 1:
            raise InputError(f"a configuration is tuned on one data set, got {', '.join(self.study.budgets)}")

    def score(self, config: Config, rung: int, folder: Path) -> float:
        path = folder / "values.json"
        values: list[float] = json.loads(path.read_text()) if path.exists() else []
        if len(values) < rung:
            values += self._values(config, len(values), rung).tolist()
            write_atomically(path, json.dumps(values).encode())
        return float(np.mean(values[:rung]))

    def _values(self, config: Config, first: int, stop: int) -> Floats:
        """The objective of each run, shape (stop - first,); the worst score for a run without an incumbent."""
        ((dataset, budget),) = self.study.budgets.items()
        study = replace(self.study, algorithms={self.algorithm: config})
        trials, _ = run_job(study, Job(self.algorithm, dataset, first, stop))
        metric = study.oracle(dataset).metric
        values = np.full(stop - first, metric.worst_score)
        for runs in runs_by_group(trials).values():
            values[runs.number - first] = run_values(runs, self.objective, budget, metric)
        return values
