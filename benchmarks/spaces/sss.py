"""The size space of NATS-Bench.

Dong, Liu, Musial, Gabrys: "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021,
https://arxiv.org/abs/2009.00437, section 3.2. The cell is fixed; the channel counts of five layers are each one of
8, 16, ..., 64: 8^5 = 32,768 architectures. The official index is the lexicographic order, last layer fastest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.errors import InputError
from benchmarks.spaces.base import Arch, ProductSpace, uniform_int

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)


@dataclass(frozen=True)
class SizeSpace(ProductSpace):
    """`sss`: Arch holds the index in CHANNELS of each of the five layers."""

    name = "sss"
    decisions = tuple(f"layer-{layer}" for layer in range(5))
    options = tuple(str(channels) for channels in CHANNELS)

    def mutate_official(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A uniform layer gets a uniform channel count, the present one included: a no-op with probability 1/8.

        Source: `regularized_ea.py` of AutoDL-Projects/exps/NATS-algos.
        """
        position = uniform_int(rng, len(arch))
        return (*arch[:position], uniform_int(rng, len(CHANNELS)), *arch[position + 1 :])

    def to_string(self, arch: Arch) -> str:
        self.position(arch)  # raises on a bad architecture
        return ":".join(self.options[choice] for choice in arch)

    def from_string(self, string: str) -> Arch:
        layers = string.split(":")
        if len(layers) != len(self.decisions):
            raise InputError(f"a {self.name} string has 5 channel counts joined by ':', got {len(layers)}: {string!r}")
        for name, channels in zip(self.decisions, layers, strict=True):
            if channels not in self.options:
                raise InputError(
                    f"{name} of a {self.name} string is one of {', '.join(self.options)}; "
                    f"got {channels!r} in {string!r}"
                )
        return tuple(self.options.index(channels) for channels in layers)

    def index(self, arch: Arch) -> int:
        return self.position(arch)

    def arch(self, index: int) -> Arch:
        return self.at_position(index)

    def canonical(self, arch: Arch) -> str:
        """The official string: no two channel lists compute the same function by construction."""
        return self.to_string(arch)
