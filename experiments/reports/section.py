"""What every section of a report is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from experiments.records.headers import StudyHeader
from experiments.reports.entries import Entry, RecordedStudy, common_header, legend_of
from experiments.statistics.aggregates import Band, Interpolation

AskedTarget = tuple[str | None, float]
"""(data set, or None for all, percent test accuracy)."""


@dataclass(frozen=True)
class SectionInput:
    """Records and options of a report, and the directory into which sections write their tables and figures."""

    studies: Sequence[RecordedStudy]
    entries: Sequence[Entry]
    directory: Path
    band: Band = "iqr"
    """Drawn around means over runs."""
    interpolation: Interpolation = "step"
    """Of curves between trials; tables do not depend on it."""
    targets: Sequence[AskedTarget] = ()
    """Test accuracies chosen by the user; empty for the default ones."""
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


Section = Callable[[SectionInput], str]
"""Writes tables and figures into the directory of its input and returns Markdown; empty if it does not apply."""
