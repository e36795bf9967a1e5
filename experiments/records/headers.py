"""Headers of studies and sweeps: the typed content of study.json and sweep.json."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
import numpy as np

from benchmarks.metrics import ACCURACY, Metric
from benchmarks.oracle import Oracle
from benchmarks.outcomes import Fidelity
from experiments.records.budgets import Budget
from experiments.records.domains import Choice, Range
from experiments.records.old_formats import upgrade_study, upgrade_sweep
from experiments.storage.directories import RecordError
from supernets.images.facts import ImageFacts
from supernets.settings import NetworkScale, Recipe

FORMAT = 2
"""Format version of study.json and sweep.json."""

Objective = Literal["final_validation", "validation_area"]
"""The score that a sweep maximises. `final_validation`: the validation score of a run's final incumbent.
`validation_area`: the validation score of the incumbent as a step function, averaged over the budget (in seconds or
evaluations); before the first incumbent, the worst possible score, which is 0 for accuracy."""


class TableIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of the benchmark table that was searched."""

    name: str
    provenance: Mapping[str, Any] = {}
    """Provenance recorded in the table's file."""


class StudySettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Everything that determines the numbers of a study; the fields common to studies of all kinds."""

    space: str
    algorithms: Mapping[str, Mapping[str, Any]]
    """Algorithm -> its options."""
    datasets: tuple[str, ...]
    runs: int
    """Number of runs of each algorithm on each data set."""
    seed: int
    report_fidelity: Mapping[str, Fidelity]
    """Data set -> fidelity of the reported scores; empty for weight sharing without a table."""
    metrics: Mapping[str, Metric] = {}
    """Data set -> metric of its scores, unless it is accuracy. All recorded numbers are scores: larger is better."""
    untested: tuple[str, ...] = ()
    """Data sets without a test: their test scores are NaN, and validation is reported and determines the optimum."""

    measured: ClassVar[bool]
    """Whether the study measured its seconds, instead of looking them up in a table."""

    def metric(self, dataset: str) -> Metric:
        """The metric of the scores of a data set."""
        return self.metrics.get(dataset, ACCURACY)

    @property
    def table(self) -> TableIdentity | None:
        """The table in which accuracies were looked up."""
        return None

    @property
    def images(self) -> ImageFacts | None:
        """The images on which the study itself trained networks."""
        return None

    @property
    def clock(self) -> str:
        """The kind of seconds that the searches counted: 'measured' or 'simulated'."""
        return "measured" if self.measured else "simulated"

    @property
    @abstractmethod
    def source(self) -> str:
        """Where the scores come from, in words."""


class MultiTrialSettings(StudySettings, frozen=True, kw_only=True):
    """Settings of searches that evaluate one architecture after another until a budget is spent."""

    code: Mapping[str, str] = {}
    """Algorithm -> SHA-256 of its file, for user-defined algorithms."""
    budgets: Mapping[str, Budget]
    """Data set -> budget of each run; all budgets have the same unit."""
    preset: str | None = None
    cost_model: str
    seed_policy: str
    crossing: str = "keep"
    cache: bool = False
    simulated_workers: int = 1
    incumbent: str = "highest_fidelity"
    fidelity: Mapping[str, Fidelity]
    """Data set -> highest fidelity of the search."""


class TableSettings(MultiTrialSettings, frozen=True, kw_only=True, tag="table"):
    """Settings of searches on a benchmark table."""

    table: TableIdentity

    measured = False

    @property
    def source(self) -> str:
        return self.table.name


class TrainingSettings(MultiTrialSettings, frozen=True, kw_only=True, tag="training"):
    """Settings of searches whose architectures are trained, not looked up."""

    images: ImageFacts
    scale: NetworkScale
    recipe: Recipe
    canonical: bool = False
    """Whether one architecture of each isomorphism class was trained for all of them."""

    measured = True

    @property
    def source(self) -> str:
        return f"trained from scratch on {self.images.dataset}"


class WeightSharingSettings(StudySettings, frozen=True, kw_only=True, tag="weight_sharing"):
    """Settings of searches that train one supernet each."""

    images: ImageFacts
    scale: NetworkScale
    """Size of the supernet."""
    threads: int
    """CPU threads of each run, which affect the rounding of sums."""
    table: TableIdentity | None = None
    """The table in which derived architectures were looked up, if any."""

    measured = True

    @property
    def source(self) -> str:
        return self.table.name if self.table else f"weight sharing on {self.images.dataset}"


Settings = TableSettings | TrainingSettings | WeightSharingSettings


class SweepSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the configurations of one sweep have in common, so that they are comparable."""

    algorithm: str
    tuned: Mapping[str, Range | Choice]
    """Knob -> the domain in which it is tuned."""
    unit: str
    """Unit of the rungs: 'runs' or 'epochs'."""
    rungs: tuple[int, ...]
    objective: Objective
    search: str
    scheduler: str
    study: Settings
    """Settings of the study that evaluates each configuration: fixed options and seed."""

    @property
    def metric(self) -> Metric:
        """The metric of the objective; one-shot accuracy for weight sharing."""
        (dataset,) = self.study.datasets
        return ACCURACY if isinstance(self.study, WeightSharingSettings) else self.study.metric(dataset)


@dataclass(frozen=True)
class Optimum:
    """The best architecture of a table at the reporting fidelity: by test score, or by validation without a test.

    All numbers are scores of the data set's metric (larger is better); for accuracy they are percent.
    """

    architecture: int
    test: float
    """Test score; NaN for data sets without a test."""
    validation: float
    """Validation score of the same architecture; NaN if the benchmark has none at the reporting fidelity."""
    mean_test: float = nan
    """Mean test score over all architectures, that of a random one; NaN without a test and in old records."""
    std_test: float = nan
    """Standard deviation of the test score over all architectures; NaN without a test and in old records."""
    architectures: int = 0
    """Number of architectures with a test score (without a test: validation score) in the table; 0 in old records."""
    mean_validation: float = nan
    """Mean validation score over all architectures of a data set without a test; NaN for others."""
    std_validation: float = nan
    """Standard deviation of the validation score for data sets without a test; NaN for others."""

    @property
    def final(self) -> float:
        """The score by which it is the best: its test score, or its validation score without a test."""
        return self.validation if isnan(self.test) else self.test

    @property
    def mean_final(self) -> float:
        """The mean of that score over all architectures; NaN in old records."""
        return self.mean_validation if isnan(self.test) else self.mean_test

    @property
    def std_final(self) -> float:
        """The standard deviation of that score over all architectures; NaN in old records."""
        return self.std_validation if isnan(self.test) else self.std_test

    @classmethod
    def of(cls, oracle: Oracle) -> Optimum:
        best, score = oracle.optimum
        known = oracle.final_scores[~np.isnan(oracle.final_scores)]
        mean, std = float(known.mean()), float(known.std())
        if not oracle.has_test:
            return cls(best, nan, score, architectures=len(known), mean_validation=mean, std_validation=std)
        return cls(best, score, float(oracle.final_validation[best]), mean, std, len(known))


def reporting_facts(oracles: Mapping[str, Oracle]) -> dict[str, Any]:
    """The fields `metrics` and `untested` of StudySettings, for the oracles of the data sets."""
    metrics = {dataset: oracle.metric for dataset, oracle in oracles.items() if oracle.metric != ACCURACY}
    return {"metrics": metrics, "untested": tuple(name for name, oracle in oracles.items() if not oracle.has_test)}


class _Identified:
    """A header whose settings identify its directory."""

    settings: Any
    versions: Mapping[str, str]
    git_commit: str

    @property
    def identity(self) -> dict[str, Any]:
        """The settings as JSON values; equal for two headers whose numbers are comparable."""
        facts: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.settings))
        return facts

    @property
    def digest(self) -> str:
        """A hash of the settings in eight hexadecimal digits."""
        return hashlib.sha256(msgspec.json.encode(self.settings, order="sorted")).hexdigest()[:8]

    @property
    def made_by(self) -> dict[str, Any]:
        return {"git_commit": self.git_commit, "versions": dict(self.versions)}

    def to_json(self) -> str:
        """The header as JSON, with null for NaN."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"


@dataclass(frozen=True)
class StudyHeader(_Identified):
    """The header of a study. `settings` determine every number in the records; the rest is their provenance."""

    settings: Settings
    optima: Mapping[str, Optimum]
    """Data set -> optimum; empty if it is unknown, since not all architectures are trained."""
    versions: Mapping[str, str]
    git_commit: str
    resumed_with: Sequence[Mapping[str, Any]] = ()
    """{git_commit, versions} of each other version of the code that resumed the study."""
    format: int = FORMAT

    @classmethod
    def read(cls, path: Path) -> StudyHeader:
        """Read study.json of this format or an earlier one.

        Raises:
            FileNotFoundError: there is no such file.
            RecordError: the file is damaged, or a newer version of this project wrote it.
        """
        return _read(path, cls, upgrade_study)


@dataclass(frozen=True)
class SweepHeader(_Identified):
    """The header of a sweep. Numbers with equal `settings` are comparable; the rest is their provenance."""

    settings: SweepSettings
    versions: Mapping[str, str]
    git_commit: str
    resumed_with: Sequence[Mapping[str, Any]] = ()
    """{git_commit, versions} of each other version of the code that resumed the sweep."""
    format: int = FORMAT

    @classmethod
    def read(cls, path: Path) -> SweepHeader:
        """Read sweep.json of this format or an earlier one; raises what `StudyHeader.read` raises."""
        return _read(path, cls, upgrade_sweep)


class _Versioned(msgspec.Struct):
    format: int


H = TypeVar("H")


def _read(path: Path, kind: type[H], upgrade: Callable[[dict[str, Any]], dict[str, Any]]) -> H:
    content = path.read_bytes()
    try:
        facts = msgspec.json.decode(content)
        found = msgspec.convert(facts, _Versioned).format
        if found > FORMAT:
            raise RecordError(f"{path} has format {found}; this version reads formats up to {FORMAT}")
        header = msgspec.convert(upgrade(facts), kind)
    except RecordError:
        raise
    except (msgspec.MsgspecError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"{path} is damaged ({error})") from error
    _set_defaults(header)
    return header


def _set_defaults(held: Any) -> None:
    """Set the fields of data classes that took their default: msgspec encodes only those that it has set."""
    if is_dataclass(held):
        for field in fields(held):
            object.__setattr__(held, field.name, getattr(held, field.name))
            _set_defaults(getattr(held, field.name))
    elif isinstance(held, msgspec.Struct):
        for name in held.__struct_fields__:
            _set_defaults(getattr(held, name))
    elif isinstance(held, Mapping):
        for value in held.values():
            _set_defaults(value)
