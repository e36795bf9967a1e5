"""The directory of a build, a benchmark that is trained from scratch.

DIR/build.json      BuildHeader: everything that all trainings have in common
DIR/trainings/      a ShardedLog of TRAININGS, one row per training
DIR/timings/        a ShardedLog of TIMINGS, one row per architecture, measured on an idle machine
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from benchmarks.spaces import Space
from experiments.storage.directories import RecordError, ResumableDirectory
from experiments.storage.sharded_log import Key, ShardedLog
from supernets.images.facts import ImageFacts
from supernets.settings import NetworkScale, Recipe, TrainConfig

FORMAT = 1
SPLITS = ("train", "valid", "test")

TRAININGS = pa.schema(
    [
        ("architecture", pa.int32()),  # official index
        ("schedule", pa.string()),  # the number of epochs
        ("seed", pa.int64()),
        ("seconds", pa.float64()),  # host seconds of the whole training, on a machine that may have been busy
        *((f"{split}_accuracy", pa.list_(pa.float64())) for split in SPLITS),  # percent, for the last epochs
        *((f"{split}_loss", pa.list_(pa.float32())) for split in SPLITS),  # nats
    ]
)
TIMINGS = pa.schema(
    [
        ("architecture", pa.int32()),
        ("train_image", pa.float64()),  # seconds per image of a training step on a full batch
        ("evaluation_image", pa.float64()),  # seconds per image of a pass in evaluation mode
    ]
)


class Trainings(NamedTuple):
    """Trainings that run side by side; each has the key (architecture, schedule, seed)."""

    schedule: str
    members: tuple[tuple[int, int], ...]  # (architecture, seed) of each training

    def __str__(self) -> str:
        return f"the training of architectures {', '.join(str(architecture) for architecture, _ in self.members)}"

    def without(self, done: Container[Key]) -> Trainings:
        """The trainings whose keys are not in `done`."""
        left = (member for member in self.members if (member[0], self.schedule, member[1]) not in done)
        return self._replace(members=tuple(left))


@dataclass(frozen=True)
class Maker:
    """The software and hardware that ran trainings of a build."""

    versions: Mapping[str, str]
    git_commit: str
    hardware: str
    compiler: str | None = None
    """Version of the compiler of native code; None if it was not recorded."""


@dataclass(frozen=True, kw_only=True)
class BuildHeader:
    """Everything that all trainings of a build have in common. Every field but `made_with` affects the numbers."""

    space: str
    dataset: str
    split: str
    """The split of the images: 'official', or 'own-seed-S' if it was drawn from the seed S."""
    fingerprint: str
    """SHA-256 of all images and labels."""
    images: Mapping[str, int]
    """Split -> number of images."""
    image_shape: tuple[int, ...]
    """(channels, height, width)."""
    num_classes: int
    scale: NetworkScale
    recipe: Recipe
    canonical: bool
    """Whether only one architecture of each isomorphism class is trained: the one with the fewest FLOPs, or among
    several the one with the lowest index."""
    made_with: tuple[Maker, ...] = ()
    """All software and hardware that ran trainings, in order of appearance."""
    format: int = FORMAT

    @property
    def table_name(self) -> str:
        """The usual name of a table made from the build."""
        return f"{self.space}-{self.dataset}"

    @property
    def identity(self) -> dict[str, Any]:
        """The fields that two builds must share to be parts of one benchmark, as JSON values."""
        facts = self._facts()
        del facts["made_with"]
        return facts

    def recipe_of(self, schedule: str) -> TrainConfig:
        """The training of a schedule, which is named after its number of epochs."""
        return self.recipe.lasting(int(schedule))

    @property
    def image_facts(self) -> ImageFacts:
        """The images on which the build trains."""
        return ImageFacts(
            dataset=self.dataset,
            split=self.split,
            fingerprint=self.fingerprint,
            counts=self.images,
            image_shape=self.image_shape,
            num_classes=self.num_classes,
        )

    def resumed_by(self, other: BuildHeader) -> BuildHeader:
        """This header with the makers of `other` added."""
        new = [maker for maker in other.made_with if maker not in self.made_with]
        return replace(self, made_with=(*self.made_with, *new))

    def to_json(self) -> str:
        return json.dumps(self._facts(), indent=2) + "\n"

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(json.dumps(asdict(self)))  # msgspec omits defaults filled in by a decoder
        return facts


class BuildDirectory(ResumableDirectory[BuildHeader]):
    """The directory of a build."""

    kind = "build"

    @cached_property
    def trainings(self) -> ShardedLog:
        return ShardedLog(self.path / "trainings", TRAININGS, key_columns=3)

    @cached_property
    def timings(self) -> ShardedLog:
        return ShardedLog(self.path / "timings", TIMINGS, key_columns=1)

    def header(self) -> BuildHeader:
        """Read build.json.

        Raises:
            RecordError: there is none, it is damaged, or a newer version of this project wrote it.
        """
        try:
            header = msgspec.json.decode(self.header_path.read_bytes(), type=BuildHeader)
        except FileNotFoundError:
            raise RecordError(f"{self.path} holds no build.json: give the --out directory of nas-bench build") from None
        except msgspec.DecodeError as error:
            raise RecordError(f"{self.header_path} is damaged ({error})") from error
        if header.format > FORMAT:
            raise RecordError(f"{self.path} has build format {header.format}; this version reads up to {FORMAT}")
        return header

    def begin(self, header: BuildHeader) -> None:
        """Create or resume the build, adding new makers to build.json.

        Raises:
            RecordError: the directory holds something else.
        """
        super().begin(header)
        held = self.header()
        if (resumed := held.resumed_by(header)) != held:
            self.write_header(resumed)


def classes(space: Space, cost: Mapping[int, int]) -> dict[int, int]:
    """Map each official index to the index of the architecture that is trained for its isomorphism class.

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
