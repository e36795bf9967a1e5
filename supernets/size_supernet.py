"""The supernet of the size space: the widest network, whose layers can pass on a part of their channels.

Dong, Liu, Musial, Gabrys: "NATS-Bench", TPAMI 2021, https://arxiv.org/abs/2009.00437, section 5, and
`GenericNAS301Model` of AutoDL-Projects. Instead of the modes of the official class, this one takes data,
`channel_choice`: a linear map on the output channels of each module. With w_k = 1 on the first c_k channels and 0 on
the others:

    FBNetV2's masking      sum_k p_k w_k                     a factor per channel
    TuNAS's masking        w_k of the sampled width          a factor per channel
    TAS's interpolation    q_1 A(c_1 -> c) + q_2 A(c_2 -> c)   a matrix, with `interpolation` as A
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.spaces import SizeSpace
from benchmarks.spaces.sss import CHANNELS, SIZE_CELL
from supernets.candidate_network import Cell, Layer, NetworkConfig
from supernets.ops import SEARCH_NORM, Norm, ResNetBasicblock
from supernets.randomness import drawing_from
from supernets.supernet import WidthSupernet

DECISION_OF_MODULE = (0, 0, 1, 2, 3, 4)
"""The decision about the width of the stem and of each of the five layers; stem and first layer share one."""


@dataclass(frozen=True)
class SizeSupernetConfig:
    """Everything that determines a size supernet, except its weights."""

    channels: tuple[int, ...] = CHANNELS  # channel count of each choice, ascending; all modules are as wide as the last
    num_classes: int = 10
    in_channels: int = 3  # colour channels of the images
    norm: Norm = SEARCH_NORM  # for stem, cells and last activation; reduction blocks use the standard one

    def __post_init__(self) -> None:
        if list(self.channels) != sorted(set(self.channels)) or not all(c >= 1 and c == int(c) for c in self.channels):
            raise InputError(
                f"the channel counts to choose from are ascending whole numbers, at least 1; got {self.channels}"
            )
        if not self.channels:
            raise InputError("there are no channel counts to choose from")
        _ = self.layers  # raises InputError for invalid channel counts

    def build(self, rng: torch.Generator) -> SizeSupernet:
        """The supernet with PyTorch's default initial weights drawn from `rng`."""
        return SizeSupernet(self, rng)

    @property
    def width(self) -> int:
        """The number of channels of every module."""
        return self.channels[-1]

    @property
    def layers(self) -> list[Layer]:
        """The five layers after the stem."""
        return NetworkConfig(SIZE_CELL, (self.width,) * 5, self.num_classes, self.in_channels).layers


class SizeSupernet(WidthSupernet):
    """The supernet that `config` describes, with PyTorch's default initial weights drawn from `rng`."""

    space = SizeSpace()
    decision_of_module = DECISION_OF_MODULE

    def __init__(self, config: SizeSupernetConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.channels = config.channels
        self.register_buffer("masks", masks(config.channels), persistent=False)
        with drawing_from(rng):
            self._build(config)

    def _build(self, config: SizeSupernetConfig) -> None:
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, config.width, 3, padding=1, bias=not config.norm.affine),
            config.norm.layer(config.width),
        )
        self.cells = nn.ModuleList(
            Cell(SIZE_CELL, c_in, c_out, config.norm) if stride == 1 else ResNetBasicblock(c_in, c_out, stride)
            for c_in, c_out, stride in config.layers
        )
        self.lastact = nn.Sequential(config.norm.layer(config.width), nn.ReLU())
        self.classifier = nn.Linear(config.width, config.num_classes)

    def forward(
        self, images: Tensor, channel_choice: Tensor, path_scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, in_channels, H, W) -> pooled features (B, width) and logits (B, num_classes).

        Args:
            channel_choice: the choice of each of the six modules, stem first: (6, width) factors of its channels, or
                (6, width, width) matrices, whose row i yields output channel i.
            path_scale: (5, B) factors of the outputs of each layer for drop-path, or None.

        Raises:
            InputError: `channel_choice` has another shape.
        """
        modules, width = len(self.decision_of_module), self.config.width
        if channel_choice.shape not in ((modules, width), (modules, width, width)):
            raise InputError(
                f"a channel choice has shape {(modules, width)} or {(modules, width, width)}, got "
                f"{tuple(channel_choice.shape)}"
            )
        choices = channel_choice.to(images.device, non_blocking=True).unbind()
        x = _chosen(self.stem(images), choices[0])  # (B, width, H, W)
        for i, (layer, choice) in enumerate(zip(self.cells, choices[1:], strict=True)):
            x = _chosen(layer(x), choice)  # H and W halve at the two reduction blocks
            if path_scale is not None:
                x = x * path_scale[i].to(x.dtype).view(-1, 1, 1, 1)
        features = self.lastact(x).mean(dim=(2, 3))  # (B, width)
        return features, self.classifier(features)


def _chosen(x: Tensor, choice: Tensor) -> Tensor:
    """Multiply the channels of (B, C, H, W) by factors (C,) or a matrix (C, C)."""
    choice = choice.to(x.dtype)
    if choice.ndim == 1:
        return x * choice.view(1, -1, 1, 1)
    return functional.conv2d(x, choice[:, :, None, None])


def masks(channels: tuple[int, ...]) -> Tensor:
    """The masks (choices, width): 1 on the first channels of each choice, 0 on the others."""
    return (torch.arange(channels[-1]) < torch.tensor(channels)[:, None]).to(torch.get_default_dtype())


def interpolation(given: int, wanted: int, width: int) -> Tensor:
    """The matrix (width, width) that maps the first `given` channels to the first `wanted`; the others become zero.

    New channel i is the mean of the old channels from floor(i given / wanted) up to ceil((i + 1) given / wanted):
    adaptive average pooling along the channels. Dong, Yang: "Network Pruning via Transformable Architecture Search",
    NeurIPS 2019, https://arxiv.org/abs/1905.09717, channel-wise interpolation (section 3.1).
    """
    matrix = torch.zeros(width, width)
    for i in range(wanted):
        first, stop = i * given // wanted, -(-(i + 1) * given // wanted)
        matrix[i, first:stop] = 1 / (stop - first)
    return matrix
