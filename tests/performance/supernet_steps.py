"""Seconds and memory of one search step, in a process of its own: python supernet_steps.py METHOD ours|plain.

`plain` is the same mathematics, written straightforwardly: one module per edge and operation, PyTorch's default memory
layout, and gradients of everything in the architecture step. CIFAR-10's sizes: C = 16, N = 5, batch 64, 32x32, two
threads. Prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.spaces.tss import EDGES
from nas_algos.weight_sharing import method_named
from nas_algos.weight_sharing.method import GradientMethod
from nas_algos.weight_sharing.shared_weights import SharedWeights
from supernets.images.search_batches import Batch
from supernets.search_cell import SearchCell
from supernets.size_supernet import SizeSupernet, SizeSupernetConfig
from supernets.topology_supernet import TopologySupernet, TopologySupernetConfig

STEPS = 4


def plain_cell(cell: SearchCell, x: Tensor, weights: Tensor, computed: Sequence[Sequence[bool]]) -> Tensor:
    """Stands for SearchCell.forward."""
    nodes = [x]
    for target in range(1, 4):
        terms = []
        for edge, (node, source) in enumerate(EDGES):
            if node == target:
                for k, operation in enumerate(cell.layers[edge]):  # type: ignore[arg-type]
                    if computed[edge][k]:
                        terms.append(operation(nodes[source]) * weights[edge][k])
                    elif weights.requires_grad:
                        terms.append(weights[edge][k])
        nodes.append(sum(terms))  # type: ignore[arg-type]
    return nodes[-1]


def plain_descend(method: GradientMethod, loss: Tensor) -> None:
    """Stands for GradientMethod.descend."""
    method.optimizer.zero_grad()
    method.weights.optimizer.zero_grad()
    loss.backward()
    method.optimizer.step()


def plain_logits(weights: SharedWeights, batch: Batch, choice: Any, parameters: Any = None) -> Tensor:
    """Stands for SharedWeights.logits."""
    network, images = weights.network, batch.images
    _, logits = (
        network(images, *choice)
        if parameters is None
        else torch.func.functional_call(network, dict(parameters), (images, *choice))
    )
    result: Tensor = logits
    return result


def main(name: str, kind: str) -> None:
    torch.set_num_threads(2)
    rng = torch.Generator().manual_seed(0)
    method_type = method_named(name)
    config = method_type.Config()
    network = (
        TopologySupernet(TopologySupernetConfig(), rng)
        if method_type.space_name == "tss"
        else SizeSupernet(SizeSupernetConfig(), rng)
    )
    if kind == "ours":
        network.to(memory_format=torch.channels_last)
    batches = [
        Batch(torch.randn(64, 3, 32, 32, generator=rng), torch.randint(10, (64,), generator=rng)) for _ in range(2)
    ]
    if kind == "plain":  # nothing else runs in this process
        SearchCell.forward = plain_cell  # type: ignore[method-assign]
        SharedWeights.logits = plain_logits  # type: ignore[method-assign]
        GradientMethod.descend = plain_descend  # type: ignore[method-assign]
    weights = SharedWeights(network, None, config, rng)  # type: ignore[arg-type]
    method = method_type(weights, rng)
    network.train()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        weights.step(batches[0], method.weight_choice())
        method.architecture_step(*batches)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": median(seconds[1:]), "megabytes": (peak - before) / 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
