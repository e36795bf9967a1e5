"""Training of all architectures of a benchmark from scratch, in parallel and resumable."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from benchmarks.errors import InputError
from benchmarks.spaces import space_named
from experiments.execution.calls import TORCH, Calls
from experiments.execution.progress import Progress
from experiments.execution.resources import Resources
from experiments.execution.tasks import run_tasks
from experiments.factory.directory import SPLITS, BuildDirectory, BuildHeader, Maker, Trainings, classes
from experiments.factory.images import Images, check_images
from experiments.storage.provenance import git_commit, processor, versions
from experiments.storage.sharded_log import Row
from supernets.candidate_network import CandidateConfig
from supernets.counting import cost_of
from supernets.networks import candidate_config
from supernets.settings import NetworkScale, Recipe
from supernets.training.devices import gpu_name, single_threaded
from supernets.training.native.compilation import compiler_version
from supernets.training.native.network import serves
from supernets.training.replicas import structure
from supernets.training.timing import time_per_image
from supernets.training.train import TrainingRecord, train_candidates

SIDE_BY_SIDE = 16
"""Largest number of trainings side by side; they need networks of equal structure."""


def build_header(
    space: str, images: Images, scale: NetworkScale, recipe: Recipe, *, canonical: bool, device: str
) -> BuildHeader:
    """The header of a build that trains `space` on `images`; raises what `image_task` raises."""
    maker = Maker(versions("torch"), git_commit(), gpu_name(device) or processor(), compiler_version())
    facts = images.task().facts()
    return BuildHeader(
        space=space,
        dataset=facts.dataset,
        split=facts.split,
        fingerprint=facts.fingerprint,
        images=facts.counts,
        image_shape=facts.image_shape,
        num_classes=facts.num_classes,
        scale=scale,
        recipe=recipe,
        canonical=canonical,
        made_with=(maker,),
    )


def network_of(header: BuildHeader, architecture: int) -> CandidateConfig:
    """The stand-alone network of the architecture with an official index."""
    arch = space_named(header.space).arch(architecture)
    return candidate_config(header.space, arch, header.num_classes, header.image_shape[0], header.scale)


def trained_for(header: BuildHeader) -> dict[int, int]:
    """Map each official index to the index of the architecture whose training represents it."""
    space = space_named(header.space)
    if not header.canonical:
        return {index: index for index in range(len(space))}
    height, width = header.image_shape[1:]
    cost = {i: cost_of(network_of(header, i), (height, width)).flops for i in range(len(space))}
    return classes(space, cost)


def plan(header: BuildHeader, part: range, schedules: Sequence[int], seeds: Sequence[int]) -> list[Trainings]:
    """The trainings of the architectures with official indices `part`, schedule by schedule.

    Raises:
        InputError: a schedule has no epochs, a seed is negative, or a schedule or seed is given twice.
    """
    for what, numbers, least in (("schedule", schedules, 1), ("seed", seeds, 0)):
        if min(numbers) < least or len(set(numbers)) < len(numbers):
            raise InputError(f"a training {what} is {least} or more and not given twice, got {list(numbers)}")
    trained = trained_for(header)
    alike: dict[Hashable, list[tuple[int, int]]] = {}
    for architecture in sorted({trained[index] for index in part}):
        kind = structure(network_of(header, architecture))
        alike.setdefault(kind, []).extend((architecture, seed) for seed in seeds)
    groups = [tuple(members) for kind in alike.values() for members in batched(kind, SIDE_BY_SIDE)]
    return [Trainings(str(epochs), members) for epochs in schedules for members in sorted(groups)]


def build(
    directory: BuildDirectory, images: Images, trainings: Sequence[Trainings], resources: Resources, progress: Progress
) -> None:
    """Run those of `trainings` that the directory does not hold yet.

    Resumable: call it again after an interruption. Only unfinished trainings are repeated.
    """
    header = directory.header()
    with directory.trainings.writer() as writer:
        done = directory.trainings.keys()
        left = [missing for group in trainings if (missing := group.without(done)).members]
        total = sum(len(group.members) for group in trainings)
        finished = total - sum(len(group.members) for group in left)
        progress("trainings", finished, total)
        if left:
            prepare(header, images, left[0].members[0][0], resources.device)
        shared = header, images, resources.device
        calls: Calls[Trainings, list[Row]] = Calls(function=_train, shared=shared, libraries=TORCH)
        for _, rows in run_tasks(calls, left, resources):
            writer.append(rows)
            finished += len(rows)
            progress("trainings", finished, total)


def prepare(header: BuildHeader, images: Images, architecture: int, device: str) -> None:
    """Compile native code in advance if it serves such networks, so that workers find it and warnings appear here."""
    serves([network_of(header, architecture)], images.task(), header.recipe.batch_size, device)


def calibrate(directory: BuildDirectory, images: Images, device: str, progress: Progress) -> None:
    """Time the trained architectures one after the other, on one thread of this process; the machine must be idle.

    Resumable: call it again after an interruption.
    """
    header, task = directory.header(), images.task()
    check_images(header, task)
    trained = sorted({training[0] for training in directory.trainings.keys()})  # noqa: SIM118
    with directory.timings.writer() as writer, single_threaded():
        done = directory.timings.keys()
        for count, architecture in enumerate(trained):
            progress("timings", count, len(trained))
            if (architecture,) not in done:
                config = header.recipe_of("1")
                seconds = time_per_image(network_of(header, architecture), task, config, device)
                writer.append([(architecture, *seconds)])
        progress("timings", len(trained), len(trained))


def batched(items: Sequence[tuple[int, int]], size: int) -> Iterator[Sequence[tuple[int, int]]]:
    """Split `items` into consecutive groups of `size`; the last group may be smaller."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _train(header: BuildHeader, images: Images, device: str, trainings: Trainings) -> list[Row]:
    """Run some trainings side by side; return their rows of TRAININGS."""
    task = images.task()
    check_images(header, task)
    config = header.recipe_of(trainings.schedule)
    networks = [network_of(header, architecture) for architecture, _ in trainings.members]
    with single_threaded():
        records = train_candidates(networks, task, config, [seed for _, seed in trainings.members], device)
    return [
        (architecture, trainings.schedule, seed, *row_of(record))
        for (architecture, seed), record in zip(trainings.members, records, strict=True)
    ]


def row_of(record: TrainingRecord) -> tuple[Any, ...]:
    """The columns of TRAININGS that follow the key."""
    curves = [record.measurements.get(split, ()) for split in SPLITS]
    return (
        sum(measurement.seconds for curve in curves for measurement in curve),
        *([measurement.accuracy for measurement in curve] for curve in curves),
        *([measurement.loss for measurement in curve] for curve in curves),
    )
