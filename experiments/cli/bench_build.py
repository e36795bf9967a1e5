"""nas-bench build, calibrate and merge: make a benchmark from scratch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.errors import InputError
from benchmarks.spaces import SPACES, space_named
from experiments.cli.config_options import add_options
from experiments.cli.option_groups import (
    add_device,
    add_images,
    add_network,
    add_recipe,
    networks_on_digits,
    recipe_on_digits,
    training_options,
)
from experiments.cli.studies import resource_request
from experiments.execution.resources import ResourceRequest


def add_commands(commands: Any, style: dict[str, Any]) -> None:
    """Add the three commands to the parsers of nas-bench."""
    build = commands.add_parser("build", help="train the architectures of a space: a benchmark from scratch", **style)
    _add_what(build.add_argument_group("what to train"))
    add_network(build.add_argument_group("networks", networks_on_digits()))
    add_recipe(build.add_argument_group("training recipe", recipe_on_digits()))
    _add_where(build.add_argument_group("resources and output"))
    calibrate = commands.add_parser("calibrate", help="time the architectures of a build, on an idle machine", **style)
    calibrate.add_argument("directory", type=Path, metavar="DIR", help="--out directory of nas-bench build")
    add_images(calibrate)
    add_device(calibrate)
    merge = commands.add_parser("merge", help="make one table from builds of the same benchmark", **style)
    directories = "--out directories of nas-bench build"
    merge.add_argument("directories", nargs="+", type=Path, metavar="DIR", help=directories)
    merge.add_argument("--name", help="name of the installed table (default: SPACE-DATASET)")
    merge.add_argument("--out", type=Path, metavar="FILE.arrow", help="write this file instead of installing the table")
    compress = "write a smaller file, which is read into memory as a whole when it is opened"
    merge.add_argument("--compress", action="store_true", help=compress)


def _add_what(group: Any) -> None:
    group.add_argument("--space", required=True, choices=list(SPACES), help="search space")
    names = "digits, fashion-mnist, cifar10-valid, cifar10, cifar100 or ImageNet16-120"
    group.add_argument("--dataset", default="digits", metavar="NAME", help=f"{names} (default: digits)")
    add_images(group)
    schedule = "lengths of the trainings in epochs; each length has its own learning-rate schedule"
    group.add_argument("--schedule", nargs="+", type=int, required=True, metavar="EPOCHS", help=schedule)
    group.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="N", help="training seeds (default: 0)")
    part = "train the architectures with official indices FIRST to LAST - 1 (default: all)"
    group.add_argument("--range", metavar="FIRST:LAST", help=part)
    canonical = "train only one of several isomorphic architectures; its results stand for all of them"
    group.add_argument("--canonical", action="store_true", help=canonical)


def _add_where(group: Any) -> None:
    group.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="directory of the build; trainings that it holds are not repeated",
    )
    add_options(group, ResourceRequest)


def build(given: argparse.Namespace) -> int:
    """Train what the directory lacks."""
    from experiments.cli.console import progress_bar
    from experiments.factory.directory import BuildDirectory
    from experiments.factory.factory import build as run, build_header, plan

    resources, options = resource_request(given).resolve(), training_options(given)
    images, recipe = options.images_of(given.dataset), options.recipe_of(given.dataset)
    scale = options.scale_of(given.space, given.dataset)
    header = build_header(given.space, images, scale, recipe, canonical=given.canonical, device=resources.device)
    trainings = plan(header, _part(given), given.schedule, given.seeds)
    directory = BuildDirectory(given.out)
    with directory.writing(header), progress_bar() as progress:
        run(directory, images, trainings, resources, progress)
    count = sum(len(group.members) for group in trainings)
    print(f"{given.out}: {count:,} trainings; time them with: nas-bench calibrate {given.out}")
    return 0


def calibrate(given: argparse.Namespace) -> int:
    """Time the trained architectures."""
    from experiments.cli.console import progress_bar
    from experiments.factory.directory import BuildDirectory
    from experiments.factory.factory import calibrate as run
    from supernets.training.devices import usable_device

    directory = BuildDirectory(given.directory)
    images = training_options(given).images_of(directory.header().dataset)
    with progress_bar() as progress:
        run(directory, images, usable_device(given.device), progress)
    print(
        f"{given.directory}: all trained architectures are timed; make a table with: nas-bench merge {given.directory}"
    )
    return 0


def merge(given: argparse.Namespace) -> int:
    """Make a table from builds."""
    from experiments.factory.directory import BuildDirectory
    from experiments.factory.merging import merge as run
    from experiments.tables.store import home

    if given.name and given.out:
        raise InputError("--name names an installed table, --out a file: give only one of them")
    directories = [BuildDirectory(path) for path in given.directories]
    name = given.name or directories[0].header().table_name
    table = run(directories, given.out or home() / f"{name}.arrow", compressed=given.compress)
    size = len(space_named(table.info.space))
    print(f"the table {table.info.name}: {len(table):,} of {size:,} architectures ({table.path})")
    return 0


COMMANDS = {"build": build, "calibrate": calibrate, "merge": merge}


def _part(given: argparse.Namespace) -> range:
    size = len(space_named(given.space))
    if given.range is None:
        return range(size)
    first, colon, last = given.range.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last) <= size):
        raise InputError(f"--range is FIRST:LAST with 0 <= FIRST < LAST <= {size}, got {given.range!r}")
    return range(int(first), int(last))
