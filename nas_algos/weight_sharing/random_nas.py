"""Random search with parameter sharing: uniformly sampled paths train the weights, and rank random architectures.

Li, Talwalkar: "Random search and reproducibility for neural architecture search", UAI 2019,
https://arxiv.org/abs/1902.07638, algorithm 1, as run on NAS-Bench-201's space (`search-cell.py` of AutoDL-Projects,
random): while weights are trained, each cell has a path of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmarks.spaces import Arch
from nas_algos.config import knob
from nas_algos.weight_sharing.configs import SCORING_HELP, MethodConfig
from nas_algos.weight_sharing.draws import valid_draw
from nas_algos.weight_sharing.method import Method, best_of
from supernets.images.labelled import Batch
from supernets.supernet import Choice, OperationSupernet


@dataclass(frozen=True)
class RandomNASConfig(MethodConfig):
    """Options of random search with parameter sharing."""

    candidates: int = knob(100, "random architectures that are scored after an epoch", low=1)
    scoring: Literal["same_batch", "successive_batches", "validation_set"] = knob("same_batch", SCORING_HELP)


class RandomNAS(Method):
    """Trains only the weights, on random paths, and picks the best of random architectures.

    Departure: the official loop also passes validation images through the network, which only changes the running
    statistics of stem and reduction blocks; this one does not.
    """

    Config = RandomNASConfig
    kind = OperationSupernet

    def weight_choice(self) -> Choice:
        """A random path for each cell: (search_cells, decisions, options)."""
        paths = [self.path(self._cell()) for _ in range(self.supernet.search_cells)]
        return tuple(torch.stack(of_cells) for of_cells in zip(*paths, strict=True))

    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The best of `candidates` different random architectures, drawn anew in each epoch."""
        positions = torch.randperm(len(self.space), generator=self.rng)[: self.config.candidates].tolist()
        return best_of([self.space.at_position(i) for i in positions], self, batches, self.config.scoring)

    def _cell(self) -> Arch:
        """A random path; the choices into a node are drawn again until they connect it, as in the official code."""
        return valid_draw(self.space, self._connected, lambda arch: arch)

    def _connected(self) -> Arch:
        chosen: dict[int, int] = {}
        for decisions in self.supernet.incoming:
            while not any(choices := self._choices(decisions)):  # option 0 is no connection
                pass
            chosen |= zip(decisions, choices, strict=True)
        others = [decision for decision in range(len(self.space.options)) if decision not in chosen]
        chosen |= zip(others, self._choices(others), strict=True)
        return tuple(chosen[decision] for decision in range(len(self.space.options)))

    def _choices(self, decisions: Sequence[int]) -> list[int]:
        return [int(torch.randint(self.space.options[decision], (), generator=self.rng)) for decision in decisions]

    def probabilities(self) -> Tensor:
        """The uniform distribution."""
        options = torch.tensor(self.space.options)[:, None]
        return (torch.arange(int(options.max())) < options) / options
