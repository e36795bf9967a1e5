"""Seconds and memory of one search step, in a process of its own: python supernet_steps.py METHOD ours|plain.

`plain` is the same mathematics, written straightforwardly: cells by their definition, PyTorch's default memory layout,
and gradients of everything in the architecture step. CIFAR-10's sizes: C = 16, N = 5, batch 64, 32x32, two
threads. Prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from statistics import median
from typing import Any

import torch
from torch import Tensor

from nas_algos.weight_sharing import method_named
from nas_algos.weight_sharing.method import GradientMethod, SharedWeights
from supernets.fused_search_cell import FusedSearchCell
from supernets.images.labelled import Batch
from supernets.search_cell import SearchCell
from supernets.size_supernet import SizeSupernet, SizeSupernetConfig
from supernets.supernet import OperationSupernet
from supernets.topology_supernet import TopologySupernet, TopologySupernetConfig

STEPS = 4


def plain_descend(method: GradientMethod, loss: Tensor) -> Tensor:
    """Stands for GradientMethod.descend."""
    method.optimizer.zero_grad()
    method.weights.optimizer.zero_grad()
    loss.backward()
    method.optimizer.step()
    return loss.detach()


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
    cell = FusedSearchCell if kind == "ours" else SearchCell
    network = (
        TopologySupernet(TopologySupernetConfig(), rng, cell)
        if method_type.kind is OperationSupernet
        else SizeSupernet(SizeSupernetConfig(), rng)
    )
    if kind == "ours":
        network.to(memory_format=torch.channels_last)
    batches = [
        Batch(torch.randn(64, 3, 32, 32, generator=rng), torch.randint(10, (64,), generator=rng)) for _ in range(2)
    ]
    if kind == "plain":  # nothing else runs in this process
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
