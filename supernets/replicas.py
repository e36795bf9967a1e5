"""Networks of one architecture side by side in one: small networks cost less per network, and compute the same.

Channels k c, ..., k c + c - 1 of every layer belong to network k of K. Convolutions become grouped, the classifier a
batch of matrix products; what acts on single channels (batch normalisation, ReLU, pooling, sums) stays as it is. The
mathematics is that of K separate networks, the rounding of sums may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from supernets.candidate_network import CandidateNetwork
from supernets.ops import Zero

Stacked = TypeVar("Stacked", bound=nn.Module)


def side_by_side(networks: Sequence[CandidateNetwork]) -> CandidateNetwork:
    """One network with copies of the weights of K networks of the same config.

    It maps (B, K in_channels, H, W) to features (B, K F) and logits (B, K num_classes), of network k at k F and
    k num_classes.
    """
    first = networks[0]
    if any(network.config != first.config for network in networks):
        raise InputError("networks side by side have the same config")
    if len(networks) == 1:
        return deepcopy(first)
    together = deepcopy(first)
    for name, module in first.named_modules():
        parts = [network.get_submodule(name) for network in networks]
        match module:
            case nn.Conv2d():
                together.set_submodule(name, _convolution([part for part in parts if isinstance(part, nn.Conv2d)]))
            case nn.BatchNorm2d():
                together.set_submodule(name, _normalisation(parts, module))
            case nn.Linear():
                together.set_submodule(name, _Classifiers(parts))
            case Zero():
                together.set_submodule(name, Zero(len(parts) * module.c_in, len(parts) * module.c_out, module.stride))
    return together.train(first.training)


def _convolution(parts: list[nn.Conv2d]) -> nn.Conv2d:
    first, count = parts[0], len(parts)
    stacked = nn.Conv2d(
        count * first.in_channels,
        count * first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        groups=count,
        bias=first.bias is not None,
        device="meta",
    )
    return _with_state(stacked, parts)


def _normalisation(parts: Sequence[nn.Module], first: nn.BatchNorm2d) -> nn.BatchNorm2d:
    stacked = nn.BatchNorm2d(
        len(parts) * first.num_features,
        first.eps,
        first.momentum,
        first.affine,
        first.track_running_stats,
        device="meta",
    )
    return _with_state(stacked, parts)


class _Classifiers(nn.Module):
    """Linear layers, each on its own part of the features: (B, K F) -> (B, K classes)."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([part.get_parameter("weight").detach() for part in parts]))  # (K, C, F)
        self.bias = nn.Parameter(torch.stack([part.get_parameter("bias").detach() for part in parts]))  # (K, C)

    def forward(self, features: Tensor) -> Tensor:
        split = features.view(len(features), len(self.weight), -1)  # (B, K, F)
        return (torch.einsum("bkf,kcf->bkc", split, self.weight) + self.bias).flatten(1)


def _with_state(stacked: Stacked, parts: Sequence[nn.Module]) -> Stacked:
    """`stacked`, which has no numbers yet, with those of the parts one after the other along the first axis."""
    states = [part.state_dict() for part in parts]
    first = states[0]
    stacked.load_state_dict(
        {
            name: torch.cat([state[name] for state in states]) if first[name].ndim else first[name].clone()
            for name in first
        },
        assign=True,  # keeps type and device
    )
    return stacked
