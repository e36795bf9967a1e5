"""The input and the signature of the sections of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from experiments.records.budgets import BudgetUnit
from experiments.records.headers import StudyHeader
from experiments.reports.entries import Entry, RecordedStudy, common_header, legend_of
from experiments.reports.measures import Measure, common, measures_of
from experiments.statistics.aggregates import Band, Interpolation

AskedTarget = tuple[str | None, float]
"""(data set, or None for all, value of the metric)."""


@dataclass(frozen=True)
class SectionInput:
    """Records and options of a report, and the directory into which sections write their tables and figures."""

    studies: Sequence[RecordedStudy]
    entries: Sequence[Entry]
    directory: Path
    band: Band = "iqr"
    """The kind of band drawn around means over runs."""
    interpolation: Interpolation = "step"
    """The interpolation of curves between trials; tables do not depend on it."""
    over: BudgetUnit = "seconds"
    """What time axes count: `Runs.elapsed` of the entries."""
    targets: Sequence[AskedTarget] = ()
    """Targets chosen by the user; empty for the default ones."""
    sweeps: Sequence[Path] = ()
    """Directories of hyperparameter sweeps."""

    @cached_property
    def header(self) -> StudyHeader:
        """The header that stands for all studies."""
        return common_header(self.studies)

    @cached_property
    def legend(self) -> Mapping[str, str]:
        """Label of each entry with runs -> its text in legends."""
        return legend_of(self.entries)

    @cached_property
    def recorded_datasets(self) -> Sequence[str]:
        """Data sets with at least one recorded run."""
        return list(dict.fromkeys(dataset for entry in self.entries for dataset in entry.runs))

    @cached_property
    def measures(self) -> Mapping[str, Measure]:
        """What judges the architectures of each data set."""
        return measures_of(self.header)

    @property
    def judged(self) -> str:
        """What the report compares, in words: 'test accuracy', or 'final score' if data sets differ in it."""
        return common(self.measures.values(), lambda measure: measure.name, "final score")

    @property
    def judged_label(self) -> str:
        """`judged` with its unit, for headings."""
        return common(self.measures.values(), lambda measure: measure.label, "final score")

    @property
    def difference_unit(self) -> str:
        """Unit of differences, for headings: 'points' of percentages; empty if data sets differ in it."""
        unit = common(self.measures.values(), lambda measure: measure.difference_unit, "")
        return "points" if unit == "percentage points" else unit

    def named(self, dataset: str) -> str:
        """A data set as the first cell of a row, with its measure if data sets differ in it."""
        return dataset if len(set(self.measures.values())) < 2 else f"{dataset}, {self.measures[dataset].label}"

    @property
    def axis(self) -> str:
        """What time axes count, in words."""
        if self.over == "evaluations":
            return self.over
        clocks = dict.fromkeys(study.header.settings.clock for study in self.studies)
        return f"{' or '.join(clocks)} seconds"


Section = Callable[[SectionInput], str]
"""Writes tables and figures into the directory of its input and returns Markdown; empty if it does not apply."""
