"""Studies side by side: what a report is about, read from records, if the numbers can be compared at all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from benchmarks.errors import InputError
from experiments.records.headers import MultiTrialSettings, StudyHeader, TableSettings, TrainingSettings
from experiments.records.runs import Floats, Group, RecordedTrials, Runs, finished_runs, mean_search_seconds
from experiments.records.study import StudyRecords, is_weight_sharing
from experiments.reports.tables import joined
from experiments.statistics import aggregates as statistics
from experiments.statistics.aggregates import Answers, Final
from experiments.statistics.weight_sharing import (
    OneShotRanking,
    WeightSharingRuns,
    one_shot_rankings,
    weight_sharing_runs,
)

NETWORKS = ("images", "scale", "recipe", "canonical")
"""Settings of studies that train architectures from scratch."""
MUST_AGREE = (
    "space",
    "table",
    *NETWORKS,
    "datasets",
    "budgets",
    "cost_model",
    "report_fidelity",
    "metrics",
    "untested",
)
"""Settings without which the numbers of two multi-trial studies mean different things."""
WEIGHT_SHARING_MUST_AGREE = ("space", "images", "scale", "datasets", "table", "report_fidelity")
"""The same for two weight-sharing studies."""
MIXED_MUST_AGREE = ("space", "datasets")
"""The same for one of each kind, which must also agree in those of LOOKED_UP that both have, and in images and
networks if one of them trains architectures."""
LOOKED_UP = ("table", "report_fidelity")
OWN = ("algorithms", "code", "runs", "seed", "preset")
"""Settings of which each study of a report has its own; a difference in another one is worth a note."""
MULTI_FIDELITY = ("hyperband", "bohb")
"""Algorithms that are made to evaluate at several fidelities."""


class ReportError(InputError):
    """Studies that no one report can hold, or a place where none can be written."""


@dataclass(frozen=True)
class RecordedStudy:
    """What was read from one study's directory."""

    name: str
    """The directory's; its whole path where two have the same name."""
    header: StudyHeader
    """Its `runs` are those that were to be read."""
    recorded: RecordedTrials
    finished: Mapping[Group, int]
    """Recorded runs, also those without a trial."""
    search_seconds: Mapping[Group, float]
    """Host seconds of the search per run."""
    epochs: Mapping[Group, WeightSharingRuns]
    """Of weight-sharing searches; else empty."""
    one_shot_rankings: Mapping[Group, Sequence[OneShotRanking]]
    """Of weight-sharing searches that were compared with a table; else empty."""
    planned: int
    """Runs of the whole study, of each algorithm on each data set."""

    def settings(self, keys: Sequence[str]) -> dict[str, Any]:
        """The settings in `keys`, without what never matters: the order of data sets, and who imported the table."""
        identity = self.header.identity
        chosen: dict[str, Any] = {key: identity.get(key) for key in keys}
        if "datasets" in chosen:
            chosen["datasets"] = sorted(chosen["datasets"])
        if chosen.get("table"):
            provenance = dict(chosen["table"].get("provenance", {}))
            provenance.pop("imported_by", None)
            chosen["table"] = {**chosen["table"], "provenance": provenance}
        return chosen


@dataclass(frozen=True)
class Entry:
    """One algorithm of one study: a row of the table and a line in the figures. The mappings go by data set."""

    label: str
    """The algorithm's name; with the study's if several studies ran it."""
    algorithm: str
    study: RecordedStudy
    runs: Mapping[str, Runs]
    """Data sets without a recorded run are absent."""
    finals: Mapping[str, Final]
    fidelities: Mapping[str, Counter[tuple[str, int]]]
    epochs: Mapping[str, WeightSharingRuns]
    """Empty for multi-trial algorithms."""
    one_shot_rankings: Mapping[str, Sequence[OneShotRanking]]
    """Empty if the shared weights were not compared with a table."""

    @property
    def shared(self) -> bool:
        """Whether this is a weight-sharing method."""
        return is_weight_sharing(self.study.header)

    def end(self, dataset: str) -> float:
        """Seconds at which its searches on a data set end: a budget in seconds, or else when the longest run ended."""
        settings = self.study.header.settings
        if isinstance(settings, MultiTrialSettings) and settings.budgets[dataset].unit == "seconds":
            return settings.budgets[dataset].amount
        return float(self.runs[dataset].elapsed.max())

    def answers(self, dataset: str) -> Answers:
        """How its runs on a data set ended."""
        return statistics.answers(self.runs[dataset])

    def has_test(self, dataset: str) -> bool:
        """Whether a run on this data set has a test accuracy; weight sharing needs a table to know any."""
        return dataset in self.runs and not bool(np.isnan(self.runs[dataset].test).all())

    @property
    def one_fidelity(self) -> list[str]:
        """Data sets on which an algorithm that is made for several fidelities used one."""
        return [name for name, used in self.fidelities.items() if self.algorithm in MULTI_FIDELITY and len(used) == 1]

    @property
    def text(self) -> str:
        """How the row and the line are called."""
        return f"{self.label}, one fidelity" if self.runs and len(self.one_fidelity) == len(self.runs) else self.label


def read_studies(
    study_dirs: Sequence[Path], runs: int | None = None, *, every_trial: bool = False
) -> list[RecordedStudy]:
    """Read studies that can be compared.

    Args:
        runs: read only the first so many of each algorithm on each data set, as if the studies had no more.
        every_trial: whether to keep more than the trials at which answers change (`recorded_runs.condensed`).

    Raises:
        RecordError: a directory holds no readable study.
        ReportError: it holds no run yet, is given twice, or differs from another in what both must agree in.
    """
    paths = [path.resolve() for path in study_dirs]
    if not paths:
        raise ReportError("a report needs at least one study directory, got none")
    for path in paths:
        if paths.count(path) > 1:
            raise ReportError(f"{path} is given {paths.count(path)} times: give each study once")
    unique = len({path.name for path in paths}) == len(paths)
    studies = [_read(path, path.name if unique else str(path), runs, every_trial) for path in paths]
    for one, other in combinations(studies, 2):
        different = disagreement(one, other)
        if different:
            setting, first, second = different
            raise ReportError(
                f"{one.name} and {other.name} cannot share a report: {setting} is {first!r} in one and "
                f"{second!r} in the other. Make a report of each"
            )
    return studies


def disagreement(one: RecordedStudy, other: RecordedStudy) -> tuple[str, Any, Any] | None:
    """(setting, its value in one, in the other) that keeps two studies from sharing a report; or None."""
    if is_weight_sharing(one.header) == is_weight_sharing(other.header):
        same = WEIGHT_SHARING_MUST_AGREE if is_weight_sharing(one.header) else MUST_AGREE
        return difference(one.settings(same), other.settings(same))
    both = [key for key in LOOKED_UP if one.header.identity.get(key) and other.header.identity.get(key)]
    mixed = (*MIXED_MUST_AGREE, *both)
    return difference(one.settings(mixed), other.settings(mixed)) or _other_images(one.header, other.header)


def _other_images(one: StudyHeader, other: StudyHeader) -> tuple[str, Any, Any] | None:
    """What differs in the images or the size of the networks, where neither study's accuracies come from a table."""
    settings = (one.settings, other.settings)
    if not any(isinstance(held, TrainingSettings) for held in settings):
        return None
    first, second = (
        {"dataset": held.images.dataset, "fingerprint": held.images.fingerprint, "scale": asdict(held.scale)}
        for held in settings
        if not isinstance(held, TableSettings)
    )
    return difference(first, second, "images ")


def common_header(studies: Sequence[RecordedStudy]) -> StudyHeader:
    """The header that speaks for all: of a study that trains, else of one that knows the optimum, else of the first."""
    headers = [study.header for study in studies]
    trained = [header for header in headers if isinstance(header.settings, TrainingSettings)]
    return [*trained, *(header for header in headers if header.optima), *headers][0]


def _read(path: Path, name: str, runs: int | None, every_trial: bool) -> RecordedStudy:
    records = StudyRecords(path)
    header, overhead = records.header(), records.overhead(runs)
    shared, planned = is_weight_sharing(header), header.settings.runs
    recorded = RecordedTrials.of(records.trials_by_job(runs), every_trial or shared)
    groups = recorded.groups
    if runs is not None:
        header = replace(header, settings=structs.replace(header.settings, runs=min(runs, planned)))
    if not recorded.trials:
        raise ReportError(
            f"{path}: no evaluation of its {overhead.num_rows} runs ended within the budget; search with a larger one"
            if overhead.num_rows and not shared
            else f"{path} holds no finished run yet: repeat its nas-run command to go on"
        )
    return RecordedStudy(
        name=name,
        header=header,
        recorded=recorded,
        finished={group: len(runs) for group, runs in groups.items()} if shared else finished_runs(overhead),
        search_seconds=mean_search_seconds(overhead),
        epochs=weight_sharing_runs(records.epochs(runs), groups) if shared else {},
        one_shot_rankings=one_shot_rankings(records.one_shot(runs)) if shared else {},
        planned=planned,
    )


def difference(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> tuple[str, Any, Any] | None:
    """(name, first's value, second's value) of a setting that differs, looked for inside nested ones; or None."""
    for key in [*first, *(key for key in second if key not in first)]:
        a, b = first.get(key), second.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            nested = difference(a, b, f"{prefix}{key} ")
            if nested:
                return nested
        elif a != b:
            return f"{prefix}{key}", a, b
    return None


def entries_of(studies: Sequence[RecordedStudy]) -> list[Entry]:
    """Every algorithm of every study, in the order in which they were given."""
    ran = Counter(algorithm for study in studies for algorithm in study.header.settings.algorithms)
    return [
        _entry(study, algorithm, algorithm if ran[algorithm] == 1 else f"{algorithm} ({study.name})")
        for study in studies
        for algorithm in study.header.settings.algorithms
    ]


def _entry(study: RecordedStudy, algorithm: str, label: str) -> Entry:
    recorded = [name for name in study.header.settings.datasets if (algorithm, name) in study.recorded.groups]
    runs = {name: study.recorded.groups[algorithm, name] for name in recorded}
    seconds = {name: study.search_seconds.get((algorithm, name), math.nan) for name in recorded}
    finals = {name: statistics.final(runs[name], seconds[name]) for name in recorded}
    fidelities = {name: study.recorded.fidelities[algorithm, name] for name in recorded}
    epochs = {name: study.epochs[algorithm, name] for name in recorded if study.epochs}
    compared = {
        name: study.one_shot_rankings[algorithm, name]
        for name in recorded
        if (algorithm, name) in study.one_shot_rankings
    }
    return Entry(label, algorithm, study, runs, finals, fidelities, epochs, compared)


def legend_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Label -> text, of entries that have runs."""
    return {
        entry.label: f"{entry.text} (n = {joined(str(len(runs)) for runs in entry.runs.values())})"
        for entry in entries
        if entry.runs
    }


def final_tests(entries: Sequence[Entry], datasets: Sequence[str]) -> dict[str, dict[str, Floats]]:
    """Data set -> label -> final test percent of each run."""
    return {
        dataset: {entry.label: entry.answers(dataset).test for entry in entries if entry.has_test(dataset)}
        for dataset in datasets
    }
