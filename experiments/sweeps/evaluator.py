"""Evaluators of configurations, which run complete searches with a configuration, more of them at each rung.

A rung is a number of runs on a table, or a number of epochs of a weight-sharing method. The next rung reuses the work
of the previous one: further runs are added, or the same supernets are trained further. All configurations have the same
run numbers and seeds (common random numbers), so that the comparison is fair.
"""

from __future__ import annotations

import fcntl
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.errors import InputError
from experiments.records.headers import Objective
from experiments.records.sweep import EVALUATION, Evaluation, read_evaluation
from experiments.storage.atomic import write_atomically
from experiments.studies.table_study import TableStudy
from nas_algos.config import Config

if TYPE_CHECKING:
    from experiments.studies.weight_sharing_study import WeightSharingStudy


FACTOR = 3
"""Ratio of consecutive rungs."""


RUNGS = 3
"""Number of rungs if `first` is not given."""


def rungs_to(last: int, first: int | None = None) -> tuple[int, ...]:
    """The rungs `last`, a third of it, a ninth of it, ..., none below `first`; RUNGS of them if `first` is None.

    Raises:
        InputError: `first` is not between 1 and `last`.
    """
    if first is not None and not 1 <= first <= last:
        raise InputError(f"the first rung is between 1 and the last, which is {last}, got {first}")
    thirds = [-(-last // FACTOR**level) for level in range(RUNGS if first is None else last)]
    return tuple(sorted({rung for rung in thirds if rung >= (first or 1)}))


class Evaluator(ABC):
    """Evaluates configurations of one algorithm: the options of `base`, in which the tuned ones are replaced."""

    unit: ClassVar[str]
    """The unit of the rungs."""
    study: TableStudy | WeightSharingStudy
    algorithm: str
    objective: Objective

    @property
    def base(self) -> Config:
        """The configuration of the study."""
        return self.study.algorithms[self.algorithm]

    @property
    def cpus(self) -> int:
        """CPUs used by one search."""
        return 1

    @abstractmethod
    def score(self, config: Config, rung: int, folder: Path) -> float:
        """The objective, a score, mean over runs; whatever the next rung can use is kept in `folder`."""

    def evaluate(self, options: Mapping[str, Any], rung: int, folder: Path) -> Evaluation:
        """Evaluate a configuration at a rung, unless `folder` holds that evaluation already."""
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            known = read_evaluation(folder) or Evaluation(options, {}, 0.0)
            if rung not in known.objectives:
                start = perf_counter()
                objective = self.score(replace(self.base, **options), rung, folder)
                spent = known.seconds + perf_counter() - start
                known = Evaluation(options, {**known.objectives, rung: objective}, spent)
                write_atomically(folder / EVALUATION, json.dumps(vars(known)).encode())
        return known


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder exclusively, as a search algorithm may suggest a configuration twice at the same time."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
