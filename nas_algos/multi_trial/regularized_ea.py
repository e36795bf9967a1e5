"""Regularized evolution (aging evolution).

Real, Aggarwal, Huang, Le: "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019,
https://arxiv.org/abs/1802.01548, algorithm 1. Defaults are those of NATS-Bench (P = 10, S = 3).

Departures from the paper: with several trials open, children are bred from the members told so far, and members age in
the order of telling. A failed evaluation does not join the population.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

import numpy as np

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from benchmarks.spaces.base import uniform_int
from nas_algos.config import Config, knob
from nas_algos.searcher import Searcher, Trial


@dataclass(frozen=True)
class RegularizedEAConfig(Config):
    """Options of regularized evolution."""

    population_size: int = knob(10, "architectures alive at a time", symbol="P", low=1, log=True)
    sample_size: int = knob(3, "members drawn for a tournament, with replacement", symbol="S", low=1)
    mutation: Literal["uniform", "official"] = knob(
        "uniform",
        "uniform: one decision, drawn uniformly, changes, as in the paper; official: the NATS-Bench scripts' rule "
        "(tss prefers the edges of early nodes, sss may leave the architecture as it is; other spaces: as uniform)",
    )


class RegularizedEA(Searcher):
    """Tournament selection over a population that drops its oldest member, not its worst."""

    Config = RegularizedEAConfig

    def __init__(self, space: Space, config: RegularizedEAConfig, fidelity: Fidelity, rng: np.random.Generator) -> None:
        super().__init__(space, config, fidelity, rng)
        self.population: deque[tuple[float, Arch]] = deque(maxlen=config.population_size)  # oldest on the left

    def propose(self) -> tuple[Arch, Fidelity]:
        if self.next_id <= self.config.population_size or not self.population:
            return self.space.sample(self.rng), self.fidelity
        draws = (uniform_int(self.rng, len(self.population)) for _ in range(self.config.sample_size))
        _, parent = max((self.population[draw] for draw in draws), key=itemgetter(0))  # the first drawn wins ties
        mutate = self.space.mutate if self.config.mutation == "uniform" else self.space.mutate_official
        return mutate(parent, self.rng), self.fidelity

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        if not outcome.failed:
            self.population.append((outcome.score, trial.arch))  # a full deque drops its oldest: aging
