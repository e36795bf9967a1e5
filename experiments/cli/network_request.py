"""Images, network scale, recipe and resources as the command line asks for them."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from benchmarks.errors import InputError

if TYPE_CHECKING:
    from experiments.execution.resources import Resources
    from experiments.factory.images import Images
    from supernets.settings import NetworkScale, TrainConfig


def resources_of(given: argparse.Namespace) -> Resources:
    """What to train on; as many workers as there are cores or GPUs if no number is given."""
    from experiments.execution.resources import Resources
    from supernets.training.devices import gpu_count, usable_device

    device = usable_device(given.device)
    gpus = 1.0 if given.gpus_per_training is None else given.gpus_per_training
    if gpus <= 0:
        raise InputError(f"--gpus-per-training is above 0, got {gpus}")
    if not device.startswith("cuda"):
        workers = (os.cpu_count() or 1) if given.workers is None else given.workers
        return Resources(workers, device, 0.0, given.ray_address)
    there = gpu_count()
    workers = max(1, int(there / gpus)) if given.workers is None else given.workers
    if workers and device != "cuda":
        raise InputError(
            f"Ray gives each of {workers} workers its GPU: give --device cuda, or --workers 0 for {device}"
        )
    if not given.ray_address and workers * gpus > there:
        raise InputError(
            f"{workers} workers with {gpus:g} GPUs each need {workers * gpus:g}, here are {there}: give fewer "
            "--workers, or --gpus-per-training below 1, with which they share a GPU"
        )
    return Resources(workers, device, gpus, given.ray_address)


def images_of(dataset: str, given: argparse.Namespace) -> Images:
    from experiments.factory.images import Images

    return Images(dataset, given.data_dir and given.data_dir.absolute(), given.split_seed or 0)


def scale_of(dataset: str, given: argparse.Namespace) -> NetworkScale:
    """The published size of networks, or on digits that of the space's settings, with what is given instead."""
    from dataclasses import replace

    from supernets.settings import PUBLISHED_SCALE, settings_of

    settings = settings_of(given.space)
    start = settings.digits_scale if dataset == "digits" else PUBLISHED_SCALE
    for name in ("width", "depth", "channels"):
        if getattr(given, name) is not None and name not in settings.scale_options:
            raise InputError(f"--{name} does not apply to the networks of {given.space}")
    named = {"width": given.width, "depth": given.depth, "channels": given.channels and tuple(given.channels)}
    return replace(start, **{name: value for name, value in named.items() if value is not None})


def recipe_of(dataset: str, given: argparse.Namespace, prefix: str = "") -> TrainConfig:
    """The published recipe, or on digits that of `experiments.factory.digits`, with what is given instead."""
    from dataclasses import fields, replace

    from experiments.factory.digits import RECIPE
    from supernets.settings import TrainConfig

    start = RECIPE if dataset == "digits" else TrainConfig()
    names = [field.name for field in fields(TrainConfig) if field.name != "epochs"]
    named = {name: getattr(given, f"{prefix}{name}".replace("-", "_")) for name in names}
    return replace(start, **{name: value for name, value in named.items() if value is not None})
