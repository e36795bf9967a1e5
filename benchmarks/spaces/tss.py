"""The topology space of NATS-Bench, which is the space of NAS-Bench-201 (and of its first release, NAS-Bench-102).

Dong, Liu, Musial, Gabrys: "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021,
https://arxiv.org/abs/2009.00437, section 3.1. A cell is a complete graph on four ordered nodes; each of its six edges
carries one of five operations: 5^6 = 15,625 architectures. String, index order and canonical form are those of the
official files (`nats_bench` 1.8); the tests compare their MD5 sums.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.spaces.base import Arch, Description, ProductSpace, uniform_int

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # (target node, source node), in decision order
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The paths from node 0, the input of a cell, to node 3, its output, as positions in EDGES."""


@dataclass(frozen=True)
class TopologySpace(ProductSpace):
    """`tss`: Arch holds the index in OPERATIONS of the edges 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2."""

    name = "tss"
    decisions = tuple(f"{target}<-{source}" for target, source in EDGES)
    choices = (OPERATIONS,) * len(EDGES)
    trait_rule = (
        "Edges: how many of the six edges of the derived cell are skip_connect, and how many are none. A search that "
        "collapses fills its cell with them."
    )

    def mutate_official(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """Draw a node, then one of its edges: edge 1<-0 changes with probability 1/3, 2<-* 1/6 each, 3<-* 1/9 each.

        Source: `regularized_ea.py` of AutoDL-Projects/exps/NATS-algos. The new operation always differs.
        """
        node = 1 + uniform_int(rng, 3)
        position = EDGES.index((node, uniform_int(rng, node)))
        choice = uniform_int(rng, len(OPERATIONS) - 1)
        choice += choice >= arch[position]
        return (*arch[:position], choice, *arch[position + 1 :])

    def to_string(self, arch: Arch) -> str:
        self.check(arch)
        nodes: dict[int, list[str]] = {1: [], 2: [], 3: []}
        for (target, source), choice in zip(EDGES, arch, strict=True):
            nodes[target].append(f"{OPERATIONS[choice]}~{source}")
        return "+".join(f"|{'|'.join(edges)}|" for edges in nodes.values())

    def from_string(self, string: str) -> Arch:
        nodes = string.split("+")
        if len(nodes) != 3:
            raise InputError(f"a {self.name} string has 3 nodes joined by '+', got {len(nodes)}: {string!r}")
        choices = []
        for target, node in enumerate(nodes, start=1):
            edges = node.removeprefix("|").removesuffix("|").split("|")
            if node != f"|{'|'.join(edges)}|" or len(edges) != target:
                raise InputError(f"node {target} of a {self.name} string is {target} edges in '|', got {node!r}")
            for source, edge in enumerate(edges):
                operation, tilde, number = edge.partition("~")
                if operation not in OPERATIONS or not tilde or number != str(source):
                    names = ", ".join(OPERATIONS)
                    raise InputError(
                        f"edge {target}<-{source} of a {self.name} string is 'OPERATION~{source}' "
                        f"with OPERATION one of {names}; got {edge!r} in {string!r}"
                    )
                choices.append(OPERATIONS.index(operation))
        return tuple(choices)

    @cached_property
    def _official_order(self) -> tuple[list[int], list[int]]:
        """The lists (index -> position, position -> index): the product, shuffled by Python's `random` with seed 88."""
        positions = list(range(len(self)))
        random.Random(88).shuffle(positions)
        return positions, np.argsort(positions).tolist()

    def index(self, arch: Arch) -> int:
        return self._official_order[1][self.position(arch)]

    def arch(self, index: int) -> Arch:
        if not 0 <= index < len(self):
            raise InputError(f"{self.name} holds architectures 0..{len(self) - 1}, got {index}")
        return self.at_position(self._official_order[0][index])

    def canonical(self, arch: Arch) -> str:
        """The official unique string (`get_unique_str`): 6,466 classes over the space.

        Each node is the sorted sum of its edges, a skip is its source, and `none` is '#'. As in the official code, a
        sum of several zeros ('#+#') is not simplified to '#', so that a few equal functions keep different strings.
        """
        self.check(arch)
        nodes = ["0"]
        for target in (1, 2, 3):
            edges = []
            for (to, source), choice in zip(EDGES, arch, strict=True):
                if to != target:
                    continue
                operation = OPERATIONS[choice]
                if operation == "none" or nodes[source] == "#":
                    edges.append("#")
                elif operation == "skip_connect":
                    edges.append(nodes[source])
                else:
                    edges.append(f"({nodes[source]})@{operation}")
            nodes.append("+".join(sorted(edges)))
        return nodes[-1]

    def describe(self, arch: Arch) -> Description:
        """The canonical form, and for each edge whether it affects the output."""
        live = live_edges(arch)
        connected = "" if any(live) else "not "
        lines = (f"canonical form: {self.canonical(arch)}", f"the output is {connected}connected to the input")
        rows = []
        for name, operation, matters in zip(self.decisions, self.names(arch), live, strict=True):
            dead = "no: no connection" if operation == "none" else "no: on no path from input to output"
            rows.append((name, operation, "yes" if matters else dead))
        return Description(lines, ("edge", "operation", "matters"), tuple(rows))

    def traits(self, choices: NDArray[np.int64], scale: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
        """The numbers of skip_connect and none edges, the operations that fill a collapsed cell."""
        _ = scale
        counted = ("skip_connect", "none")
        return {f"{name} edges": (choices == OPERATIONS.index(name)).sum(axis=1).astype(float) for name in counted}


def live_edges(arch: Arch) -> tuple[bool, ...]:
    """Whether each of EDGES lies on a path from the input to the output without any `none`; shape (6,).

    The other edges do not affect the output: they pass no information from the image to it. (In a trained network, a
    convolution may still add a learnt constant, the shift of its batch normalisation.)
    """
    open_paths = [path for path in PATHS if all(OPERATIONS[arch[edge]] != "none" for edge in path)]
    return tuple(any(edge in path for path in open_paths) for edge in range(len(EDGES)))
