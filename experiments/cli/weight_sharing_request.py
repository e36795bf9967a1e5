"""nas-run with weight-sharing methods: their options, and the study that they describe."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from nas_algos.config import Config

if TYPE_CHECKING:
    from experiments.studies.weight_sharing_study import WeightSharingStudy

IMAGES = {"cifar10": "cifar10-valid"}
"""Data set as the published tables call it -> images that are searched on, where these are called otherwise."""


def search_by_weight_sharing(given: argparse.Namespace, algorithms: Mapping[str, Config]) -> Path:
    """Run the study; returns its directory."""
    from experiments.cli.console import progress_bar
    from experiments.cli.network_request import resources_of
    from experiments.studies.runner import default_directory, run_study

    resources = resources_of(given)
    study = weight_sharing_study(given, algorithms, resources.device)
    study.check()
    directory: Path = given.out or default_directory(study)
    with progress_bar() as progress:
        run_study(study, directory, resources, progress)
    return directory


def weight_sharing_study(
    given: argparse.Namespace, algorithms: Mapping[str, Config], device: str
) -> WeightSharingStudy:
    """The study that is asked for; a table that nobody asked for is used if it fits."""
    from experiments.cli.network_request import images_of, scale_of
    from experiments.studies.weight_sharing_study import OtherTableError, WeightSharingStudy
    from nas_algos.weight_sharing.configs import MethodConfig

    if given.dataset and len(given.dataset) > 1:
        raise InputError(
            f"weight-sharing methods take one data set, got {', '.join(given.dataset)}: start a study of each"
        )
    dataset = given.dataset[0] if given.dataset else "digits"
    images = IMAGES.get(dataset, dataset)
    table, dataset = _table(given, images)
    study = WeightSharingStudy(
        space=given.space,
        algorithms={name: config for name, config in algorithms.items() if isinstance(config, MethodConfig)},
        dataset=dataset,
        images=images_of(images, given),
        scale=scale_of(dataset, given),
        runs=given.runs,
        seed=given.seed,
        threads=1 if given.threads is None else given.threads,
        device=device,
        table=table,
    )
    if table is None:
        print(f"no table of {study.space} has {study.dataset}: the architectures found are not looked up")
    elif not given.table:
        try:
            study.check_table()
        except OtherTableError as reason:
            print(f"the architectures found are not looked up: {reason}")
            return replace(study, table=None)
    return study


def _table(given: argparse.Namespace, images: str) -> tuple[Path | None, str]:
    """Where the architectures found are looked up, and what it calls their images: as they are called, or otherwise.

    None if there is no table of them and none was asked for.
    """
    from experiments.cli.console import progress_bar
    from experiments.tables.store import MissingTableError, find_table

    names = [name for name, known_as in IMAGES.items() if known_as == images] + [images]
    for name in names:
        try:
            with progress_bar() as progress:
                table = find_table(given.space, given.table, [name], progress=progress)
        except MissingTableError:
            if given.table:
                raise
            continue
        if name in table.info.tasks or name == names[-1]:
            table.task(name)  # raises on an unknown name
            return table.path, name
    return None, names[0]
