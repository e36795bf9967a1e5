"""Groups of options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from benchmarks.errors import InputError
from experiments.cli.config_options import add_options, given_options
from experiments.execution.resources import ResourceRequest
from experiments.factory.defaults import TrainingOptions
from experiments.factory.digits import RECIPE as RECIPE_OF_DIGITS
from experiments.factory.images import Images
from experiments.studies.evaluation_request import EvaluationRequest
from supernets.settings import SPACE_SETTINGS, NetworkScale, Recipe, applies_to

RECIPE = "recipe-"
"""Prefix of the recipe's options in nas-run, since algorithms have options such as --learning-rate, too."""


def networks_on_digits() -> str:
    """The description of a group of networks' options: defaults that differ on digits."""
    sizes = (f"{_differences(known.digits_scale, NetworkScale())} ({name})" for name, known in SPACE_SETTINGS.items())
    return f"The listed defaults are the published ones; on digits they are {'; '.join(sizes)}."


def recipe_on_digits() -> str:
    """The description of a group of the recipe's options: defaults that differ on digits."""
    settings = _differences(RECIPE_OF_DIGITS, Recipe())
    return f"The listed defaults are the published ones; on digits they are {settings}."


def _differences(usual: Any, published: Any) -> str:
    """The options that differ, as they are typed."""
    texts = []
    for field in fields(usual):
        value, flag = getattr(usual, field.name), field.name.replace("_", "-")
        if value == getattr(published, field.name):
            continue
        if isinstance(value, bool):
            texts.append(f"{flag} {'on' if value else 'off'}")
        else:
            texts.append(f"{flag} {' '.join(map(str, value)) if isinstance(value, tuple) else value}")
    return ", ".join(texts)


def add_images(group: Any) -> None:
    """Add the options of images: files and split."""
    add_options(group, Images)


def add_network(group: Any) -> None:
    """Add the options of the size of networks."""
    texts = {field.name: f"{field.metadata['help']}{applies_to(field.name)}" for field in fields(NetworkScale)}
    add_options(group, NetworkScale, help=texts)


def add_recipe(group: Any, prefix: str = "") -> None:
    """Add the options of trainings other than their length; `prefix` begins their names."""
    add_options(group, Recipe, prefix=prefix)


def add_device(group: Any) -> None:
    """Add the option of the device on which one process trains or evaluates."""
    add_options(group, ResourceRequest, ["device"])


def add_evaluation_options(group: Any) -> None:
    """Add the options that apply to multi-trial algorithms only."""
    add_options(group, EvaluationRequest, ["evaluate"])
    add_table_options(group)


def add_table_options(group: Any) -> None:
    """Add those of them that apply where evaluations are looked up in a table."""
    add_options(group, EvaluationRequest, ["preset"])
    add_options(group.add_mutually_exclusive_group(), EvaluationRequest, ["budget", "evaluations"])
    others = ["cost_model", "seed_policy", "schedule", "crossing", "cache", "simulated_workers", "incumbent"]
    add_options(group, EvaluationRequest, others)


def add_weight_sharing_options(group: Any) -> None:
    """Add the option that applies to weight-sharing methods only."""
    threads = "CPU threads of each run; results depend on it, since sums are rounded differently (default: 1)"
    group.add_argument("--threads", type=int, metavar="N", help=threads)


def add_network_options(group: Any) -> None:
    """Add the options that apply wherever networks are trained: images, networks, device. Their defaults are None."""
    add_images(group)
    add_network(group)
    add_options(group, ResourceRequest, ["device", "gpus_per_training"])


def add_recipe_options(group: Any) -> None:
    """Add the options of stand-alone trainings in nas-run. Their defaults are None."""
    add_recipe(group, RECIPE)


def training_options(given: argparse.Namespace, *, prefix: str = "") -> TrainingOptions:
    """The given options of images, networks and, with their `prefix`, recipes."""
    images, scale, recipe = (
        given_options(Images, given),
        given_options(NetworkScale, given),
        given_options(Recipe, given, prefix=prefix),
    )
    return TrainingOptions(images, scale, recipe)


def refuse(given: argparse.Namespace, add_options: Callable[[Any], None], reason: str) -> None:
    """Raise InputError with the reason if an option that `add_options` adds was given."""
    options = argparse.ArgumentParser(add_help=False)
    add_options(options)
    for name, default in vars(options.parse_args([])).items():
        if getattr(given, name) != default:
            raise InputError(f"--{name.replace('_', '-')} {reason}")
