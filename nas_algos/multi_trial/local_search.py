"""Local search: hill climbing over one-decision neighbourhoods, restarted at local optima.

White, Nolen, Savani: "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021,
https://arxiv.org/abs/2005.02960, algorithm 1, and its variant that moves at the first improvement. The paper stops at a
local optimum; here, as in its experiments with a fixed budget, the search restarts from a new random architecture.
An architecture with a known score is not asked again until all architectures of the space have one.

With several trials open and the whole neighbourhood asked but not yet told, the searcher already asks random
architectures; the best of them becomes the next start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from nas_algos.config import Config, knob
from nas_algos.searcher import Searcher, Trial


@dataclass(frozen=True)
class LocalSearchConfig(Config):
    """Options of local search."""

    initial_samples: int = knob(1, "random architectures evaluated before a climb starts at their best", low=1)
    accept: Literal["best", "first"] = knob(
        "best", "best: evaluate the whole neighbourhood, move to its best; first: move at the first improvement"
    )


class LocalSearch(Searcher):
    """Climbs to the best neighbour until none is better, then restarts."""

    Config = LocalSearchConfig

    def __init__(self, space: Space, config: LocalSearchConfig, fidelity: Fidelity, rng: np.random.Generator) -> None:
        super().__init__(space, config, fidelity, rng)
        self.scores: dict[Arch, float] = {}  # scores told so far; -inf if the evaluation failed
        self.starts: list[Arch] = []  # random architectures told since the last climb began
        self.random_ids: set[int] = set()  # open trials of such random architectures
        self.centre: Arch | None = None  # the current architecture of the climb
        self.unasked: list[Arch] = []  # neighbours of the centre not asked yet, shuffled
        self.pending: set[Arch] = set()  # neighbours of the centre that are asked and not told

    def propose(self) -> tuple[Arch, Fidelity]:
        while self.unasked and self.unasked[-1] in self.scores:
            self.unasked.pop()
        if not self.unasked:
            self.random_ids.add(self.next_id)
            return self._new_start(), self.fidelity
        arch = self.unasked.pop()
        self.pending.add(arch)
        return arch, self.fidelity

    def _new_start(self) -> Arch:
        arch = self.space.sample(self.rng)
        while arch in self.scores and len(self.scores) < len(self.space):
            arch = self.space.sample(self.rng)
        return arch

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        arch = trial.arch
        self.scores[arch] = -math.inf if outcome.failed else outcome.score
        if trial.id in self.random_ids:
            self.random_ids.remove(trial.id)
            if not outcome.failed:
                self.starts.append(arch)
        self.pending.discard(arch)
        self._climb()
        if self.centre is None and len(self.starts) >= self.config.initial_samples:
            self._move(max(self.starts, key=self.scores.__getitem__))
            self.starts.clear()
            self._climb()

    def _climb(self) -> None:
        """Move to improving neighbours as far as the known scores lead; end the climb at a local optimum."""
        while self.centre is not None:
            finished = not self.pending and all(arch in self.scores for arch in self.unasked)
            if not finished and self.config.accept == "best":
                return
            known = [arch for arch in self.space.neighbours(self.centre) if arch in self.scores]
            best = max(known, key=self.scores.__getitem__, default=self.centre)
            if self.scores[best] > self.scores[self.centre]:
                self._move(best)
            elif finished:
                self.centre = None
            else:
                return

    def _move(self, arch: Arch) -> None:
        neighbours = self.space.neighbours(arch)
        self.centre = arch
        self.unasked = [neighbours[i] for i in self.rng.permutation(len(neighbours)).tolist()]
        self.pending = set()
