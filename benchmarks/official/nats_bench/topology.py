"""The API of the topology space, with the official conversions of its architecture strings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.official.nats_bench.api import NATSBenchAPI
from benchmarks.official.nats_bench.text import TOPOLOGY_SHOWN
from benchmarks.spaces.tss import OPERATIONS, TopologySpace


class NATStopology(NATSBenchAPI):
    """The topology space: 15,625 architectures, schedules '12' and '200'."""

    _space = "tss"
    _search_space_name = "topology"
    _base_name = "NATS-tss-v1_0-3ffb9"
    _full_train_epochs = 200
    _shown = TOPOLOGY_SHOWN

    def get_unique_str(self, arch: Any) -> str:
        """A string that is equal for architectures computing the same function; ValueError if `arch` is unknown."""
        index = self.query_index_by_arch(arch)
        if index == -1:
            raise ValueError(f"unknown architecture {arch!r}: expected an index or an official string")
        space = TopologySpace()
        return space.canonical(space.from_string(self.meta_archs[index]))

    @staticmethod
    def str2lists(arch_str: str) -> list[tuple[tuple[str, int], ...]]:
        """The (operation, source node) pairs of each node but the first.

        Raises:
            AssertionError: an edge is not 'operation~source' (the official type).
            ValueError: a source is not an integer.
        """
        nodes = []
        for node in arch_str.split("+"):
            edges = [edge.split("~") for edge in node.split("|") if edge]
            for edge in edges:
                if len(edge) != 2:
                    raise AssertionError(f"expected 'operation~source', got {'~'.join(edge)!r} in {arch_str!r}")
            nodes.append(tuple((operation, int(source)) for operation, source in edges))
        return nodes

    @staticmethod
    def str2matrix(arch_str: str, search_space: list[str] | tuple[str, ...] = OPERATIONS) -> NDArray[np.float64]:
        """A matrix (nodes, nodes) whose entry [i, j] is the index in `search_space` of the operation from node j to i.

        Raises what `str2lists` raises, and ValueError for an operation that is not in `search_space`.
        """
        nodes = NATStopology.str2lists(arch_str)
        matrix = np.zeros((len(nodes) + 1, len(nodes) + 1))
        for target, edges in enumerate(nodes, start=1):
            for operation, source in edges:
                if operation not in search_space:
                    raise ValueError(f"this op ({operation}) is not in {search_space}")
                matrix[target, source] = search_space.index(operation)
        return matrix
