"""The official description of a cell: the incoming edges of each of its nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from benchmarks.official.nats_bench.topology import NATStopology

Edge = tuple[str, int]
"""(operation, number of the node that it reads)."""
ZERO = "#"
"""The name of a node that is always zero, in the strings of `to_unique_str`."""


def topology_str2structure(xstr: str | TopologyStructure) -> TopologyStructure:
    """The structure that an official string describes; AssertionError (the official type) for any other string."""
    return TopologyStructure.str2structure(xstr)


class TopologyStructure:
    """A directed acyclic cell of any number of nodes and any operations; node 0 is its input.

    Args:
        genotype: the incoming edges of node 1, 2, ..., at least one each.

    Raises:
        AssertionError: a node has no edge, or reads itself or a later one (the official type).
    """

    def __init__(self, genotype: Sequence[Sequence[Sequence[Any]]]) -> None:
        _require(isinstance(genotype, list | tuple), f"a genotype is a list of nodes, got {genotype!r}")
        for target, edges in enumerate(genotype, start=1):
            _require(isinstance(edges, list | tuple) and bool(edges), f"node {target} needs edges, got {edges!r}")
            for edge in edges:
                is_edge = isinstance(edge, list | tuple) and len(edge) == 2 and edge[1] < target
                _require(is_edge, f"an edge into node {target} is (operation, node before it), got {edge!r}")
        self.nodes: list[tuple[Any, ...]] = [tuple(edges) for edges in genotype]
        self.node_num = len(self)
        self.node_N = [len(edges) for edges in self.nodes]

    def __len__(self) -> int:
        """The number of nodes, including the input."""
        return len(self.nodes) + 1

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """The edges into node `index` + 1."""
        return self.nodes[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} nodes with {self.tostr()})"

    def node(self, index: int) -> tuple[Any, ...]:
        """`self[index]` for an index of at least 1, as in the official method; AssertionError for a smaller one."""
        _require(0 < index <= len(self), f"an index is 1..{len(self)}, got {index}")
        return self.nodes[index]

    def tostr(self) -> str:
        """The official string."""
        nodes = ("".join(f"{operation}~{source}|" for operation, source in edges) for edges in self.nodes)
        return "+".join(f"|{edges}" for edges in nodes)

    def tolist(self, remove_str: str | None) -> tuple[list[tuple[Any, ...]] | None, bool]:
        """(edges of each node without the operation `remove_str`, in the order of their sources, True).

        (None, False) if a node is left without edges.
        """
        left = [tuple(edge for edge in _by_source(edges) if edge[0] != remove_str) for edges in self.nodes]
        return (left, True) if all(left) else (None, False)

    def check_valid(self) -> bool:
        """Whether the input reaches the last node by operations other than 'none'."""
        reached = [True]
        for edges in self.nodes:
            reached.append(any(operation != "none" and reached[source] for operation, source in edges))
        return reached[-1]

    def check_valid_op(self, op_names: Collection[str]) -> bool:
        """Whether `op_names` has every operation of the cell."""
        return all(operation in op_names for edges in self.nodes for operation, _ in edges)

    def to_unique_str(self, consider_zero: bool | None = False) -> str:
        """A string that is equal for cells that differ only in the order of additions, or also in no-ops.

        Args:
            consider_zero: False: a skip connection has the name of its source node. True: in addition, 'none' and
                everything that reads only zeros are zero. None: all operations are treated alike.
        """
        names = ["0"]
        for edges in self.nodes:
            names.append(
                "+".join(sorted(_read(names[source], operation, consider_zero) for operation, source in edges))
            )
        return names[-1]

    @staticmethod
    def str2structure(xstr: str | TopologyStructure) -> TopologyStructure:
        """Alias of `topology_str2structure`."""
        if isinstance(xstr, TopologyStructure):
            return xstr
        return TopologyStructure(_edges(xstr))

    @staticmethod
    def str2fullstructure(xstr: str, default_name: str = "none") -> TopologyStructure:
        """The structure with an edge from every earlier node; missing edges get the operation `default_name`."""
        full = []
        for target, edges in enumerate(_edges(xstr), start=1):
            sources = {source for _, source in edges}
            missing = [(default_name, source) for source in range(target) if source not in sources]
            full.append(_by_source([*edges, *missing]))
        return TopologyStructure(full)


def _require(condition: bool, message: str) -> None:
    """Raise AssertionError, the error type of the official package, unless `condition` holds."""
    if not condition:
        raise AssertionError(message)


def _edges(xstr: str) -> list[tuple[Edge, ...]]:
    _require(isinstance(xstr, str), f"an architecture is a string, got {xstr!r}")
    return NATStopology.str2lists(xstr)


def _by_source(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    return tuple(sorted(edges, key=lambda edge: (edge[1], edge[0])))


def _read(name: str, operation: str, consider_zero: bool | None) -> str:
    """The contribution of an edge to the name of its target node."""
    if consider_zero and (operation == "none" or name == ZERO):
        return ZERO
    if operation == "skip_connect" and consider_zero is not None:
        return name
    return f"({name})@{operation}"
