"""The two kinds of supernet that weight-sharing methods distinguish, by the arguments of `forward` after the images.

A supernet holds the weights of all architectures of its space. A `Choice`, passed to `forward` after the images,
selects the weights that take part; each method declares the kind of supernet whose choices it makes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from benchmarks.spaces import Arch, ProductSpace

Choice = tuple[Tensor, ...]
"""The arguments of a supernet's `forward` between `images` and `path_scale`; they depend on its kind."""


class Supernet(nn.Module, ABC):
    """A network that shares its weights among all architectures of its space.

    `forward(images, *choice, path_scale=None)` maps (B, colours, H, W) to features (B, F) and logits (B, classes). Row
    i of `path_scale`, (len(cells), B), multiplies the output of `cells[i]` for each image: drop-path.
    """

    searched: ClassVar[str]
    """A word for what the choices are about, for messages."""
    space: ProductSpace
    cells: nn.ModuleList
    """The layers between stem and classifier."""

    @abstractmethod
    def path(self, arch: Arch) -> Choice:
        """The choice with which the supernet computes exactly `arch`."""


class OperationSupernet(Supernet):
    """A supernet whose cells sum weighted operations: one row of weights per decision, one weight per option.

    A choice is `(edge_weights,)` or `(edge_weights, computed)`: float weights, and a bool tensor on the CPU that says
    whether an operation is computed at all. Both are (decisions, options), for all cells, or (search_cells, decisions,
    options). Rows of decisions with fewer options than the largest end in weights of zero that are not computed.
    """

    searched = "operations"
    search_cells: int
    """The number of cells that take edge weights."""
    incoming: Sequence[Sequence[int]] = ()
    """For each node, the decisions about its incoming operations; their option 0 is no connection."""


class WidthSupernet(Supernet):
    """A supernet whose modules are as wide as the widest choice; every combination of choices is an architecture.

    A choice is `(channel_choice,)`, a linear map on the output channels of each module: factors (modules, width) or
    matrices (modules, width, width).
    """

    searched = "widths"
    channels: tuple[int, ...]
    """The options of every decision, ascending; the last is the width."""
    decision_of_module: tuple[int, ...]
    """The decision about the width of each module."""
    masks: Tensor
    """(options, width): 1 on the first channels of each option, 0 on the others; on the device of the network."""

    def path(self, arch: Arch) -> Choice:
        return (self.masks[[arch[decision] for decision in self.decision_of_module]],)
