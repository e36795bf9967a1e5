"""The stand-alone networks that were trained to make NATS-Bench and NAS-Bench-201.

Dong, Liu, Musial, Gabrys: "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021,
https://arxiv.org/abs/2009.00437, figure 2:

    stem, N cells, reduction block, N cells, reduction block, N cells, ReLU, global average pooling, linear classifier

The official code has two classes, `TinyNetwork` for the topology space and `DynamicShapeTinyNet` for the size space.
Both build the same network: the first is the second with channels C, 2C, 4C in its three stages. Here the channel
counts and the cell are data. State-dict names and the order of the random draws are the official ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.spaces import Arch, TopologySpace
from benchmarks.spaces.sss import SIZE_CELL
from benchmarks.spaces.tss import EDGES, OPERATIONS
from supernets.ops import STANDARD_NORM, Norm, ResNetBasicblock, operation
from supernets.randomness import drawing_from


class Layer(NamedTuple):
    """One layer between stem and classifier: a cell at stride 1, a reduction block at stride 2."""

    c_in: int
    c_out: int
    stride: int


class CandidateConfig(Protocol):
    """All that a stand-alone network of any space depends on, except its weights; a frozen value object."""

    @property
    def num_classes(self) -> int: ...

    @property
    def in_channels(self) -> int:
        """Colour channels of the images."""

    def build(self, rng: torch.Generator) -> nn.Module:
        """The network with fresh weights drawn from `rng`; it maps images to (features, logits)."""


@dataclass(frozen=True)
class NetworkConfig:
    """The stand-alone networks of NATS-Bench: a cell, and the channels of every layer."""

    cell: Arch  # an architecture of tss
    channels: tuple[int, ...]  # output channels of the 3N + 2 layers; the stem has as many as the first layer
    num_classes: int = 10
    in_channels: int = 3  # colour channels of the images

    def __post_init__(self) -> None:
        TopologySpace().check(self.cell)
        if len(self.channels) < 5 or len(self.channels) % 3 != 2:
            raise InputError(
                "a network has 3N + 2 channel counts, N >= 1: N cells, a reduction block, N cells, a reduction block, "
                f"N cells; got {len(self.channels)}: {self.channels}"
            )
        if min(*self.channels, self.num_classes, self.in_channels) < 1:
            raise InputError(f"a network needs at least 1 channel per layer and 1 class, got {self}")

    @classmethod
    def tiny(cls, cell: Arch, width: int = 16, depth: int = 5, num_classes: int = 10, in_channels: int = 3) -> Self:
        """The official `TinyNetwork`. `width` and `depth` are C and N of the paper, by default the published ones."""
        channels = (width,) * depth + (2 * width,) * (depth + 1) + (4 * width,) * (depth + 1)
        return cls(cell, channels, num_classes, in_channels)

    @classmethod
    def dynamic_shape(cls, channels: tuple[int, ...], num_classes: int = 10, in_channels: int = 3) -> Self:
        """The official `DynamicShapeTinyNet` with the cell of the size space and any channel counts."""
        return cls(SIZE_CELL, channels, num_classes, in_channels)

    @classmethod
    def from_official(cls, config: Mapping[str, Any]) -> Self:
        """The network described by a result of `get_net_config(index, dataset)` of the NATS-Bench API.

        Raises:
            InputError: `config` does not describe one of the two official networks, or a string in it is malformed.
        """
        read_cell = TopologySpace().from_string
        match config:
            case {"name": "infer.tiny", "arch_str": str(cell), "C": width, "N": depth, "num_classes": classes}:
                return cls.tiny(read_cell(cell), width, depth, classes)
            case {"name": "infer.shape.tiny", "genotype": str(cell), "channels": str(channels), "num_classes": classes}:
                return cls(read_cell(cell), _read_channels(channels), classes)
        raise InputError(
            "an official network is {name: 'infer.tiny', C, N, arch_str, num_classes} or "
            f"{{name: 'infer.shape.tiny', channels, genotype, num_classes}}, got {dict(config)}"
        )

    def build(self, rng: torch.Generator) -> CandidateNetwork:
        """The network with PyTorch's default initial weights drawn from `rng`."""
        return CandidateNetwork(self, rng)

    @property
    def layers(self) -> list[Layer]:
        """The 3N + 2 layers in order."""
        stage = (1,) * (len(self.channels) // 3)
        strides = (*stage, 2, *stage, 2, *stage)
        inputs = (self.channels[0], *self.channels[:-1])
        return [Layer(*layer) for layer in zip(inputs, self.channels, strides, strict=True)]


def _read_channels(string: str) -> tuple[int, ...]:
    """'8:16:8:8:64' -> (8, 16, 8, 8, 64)."""
    counts = string.split(":")
    if not all(count.isdecimal() for count in counts):
        raise InputError(f"channels are whole numbers joined by ':', got {string!r}")
    return tuple(int(count) for count in counts)


class Cell(nn.Module):
    """A cell: node 0 is the input, node i is the sum of operation(node j) over all j < i, and node 3 is the output.

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


class CandidateNetwork(nn.Module):
    """The network that `config` describes, with PyTorch's default initial weights drawn from `rng`."""

    def __init__(self, config: NetworkConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.config = config
        with drawing_from(rng):
            self._build(config)

    def _build(self, config: NetworkConfig) -> None:
        first, last = config.channels[0], config.channels[-1]
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, first, 3, padding=1, bias=False),
            nn.BatchNorm2d(first),
        )
        self.cells = nn.ModuleList(
            Cell(config.cell, c_in, c_out) if stride == 1 else ResNetBasicblock(c_in, c_out, stride)
            for c_in, c_out, stride in config.layers
        )
        self.lastact = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU())
        self.classifier = nn.Linear(last, config.num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, in_channels, H, W) -> pooled features (B, channels[-1]) and logits (B, num_classes)."""
        x = self.stem(images)  # (B, channels[0], H, W)
        for layer in self.cells:
            x = layer(x)  # H and W halve at each of the two reduction blocks, rounded up
        features = self.lastact(x).mean(dim=(2, 3))  # (B, F)
        return features, self.classifier(features)
