"""The supernet of the topology space: every architecture of `tss` is a path through it.

Dong, Yang: "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326, section 4, and `GenericNAS201Model` of
AutoDL-Projects. Instead of the modes of the official class, this one takes data, `edge_weights`:

    the mixed operation of DARTS              softmax(alpha)
    a sample of GDAS                          a straight-through one-hot row per edge: zeros that need gradients
    an architecture                           `one_hot(arch)`
    a different architecture in each cell     (cells, edges, operations)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.spaces import Arch, TopologySpace
from benchmarks.spaces.tss import EDGES, OPERATIONS
from supernets.candidate_network import NetworkConfig
from supernets.fused_search_cell import FusedSearchCell
from supernets.ops import SEARCH_NORM, Norm, ResNetBasicblock
from supernets.randomness import drawing_from
from supernets.search_cell import SearchCell
from supernets.supernet import Choice, OperationSupernet

ANY_CELL: Arch = (0,) * len(EDGES)
"""A placeholder: the layers of a network do not depend on its cell."""


@dataclass(frozen=True)
class TopologySupernetConfig:
    """Everything that determines a topology supernet, except its weights."""

    width: int = 16  # C, the channels of the first stage
    depth: int = 5  # N, the cells per stage
    num_classes: int = 10
    in_channels: int = 3  # colour channels of the images
    norm: Norm = SEARCH_NORM  # for search cells and last activation; stem and reduction blocks use the standard one

    def __post_init__(self) -> None:
        _ = self.skeleton  # raises InputError for an invalid size

    def build(self, rng: torch.Generator) -> TopologySupernet:
        """The supernet with PyTorch's default initial weights drawn from `rng`."""
        return TopologySupernet(self, rng)

    @property
    def skeleton(self) -> NetworkConfig:
        """The stand-alone network of the same size, with an arbitrary cell; InputError if the size is invalid."""
        return NetworkConfig.tiny(ANY_CELL, self.width, self.depth, self.num_classes, self.in_channels)


class TopologySupernet(OperationSupernet):
    """The supernet that `config` describes, with PyTorch's default initial weights drawn from `rng`.

    Args:
        cell: the implementation of the searched cell; `SearchCell`, the definition, computes the same more slowly.
    """

    space = TopologySpace()
    incoming = tuple(tuple(edge for edge, (target, _) in enumerate(EDGES) if target == node) for node in (1, 2, 3))

    def __init__(
        self, config: TopologySupernetConfig, rng: torch.Generator, cell: type[SearchCell] = FusedSearchCell
    ) -> None:
        super().__init__()
        self.config = config
        self.search_cells = 3 * config.depth
        with drawing_from(rng):
            self._build(config, cell)

    def _build(self, config: TopologySupernetConfig, cell: type[SearchCell]) -> None:
        layers = config.skeleton.layers
        last = layers[-1].c_out
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, config.width, 3, padding=1, bias=False), nn.BatchNorm2d(config.width)
        )
        self.cells = nn.ModuleList(
            cell(c_out, config.norm) if stride == 1 else ResNetBasicblock(c_in, c_out, stride)
            for c_in, c_out, stride in layers
        )
        self.lastact = nn.Sequential(config.norm.layer(last), nn.ReLU())
        self.classifier = nn.Linear(last, config.num_classes)

    def forward(
        self, images: Tensor, edge_weights: Tensor, computed: Tensor | None = None, path_scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, in_channels, H, W) -> pooled features (B, 4 width) and logits (B, num_classes).

        Args:
            edge_weights: (edges, operations) for all cells, or (3 depth, edges, operations) with one matrix per cell.
            computed: whether an operation is computed: bool, in the shape of the weights, on the CPU. By default, the
                operations whose weight is not zero. The weight of an operation that is not computed must be zero.
                With weights on a GPU, passing `computed` spares the host from waiting for them.
            path_scale: (layers, B) factors of the outputs of each cell and block for drop-path, or None.

        Raises:
            InputError: the weights or `computed` have another shape.
        """
        computed = (edge_weights != 0).cpu() if computed is None else computed
        weights = edge_weights.to(images.device, non_blocking=True)
        by_cell = iter(zip(_each(weights, self.search_cells), _each(computed, self.search_cells), strict=True))
        x = self.stem(images)  # (B, C, H, W)
        for i, layer in enumerate(self.cells):
            if isinstance(layer, SearchCell):
                cell_weights, cell_computed = next(by_cell)
                x = layer(x, cell_weights, cell_computed.tolist())
            else:
                x = layer(x)  # twice the channels, half the height and width
            if path_scale is not None:
                x = x * path_scale[i].to(x.dtype).view(-1, 1, 1, 1)
        features = self.lastact(x).mean(dim=(2, 3))  # (B, 4 C)
        return features, self.classifier(features)

    def path(self, arch: Arch) -> Choice:
        return (one_hot(arch),)

    def state_of(self, arch: Arch) -> Mapping[str, Tensor]:
        """The part of the state that a `CandidateNetwork` of `arch` and this size uses, under that network's names.

        With the standard normalisation this is the whole state dict of the candidate. If the normalisation has no
        scales and shifts, these are missing, and the biases of the convolutions are added.
        """
        kept = {}
        for name, tensor in self.state_dict().items():
            match name.split("."):
                case ["cells", cell, "layers", edge, choice, *rest]:
                    if arch[int(edge)] == int(choice):
                        kept[".".join(["cells", cell, "layers", edge, *rest])] = tensor
                case _:
                    kept[name] = tensor
        return kept


def _each(weights: Tensor, cells: int) -> list[Tensor]:
    """One tensor (edges, operations) per cell."""
    shape = (len(EDGES), len(OPERATIONS))
    if weights.shape == shape:
        return [weights] * cells
    if weights.shape != (cells, *shape):
        raise InputError(
            f"edge weights have shape {shape} for all cells or {(cells, *shape)}, got {tuple(weights.shape)}"
        )
    return list(weights.unbind())


def one_hot(arch: Arch) -> Tensor:
    """The edge weights (edges, operations) that are 1 at the operations of `arch`."""
    return torch.nn.functional.one_hot(torch.tensor(arch), len(OPERATIONS)).float()
