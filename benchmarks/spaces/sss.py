"""The size space of NATS-Bench.

Dong, Liu, Musial, Gabrys: "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021,
https://arxiv.org/abs/2009.00437, section 3.2. The cell is fixed; each of five layers has 8, 16, ..., or 64 channels:
8^5 = 32,768 architectures. The official index is the lexicographic order, last layer fastest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.spaces.base import Arch, Description, ProductSpace, uniform_int
from benchmarks.spaces.tss import TopologySpace

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)
SIZE_CELL: Arch = (3, 3, 3, 1, 3, 3)
"""The cell of every network of the size space: tss index 9930, the best of tss on CIFAR-100's validation set."""


@dataclass(frozen=True)
class SizeSpace(ProductSpace):
    """`sss`: Arch holds the index in CHANNELS of each of the five layers."""

    name = "sss"
    decisions = tuple(f"layer-{layer}" for layer in range(5))
    choices = (tuple(map(str, CHANNELS)),) * 5
    trait_rule = "Mean channels: the mean over the layers of the derived network."

    def mutate_official(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A uniform layer gets a uniform channel count, possibly the current one: a no-op with probability 1/8.

        Source: `regularized_ea.py` of AutoDL-Projects/exps/NATS-algos.
        """
        position = uniform_int(rng, len(arch))
        return (*arch[:position], uniform_int(rng, len(CHANNELS)), *arch[position + 1 :])

    def to_string(self, arch: Arch) -> str:
        return ":".join(self.names(arch))

    def from_string(self, string: str) -> Arch:
        layers = string.split(":")
        if len(layers) != len(self.decisions):
            raise InputError(f"a {self.name} string has 5 channel counts joined by ':', got {len(layers)}: {string!r}")
        return self.from_names(layers)

    def describe(self, arch: Arch) -> Description:
        """The cell that all networks of the space have."""
        self.check(arch)
        tss = TopologySpace()
        cell, index = tss.to_string(SIZE_CELL), tss.index(SIZE_CELL)
        return Description((f"cell of every {self.name} network: {cell} ({tss.name} {index})",))

    def traits(self, choices: NDArray[np.int64], scale: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
        """The mean number of channels over the layers, at this scale."""
        return {"mean channels": np.array(scale.get("channels", CHANNELS), float)[choices].mean(axis=1)}
