"""What a sweep evaluates: whole searches with one configuration of an algorithm, more of them from rung to rung.

A rung is a number of runs on a table, or a number of epochs of a weight-sharing method. What is done at one rung counts
at the next: the same runs, with the same seeds, and others added; or the same networks, trained further. All
configurations have the same run numbers and seeds (common random numbers), so that they are compared on equal terms.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from benchmarks.errors import InputError
from experiments.atomic import write_atomically
from experiments.directories import RecordError
from experiments.recorded_runs import Floats, Runs, split
from experiments.statistics import incumbents
from experiments.study import Job, Study, execute
from nas_algos.searcher import Config

if TYPE_CHECKING:
    from experiments.shared_study import SharedStudy  # imports PyTorch

Objective = Literal["final_validation", "validation_area"]
"""Percent, of a run. `final_validation`: for which it chose its last answer. `validation_area`: the mean of that of its
answer over the simulated time from 0 to the budget, as a step function; 0 before the first answer."""
FACTOR = 3
"""Between one rung and the next."""
RUNGS = 3
"""Unless the first is given."""
EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class Evaluation:
    """What is known of one configuration."""

    options: Mapping[str, Any]
    objectives: Mapping[int, float]
    """Rung -> percent, mean over runs."""
    seconds: float
    """Host seconds that it took."""


def rungs_to(last: int, first: int | None = None) -> tuple[int, ...]:
    """`last`, a third of it, a ninth of it, ..., none below `first`; three of them unless `first` is given.

    Raises:
        InputError: `first` is not between 1 and `last`.
    """
    if first is not None and not 1 <= first <= last:
        raise InputError(f"the first rung is between 1 and the last, which is {last}, got {first}")
    thirds = [-(-last // FACTOR**level) for level in range(RUNGS if first is None else last)]
    return tuple(sorted({rung for rung in thirds if rung >= (first or 1)}))


class Batches(ABC):
    """Searches of one algorithm, whose options `base` are replaced by those that are tuned."""

    unit: ClassVar[str]
    """What the rungs count."""
    study: Study | SharedStudy
    algorithm: str
    objective: Objective

    @property
    def base(self) -> Config:
        """The configuration of the study."""
        return self.study.algorithms[self.algorithm]

    @property
    def cpus(self) -> int:
        """That a search keeps busy."""
        return 1

    @abstractmethod
    def score(self, config: Config, rung: int, folder: Path) -> float:
        """The objective: percent, mean over runs. What is worth keeping for the next rung is kept in `folder`."""

    def evaluate(self, options: Mapping[str, Any], rung: int, folder: Path) -> Evaluation:
        """What is known of the configuration at this rung, from `folder` if it is known already."""
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


def batches_of(study: Study | SharedStudy, algorithm: str, objective: Objective = "final_validation") -> Batches:
    """The searches of `algorithm` in a Study or, trained to any epoch, in a SharedStudy.

    Raises:
        InputError: the study has several algorithms or data sets, or no such objective.
    """
    if list(study.algorithms) != [algorithm]:
        raise InputError(f"the study to tune {algorithm} is of it alone, got one of {', '.join(study.algorithms)}")
    if isinstance(study, Study):
        return TableBatches(replace(study, table=study.table.absolute()), algorithm, objective)
    from experiments.shared_batches import SharedBatches  # imports PyTorch

    return SharedBatches(study, algorithm, objective)


@dataclass(frozen=True)
class TableBatches(Batches):
    """Searches on a table; a rung is a number of runs."""

    unit: ClassVar[str] = "runs"
    study: Study
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
        """The objective of each run, shape (stop - first,); 0 of one without an answer."""
        ((dataset, budget),) = self.study.budgets.items()
        study = replace(self.study, algorithms={self.algorithm: config})
        trials, _ = execute(study, Job(self.algorithm, dataset, first, stop))
        values = np.zeros(stop - first)
        for runs in split(trials).values():
            values[runs.number - first] = run_values(runs, self.objective, budget)
        return values


def run_values(runs: Runs, objective: Objective, budget: float) -> Floats:
    """The objective of each run, percent; 0 of one without an answer."""
    answers, scores = incumbents(runs), runs.score[runs.incumbent]
    values = np.zeros(len(runs))
    for run, (first, stop) in enumerate(zip(answers.first[:-1], answers.first[1:], strict=True)):
        if first == stop:
            continue
        if objective == "final_validation":
            values[run] = scores[stop - 1]
        else:
            times = np.minimum(np.append(answers.elapsed[first:stop], budget), budget)
            values[run] = scores[first:stop] @ np.diff(times) / budget
    return values


def folder_of(store: Path, options: Mapping[str, Any]) -> Path:
    """Where a configuration is kept."""
    text = json.dumps(options, sort_keys=True)
    return store / hashlib.sha256(text.encode()).hexdigest()[:16]


def read_evaluation(folder: Path) -> Evaluation | None:
    """What is known of the configuration that is kept there, if anything; RecordError if it cannot be read."""
    path = folder / EVALUATION
    try:
        facts = json.loads(path.read_text())
        objectives = {int(rung): float(value) for rung, value in facts["objectives"].items()}
        return Evaluation(facts["options"], objectives, facts["seconds"])
    except FileNotFoundError:
        return None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise RecordError(f"{path} is damaged ({error}): delete it and run the command again") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone: a search algorithm may suggest one configuration twice at a time."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
