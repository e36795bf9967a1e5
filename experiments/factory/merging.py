"""Merging of the trainings of several builds into one benchmark table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.table import BenchmarkTable, Column, RowWriter, TableInfo, Task, preallocate, publish, write_compressed
from experiments.factory.directory import SPLITS, BuildDirectory, BuildHeader
from experiments.factory.factory import network_of, trained_for
from experiments.storage.directories import first_difference
from experiments.storage.provenance import version
from supernets.counting import cost_of

Values = dict[Column, NDArray[np.float64]]


@dataclass(frozen=True)
class MergedBuilds:
    """The trainings and timings of several builds, and the architectures that they represent."""

    header: BuildHeader
    trainings: pa.Table  # TRAININGS, each training once
    timings: pa.Table  # TIMINGS
    trained: NDArray[np.int64]  # (rows of the table,) official index of the architecture trained for each row
    architectures: NDArray[np.int32]  # (rows of the table,) official indices, ascending

    @classmethod
    def read(cls, directories: Sequence[BuildDirectory]) -> MergedBuilds:
        """Read all directories.

        Raises:
            InputError: there are no trainings, the benchmarks differ, or a trained architecture was not timed.
        """
        first, *others = directories
        header = first.header()
        for other in others:
            _check_same(first, other)
            header = header.resumed_by(other.header())
        trainings = _unique(pa.concat_tables([one.trainings.table() for one in directories]), 3)
        timings = _unique(pa.concat_tables([one.timings.table() for one in directories]), 1)
        if not len(trainings):
            raise InputError(f"{first.path} holds no trainings yet: complete it with nas-bench build")
        trained = trained_for(header)
        trained_here = set(_array(trainings, "architecture").tolist())
        if untimed := trained_here - set(_array(timings, "architecture").tolist()):
            raise InputError(
                f"{len(untimed)} trained architectures were not timed, the first is {min(untimed)}: run "
                f"nas-bench calibrate {first.path} on an idle machine of the kind whose seconds searches are charged"
            )
        architectures = sorted(index for index, source in trained.items() if source in trained_here)
        standing = np.array([trained[index] for index in architectures])
        return cls(header, trainings, timings, standing, np.array(architectures, np.int32))

    def columns(self) -> Values:
        """Every column of the table with its values, of shape (architectures, seeds, epochs)."""
        values: Values = {}
        for schedule in sorted(set(self.trainings["schedule"].to_pylist()), key=int):
            of_schedule = self.trainings.filter(pc.equal(self.trainings["schedule"], schedule))
            values.update(self._curves(schedule, of_schedule))
            seeds = _seeds(of_schedule)
            values.update(self._costs(schedule, seeds))
        return values

    def _curves(self, schedule: str, trainings: pa.Table) -> Iterator[tuple[Column, NDArray[np.float64]]]:
        seeds, epochs = _seeds(trainings), int(schedule)
        architecture = _array(trainings, "architecture")
        seed = np.searchsorted(seeds, _array(trainings, "seed"))
        for split in (split for split in SPLITS if split in self.header.images):
            for quantity in ("accuracy", "loss"):
                curves = trainings[f"{split}_{quantity}"].combine_chunks()
                length = len(curves[0])
                known = tuple(range(epochs - length + 1, epochs + 1))
                column = Column(self.header.dataset, schedule, split, quantity, tuple(map(str, seeds)), known)
                measured = np.full((self._indices, len(seeds), length), np.nan)
                flat = curves.flatten().to_numpy(zero_copy_only=False)
                measured[architecture, seed] = flat.reshape(len(curves), length)
                yield column, measured[self.trained]

    def _costs(self, schedule: str, seeds: Sequence[int]) -> Iterator[tuple[Column, NDArray[np.float64]]]:
        """The quantities that do not depend on the seed or the epoch."""
        costs = {**self._seconds(), **self._sizes(), ("network", "trained_as"): self.trained.astype(float)}
        for (split, quantity), numbers in costs.items():
            column = Column(self.header.dataset, schedule, split, quantity, tuple(map(str, seeds)))
            yield column, np.tile(numbers[:, None, None], (1, len(seeds), 1))

    def _seconds(self) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Seconds per epoch of training, per pass over each other split, and per batch in evaluation mode."""
        per_image = {}
        for mode in ("train_image", "evaluation_image"):
            seconds = np.full(self._indices, np.nan)
            seconds[_array(self.timings, "architecture")] = _array(self.timings, mode)
            per_image[mode] = seconds[self.trained]
        images = self.header.images
        latency = per_image["evaluation_image"] * self.header.recipe.evaluation_batch_size
        return {
            ("train", "seconds"): per_image["train_image"] * images["train"],
            **{
                (split, "seconds"): per_image["evaluation_image"] * images[split]
                for split in SPLITS[1:]
                if split in images
            },
            ("network", "latency"): latency,
        }

    def _sizes(self) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Parameters and FLOPs of each architecture itself, in millions, even if another one was trained for it."""
        height, width = self.header.image_shape[1:]
        costs = [cost_of(network_of(self.header, int(i)), (height, width)) for i in self.architectures]
        parameters, flops = np.array(costs, float).T / 1e6
        return {("network", "params"): parameters, ("network", "flops"): flops}

    @property
    def _indices(self) -> int:
        return int(max(self.trained.max(), self.architectures.max())) + 1


def merge(directories: Sequence[BuildDirectory], path: Path, *, compressed: bool = False) -> BenchmarkTable:
    """Write all trainings of the directories as one table.

    Searches use the shortest schedule, reports the longest. If one architecture was trained for a class of isomorphic
    ones, all of them share its numbers, and the column 'network/trained_as' names it.

    Args:
        compressed: write a small file that is read into memory, see `write_compressed`.

    Raises:
        InputError: see `MergedBuilds.read`; or `path` is a table of another benchmark, which is not replaced.
    """
    merged = MergedBuilds.read(directories)
    _check_replaceable(path, merged)
    values = merged.columns()
    schedules = sorted({column.schedule for column in values}, key=int)
    dataset = merged.header.dataset
    info = TableInfo(
        name=path.stem,
        space=merged.header.space,
        tasks={dataset: Task(dataset, dataset, schedules[0], schedules[-1])},
        provenance=_provenance(merged),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    preallocate(partial, info, list(values), merged.architectures)
    with RowWriter(partial) as writer:
        writer.write(0, {column.name: numbers for column, numbers in values.items()})
    if compressed:
        mapped, partial = partial, path.with_name(f".{path.name}.compressed")
        write_compressed(BenchmarkTable.open(mapped), partial)
        mapped.unlink()
    publish(partial, path)
    return BenchmarkTable.open(path)


def _check_same(first: BuildDirectory, other: BuildDirectory) -> None:
    """Raise InputError unless both directories hold parts of one benchmark."""
    mine, yours = first.header(), other.header()
    if key := first_difference(mine, yours):
        raise InputError(
            f"{first.path} and {other.path} hold different benchmarks: the {key} of one is {mine.identity[key]!r}, "
            f"that of the other {yours.identity[key]!r}"
        )


def _check_replaceable(path: Path, merged: MergedBuilds) -> None:
    """Raise InputError if `path` exists, unless it is a table of the same benchmark, possibly with fewer trainings."""
    if not path.exists():
        return
    held, mine = BenchmarkTable.open(path).info.provenance, _provenance(merged)
    if any(held.get(fact) != mine[fact] for fact in ("source", "images", "network", "recipe", "sharing")):
        raise InputError(f"{path} is a table of another benchmark: choose another --name or --out, or remove it")


def _provenance(merged: MergedBuilds) -> dict[str, str]:
    header, facts = merged.header, merged.header.identity
    makers = header.made_with
    hours = float(np.sum(_array(merged.trainings, "seconds"))) / 3600
    return {
        "source": "trained from scratch with nas-bench build",
        "images": f"{facts['images']}, split {header.split}, SHA-256 {header.fingerprint}",
        "network": f"{facts['scale']} on {header.image_shape} images of {header.num_classes} classes",
        "recipe": str(facts["recipe"]),
        "sharing": "one training per class of isomorphic architectures" if header.canonical else "none",
        "trainings": f"{len(merged.trainings)}, {hours:.2f} hours of one worker",
        "hardware": ", ".join(dict.fromkeys(maker.hardware for maker in makers)),
        "versions": "; ".join(dict.fromkeys(str(maker.versions) for maker in makers)),
        "compiler": ", ".join(dict.fromkeys(maker.compiler or "none noted" for maker in makers)),
        "git_commit": ", ".join(dict.fromkeys(maker.git_commit for maker in makers)),
        "imported_by": f"nas-algos {version()}",
    }


def _unique(table: pa.Table, key_columns: int) -> pa.Table:
    """The first row of every key."""
    keys = table.select(table.column_names[:key_columns]).to_pylist()
    first: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(keys):
        first.setdefault(tuple(key.values()), row)
    return table.take(pa.array(list(first.values()), pa.int64()))


def _array(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(table[name].combine_chunks().to_numpy(zero_copy_only=False))


def _seeds(trainings: pa.Table) -> list[int]:
    return sorted(set(trainings["seed"].to_pylist()))
