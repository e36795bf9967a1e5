"""The table in which the architectures that weight-sharing searches find are looked up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.execution.progress import Progress
from experiments.tables.store import MissingTableError, find_table

if TYPE_CHECKING:
    from experiments.studies.weight_sharing_study import WeightSharingStudy

SEARCHED_IMAGES = {"cifar10": "cifar10-valid"}
"""Data set of the published tables -> the images to search on, if they have another name."""


def searched_images(dataset: str) -> str:
    """The images that a search on `dataset` trains on: those without the published test images."""
    return SEARCHED_IMAGES.get(dataset, dataset)


def table_of_images(space: str, wanted: str | None, images: str, progress: Progress) -> tuple[Path | None, str]:
    """(table of the space, its name for the images); (None, name) if there is no table and `wanted` is None.

    Args:
        wanted: table or file as in `find_table`; None for the usual one.

    Raises:
        MissingTableError: there is no table `wanted`.
        TableError: it does not hold the images.
    """
    names = [dataset for dataset, searched in SEARCHED_IMAGES.items() if searched == images] + [images]
    for name in names:
        try:
            table = find_table(space, wanted, [name], progress=progress)
        except MissingTableError:
            if wanted:
                raise
            continue
        if name in table.info.tasks or name == names[-1]:
            table.task(name)  # raises on an unknown name
            return table.path, name
    return None, names[0]


def with_table_that_fits(study: WeightSharingStudy) -> tuple[WeightSharingStudy, str | None]:
    """(the study, None), or (the study without its table, the reason) if the table has other images or networks."""
    from experiments.studies.weight_sharing_study import OtherTableError

    try:
        study.check_table()
    except OtherTableError as reason:
        return replace(study, table=None), str(reason)
    return study, None
