"""The one idea of a study: algorithms and independent runs, split into jobs whose records are kept as they finish."""

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
    """What to run: on a table, by training or by weight sharing; `studies.runner.run_study` runs any kind."""

    algorithms: Mapping[str, Any]
    """Algorithm -> its configuration."""
    runs: int
    """Of each algorithm on each data set."""
    seed: int

    @abstractmethod
    def check(self) -> None:
        """Raise now what a run would raise later.

        Raises:
            InputError: the study cannot be run.
        """

    def check_directory(self, records: StudyRecords) -> None:
        """RecordError if a directory holds work from which this study cannot resume, besides other records."""
        _ = records

    @abstractmethod
    def header(self) -> StudyHeader:
        """What the records say about themselves."""

    @abstractmethod
    def jobs(self) -> list[Job]:
        """All jobs, in the order in which they begin."""

    @abstractmethod
    def execute(
        self, jobs: Sequence[Job], records: StudyRecords, resources: Resources, progress: Progress
    ) -> Iterator[tuple[Job, JobFiles]]:
        """Yield each of `jobs` with its records as it finishes, in any order.

        Args:
            jobs: those that are not recorded yet.
            records: the study's directory, in which unfinished work is kept and from which it is resumed.
            resources: where to run; they decide how long it takes, and no record but measured seconds.
            progress: called with what is under way within a job, if anything is.
        """
