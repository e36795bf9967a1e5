"""Jobs: the whole runs into which a study is split."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

RUNS_PER_JOB = 25


JOBS = 1000  # of one algorithm on one data set, or so many more as keep them small enough for memory:


MOST_RUNS_PER_JOB = 500


@dataclass(frozen=True)
class Job:
    """Whole runs `first`, ..., `stop` - 1 of one algorithm on one data set."""

    algorithm: str
    dataset: str
    first: int
    stop: int

    def __str__(self) -> str:
        return self.name

    @property
    def runs(self) -> int:
        return self.stop - self.first

    @property
    def name(self) -> str:
        algorithm = self.algorithm.replace(":", ".")  # which a file name may not hold everywhere
        return f"{algorithm}-{self.dataset}-{self.first:07d}-{self.stop - 1:07d}"


def split_into_jobs(algorithms: Iterable[str], datasets: Iterable[str], runs: int, runs_per_job: int) -> list[Job]:
    """All runs of all algorithms on all data sets."""
    return [
        Job(algorithm, dataset, first, min(first + runs_per_job, runs))
        for algorithm, dataset in product(algorithms, datasets)
        for first in range(0, runs, runs_per_job)
    ]


def seeds_of(study_seed: int, algorithm: str, dataset: str, number: int) -> np.random.SeedSequence:
    """What all random numbers of one run come from, apart from those of every other."""
    key = (zlib.crc32(algorithm.encode()), zlib.crc32(dataset.encode()), number)
    return np.random.SeedSequence(study_seed, spawn_key=key)
