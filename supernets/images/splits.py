"""Splits into training, validation and test images: the published index lists, or lists drawn from a seed.

The published lists are those of Dong et al., "NATS-Bench", https://arxiv.org/abs/2009.00437, in the directory
configs/nas-benchmark of https://github.com/D-X-Y/AutoDL-Projects.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.safe_pickle import DamagedFileError

Indices = NDArray[np.int64]
"""Ascending positions of images."""


@dataclass(frozen=True)
class SplitFile:
    """Two disjoint index lists in a configuration file of AutoDL-Projects, `{name: ["int", [indices]]}`."""

    file: str
    md5: Mapping[str, str]  # name -> MD5 of the ascending indices in decimal, joined by commas

    def read(self, data_dir: Path) -> tuple[Indices, ...] | None:
        """Read the lists, in the order of `md5`; None if `data_dir` has no such file.

        Raises:
            InputError: the file is not the published one.
        """
        path = data_dir / self.file
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            lists = {name: np.array(sorted(int(index) for index in content[name][1]), np.int64) for name in self.md5}
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise DamagedFileError(
                f'{path}: expected JSON {{name: ["int", [indices]]}} with the names {", ".join(self.md5)}, '
                f"got {type(error).__name__}: {error}; take the file from configs/nas-benchmark of AutoDL-Projects"
            ) from error
        for name, indices in lists.items():
            if md5_of_indices(indices) != self.md5[name]:
                raise InputError(
                    f"{path}: the MD5 of the list {name!r} should be {self.md5[name]}, got {md5_of_indices(indices)}; "
                    "take the file from configs/nas-benchmark of AutoDL-Projects, or remove it to use a random split"
                )
        return tuple(lists.values())


CIFAR100_SPLIT = SplitFile(
    "cifar100-test-split.txt",
    {"xvalid": "d48b75ee54451361b1616f45319dd135", "xtest": "bc3f493b9f567b07e7db64c062302fac"},
)
IMAGENET16_120_SPLIT = SplitFile(
    "imagenet-16-120-test-split.txt",
    {"xvalid": "fc643d2a01459022f6010b8124fe9512", "xtest": "87d86641fac2115e50fe88f86b9a3dc7"},
)


def md5_of_indices(indices: Indices) -> str:
    return hashlib.md5(",".join(map(str, indices.tolist())).encode(), usedforsecurity=False).hexdigest()


def cifar10_halves() -> tuple[Indices, Indices]:
    """The official halves of CIFAR-10's training set: train and valid, 25,000 ascending indices each."""
    order = list(range(50_000))
    random.Random(1021).shuffle(order)
    return np.sort(order[:25_000]), np.sort(order[25_000:])


def random_split(size: int, first: int, seed: int) -> tuple[Indices, Indices]:
    """`first` of `size` indices, drawn from `seed`, and the remaining indices, both ascending."""
    order = np.random.default_rng(seed).permutation(size)
    return np.sort(order[:first]), np.sort(order[first:])
