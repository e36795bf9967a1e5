"""The outcome of a sweep: the file of its best configuration, and the comparison of that with the default one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import InputError
from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.records.study import StudyRecords
from experiments.records.sweep import SweepRecords, different, ranked
from experiments.studies.config_files import ConfigFile
from experiments.studies.runner import run_study
from experiments.studies.table_study import TableStudy
from experiments.sweeps.confirmation import Confirmed, confirm, p_values
from experiments.sweeps.tune import Sweep
from nas_algos.config import Config


@dataclass(frozen=True)
class Confirmation:
    """How the best and the default configuration did on fresh seeds."""

    results: Mapping[str, Confirmed]
    """Label of the configuration -> its results."""
    p: Mapping[str, float]
    """Quantity -> p value of the best against the default; the first quantity is what the sweep maximised."""

    @property
    def is_significant(self) -> bool:
        """Whether the two configurations differ in the first quantity; False if there are too few runs."""
        from experiments.statistics.inference import ALPHA  # SciPy is slow to import

        return next(iter(self.p.values())) < ALPHA  # False for NaN


def write_best(sweep: Sweep, records: SweepRecords) -> Config:
    """Write the best configuration to `records.best_path`, which `nas-run --config` reads, and return it.

    Raises:
        InputError: no configuration has an objective.
    """
    rows = records.configurations()
    ranking = ranked(rows)
    if not ranking:
        raise InputError(f"no configuration could be evaluated: see error.txt under {records.path / 'ray'}")
    best = replace(sweep.evaluator.base, **ranking[0].options)
    comment = f"best of {different(rows)} configurations of nas-sweep: {records.path}"
    ConfigFile(sweep.evaluator.algorithm, asdict(best)).write(records.best_path, comment)
    return best


def confirm_sweep(
    sweep: Sweep, records: SweepRecords, runs: int | None, resources: Resources, progress: Progress
) -> Confirmation | None:
    """Compare the best configuration with the default one on fresh seeds; None if `runs` is 0.

    Resumable: call it again after an interruption.

    Args:
        runs: runs of each of the two configurations; None for as many as the study of the sweep has.
    """
    best, study = write_best(sweep, records), sweep.evaluator.study
    runs = study.runs if runs is None else runs
    if runs == 0:
        return None
    if isinstance(study, TableStudy) and not resources.address:
        resources = replace(resources, workers=0)  # most are done before Ray has started

    def run(confirming: Any, directory: Path) -> StudyRecords:
        label = directory.name.partition("-")[0]
        return run_study(
            confirming, directory, resources, lambda task, done, total: progress(f"{label}: {task}", done, total)
        )

    results = confirm(study, best, runs, records.path / "confirmation", run)
    return Confirmation(results, p_values(results, sweep.evaluator.objective))
