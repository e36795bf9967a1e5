"""The contract of studies: algorithms and independent runs, split into jobs whose records are kept as they finish."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.records.headers import StudyHeader
from experiments.records.study import JobFiles, StudyRecords
from experiments.studies.jobs import Job


class Study(ABC):
    """A study on a table, by training or by weight sharing; `studies.runner.run_study` runs any kind."""

    algorithms: Mapping[str, Any]
    """Algorithm -> its configuration."""
    runs: int
    """Number of runs of each algorithm on each data set."""
    seed: int

    @abstractmethod
    def check(self) -> None:
        """Check in advance that the study can be run.

        Raises:
            InputError: the study cannot be run.
        """

    def check_directory(self, records: StudyRecords) -> None:
        """Raise RecordError if a directory holds unfinished work from which this study cannot resume."""
        _ = records

    @abstractmethod
    def header(self) -> StudyHeader:
        """The header of the records."""

    @abstractmethod
    def jobs(self) -> list[Job]:
        """All jobs, in the order in which they start."""

    @abstractmethod
    def execute(
        self, jobs: Sequence[Job], records: StudyRecords, resources: Resources, progress: Progress
    ) -> Iterator[tuple[Job, JobFiles]]:
        """Yield each of `jobs` with its records as it finishes, in any order.

        Args:
            jobs: those that are not recorded yet.
            records: the study's directory, in which unfinished work is kept and from which it is resumed.
            resources: workers and devices; they affect the duration, but no record except measured seconds.
            progress: called with the progress within a job, if it reports any.
        """
