"""The content of a report: studies read from records, after a check that their numbers are comparable."""

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
from experiments.records.budgets import BudgetUnit
from experiments.records.headers import (
    MultiTrialSettings,
    StudyHeader,
    TableSettings,
    TrainingSettings,
    WeightSharingSettings,
)
from experiments.records.runs import Floats, Group, RecordedTrials, Runs, finished_runs, mean_search_seconds
from experiments.records.study import StudyRecords
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
    "space", "table", *NETWORKS, "datasets", "budgets", "cost_model", "report_fidelity", "metrics", "untested"
)  # fmt: skip
"""Settings that two multi-trial studies must share for their numbers to be comparable."""
WEIGHT_SHARING_MUST_AGREE = ("space", "images", "scale", "datasets", "table", "report_fidelity")
"""Settings that two weight-sharing studies must share."""
MIXED_MUST_AGREE = ("space", "datasets")
"""Settings that a multi-trial study and a weight-sharing one must share. They must also share those of LOOKED_UP that
both have, and images and networks if one of them trains architectures from scratch."""
LOOKED_UP = ("table", "report_fidelity")
OWN = ("algorithms", "code", "runs", "seed", "preset")
"""Settings that may differ between the studies of a report without a note."""
MULTI_FIDELITY = ("hyperband", "bohb")
"""Multi-fidelity algorithms."""


class ReportError(InputError):
    """Studies cannot share a report, or the report cannot be written."""


@dataclass(frozen=True)
class RecordedStudy:
    """The content of the directory of one study."""

    name: str
    """Name of the directory; the whole path where two directories have the same name."""
    header: StudyHeader
    """Its setting `runs` is the number of runs that were to be read."""
    recorded: RecordedTrials
    finished: Mapping[Group, int]
    """Number of recorded runs, including those without a trial."""
    search_seconds: Mapping[Group, float]
    """Mean host seconds per run spent in the search algorithm."""
    epochs: Mapping[Group, WeightSharingRuns]
    """Empty for multi-trial studies."""
    one_shot_rankings: Mapping[Group, Sequence[OneShotRanking]]
    """Empty unless the shared weights were compared with a table."""
    planned: int
    """Runs of each algorithm on each data set in the whole study."""

    @property
    def weight_sharing(self) -> bool:
        """Whether its searches share weights."""
        return isinstance(self.header.settings, WeightSharingSettings)

    def settings(self, keys: Sequence[str]) -> dict[str, Any]:
        """The settings in `keys`, without the order of data sets and who imported a table, which never matter."""
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
    """One algorithm of one study: a row in tables and a line in figures. Keys of mappings are data sets."""

    label: str
    """Name of the algorithm, followed by that of the study if several studies ran it."""
    algorithm: str
    study: RecordedStudy
    runs: Mapping[str, Runs]
    """Without data sets that have no recorded run. `Runs.elapsed` counts what the report draws over."""
    ends: Mapping[str, float]
    """End of the searches, in the unit of `Runs.elapsed`: the budget if it has that unit, else the longest run's."""
    finals: Mapping[str, Final]
    fidelities: Mapping[str, Counter[tuple[str, int]]]
    epochs: Mapping[str, WeightSharingRuns]
    """Empty for multi-trial algorithms."""
    one_shot_rankings: Mapping[str, Sequence[OneShotRanking]]
    """Empty if the shared weights were not compared with a table."""

    @property
    def weight_sharing(self) -> bool:
        """Whether this is a weight-sharing method."""
        return self.study.weight_sharing

    def answers(self, dataset: str) -> Answers:
        """The last incumbents of its runs on a data set."""
        return statistics.answers(self.runs[dataset])

    def has_final(self, dataset: str) -> bool:
        """Whether any run on this data set has a final score, for which weight sharing needs a table."""
        return dataset in self.runs and not bool(np.isnan(self.runs[dataset].final).all())

    @property
    def one_fidelity(self) -> list[str]:
        """Data sets on which a multi-fidelity algorithm used a single fidelity."""
        return [name for name, used in self.fidelities.items() if self.algorithm in MULTI_FIDELITY and len(used) == 1]

    @property
    def text(self) -> str:
        """Name of the row and the line."""
        return f"{self.label}, one fidelity" if self.runs and len(self.one_fidelity) == len(self.runs) else self.label


def read_studies(
    study_dirs: Sequence[Path], runs: int | None = None, *, every_trial: bool = False
) -> list[RecordedStudy]:
    """Read studies that can be compared.

    Args:
        runs: read only the first `runs` runs of each algorithm on each data set, as if the studies had no more.
        every_trial: whether to keep all trials instead of `incumbent_changes`.

    Raises:
        RecordError: a directory holds no readable study.
        ReportError: a study holds no run yet, is given twice, or differs from another in a setting that they must
            share.
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
    """(setting, its value in one, its value in the other) that keeps two studies from sharing a report, if any."""
    if one.weight_sharing == other.weight_sharing:
        same = WEIGHT_SHARING_MUST_AGREE if one.weight_sharing else MUST_AGREE
        return difference(one.settings(same), other.settings(same))
    both = [key for key in LOOKED_UP if one.header.identity.get(key) and other.header.identity.get(key)]
    mixed = (*MIXED_MUST_AGREE, *both)
    return difference(one.settings(mixed), other.settings(mixed)) or _other_images(one.header, other.header)


def _other_images(one: StudyHeader, other: StudyHeader) -> tuple[str, Any, Any] | None:
    """The first difference in images or network size, if networks were trained from scratch in one of the studies."""
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
    """The header that stands for all: of a study that trains, else of one with known optima, else of the first."""
    headers = [study.header for study in studies]
    trained = [header for header in headers if isinstance(header.settings, TrainingSettings)]
    return [*trained, *(header for header in headers if header.optima), *headers][0]


def _read(path: Path, name: str, runs: int | None, every_trial: bool) -> RecordedStudy:
    records = StudyRecords(path)
    header, overhead = records.header(), records.overhead(runs)
    weight_sharing, planned = isinstance(header.settings, WeightSharingSettings), header.settings.runs
    recorded = RecordedTrials.of(records.trials_by_job(runs), every_trial or weight_sharing, header.settings.untested)
    groups = recorded.groups
    if runs is not None:
        header = replace(header, settings=structs.replace(header.settings, runs=min(runs, planned)))
    if not recorded.trials:
        raise ReportError(
            f"{path}: no evaluation of its {overhead.num_rows} runs ended within the budget; search with a larger one"
            if overhead.num_rows and not weight_sharing
            else f"{path} holds no finished run yet: repeat its nas-run command to resume it"
        )
    return RecordedStudy(
        name=name,
        header=header,
        recorded=recorded,
        finished={group: len(runs) for group, runs in groups.items()} if weight_sharing else finished_runs(overhead),
        search_seconds=mean_search_seconds(overhead),
        epochs=weight_sharing_runs(records.epochs(runs), groups) if weight_sharing else {},
        one_shot_rankings=one_shot_rankings(records.one_shot(runs)) if weight_sharing else {},
        planned=planned,
    )


def difference(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> tuple[str, Any, Any] | None:
    """(name, value in the first, value in the second) of the first different setting, nested ones included; or None."""
    for key in [*first, *(key for key in second if key not in first)]:
        a, b = first.get(key), second.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            nested = difference(a, b, f"{prefix}{key} ")
            if nested:
                return nested
        elif a != b:
            return f"{prefix}{key}", a, b
    return None


def entries_of(studies: Sequence[RecordedStudy], over: BudgetUnit | None = None) -> list[Entry]:
    """Every algorithm of every study, in the order in which they were given.

    Args:
        over: what time axes count; default: the unit of the budget.

    Raises:
        ReportError: the records cannot be drawn over that.
    """
    counted = over or budget_unit(studies)
    ran = Counter(algorithm for study in studies for algorithm in study.header.settings.algorithms)
    groups = [
        {group: _counting(counted, runs, study)
         for group, runs in study.recorded.groups.items()}
        for study in studies
    ]  # fmt: skip
    longest: dict[str, float] = {}
    for (_, dataset), runs in (item for of_study in groups for item in of_study.items()):
        longest[dataset] = max(longest.get(dataset, 0.0), float(runs.elapsed.max()))
    if counted == "evaluations" and all(study.weight_sharing for study in studies):
        raise ReportError("weight-sharing methods have no evaluations to count: draw them --over seconds")
    if counted == "seconds" and longest and not any(longest.values()):
        raise ReportError("these records have no seconds: the benchmark has no times. Draw them --over evaluations")
    return [
        _entry(study, algorithm, algorithm if ran[algorithm] == 1 else f"{algorithm} ({study.name})", of_study,
               _ends(study, algorithm, of_study, counted, longest))
        for study, of_study in zip(studies, groups, strict=True)
        for algorithm in study.header.settings.algorithms
    ]  # fmt: skip


def budget_unit(studies: Sequence[RecordedStudy]) -> BudgetUnit:
    """What the budget of the multi-trial studies counts; seconds if there are none."""
    settings = [study.header.settings for study in studies]
    budgets = [budget for held in settings if isinstance(held, MultiTrialSettings) for budget in held.budgets.values()]
    return budgets[0].unit if budgets else "seconds"


def _counting(over: BudgetUnit, runs: Runs, study: RecordedStudy) -> Runs:
    """Runs of a study whose `elapsed` counts evaluations, if a multi-trial study is to be drawn over these."""
    if over == "seconds" or study.weight_sharing:
        return runs
    return replace(runs, elapsed=runs.order.astype(float))


def _ends(
    study: RecordedStudy, algorithm: str, groups: Mapping[Group, Runs], over: BudgetUnit, longest: Mapping[str, float]
) -> dict[str, float]:
    """Data set -> end of the searches of an algorithm; see `Entry.ends`."""
    settings = study.header.settings
    if not isinstance(settings, MultiTrialSettings):
        return {name: float(runs.elapsed.max()) for (ran, name), runs in groups.items() if ran == algorithm}
    budgets = {name: budget.amount for name, budget in settings.budgets.items() if budget.unit == over}
    return budgets or dict(longest)


def _entry(
    study: RecordedStudy, algorithm: str, label: str, groups: Mapping[Group, Runs], ends: Mapping[str, float]
) -> Entry:
    runs = {name: groups[algorithm, name] for name in study.header.settings.datasets if (algorithm, name) in groups}
    seconds = {name: study.search_seconds.get((algorithm, name), math.nan) for name in runs}
    finals = {name: statistics.final(of_dataset, seconds[name]) for name, of_dataset in runs.items()}
    compared = {
        name: study.one_shot_rankings[algorithm, name] for name in runs if (algorithm, name) in study.one_shot_rankings
    }
    return Entry(
        label=label,
        algorithm=algorithm,
        study=study,
        runs=runs,
        ends=ends,
        finals=finals,
        fidelities={name: study.recorded.fidelities[algorithm, name] for name in runs},
        epochs={name: study.epochs[algorithm, name] for name in runs if study.epochs},
        one_shot_rankings=compared,
    )


def legend_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Label -> text in legends, of the entries that have runs."""
    return {
        entry.label: f"{entry.text} (n = {joined(str(len(runs)) for runs in entry.runs.values())})"
        for entry in entries
        if entry.runs
    }


def final_scores(entries: Sequence[Entry], datasets: Sequence[str]) -> dict[str, dict[str, Floats]]:
    """Data set -> label -> final score of each run, without entries that have none."""
    return {
        dataset: {entry.label: entry.answers(dataset).final for entry in entries if entry.has_final(dataset)}
        for dataset in datasets
    }
