"""nas-bench build, calibrate and merge: make a benchmark from scratch."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import InputError
from benchmarks.spaces import SPACES, space_named

if TYPE_CHECKING:
    from experiments.factory import Images, Resources
    from supernets.candidate_network import NetworkScale
    from supernets.train import TrainConfig


def add_commands(commands: Any, style: dict[str, Any]) -> None:
    """Add the three commands to the parsers of nas-bench."""
    build = commands.add_parser("build", help="train the architectures of a space: a benchmark from scratch", **style)
    _add_what(build.add_argument_group("what to train"))
    default = "Published ones by default; for digits C = 8 and N = 2 (tss), channels 2, 4, ..., 16 (sss)."
    add_network(build.add_argument_group("networks", default))
    default = "The published one by default; for digits batches of 16 and a learning rate of 0.05."
    add_recipe(build.add_argument_group("recipe", default))
    _add_where(build.add_argument_group("where"))
    calibrate = commands.add_parser("calibrate", help="time the architectures of a build, on a quiet machine", **style)
    calibrate.add_argument("directory", type=Path, metavar="DIR", help="of nas-bench build")
    add_images(calibrate)
    calibrate.add_argument("--device", help="cpu or cuda (default: cuda where there is a GPU)")
    merge = commands.add_parser("merge", help="make one table of builds of the same benchmark", **style)
    merge.add_argument("directories", nargs="+", type=Path, metavar="DIR", help="of nas-bench build")
    merge.add_argument("--name", help="of the table (default: SPACE-DATASET)")
    merge.add_argument("--out", type=Path, metavar="FILE.arrow", help="a file instead of an installed table")
    merge.add_argument("--compress", action="store_true", help="a small file, read into memory when it is opened")


def add_images(group: Any) -> None:
    """Options that `images_of` reads."""
    group.add_argument("--data-dir", type=Path, metavar="DIR", help="files of the data set; digits needs none")
    seed = "of the split into training, validation and test images where none is published (default: 0)"
    group.add_argument("--split-seed", type=int, metavar="N", help=seed)


def _add_what(group: Any) -> None:
    group.add_argument("--space", required=True, choices=list(SPACES), help="search space")
    names = "digits, fashion-mnist, cifar10-valid, cifar10, cifar100, ImageNet16-120"
    group.add_argument("--dataset", default="digits", metavar="NAME", help=f"one of {names} (default: digits)")
    add_images(group)
    schedule = "lengths of the trainings in epochs, each with its own learning rates"
    group.add_argument("--schedule", nargs="+", type=int, required=True, metavar="EPOCHS", help=schedule)
    group.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="N", help="of training (default: 0)")
    part = "official indices FIRST to LAST - 1 (default: all)"
    group.add_argument("--range", metavar="FIRST:LAST", help=part)
    canonical = "train one architecture of each class of isomorphic ones for all of them"
    group.add_argument("--canonical", action="store_true", help=canonical)


def add_network(group: Any) -> None:
    """Options that `scale_of` reads."""
    group.add_argument("--width", type=int, metavar="C", help="channels of the first stage (tss)")
    group.add_argument("--depth", type=int, metavar="N", help="cells per stage (tss)")
    channels = "the eight channel counts that a layer chooses from (sss)"
    group.add_argument("--channels", nargs=8, type=int, metavar="C", help=channels)


def add_recipe(group: Any, prefix: str = "") -> None:
    """Options that `recipe_of` reads; `prefix` is put before the names of all."""
    group.add_argument(f"--{prefix}batch-size", type=int, metavar="N", help="images per step")
    group.add_argument(f"--{prefix}evaluation-batch-size", type=int, metavar="N", help="images per evaluation batch")
    group.add_argument(f"--{prefix}learning-rate", type=float, metavar="LR", help="of the first epoch")
    group.add_argument(f"--{prefix}momentum", type=float, metavar="M", help="of SGD")
    group.add_argument(f"--{prefix}weight-decay", type=float, metavar="WD", help="of all parameters")
    switch = argparse.BooleanOptionalAction
    group.add_argument(f"--{prefix}nesterov", action=switch, help="Nesterov momentum")
    group.add_argument(f"--{prefix}mixed-precision", action=switch, help="bfloat16 where PyTorch deems it safe")
    group.add_argument(f"--{prefix}channels-last", action=switch, help="memory layout of images and weights")
    group.add_argument(f"--{prefix}test-every-epoch", action=switch, help="not only after the last epoch")


def add_device(group: Any) -> None:
    """Options that `resources_of` reads."""
    group.add_argument("--device", help="cpu or cuda (default: cuda where there is a GPU)")
    gpus = "of each training on cuda; below 1, trainings share a GPU (default: 1)"
    group.add_argument("--gpus-per-training", type=float, metavar="G", help=gpus)


def _add_where(group: Any) -> None:
    group.add_argument("--out", type=Path, required=True, metavar="DIR", help="what is there already is not repeated")
    workers = "Ray tasks at a time; 0: this process, without Ray (default: one per core or GPU)"
    group.add_argument("--workers", type=int, metavar="N", help=workers)
    add_device(group)
    group.add_argument("--ray-address", metavar="ADDRESS", help="a running Ray cluster (default: start Ray here)")


def build(given: argparse.Namespace) -> int:
    from experiments.build import BuildDirectory
    from experiments.console import progress_bar
    from experiments.factory import benchmark_of, plan
    from experiments.factory import build as run

    if given.workers is not None and given.workers < 0:
        raise InputError(f"--workers is 0 or more, got {given.workers}")
    resources, images = resources_of(given), images_of(given.dataset, given)
    benchmark = benchmark_of(
        given.space,
        images,
        scale_of(given.dataset, given),
        recipe_of(given.dataset, given),
        canonical=given.canonical,
        device=resources.device,
    )
    trainings = plan(benchmark, _part(given), given.schedule, given.seeds)
    directory = BuildDirectory(given.out)
    directory.begin(benchmark)
    with progress_bar() as progress:
        run(directory, images, trainings, resources, progress)
    count = sum(len(group.members) for group in trainings)
    print(f"{given.out}: {count:,} trainings; time them with: nas-bench calibrate {given.out}")
    return 0


def calibrate(given: argparse.Namespace) -> int:
    from experiments.build import BuildDirectory
    from experiments.console import progress_bar
    from experiments.factory import calibrate as run
    from supernets.devices import usable_device

    directory = BuildDirectory(given.directory)
    images = images_of(directory.benchmark().dataset, given)
    with progress_bar() as progress:
        run(directory, images, usable_device(given.device), progress)
    print(f"{given.directory}: timed; make a table with: nas-bench merge {given.directory}")
    return 0


def merge(given: argparse.Namespace) -> int:
    from experiments.build import BuildDirectory
    from experiments.merging import merge as run
    from experiments.tables import home

    if given.name and given.out:
        raise InputError("--name is of an installed table, --out is a file: give one of them")
    directories = [BuildDirectory(path) for path in given.directories]
    first = directories[0].benchmark()
    path = given.out or home() / f"{given.name or f'{first.space}-{first.dataset}'}.arrow"
    table = run(directories, path, compressed=given.compress)
    size = len(space_named(first.space))
    print(f"the table {table.info.name}: {len(table):,} of {size:,} architectures ({table.path})")
    return 0


COMMANDS = {"build": build, "calibrate": calibrate, "merge": merge}


def resources_of(given: argparse.Namespace) -> Resources:
    """What to train on; as many workers as there are cores or GPUs if no number is given."""
    from experiments.factory import Resources
    from supernets.devices import gpu_count, usable_device

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
    from experiments.factory import Images

    return Images(dataset, given.data_dir and given.data_dir.absolute(), given.split_seed or 0)


def scale_of(dataset: str, given: argparse.Namespace) -> NetworkScale:
    """The published size of networks, or on digits that of `experiments.embedded`, with what is given instead."""
    from dataclasses import replace

    from experiments.embedded import SCALES
    from supernets.candidate_network import PUBLISHED_SCALE

    start = SCALES[given.space] if dataset == "digits" else PUBLISHED_SCALE
    for name in {"tss": ("channels",), "sss": ("width", "depth")}[given.space]:
        if getattr(given, name) is not None:
            raise InputError(f"--{name} is not of the networks of {given.space}")
    named = {"width": given.width, "depth": given.depth, "channels": given.channels and tuple(given.channels)}
    return replace(start, **{name: value for name, value in named.items() if value is not None})


def recipe_of(dataset: str, given: argparse.Namespace, prefix: str = "") -> TrainConfig:
    """The published recipe, or on digits that of `experiments.embedded`, with what is given instead."""
    from dataclasses import fields, replace

    from experiments.embedded import RECIPE
    from supernets.train import TrainConfig

    start = RECIPE if dataset == "digits" else TrainConfig()
    names = [field.name for field in fields(TrainConfig) if field.name != "epochs"]
    named = {name: getattr(given, f"{prefix}{name}".replace("-", "_")) for name in names}
    return replace(start, **{name: value for name, value in named.items() if value is not None})


def _part(given: argparse.Namespace) -> range:
    size = len(space_named(given.space))
    if given.range is None:
        return range(size)
    first, colon, last = given.range.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last) <= size):
        raise InputError(f"--range is FIRST:LAST with 0 <= FIRST < LAST <= {size}, got {given.range!r}")
    return range(int(first), int(last))
