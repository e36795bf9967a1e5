"""The contents of the released NATS-Bench files: image sets, tasks and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.table import Column, Task

SET_NAMES: dict[str, dict[str, str]] = {
    "cifar10-valid": {"valid": "x-valid", "test": "ori-test"},
    "cifar10": {"test": "ori-test"},
    "cifar100": {"valid": "x-valid", "test": "x-test", "valtest": "ori-test"},
    "ImageNet16-120": {"valid": "x-valid", "test": "x-test", "valtest": "ori-test"},
}
"""Record -> split -> official name of its image set. x-valid and x-test of the last two are halves of the test set."""

TASKS = {
    "tss": {
        "cifar10": Task("cifar10-valid", "cifar10", "12", "200"),
        "cifar100": Task("cifar100", "cifar100", "12", "200"),
        "ImageNet16-120": Task("ImageNet16-120", "ImageNet16-120", "12", "200"),
    },
    "sss": {
        "cifar10": Task("cifar10-valid", "cifar10", "12", "90"),
        "cifar100": Task("cifar100", "cifar100", "12", "90"),
        "ImageNet16-120": Task("ImageNet16-120", "ImageNet16-120", "12", "90"),
    },
}


@dataclass(frozen=True)
class Trainings:
    """The trainings of a schedule in the released files."""

    schedule: str
    seeds: tuple[str, ...]
    seeds_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Record -> its seeds, if they differ."""
    reevaluated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Record -> splits that were evaluated only after the last epoch, from the final weights."""
    top5: bool = True
    """Whether there are top-5 accuracies on the training images."""


_LAST = ("valid", "test")
TRAININGS = {
    "tss": (
        Trainings("12", ("111",), seeds_of={"cifar10-valid": ("111", "777")}),
        Trainings(
            "200", ("777", "888", "999"), top5=False,
            reevaluated={"cifar10-valid": ("test",), "cifar100": _LAST, "ImageNet16-120": _LAST},
        ),
    ),
    "sss": (Trainings("01", ("777",)), Trainings("12", ("777", "888", "999")), Trainings("90", ("777",))),
}  # fmt: skip
"""Space -> its trainings, which are the same for all records."""


def seeds_of_trainings(space: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """(record, schedule) -> seeds of the trainings in the released files."""
    return {
        (record, trainings.schedule): trainings.seeds_of.get(record, trainings.seeds)
        for record in SET_NAMES
        for trainings in TRAININGS[space]
    }


def nats_columns(space: str) -> tuple[Column, ...]:
    """The columns of an official NATS-Bench table."""
    return tuple(
        column for record in SET_NAMES for trainings in TRAININGS[space] for column in _columns(record, trainings)
    )


def _columns(record: str, trainings: Trainings) -> Iterator[Column]:
    """The columns of a record at a schedule."""
    schedule, seeds = trainings.schedule, trainings.seeds_of.get(record, trainings.seeds)
    every = tuple(range(1, int(schedule) + 1))
    yield from (Column(record, schedule, "network", quantity, seeds) for quantity in ("params", "flops", "latency"))
    curves = ("accuracy", "loss", "top5_accuracy") if trainings.top5 else ("accuracy", "loss")
    yield from (Column(record, schedule, "train", quantity, seeds, every) for quantity in curves)
    yield Column(record, schedule, "train", "seconds", seeds)
    for split in SET_NAMES[record]:
        epochs = every[-1:] if split in trainings.reevaluated.get(record, ()) else every
        yield from (Column(record, schedule, split, quantity, seeds, epochs) for quantity in ("accuracy", "loss"))
        yield Column(record, schedule, split, "seconds", seeds)
