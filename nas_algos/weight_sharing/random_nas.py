"""Random search with parameter sharing: uniformly sampled paths train the weights, and rank random architectures.

Li, Talwalkar: "Random search and reproducibility for neural architecture search", UAI 2019,
https://arxiv.org/abs/1902.07638, algorithm 1, as run on NAS-Bench-201's space (`search-cell.py` of AutoDL-Projects,
random): in the training of weights every cell has a path of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.spaces import Arch
from benchmarks.spaces.tss import EDGES, OPERATIONS
from nas_algos.config import knob
from nas_algos.weight_sharing.method import SCORING_HELP, MethodConfig, best_of
from nas_algos.weight_sharing.shared_weights import Choice
from nas_algos.weight_sharing.topology import TopologyMethod
from supernets.images.search_batches import Batch

INCOMING = [[edge for edge, (target, _) in enumerate(EDGES) if target == node] for node in (1, 2, 3)]


@dataclass(frozen=True)
class RandomNASConfig(MethodConfig):
    """Options of random search with parameter sharing."""

    candidates: int = knob(100, "random architectures that are scored after an epoch", low=1, high=15625)
    scoring: Literal["same_batch", "successive_batches", "validation_set"] = knob("same_batch", SCORING_HELP)


class RandomNAS(TopologyMethod):
    """Learns weights only.

    Departure: the official loop also passes validation images through, to no effect but on the running statistics of
    stem and reduction blocks; this one does not.
    """

    Config = RandomNASConfig

    def weight_choice(self) -> Choice:
        cells = torch.stack([self._cell() for _ in range(self.weights.search_cells)])
        return (functional.one_hot(cells, len(OPERATIONS)).float(),)

    def _cell(self) -> Tensor:
        """(edges,) operations; no node has `none` on all its incoming edges."""
        cell = torch.empty(len(EDGES), dtype=torch.int64)
        for incoming in INCOMING:
            while True:
                drawn = torch.randint(len(OPERATIONS), (len(incoming),), generator=self.rng)
                if drawn.any():  # operation 0 is `none`
                    break
            cell[incoming] = drawn
        return cell

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        _ = base, held_out
        return None

    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The best of newly drawn different architectures."""
        positions = torch.randperm(len(self.space), generator=self.rng)[: self.config.candidates].tolist()
        return best_of([self.space.at_position(i) for i in positions], self, batches, self.config.scoring)

    def probabilities(self) -> Tensor:
        """Uniform for ever."""
        decisions, options = len(self.space.options), max(self.space.options)
        return torch.full((decisions, options), 1 / options)
