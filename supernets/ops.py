"""The operations on the edges of a cell, and the residual block between the stages.

Dong, Yang: "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326, section 2.1. Attribute names are those of the
official code (AutoDL-Projects), so that official weights load. Every module maps (B, c_in, H, W) to
(B, c_out, H', W') with H' = ceil(H / stride) and W' = ceil(W / stride).

Two departures from the official code, neither of which affects a published network: `Zero` has this output size even
if the channels change, and `ResNetBasicblock` accepts images of odd size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError, unknown_name


@dataclass(frozen=True)
class Norm:
    """The options of an operation's batch normalisations. Stand-alone networks use the defaults."""

    affine: bool = True  # a learnt scale and shift per channel; without them the convolution has a bias
    track_running_stats: bool = True  # without them, evaluation also normalises by the statistics of its batch

    def layer(self, channels: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(channels, affine=self.affine, track_running_stats=self.track_running_stats)


STANDARD_NORM = Norm()
SEARCH_NORM = Norm(affine=False, track_running_stats=False)
"""The official default of searched layers, whose statistics depend on the sampled path."""


class ReLUConvBN(nn.Module):
    """ReLU, convolution, batch normalisation, in this order."""

    def __init__(self, kernel_size: int, c_in: int, c_out: int, stride: int = 1, norm: Norm = STANDARD_NORM) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.op = nn.Sequential(
            nn.ReLU(),  # not in place: a node feeds several edges
            nn.Conv2d(c_in, c_out, kernel_size, stride, padding, bias=not norm.affine),
            norm.layer(c_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.op(x)
        return y


class FactorizedReduce(nn.Module):
    """The skip connection at stride 2: even and odd pixels each produce half of the output channels."""

    def __init__(self, c_in: int, c_out: int, norm: Norm = STANDARD_NORM) -> None:
        super().__init__()
        halves = (c_out // 2, c_out - c_out // 2)
        self.convs = nn.ModuleList(nn.Conv2d(c_in, half, 1, stride=2, bias=not norm.affine) for half in halves)
        self.bn = norm.layer(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        shifted = functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]  # (B, c_in, H, W), its pixel 0 is pixel 1 of x
        even, odd = self.convs
        y: Tensor = self.bn(torch.cat((even(x), odd(shifted)), dim=1))  # (B, c_out, ceil(H / 2), ceil(W / 2))
        return y


class ChannelProjection(nn.Module):
    """The skip connection at stride 1 between different widths. There is no ReLU, as in the official code."""

    def __init__(self, c_in: int, c_out: int, norm: Norm = STANDARD_NORM) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 1, bias=not norm.affine)
        self.bn = norm.layer(c_out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return y


def skip_connect(c_in: int, c_out: int, stride: int = 1, norm: Norm = STANDARD_NORM) -> nn.Module:
    """The identity if shapes allow it, else a projection (officially, `FactorizedReduce` at either stride)."""
    if stride == 2:
        return FactorizedReduce(c_in, c_out, norm)
    return nn.Identity() if c_in == c_out else ChannelProjection(c_in, c_out, norm)


class Pooling(nn.Module):
    """3x3 average pooling that ignores padding, after a 1x1 ReLUConvBN if the numbers of channels differ."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1, norm: Norm = STANDARD_NORM) -> None:
        super().__init__()
        self.preprocess = nn.Identity() if c_in == c_out else ReLUConvBN(1, c_in, c_out, norm=norm)
        self.op = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.op(self.preprocess(x))
        return y


class Zero(nn.Module):
    """No connection. With equal numbers of channels it is x * 0, NaN where x is not finite, as in the official code.

    Departure: with different numbers of channels, the official code ignores the stride.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1, _norm: Norm = STANDARD_NORM) -> None:
        super().__init__()
        self.c_in, self.c_out, self.stride = c_in, c_out, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]  # (B, c_in, H', W')
        if self.c_in == self.c_out:
            return x * 0.0
        return x.new_zeros(x.shape[0], self.c_out, *x.shape[2:])


OPERATION_MODULES: dict[str, Callable[[int, int, int, Norm], nn.Module]] = {
    "none": Zero,
    "skip_connect": skip_connect,
    "nor_conv_1x1": partial(ReLUConvBN, 1),
    "nor_conv_3x3": partial(ReLUConvBN, 3),
    "avg_pool_3x3": Pooling,
}
"""Official name -> constructor of the operation, called with (c_in, c_out, stride, norm)."""


def operation(name: str, c_in: int, c_out: int, stride: int = 1, norm: Norm = STANDARD_NORM) -> nn.Module:
    """The operation with the official name `name`.

    Raises:
        InputError: no operation has this name, or `stride` is not 1 or 2.
    """
    if name not in OPERATION_MODULES:
        raise InputError(unknown_name("operation", name, list(OPERATION_MODULES)))
    _check_stride(stride)
    return OPERATION_MODULES[name](c_in, c_out, stride, norm)


class ResNetBasicblock(nn.Module):
    """A residual block of two 3x3 ReLUConvBN; between stages it has stride 2 and doubles the channels.

    He, Zhang, Ren, Sun: "Deep residual learning for image recognition", CVPR 2016, with average pooling and a 1x1
    convolution without batch normalisation in the shortcut.

    Departure: an odd last row or column is pooled by itself (the official code drops it, so that its shapes mismatch).
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 2, norm: Norm = STANDARD_NORM) -> None:
        super().__init__()
        _check_stride(stride)
        self.conv_a = ReLUConvBN(3, c_in, c_out, stride, norm)
        self.conv_b = ReLUConvBN(3, c_out, c_out, 1, norm)
        self.downsample = self._shortcut(c_in, c_out, stride, norm)

    @staticmethod
    def _shortcut(c_in: int, c_out: int, stride: int, norm: Norm) -> nn.Module:
        if stride == 2:
            return nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(c_in, c_out, 1, bias=False))
        return nn.Identity() if c_in == c_out else ReLUConvBN(1, c_in, c_out, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.downsample(x) + self.conv_b(self.conv_a(x))
        return y


def _check_stride(stride: int) -> None:
    if stride not in (1, 2):
        raise InputError(f"the stride of an operation is 1 or 2, got {stride}")
