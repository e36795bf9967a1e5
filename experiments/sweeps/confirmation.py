"""Confirmation of a sweep: its best configuration and the default one, run with seeds that the sweep never used.

The objective of the best of many configurations is too high on average, since the configuration was chosen by it. Only
this module reads test accuracies, after everything has been chosen.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Callable, Mapping, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.errors import InputError
from experiments.records.headers import Objective
from experiments.records.runs import Floats, runs_by_group
from experiments.records.study import StudyRecords
from experiments.statistics.aggregates import incumbents
from experiments.statistics.objectives import run_values
from experiments.studies.table_study import TableStudy
from nas_algos.config import Config

if TYPE_CHECKING:
    from experiments.studies.weight_sharing_study import WeightSharingStudy

LABELS = ("best", "default")
EARLIER = "earlier_confirmations"


@dataclass(frozen=True)
class Confirmed:
    """Results of the runs of one configuration; arrays have shape (runs,)."""

    records: Path
    validation: Floats
    """Validation score for which each run chose its answer."""
    test: Floats
    """Test score of each answer; NaN where unknown."""
    validation_area: Floats
    """The objective `validation_area` of each run (`experiments.statistics.objectives`); NaN for weight sharing and for
    metrics without a worst value."""


def fresh_seeds(seed: int) -> tuple[int, ...]:
    """A seed for each of LABELS, independent of each other and of the study with `seed`."""
    key = zlib.crc32(b"confirmation")
    return tuple(np.random.SeedSequence(seed, spawn_key=(key,)).generate_state(len(LABELS)).tolist())


def confirm(
    study: TableStudy | WeightSharingStudy,
    best: Config,
    runs: int,
    directory: Path,
    run: Callable[[Any, Path], StudyRecords],
) -> dict[str, Confirmed]:
    """Run the configuration `best` of a study's only algorithm and that of the study itself; results by label.

    Resumable: call it again after an interruption. The directory then holds these two studies. Studies of other
    configurations, from before a sweep was resumed, are moved to EARLIER next to it.

    Args:
        run: executes the jobs that a study's directory lacks, as `run_study` does.
    """
    ((algorithm, default),) = study.algorithms.items()
    paths = {
        label: directory / f"{label}-{_digest(config, runs)}"
        for label, config in zip(LABELS, (best, default), strict=True)
    }
    _set_apart(directory, {path.name for path in paths.values()})
    confirmed = {}
    for label, config, seed in zip(LABELS, (best, default), fresh_seeds(study.seed), strict=True):
        algorithms: Any = {algorithm: config}
        fresh = replace(study, algorithms=algorithms, runs=runs, seed=seed)
        confirmed[label] = _confirmed(run(fresh, paths[label]), fresh)
    return confirmed


def _set_apart(directory: Path, current: Set[str]) -> None:
    """Exchange studies with EARLIER, so that the directory holds only the `current` ones."""
    earlier = directory.with_name(EARLIER)
    for folder in (directory, earlier):
        folder.mkdir(parents=True, exist_ok=True)
    for path in (*directory.iterdir(), *earlier.iterdir()):
        path.rename((directory if path.name in current else earlier) / path.name)


def _digest(config: Config, runs: int) -> str:
    """A hash of everything that may differ in another confirmation of the same sweep."""
    return hashlib.sha256(json.dumps([asdict(config), runs]).encode()).hexdigest()[:8]


def _confirmed(records: StudyRecords, study: TableStudy | WeightSharingStudy) -> Confirmed:
    trials = records.trials()
    if not trials.num_rows:
        raise InputError(
            f"no evaluation of the runs in {records.path} ended within the budget: sweep with a larger --budget"
        )
    (runs,) = runs_by_group(trials).values()
    points = incumbents(runs)
    last = points.first[1:][points.sizes > 0] - 1
    area = np.full(len(last), np.nan)
    if isinstance(study, TableStudy):
        ((dataset, budget),) = study.budgets.items()
        metric = study.oracle(dataset).metric
        if math.isfinite(metric.worst_score):
            area = run_values(runs, "validation_area", budget, metric)
    return Confirmed(records.path, runs.score[runs.incumbent][last], points.final[last], area)


def p_values(confirmed: Mapping[str, Confirmed], objective: Objective) -> dict[str, float]:
    """The p-values of two-sided Mann-Whitney U tests of best against default: objective, validation and test.

    A p-value is NaN if a number is missing or there are fewer than 2 runs.
    """
    from experiments.statistics.inference import mann_whitney  # SciPy is slow to import

    p = {}
    tuned_for = ("validation_area",) if objective == "validation_area" else ()
    for name in (*tuned_for, "validation", "test"):
        one, other = (getattr(confirmed[label], name) for label in LABELS)
        known = min(len(one), len(other)) >= 2 and np.isfinite([*one, *other]).all()
        p[name] = mann_whitney(one, other) if known else float("nan")
    return p
