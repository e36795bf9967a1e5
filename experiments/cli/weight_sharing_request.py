"""nas-run with weight-sharing methods: their options, and the study that they describe."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from experiments.cli.config_options import given_options
from experiments.execution.resources import ResourceRequest
from experiments.factory.defaults import scale_for
from experiments.factory.images import Images
from nas_algos.config import Config
from supernets.settings import NetworkScale

if TYPE_CHECKING:
    from experiments.studies.weight_sharing_study import WeightSharingStudy


def search_by_weight_sharing(given: argparse.Namespace, algorithms: Mapping[str, Config]) -> Path:
    """Run the study; returns its directory."""
    from experiments.cli.console import progress_bar
    from experiments.studies.runner import default_directory, run_study

    resources = ResourceRequest(**given_options(ResourceRequest, given)).resolve()
    study = weight_sharing_study(given, algorithms, resources.device)
    study.check()
    directory: Path = given.out or default_directory(study)
    with progress_bar() as progress:
        run_study(study, directory, resources, progress)
    return directory


def weight_sharing_study(
    given: argparse.Namespace, algorithms: Mapping[str, Config], device: str
) -> WeightSharingStudy:
    """The study that is asked for; the usual table is used if it fits."""
    from experiments.cli.console import progress_bar
    from experiments.studies.found_architectures import searched_images, table_of_images, with_table_that_fits
    from experiments.studies.weight_sharing_study import WeightSharingStudy
    from nas_algos.weight_sharing.configs import MethodConfig

    if given.dataset and len(given.dataset) > 1:
        raise InputError(
            f"weight-sharing methods take one data set, got {', '.join(given.dataset)}: start a study of each"
        )
    dataset = given.dataset[0] if given.dataset else "digits"
    images = searched_images(dataset)
    with progress_bar() as progress:
        table, dataset = table_of_images(given.space, given.table, images, progress)
    study = WeightSharingStudy(
        space=given.space,
        algorithms={name: config for name, config in algorithms.items() if isinstance(config, MethodConfig)},
        dataset=dataset,
        images=Images(images, **given_options(Images, given)),
        scale=scale_for(given.space, dataset, given_options(NetworkScale, given)),
        runs=given.runs,
        seed=given.seed,
        threads=1 if given.threads is None else given.threads,
        device=device,
        table=table,
    )
    if table is None:
        print(f"no table of {study.space} has {study.dataset}: the architectures found are not looked up")
    elif not given.table:
        study, reason = with_table_that_fits(study)
        if reason:
            print(f"the architectures found are not looked up: {reason}")
    return study
