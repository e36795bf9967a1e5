"""nas-bench build, calibrate and merge: make a benchmark from scratch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.errors import InputError
from benchmarks.spaces import SPACES, space_named
from experiments.cli.config_options import add_options, given_options
from experiments.cli.option_groups import add_images, add_network, add_recipe
from experiments.execution.resources import ResourceRequest
from experiments.factory.defaults import recipe_for, scale_for
from experiments.factory.images import Images
from supernets.settings import NetworkScale, Recipe


def add_commands(commands: Any, style: dict[str, Any]) -> None:
    """Add the three commands to the parsers of nas-bench."""
    build = commands.add_parser("build", help="train the architectures of a space: a benchmark from scratch", **style)
    _add_what(build.add_argument_group("what to train"))
    scale = "The defaults are the published ones, smaller ones on digits."
    add_network(build.add_argument_group("networks", scale))
    recipe = "The defaults are the published ones; those of digits are batches of 16, a learning rate of 0.05, "
    recipe += "channels-last images, and a test after the last epoch only."
    add_recipe(build.add_argument_group("recipe", recipe))
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


def _add_where(group: Any) -> None:
    group.add_argument("--out", type=Path, required=True, metavar="DIR", help="what is there already is not repeated")
    add_options(group, ResourceRequest)


def build(given: argparse.Namespace) -> int:
    from experiments.cli.console import progress_bar
    from experiments.factory.directory import BuildDirectory
    from experiments.factory.factory import build as run, build_header, plan

    resources = ResourceRequest(**given_options(ResourceRequest, given)).resolve()
    images = Images(given.dataset, **given_options(Images, given))
    header = build_header(
        given.space,
        images,
        scale_for(given.space, given.dataset, given_options(NetworkScale, given)),
        recipe_for(given.dataset, given_options(Recipe, given)),
        canonical=given.canonical,
        device=resources.device,
    )
    trainings = plan(header, _part(given), given.schedule, given.seeds)
    directory = BuildDirectory(given.out)
    with directory.writing(header), progress_bar() as progress:
        run(directory, images, trainings, resources, progress)
    count = sum(len(group.members) for group in trainings)
    print(f"{given.out}: {count:,} trainings; time them with: nas-bench calibrate {given.out}")
    return 0


def calibrate(given: argparse.Namespace) -> int:
    from experiments.cli.console import progress_bar
    from experiments.factory.directory import BuildDirectory
    from experiments.factory.factory import calibrate as run
    from supernets.training.devices import usable_device

    directory = BuildDirectory(given.directory)
    images = Images(directory.header().dataset, **given_options(Images, given))
    with progress_bar() as progress:
        run(directory, images, usable_device(given.device), progress)
    print(f"{given.directory}: timed; make a table with: nas-bench merge {given.directory}")
    return 0


def merge(given: argparse.Namespace) -> int:
    from experiments.factory.directory import BuildDirectory
    from experiments.factory.merging import merge as run
    from experiments.tables.store import home

    if given.name and given.out:
        raise InputError("--name is for an installed table, --out for a file: give one of them")
    directories = [BuildDirectory(path) for path in given.directories]
    first = directories[0].header()
    path = given.out or home() / f"{given.name or f'{first.space}-{first.dataset}'}.arrow"
    table = run(directories, path, compressed=given.compress)
    size = len(space_named(first.space))
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
