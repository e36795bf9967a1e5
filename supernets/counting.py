"""Parameters and FLOPs of a network, by formula and by counting over its modules.

The conventions are those of the published tables. FLOPs are for one image: the multiply-accumulates of convolutions
(without bias) plus in * out + out for a linear layer; all other operations count as 0. Parameters are all learnt
numbers. The tables give both divided by 10^6.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.func import functional_call

from benchmarks.spaces import Arch
from benchmarks.spaces.tss import EDGES, OPERATIONS
from supernets.candidate_network import CandidateConfig, NetworkConfig

KERNEL_AREA = {
    "none": (0, 0),
    "skip_connect": (0, 1),
    "nor_conv_1x1": (1, 1),
    "nor_conv_3x3": (9, 9),
    "avg_pool_3x3": (0, 1),
}
"""Operation -> kernel pixels of its convolution with (equal, different) numbers of channels; 0 if it has none."""


class Cost(NamedTuple):
    """The size of a network in exact numbers, not millions."""

    parameters: int
    flops: int


class LayerCost(NamedTuple):
    """The output shape and the cost of one part of a stand-alone network, for one image."""

    module: str  # its name in CandidateNetwork: stem, cells.0, cells.1, ..., lastact, classifier
    shape: tuple[int, ...]  # of the output: (channels, height, width), or (classes,) for the classifier
    cost: Cost


class Convolutions(NamedTuple):
    """The convolutions of a layer, all with outputs of one size, and their batch normalisations."""

    weights: int  # each is one multiply-accumulate per output pixel
    normalised: int  # batch-normalised channels, with two parameters each

    def cost(self, pixels: int) -> Cost:
        """The cost of the convolutions for outputs of `pixels` = height * width pixels."""
        return Cost(self.weights + 2 * self.normalised, self.weights * pixels)


def cost_of(config: CandidateConfig, image_size: tuple[int, int] = (32, 32)) -> Cost:
    """The cost of any stand-alone network on images of (height, width): by formula if possible, else by counting."""
    if isinstance(config, NetworkConfig):
        return cost_by_formula(config, image_size)
    return cost_by_counting(config.build(torch.Generator()), (config.in_channels, *image_size))


def cost_by_formula(config: NetworkConfig, image_size: tuple[int, int] = (32, 32)) -> Cost:
    """The cost of the stand-alone network `config` on images of (height, width), without building it."""
    costs = [layer.cost for layer in layer_costs(config, image_size)]
    return Cost(sum(cost.parameters for cost in costs), sum(cost.flops for cost in costs))


def layer_costs(config: NetworkConfig, image_size: tuple[int, int] = (32, 32)) -> list[LayerCost]:
    """The parts whose costs add up to `cost_by_formula`, in the order in which the images pass through them."""
    height, width = image_size
    first, last = config.channels[0], config.channels[-1]
    stem = Convolutions(9 * config.in_channels * first, first)
    parts = [LayerCost("stem", (first, height, width), stem.cost(height * width))]
    for i, (c_in, c_out, stride) in enumerate(config.layers):
        height, width = -(-height // stride), -(-width // stride)  # rounded up
        layer = cell_convolutions(config.cell, c_in, c_out) if stride == 1 else block_convolutions(c_in, c_out)
        parts.append(LayerCost(f"cells.{i}", (c_out, height, width), layer.cost(height * width)))
    classifier = last * config.num_classes + config.num_classes
    return [
        *parts,
        LayerCost("lastact", (last, height, width), Convolutions(0, last).cost(height * width)),
        LayerCost("classifier", (config.num_classes,), Cost(classifier, classifier)),
    ]


def cell_convolutions(cell: Arch, c_in: int, c_out: int) -> Convolutions:
    """The convolutions on the six edges; those out of node 0 have `c_in` input channels, the others `c_out`."""
    weights = normalised = 0
    for (_, source), choice in zip(EDGES, cell, strict=True):
        c_source = c_in if source == 0 else c_out
        area = KERNEL_AREA[OPERATIONS[choice]][c_source != c_out]
        weights += area * c_source * c_out
        normalised += c_out if area else 0
    return Convolutions(weights, normalised)


def block_convolutions(c_in: int, c_out: int) -> Convolutions:
    """A reduction block: two 3x3 ReLUConvBN, and the 1x1 convolution of the shortcut, which is not normalised."""
    return Convolutions(9 * c_in * c_out + 9 * c_out * c_out + c_in * c_out, 2 * c_out)


def cost_by_counting(network: nn.Module, image_shape: tuple[int, int, int] = (3, 32, 32)) -> Cost:
    """The cost of any network of Conv2d and Linear layers on images of (channels, height, width).

    `network` runs once with its state on the meta device, which computes shapes only and leaves `network` unchanged.
    """
    flops = 0

    def add(module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal flops
        flops += _flops(module, output)

    hooks = [module.register_forward_hook(add) for module in network.modules()]
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    on_meta = {name: tensor.to("meta") for name, tensor in state.items()}
    dtype = next(network.parameters()).dtype
    images = torch.empty(2, *image_shape, dtype=dtype, device="meta")  # BN may refuse 1 image in training
    try:
        functional_call(network, on_meta, images)
    finally:
        for hook in hooks:
            hook.remove()
    return Cost(sum(parameter.numel() for parameter in network.parameters()), flops)


def _flops(module: nn.Module, output: Any) -> int:
    """FLOPs of a module for one image. `output`: (B, c_out, H, W) of a convolution, (B, ..., out) of a linear layer."""
    if isinstance(module, nn.Conv2d):
        pixels: int = output[0, 0].numel()
        return module.weight.numel() * pixels  # weight: (c_out, c_in / groups, kernel, kernel)
    if isinstance(module, nn.Linear):
        positions: int = output[0, ..., 0].numel()
        return sum(parameter.numel() for parameter in module.parameters()) * positions  # in * out + out
    return 0
