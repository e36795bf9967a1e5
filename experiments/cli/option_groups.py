"""Groups of options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

from benchmarks.costs import COST_MODELS
from benchmarks.errors import InputError
from experiments.cli.config_options import add_options
from experiments.execution.resources import ResourceRequest
from experiments.factory.images import Images
from experiments.studies.presets import PRESETS
from experiments.studies.search_loop import Clock, IncumbentRule
from supernets.settings import NetworkScale, Recipe, applies_to


def add_images(group: Any) -> None:
    """Options of images: files and split."""
    add_options(group, Images)


def add_network(group: Any) -> None:
    """Options of networks: their size."""
    texts = {field.name: f"{field.metadata['help']}{applies_to(field.name)}" for field in fields(NetworkScale)}
    add_options(group, NetworkScale, help=texts)


def add_recipe(group: Any, prefix: str = "") -> None:
    """Options of trainings but their length; `prefix` begins their names."""
    add_options(group, Recipe, prefix=prefix)


def add_device(group: Any) -> None:
    """Options of the device of trainings."""
    add_options(group, ResourceRequest, ("device", "gpus_per_training"))


def add_evaluation_options(group: Any) -> None:
    """Options of multi-trial evaluations, which do not apply to weight-sharing methods."""
    evaluate = "table: look evaluations up; train: train every architecture that is asked for (default: table)"
    group.add_argument("--evaluate", choices=("table", "train"), default="table", help=evaluate)
    presets = "; ".join(f"{name}: {preset.summary}" for name, preset in PRESETS.items())
    group.add_argument("--preset", choices=list(PRESETS), help=f"a paper's protocol for what is not given. {presets}")
    budget = "seconds per run: simulated, or measured with --evaluate train (default: the data set's nats-paper "
    budget += "budget, else the time of 200 average evaluations; on a table without times 200 evaluations)"
    evaluations = "evaluations per run, instead of --budget; with --evaluate train one of the two is required"
    amount = group.add_mutually_exclusive_group()
    amount.add_argument("--budget", type=float, metavar="SECONDS", help=budget)
    amount.add_argument("--evaluations", type=int, metavar="N", help=evaluations)
    cost = "charged per evaluation; nats: its training epochs and one validation pass (default: nats)"
    group.add_argument("--cost-model", choices=COST_MODELS, help=cost)
    policy = "sampled: the score of one training seed at random; mean: over seeds; fixed:SEED (default: sampled; with "
    group.add_argument("--seed-policy", metavar="POLICY", help=f"{policy}--evaluate train fixed:0, and no other kind)")
    schedule = "training schedule searched with (default: the table's); with --evaluate train its epochs, required"
    group.add_argument("--schedule", metavar="NAME", help=schedule)
    simulated = "evaluations at a time on the search's clock; with --evaluate train by default as many as --workers"
    add_options(group, Clock, help={"workers": simulated})
    incumbent = "fidelities whose scores are compared to find a run's answer (default: highest_fidelity)"
    group.add_argument("--incumbent", choices=get_args(IncumbentRule), help=incumbent)


def add_weight_sharing_options(group: Any) -> None:
    """Options that only apply to weight-sharing methods."""
    threads = "of each run on a CPU; another number rounds sums otherwise (default: 1)"
    group.add_argument("--threads", type=int, metavar="N", help=threads)


RECIPE = "recipe-"
"""Prefix of the recipe's options, since algorithms have options such as --learning-rate, too."""


def add_network_options(group: Any) -> None:
    """Options of images, networks and devices, as nas-bench build has them; none has a default other than None."""
    add_images(group)
    add_network(group)
    add_device(group)


def add_recipe_options(group: Any) -> None:
    """Options of the recipe of stand-alone networks, with the prefix RECIPE; none has a default other than None."""
    add_recipe(group, RECIPE)


def refuse(given: argparse.Namespace, add_options: Callable[[Any], None], instead: str) -> None:
    """InputError if an option that `add_options` adds was given and would decide nothing."""
    options = argparse.ArgumentParser(add_help=False)
    add_options(options)
    for name, default in vars(options.parse_args([])).items():
        if getattr(given, name) != default:
            raise InputError(f"--{name.replace('_', '-')} {instead}")
