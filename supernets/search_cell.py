"""The searched cell of the topology supernet: all five operations on each of the six edges, summed with weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from benchmarks.spaces.tss import EDGES, OPERATIONS
from supernets.ops import Norm, operation

Computed = Sequence[Sequence[bool]]
"""Whether an operation is computed, by edge and operation."""


class SearchCell(nn.Module):
    """The reference definition of the searched cell.

    Node i is the sum of w(e, k) * operation k (node j) over its edges e = (i, j) and all k; the output is node 3.
    `layers.{e}.{k}` is operation k on edge e. An operation that is not computed has a weight of zero, and this weight
    is added in place of the map: no value changes, and the weight still receives a gradient (GDAS).

    Supernets consist of `FusedSearchCell`, which computes the same in less time and memory.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(operation(name, channels, channels, norm=norm) for name in OPERATIONS) for _ in EDGES
        )

    def forward(self, x: Tensor, weights: Tensor, computed: Computed) -> Tensor:
        """Map (B, C, H, W) to the same shape. `weights` is (edges, operations), on the device of `x`."""
        nodes = [x, *(x.new_zeros(x.shape) for _ in range(3))]
        for edge, (target, source) in enumerate(EDGES):  # the edges into a node come before those out of it
            for k, weight in enumerate(weights[edge]):
                operation_k = self.get_submodule(f"layers.{edge}.{k}")
                term = weight * operation_k(nodes[source]) if computed[edge][k] else weight
                nodes[target] = nodes[target] + term
        return nodes[3]
