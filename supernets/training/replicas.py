"""K networks of one structure stacked side by side in one network, which computes the same faster if they are small.

Channels k c, ..., k c + c - 1 of every layer belong to network k of K. Convolutions become grouped, and the classifier
becomes a batch of matrix products; operations on single channels (batch normalisation, ReLU, pooling, sums) do not
change. The mathematics is that of K separate networks; the rounding of sums may differ.

If networks have different numbers of channels in a layer, the narrower ones are padded with channels whose weights are
all zero, including those of their batch normalisation. Such channels output zeros, no gradient reaches their weights,
and weight decay keeps them at zero: they stay zero in training and affect no result.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import deepcopy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from supernets.candidate_network import CandidateConfig, CandidateNetwork, NetworkConfig
from supernets.ops import Zero

Stacked = TypeVar("Stacked", bound=nn.Module)
LANES = 8
"""Different numbers of channels are padded to a multiple of this, the number of lanes of a vector unit."""


def structure(config: CandidateConfig) -> Hashable:
    """A key that is equal for configs whose networks can be stacked; one value for all networks that never can."""
    if not isinstance(config, NetworkConfig):
        return None
    kept = tuple(layer.c_in == layer.c_out for layer in config.layers if layer.stride == 1)
    return config.cell, len(config.channels), kept, config.num_classes, config.in_channels


def check_alike(configs: Sequence[NetworkConfig]) -> None:
    """Raise InputError unless all configs have the same `structure`."""
    for config in configs:
        if structure(config) != structure(configs[0]):
            raise InputError(
                "networks trained side by side may differ only in their numbers of channels, and must keep or change "
                f"them in the same cells; got {configs[0]} and {config}"
            )


def side_by_side(networks: Sequence[CandidateNetwork]) -> CandidateNetwork:
    """One network with copies of the weights of K networks whose configs have the same `structure`.

    It maps (B, K in_channels, H, W) to features (B, K F) and logits (B, K num_classes); those of network k start at k F
    and k num_classes. F is the number of channels of the last layer, padded.

    Raises:
        InputError: the networks differ in more than their numbers of channels.
    """
    check_alike([network.config for network in networks])
    first = networks[0]
    together = deepcopy(first)
    if len(networks) == 1:
        return together
    for name, module in first.named_modules():
        parts = [network.get_submodule(name) for network in networks]
        match module:
            case nn.Conv2d():
                together.set_submodule(name, _convolution(parts, module))
            case nn.BatchNorm2d():
                together.set_submodule(name, _normalisation(parts, module))
            case nn.Linear():
                together.set_submodule(name, _Classifiers(parts))
            case Zero():
                c_in, c_out = (_width([getattr(part, side) for part in parts]) for side in ("c_in", "c_out"))
                together.set_submodule(name, Zero(len(parts) * c_in, len(parts) * c_out, module.stride))
    return together.train(first.training)


def _width(channels: Sequence[int]) -> int:
    """The padded number of channels of each network, for networks with these `channels`."""
    most = max(channels)
    return most if most == min(channels) else -(-most // LANES) * LANES


def _convolution(parts: Sequence[nn.Module], first: nn.Conv2d) -> nn.Conv2d:
    weights = [part.get_parameter("weight") for part in parts]  # (c_out, c_in, kernel, kernel) each
    c_out, c_in = (_width([weight.shape[axis] for weight in weights]) for axis in (0, 1))
    sides = (first.kernel_size, first.stride, first.padding)
    kernel, stride, padding = (cast(tuple[int, int], side) for side in sides)  # PyTorch annotates any dimension
    stacked = nn.Conv2d(
        len(parts) * c_in,
        len(parts) * c_out,
        kernel,
        stride,
        padding,
        groups=len(parts),
        bias=first.bias is not None,
        device="meta",
    )
    return _with_state(stacked, parts, {"weight": (c_out, c_in), "bias": (c_out,)})


def _normalisation(parts: Sequence[nn.Module], first: nn.BatchNorm2d) -> nn.BatchNorm2d:
    width = _width([len(part.get_parameter("weight")) for part in parts])
    stacked = nn.BatchNorm2d(
        len(parts) * width,
        first.eps,
        first.momentum,
        first.affine,
        first.track_running_stats,
        device="meta",
    )
    return _with_state(stacked, parts, dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (width,)))


class _Classifiers(nn.Module):
    """Linear layers, each on its own part of the features: (B, K F) -> (B, K classes)."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        weights, biases = ([part.get_parameter(name).detach() for part in parts] for name in ("weight", "bias"))
        features = _width([weight.shape[1] for weight in weights])
        classes = len(biases[0])
        self.weight = nn.Parameter(torch.stack([_filled_up(weight, (classes, features)) for weight in weights]))
        self.bias = nn.Parameter(torch.stack(biases))  # (K, classes); weight: (K, classes, F)

    def forward(self, features: Tensor) -> Tensor:
        split = features.view(len(features), len(self.weight), -1)  # (B, K, F)
        return (torch.einsum("bkf,kcf->bkc", split, self.weight) + self.bias).flatten(1)


def _with_state(stacked: Stacked, parts: Sequence[nn.Module], shapes: dict[str, tuple[int, ...]]) -> Stacked:
    """`stacked`, whose tensors have no data yet, with the parts' tensors concatenated along the first axis.

    Args:
        shapes: name -> the shape to which each part's tensor is padded with zeros, along the first axes.
    """
    states = [part.state_dict() for part in parts]
    numbers = {
        name: torch.cat([_filled_up(state[name], shapes[name]) for state in states]) if tensor.ndim else tensor.clone()
        for name, tensor in states[0].items()
    }
    stacked.load_state_dict(numbers, assign=True)  # keeps type and device
    return stacked


def _filled_up(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`tensor` padded at the end with zeros, along the first axes, up to `shape`."""
    filled = tensor.new_zeros((*shape, *tensor.shape[len(shape) :]))
    filled[tuple(slice(size) for size in tensor.shape)] = tensor
    return filled
