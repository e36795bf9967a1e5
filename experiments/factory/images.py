"""The images of a build: their location on a worker, and a check that they are the right ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from benchmarks.options import option

if TYPE_CHECKING:
    from experiments.factory.directory import BuildHeader
    from supernets.images.tasks import ImageTask


@dataclass(frozen=True)
class Images:
    """The location from which a worker reads the images of a build."""

    dataset: str
    data_dir: Path | None = option(None, "directory of the data set's files; digits needs none", metavar="DIR")
    seed: int = option(
        0,
        "seed of the split into training, validation and test images if none is published",
        flag="split-seed",
        low=0,
    )

    def task(self) -> ImageTask:
        return _task(self.dataset, self.data_dir, self.seed)


@lru_cache(maxsize=1)
def _task(dataset: str, data_dir: Path | None, seed: int) -> ImageTask:
    """The images of a build, read once per process."""
    from supernets.images.tasks import image_task  # imports PyTorch

    return image_task(dataset, data_dir, seed)


def check_images(header: BuildHeader, task: ImageTask) -> None:
    """Raise InputError unless `task` has the images of the build."""
    if _fingerprint(task) != header.fingerprint:
        raise InputError(
            f"the images of {task.name} on this machine are not those of the build: use the same files on every machine"
        )


@lru_cache(maxsize=1)
def _fingerprint(task: ImageTask) -> str:
    return task.fingerprint()
