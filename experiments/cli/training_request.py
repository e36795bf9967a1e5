"""nas-run --evaluate train: options of architectures that are really trained, and the study that they describe.

Weight sharing trains, too, and has the same options but for the recipe, which is its methods' own.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from benchmarks.errors import InputError
from experiments.cli.budget_request import crossing_of, requested_budget
from experiments.cli.config_options import given_options
from experiments.cli.option_groups import (
    RECIPE,
    add_weight_sharing_options,
    refuse,
)
from experiments.execution.resources import ResourceRequest
from experiments.factory.defaults import recipe_for, scale_for
from experiments.factory.images import Images
from experiments.records.budgets import Budget
from experiments.studies.presets import Preset
from nas_algos.config import Config
from supernets.settings import NetworkScale, Recipe


def search_by_training(given: argparse.Namespace, algorithms: Mapping[str, Config], preset: Preset) -> Path:
    """Run the study; returns its directory."""
    budget = _checked(given)
    refuse(given, add_weight_sharing_options, "only applies to weight-sharing methods, not to --evaluate train")
    from experiments.cli.console import progress_bar
    from experiments.factory.factory import build_header
    from experiments.studies.runner import default_directory, run_study
    from experiments.studies.training_study import TrainingStudy

    dataset = given.dataset[0] if given.dataset else "digits"
    images = Images(dataset, **given_options(Images, given))
    resources = ResourceRequest(**given_options(ResourceRequest, given)).resolve()
    scale = scale_for(given.space, dataset, given_options(NetworkScale, given))
    recipe = recipe_for(dataset, given_options(Recipe, given, prefix=RECIPE))
    build = build_header(given.space, images, scale, recipe, canonical=False, device=resources.device)
    study = TrainingStudy(
        build,
        images,
        algorithms=algorithms,
        budgets={build.dataset: budget},
        runs=given.runs,
        seed=given.seed,
        cost_model=given.cost_model or preset.cost_model,
        seed_policy=given.seed_policy or "fixed:0",
        schedule=given.schedule,
        crossing=crossing_of(given, preset, budget),
        cache=bool(given.cache),
        simulated_workers=_simulated_workers(given),
        incumbent=given.incumbent or preset.incumbent,
        preset=given.preset,
    )
    directory = given.out or default_directory(study)
    with progress_bar() as progress:
        records = run_study(study, directory, resources, progress)
    kept = records.evaluations_path
    print(f"trainings: {kept}; make a table of them with: nas-bench calibrate {kept} && nas-bench merge {kept}")
    return directory


def _checked(given: argparse.Namespace) -> Budget:
    """The budget; InputError for options that are missing or do not apply."""
    if given.table:
        raise InputError("--table is for evaluations that are looked up: leave it out, or --evaluate train")
    budget = requested_budget(given)
    if budget is None:
        raise InputError(
            "a search that trains architectures has no default budget: give --budget SECONDS, which are measured, or "
            "--evaluations N"
        )
    if given.schedule is None:
        raise InputError("how long to train architectures is open: give --schedule EPOCHS")
    if given.dataset and len(given.dataset) > 1:
        raise InputError(f"--evaluate train takes one data set, got {', '.join(given.dataset)}: start a study of each")
    return budget


def _simulated_workers(given: argparse.Namespace) -> int:
    """Trials that are open at a time on the clock of a search: as many as are trained at a time, if not said."""
    simulated: int = given.workers or 1 if given.simulated_workers is None else given.simulated_workers
    if given.workers > simulated:
        raise InputError(
            f"a search with {simulated} open evaluations at a time keeps no {given.workers} workers busy: give "
            f"--workers {simulated} at most, or a larger --simulated-workers"
        )
    return simulated
