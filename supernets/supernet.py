"""The two kinds of supernet, as weight-sharing methods see them: by what `forward` takes beside the images.

A supernet holds the weights of all architectures of its space. Which of them compute is data, a `Choice`, which is
passed to `forward` after the images; methods declare the kind of supernet whose choices they make.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from benchmarks.spaces import Arch, ProductSpace

Choice = tuple[Tensor, ...]
"""The arguments of a supernet's `forward` between `images` and `path_scale`; its kind says which."""


class Supernet(nn.Module, ABC):
    """A network that shares its weights among all architectures of `space`.

    `forward(images, *choice, path_scale=None)` maps (B, colours, H, W) to features (B, F) and logits (B, classes). Row
    i of `path_scale`, (len(cells), B), multiplies what `cells[i]` gives for each image: drop-path.
    """

    searched: ClassVar[str]
    """What the choices are about, in a word."""
    space: ProductSpace
    cells: nn.ModuleList
    """The layers between stem and classifier."""

    @abstractmethod
    def path(self, arch: Arch) -> Choice:
        """The choice that makes the supernet compute `arch` alone."""


class OperationSupernet(Supernet):
    """A supernet whose cells sum weighted operations: one row of weights per decision, one weight per option.

    A choice is `(edge_weights,)` or `(edge_weights, computed)`: floats, and on the CPU whether an operation is computed
    at all; (decisions, options) for all cells, or (search_cells, decisions, options). Rows of decisions with fewer
    options than the widest one end in weights of zero that are not computed.
    """

    searched = "operations"
    search_cells: int
    """The number of cells that take edge weights."""
    incoming: Sequence[Sequence[int]] = ()
    """The decisions about the operations into each node whose option 0 is no connection."""


class WidthSupernet(Supernet):
    """A supernet whose modules are as wide as the widest choice; every combination of choices is an architecture.

    A choice is `(channel_choice,)`, a linear map on the channels of what each module gives: factors (modules, width) or
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
