"""A fast implementation of the searched cell of the topology supernet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from benchmarks.spaces.tss import EDGES, OPERATIONS
from supernets.search_cell import Computed, SearchCell

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(len(OPERATIONS))  # the order of OPERATIONS


class FusedSearchCell(SearchCell):
    """A `SearchCell` that takes a fraction of its time and memory.

    Edges with a common source share its ReLU and its pooled map, their convolutions are fused into one with more output
    channels, and the edge weight of a convolution is applied as the scale of its batch normalisation. `none` is never
    computed (the result would differ only for infinite inputs). Nor is an operation that no path of computed operations
    connects to the output; its running statistics stay as they are.
    """

    def forward(self, x: Tensor, weights: Tensor, computed: Computed) -> Tensor:
        scalars = [row.unbind() for row in weights.unbind()]
        useful = _useful_nodes(computed)
        nodes = [_Node(), _Node(), _Node(), _Node()]
        for edge, (target, _) in enumerate(EDGES):
            if weights.requires_grad:
                zeros = [w for w, used in zip(scalars[edge], computed[edge], strict=True) if not used]
                nodes[target].zeros.extend(zeros)
        for source in range(3):
            edges = [edge for edge, (target, j) in enumerate(EDGES) if j == source and useful[target]]
            for edge, map_, weight in self._outgoing(x, edges, scalars, computed) if useful[source] else ():
                nodes[EDGES[edge][0]].add(map_, weight)
            x = nodes[source + 1].total(x)
        return x

    def _outgoing(
        self, x: Tensor, edges: Sequence[int], scalars: Sequence[Sequence[Tensor]], computed: Computed
    ) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        """The maps on the edges out of node `x`, as (edge, map, its weight or None if the map is already weighted)."""
        using = {k: [edge for edge in edges if computed[edge][k]] for k in range(len(OPERATIONS))}
        if using[CONV_1X1] or using[CONV_3X3]:
            rectified = torch.relu(x)
            for k in (CONV_3X3, CONV_1X1):
                if using[k]:
                    weights = torch.stack([scalars[edge][k] for edge in using[k]])
                    for edge, map_ in zip(using[k], self._convolved(rectified, using[k], k, weights), strict=True):
                        yield edge, map_, None
        if using[POOL]:
            pooled = functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
            for edge in using[POOL]:
                yield edge, pooled, scalars[edge][POOL]
        for edge in using[SKIP]:
            yield edge, x, scalars[edge][SKIP]

    def _convolved(self, rectified: Tensor, edges: Sequence[int], k: int, weights: Tensor) -> tuple[Tensor, ...]:
        """Convolution k of each edge, normalised and weighted, from the ReLU of their source: (B, C, H, W) each."""
        convolutions, norms = [], []
        for edge in edges:
            _, convolution, norm = self.get_submodule(f"layers.{edge}.{k}.op").children()
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            convolutions.append(convolution)
            norms.append(norm)
        kernels = torch.cat([convolution.weight for convolution in convolutions])
        biases = [convolution.bias for convolution in convolutions if convolution.bias is not None]
        # Without running statistics, normalisation subtracts the mean of the batch, which would cancel the biases.
        bias = torch.cat(biases) if biases and norms[0].track_running_stats else None
        y = functional.conv2d(rectified, kernels, bias, padding=kernels.shape[-1] // 2)
        return torch.split(_batch_norm(y, norms, weights), rectified.shape[1], dim=1)


def _useful_nodes(computed: Computed) -> list[bool]:
    """Whether a path of computed operations leads from each node to the output."""
    useful = [False, False, False, True]
    for edge in reversed(range(len(EDGES))):  # a node's outgoing edges come after its incoming ones
        target, source = EDGES[edge]
        useful[source] |= useful[target] and any(computed[edge][k] for k in (SKIP, CONV_1X1, CONV_3X3, POOL))
    return useful


def _batch_norm(y: Tensor, norms: Sequence[nn.BatchNorm2d], weights: Tensor) -> Tensor:
    """Normalise m C channels by m normalisations of C channels each, and multiply each group of C by its weight.

    Args:
        weights: (m,), one per normalisation.
    """
    first = norms[0]
    scale, shift = weights.repeat_interleave(first.num_features), None  # (m C,)
    if first.affine:
        shift = scale * torch.cat([norm.bias for norm in norms])
        scale = scale * torch.cat([norm.weight for norm in norms])
    means = [norm.running_mean for norm in norms if norm.running_mean is not None]
    variances = [norm.running_var for norm in norms if norm.running_var is not None]
    mean, variance = (torch.cat(means), torch.cat(variances)) if means else (None, None)
    assert first.momentum is not None
    by_batch = first.training or mean is None
    z = functional.batch_norm(y, mean, variance, scale, shift, by_batch, first.momentum, first.eps)
    if first.training and mean is not None and variance is not None:
        for joined, parts in ((mean, means), (variance, variances)):
            for part, moved in zip(parts, torch.split(joined, first.num_features), strict=True):
                part.copy_(moved)
        for norm in norms:
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.add_(1)
    return z


@dataclass
class _Node:
    """The terms whose sum is a node of the cell."""

    plain: list[Tensor] = field(default_factory=list)
    scaled: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)  # the factors of `scaled`
    zeros: list[Tensor] = field(default_factory=list)  # numbers whose value is zero

    def add(self, map_: Tensor, weight: Tensor | None) -> None:
        if weight is None:
            self.plain.append(map_)
        else:
            self.scaled.append(map_)
            self.weights.append(weight)

    def total(self, like: Tensor) -> Tensor:
        plain = self.plain if self.plain or self.scaled else [torch.zeros_like(like)]
        weights = torch.stack(self.weights) if self.weights else None
        zero = torch.stack(self.zeros).sum() if self.zeros else None
        apply: Callable[..., Tensor] = _WeightedSum.apply  # PyTorch does not annotate it
        return apply(len(plain), weights, zero, *plain, *self.scaled)


class _WeightedSum(torch.autograd.Function):
    """The sum of plain maps, of weighted maps, and of a number that is zero, in one pass over each map.

    `weights`, (n,), multiply the last n maps. In the backward pass all plain maps share one gradient.
    """

    @staticmethod
    def forward(ctx: Any, plain: int, weights: Tensor | None, zero: Tensor | None, *maps: Tensor) -> Tensor:
        _ = zero  # adds nothing
        scaled = maps[plain:]
        ctx.plain = plain
        ctx.save_for_backward(weights, *(scaled if weights is not None and weights.requires_grad else ()))
        factors = () if weights is None else weights.to(maps[0].dtype).unbind()
        if plain > 1 or (plain and not scaled):
            total = maps[0] + maps[1] if plain > 1 else maps[0].clone()
            rest = maps[2:plain]
        elif plain:
            total = torch.addcmul(maps[0], scaled[0], factors[0])
            rest, scaled, factors = (), scaled[1:], factors[1:]
        else:
            total = scaled[0] * factors[0]
            rest, scaled, factors = (), scaled[1:], factors[1:]
        for map_ in rest:
            total.add_(map_)
        for map_, factor in zip(scaled, factors, strict=True):
            total.addcmul_(map_, factor)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, *scaled = ctx.saved_tensors
        _, of_weights, of_zero, *of_maps = ctx.needs_input_grad
        factors = () if weights is None else weights.to(gradient.dtype).unbind()
        plain = [gradient if needed else None for needed in of_maps[: ctx.plain]]
        maps = [
            gradient * factor if needed else None for needed, factor in zip(of_maps[ctx.plain :], factors, strict=True)
        ]
        inner = (
            torch.stack([_inner_product(gradient, map_) for map_ in scaled]).to(weights.dtype) if of_weights else None
        )
        return None, inner, gradient.sum() if of_zero else None, *plain, *maps


def _inner_product(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of two maps (B, C, H, W); one pass if both are stored channels-last."""
    a, b = (map_.permute(0, 2, 3, 1).reshape(-1) for map_ in (a, b))
    return torch.dot(a, b) if a.dtype in (torch.float32, torch.float64) else (a.float() * b.float()).sum()
