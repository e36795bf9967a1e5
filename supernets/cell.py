"""The cell of a stand-alone network: four nodes, and the one operation an architecture chose on each edge."""

from __future__ import annotations

from torch import Tensor, nn

from benchmarks.spaces import Arch
from benchmarks.spaces.tss import EDGES, OPERATIONS
from supernets.ops import STANDARD_NORM, Norm, operation


class Cell(nn.Module):
    """Node 0 is the input, node i the sum of operation(node j) over all j < i; the output is node 3.

    Only the edges out of node 0 change the number of channels. `layers.{e}` is the operation of edge e in decision
    order; an operation without parameters keeps its number.
    """

    def __init__(self, arch: Arch, c_in: int, c_out: int, norm: Norm = STANDARD_NORM) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            operation(OPERATIONS[choice], c_in if source == 0 else c_out, c_out, norm=norm)
            for (_, source), choice in zip(EDGES, arch, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]  # node 0: (B, c_in, H, W); every later node: (B, c_out, H, W)
        for (target, source), layer in zip(EDGES, self.layers, strict=True):
            incoming = layer(nodes[source])
            if target == len(nodes):
                nodes.append(incoming)
            else:
                nodes[target] = nodes[target] + incoming
        return nodes[-1]
