"""What a benchmark made from scratch is, and the directory in which it grows.

DIR/build.json      the Benchmark: everything that all its trainings have in common
DIR/trainings/      a ShardedLog of TRAININGS, one row per training
DIR/timings/        a ShardedLog of TIMINGS, one row per architecture, taken on a quiet machine
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from benchmarks.errors import InputError
from benchmarks.spaces import Space
from experiments.storage.atomic import write_atomically
from experiments.storage.sharded_log import Key, ShardedLog

FORMAT = 1
SPLITS = ("train", "valid", "test")

TRAININGS = pa.schema(
    [
        ("architecture", pa.int32()),  # official index
        ("schedule", pa.string()),  # its number of epochs
        ("seed", pa.int64()),
        ("seconds", pa.float64()),  # host seconds of the whole training beside whatever else the machine did
        *((f"{split}_accuracy", pa.list_(pa.float64())) for split in SPLITS),  # percent, of the last epochs
        *((f"{split}_loss", pa.list_(pa.float32())) for split in SPLITS),  # nats
    ]
)
TIMINGS = pa.schema(
    [
        ("architecture", pa.int32()),
        ("train_image", pa.float64()),  # seconds per image of a training step on a whole batch
        ("evaluation_image", pa.float64()),  # seconds per image of a pass in evaluation mode
    ]
)


class Trainings(NamedTuple):
    """Trainings that are done side by side. (architecture, schedule, seed) names a row."""

    schedule: str
    members: tuple[tuple[int, int], ...]  # (architecture, seed) of each

    def without(self, done: Container[Key]) -> Trainings:
        """Those that are not done."""
        left = (member for member in self.members if (member[0], self.schedule, member[1]) not in done)
        return self._replace(members=tuple(left))


@dataclass(frozen=True)
class BuildHeader:
    """What all trainings of a benchmark share. Every field but `made_with` decides numbers."""

    space: str
    dataset: str
    split: str  # how its images were split
    fingerprint: str  # SHA-256 of its images and labels
    images: Mapping[str, int]  # split -> how many
    image_shape: Sequence[int]  # (channels, height, width)
    num_classes: int
    scale: Mapping[str, Any]  # NetworkScale
    recipe: Mapping[str, Any]  # TrainConfig without its number of epochs
    canonical: bool
    """Whether one architecture of each class of isomorphic ones is trained for all of them: the one with the fewest
    FLOPs, of several the one with the lowest index."""
    made_with: Sequence[Mapping[str, Any]] = ()
    """{versions, git_commit, hardware, compiler} of everything that trained."""
    format: int = FORMAT

    @property
    def identity(self) -> dict[str, Any]:
        """What two builds must have in common to be one benchmark, as JSON would hold it."""
        facts = asdict(self)
        del facts["made_with"]
        identity: dict[str, Any] = json.loads(json.dumps(facts))
        return identity

    @classmethod
    def from_json(cls, text: str) -> BuildHeader:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass(frozen=True)
class BuildDirectory:
    """The directory of a benchmark that is being made."""

    path: Path

    @property
    def header_path(self) -> Path:
        return self.path / "build.json"

    @cached_property
    def trainings(self) -> ShardedLog:
        return ShardedLog(self.path / "trainings", TRAININGS, key_columns=3)

    @cached_property
    def timings(self) -> ShardedLog:
        return ShardedLog(self.path / "timings", TIMINGS, key_columns=1)

    def benchmark(self) -> BuildHeader:
        """What is being made here; InputError if this is no build or was written by a newer version."""
        try:
            benchmark = BuildHeader.from_json(self.header_path.read_text())
        except FileNotFoundError:
            raise InputError(f"{self.path} holds no build.json: give the --out directory of nas-bench build") from None
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.header_path} is damaged ({error})") from error
        if benchmark.format > FORMAT:
            raise InputError(f"{self.path} has build format {benchmark.format}, this version reads up to {FORMAT}")
        return benchmark

    def begin(self, benchmark: BuildHeader) -> None:
        """Start the benchmark here or go on with it, noting in build.json if other code or hardware does.

        Raises:
            InputError: the directory holds something else.
        """
        if self.header_path.exists():
            held = self.benchmark()
            check_same(held, benchmark, self.path)
            new = [maker for maker in benchmark.made_with if maker not in held.made_with]
            benchmark = replace(held, made_with=[*held.made_with, *new])
            if not new:
                return
        elif self.path.exists() and any(not name.name.endswith(".partial") for name in self.path.iterdir()):
            raise InputError(f"{self.path} is not empty and holds no build.json: choose another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.header_path, benchmark.to_json().encode())


def check_same(held: BuildHeader, other: BuildHeader, path: Path) -> None:
    """InputError unless `other` is the benchmark `held`, which lies at `path`."""
    mine, yours = held.identity, other.identity
    for key in mine:
        if mine[key] != yours[key]:
            raise InputError(f"{path} holds another benchmark: its {key} is {mine[key]!r}, not {yours[key]!r}")


def classes(space: Space, cost: Mapping[int, int]) -> dict[int, int]:
    """Official index -> that of the architecture trained for its class of isomorphic ones.

    Args:
        cost: official index -> FLOPs.
    """
    members: dict[str, list[int]] = {}
    for index in range(len(space)):
        members.setdefault(space.canonical(space.arch(index)), []).append(index)
    trained = {}
    for group in members.values():
        cheapest = min(group, key=lambda index: (cost[index], index))
        trained.update(dict.fromkeys(group, cheapest))
    return trained
