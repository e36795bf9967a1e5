"""The supernet of the topology space: every architecture of `tss` is a path through it.

Dong, Yang: "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326, section 4, and `GenericNAS201Model` of
AutoDL-Projects. What the official class has modes for is data here: `edge_weights`.

    the mixed operation of DARTS     softmax(alpha)
    a sample of GDAS                 a straight-through one-hot row per edge: zeros that need gradients
    an architecture                  `one_hot(arch)`
    another one in every cell        (cells, edges, operations)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.spaces import Arch
from benchmarks.spaces.tss import EDGES, OPERATIONS
from supernets.candidate_network import NetworkConfig
from supernets.ops import Norm, ResNetBasicblock
from supernets.randomness import drawing_from
from supernets.search_cell import SearchCell

SHARED_NORM = Norm(affine=False, track_running_stats=False)
"""Of search cells by default, as officially: their statistics depend on the path that is taken."""
ANY_CELL: Arch = (0,) * len(EDGES)
"""The skeleton of a network does not depend on its cell."""


@dataclass(frozen=True)
class TopologySupernetConfig:
    """All that a topology supernet depends on, except its weights."""

    width: int = 16  # C, the channels of the first stage
    depth: int = 5  # N, the cells per stage
    num_classes: int = 10
    in_channels: int = 3  # of the images
    norm: Norm = SHARED_NORM  # of search cells and the last activation; stem and reduction blocks have the usual one

    def __post_init__(self) -> None:
        _ = self.skeleton  # raises on impossible numbers

    def build(self, rng: torch.Generator) -> TopologySupernet:
        """The supernet with PyTorch's default initial weights drawn from `rng`."""
        return TopologySupernet(self, rng)

    @property
    def skeleton(self) -> NetworkConfig:
        """That of the stand-alone networks of the same size; InputError if there is none."""
        return NetworkConfig.tiny(ANY_CELL, self.width, self.depth, self.num_classes, self.in_channels)


class TopologySupernet(nn.Module):
    """The supernet that `config` describes, with PyTorch's default initial weights drawn from `rng`."""

    def __init__(self, config: TopologySupernetConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.config = config
        with drawing_from(rng):
            self._build(config)

    def _build(self, config: TopologySupernetConfig) -> None:
        layers = config.skeleton.layers
        last = layers[-1].c_out
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, config.width, 3, padding=1, bias=False), nn.BatchNorm2d(config.width)
        )
        self.cells = nn.ModuleList(
            SearchCell(c_out, config.norm) if stride == 1 else ResNetBasicblock(c_in, c_out, stride)
            for c_in, c_out, stride in layers
        )
        self.lastact = nn.Sequential(config.norm.layer(last), nn.ReLU())
        self.classifier = nn.Linear(last, config.num_classes)

    def forward(
        self, images: Tensor, edge_weights: Tensor, computed: Tensor | None = None, path_scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, in_channels, H, W) -> pooled features (B, 4 width) and logits (B, num_classes).

        Args:
            edge_weights: (edges, operations) for all cells, or (3 depth, edges, operations) one for each.
            computed: bool, in the shape of the weights and on the CPU: whether an operation is computed. By default
                where its weight is not zero; a weight outside must be zero. Where the weights lie on a GPU, to give it
                spares the host waiting for them.
            path_scale: (layers, B) factors of what each cell and block gives: drop-path. None for none.
        """
        computed = (edge_weights != 0).cpu() if computed is None else computed
        cells = 3 * self.config.depth
        weights = edge_weights.to(images.device, non_blocking=True)
        by_cell = iter(zip(_each(weights, cells), _each(computed, cells), strict=True))
        x = self.stem(images)  # (B, C, H, W)
        for i, layer in enumerate(self.cells):
            if isinstance(layer, SearchCell):
                of_cell, used = next(by_cell)
                x = layer(x, of_cell, used.tolist())
            else:
                x = layer(x)  # twice the channels, half the height and width
            if path_scale is not None:
                x = x * path_scale[i].to(x.dtype).view(-1, 1, 1, 1)
        features = self.lastact(x).mean(dim=(2, 3))  # (B, 4 C)
        return features, self.classifier(features)

    def state_of(self, arch: Arch) -> Mapping[str, Tensor]:
        """What of the state a `CandidateNetwork` of `arch` and this size has, under its names.

        Its state dict, if the supernet has the usual normalisation, and where the convolutions have biases, those too.
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


def _each(of_all: Tensor, cells: int) -> list[Tensor]:
    """One tensor (edges, operations) per cell."""
    shape = (len(EDGES), len(OPERATIONS))
    if of_all.shape == shape:
        return [of_all] * cells
    if of_all.shape != (cells, *shape):
        raise InputError(
            f"edge weights are of shape {shape} for all cells or {(cells, *shape)}, got {tuple(of_all.shape)}"
        )
    return list(of_all.unbind())


def one_hot(arch: Arch) -> Tensor:
    """The edge weights (edges, operations) that are 1 at the operations of `arch`."""
    return torch.nn.functional.one_hot(torch.tensor(arch), len(OPERATIONS)).float()
