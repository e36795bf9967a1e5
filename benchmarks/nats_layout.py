"""Contents of the released NATS-Bench files: sets of images, tasks, columns."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.table import Column, Task

SET_NAMES: dict[str, dict[str, str]] = {
    "cifar10-valid": {"valid": "x-valid", "test": "ori-test"},
    "cifar10": {"test": "ori-test"},
    "cifar100": {"valid": "x-valid", "test": "x-test", "valtest": "ori-test"},
    "ImageNet16-120": {"valid": "x-valid", "test": "x-test", "valtest": "ori-test"},
}
"""Record -> our split -> the official set name. x-valid and x-test of the last two are halves of the test set."""


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


def _layout(space: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(record, schedule, seeds) of every training in the released files."""
    for record in SET_NAMES:
        if space == "tss":
            yield record, "12", ("111", "777") if record == "cifar10-valid" else ("111",)
            yield record, "200", ("777", "888", "999")
        else:
            yield record, "01", ("777",)
            yield record, "12", ("777", "888", "999")
            yield record, "90", ("777",)


def _only_last(space: str, schedule: str, record: str, split: str) -> bool:
    """Whether the split was evaluated after the last epoch only (re-evaluated from the final weights)."""
    if (space, schedule) != ("tss", "200"):
        return False
    return split == "test" if record == "cifar10-valid" else split in ("valid", "test") and record != "cifar10"


def nats_columns(space: str) -> tuple[Column, ...]:
    """The columns of an official NATS-Bench table."""
    columns = []
    for record, schedule, seeds in _layout(space):
        every = tuple(range(1, int(schedule) + 1))
        columns += [Column(record, schedule, "network", quantity, seeds) for quantity in ("params", "flops", "latency")]
        columns += [Column(record, schedule, "train", quantity, seeds, every) for quantity in ("accuracy", "loss")]
        if (space, schedule) != ("tss", "200"):
            columns.append(Column(record, schedule, "train", "top5_accuracy", seeds, every))
        columns.append(Column(record, schedule, "train", "seconds", seeds))
        for split in SET_NAMES[record]:
            epochs = every[-1:] if _only_last(space, schedule, record, split) else every
            columns += [Column(record, schedule, split, quantity, seeds, epochs) for quantity in ("accuracy", "loss")]
            columns.append(Column(record, schedule, split, "seconds", seeds))
    return tuple(columns)
