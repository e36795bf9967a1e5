"""Random search: uniform architectures, independent, with replacement.

Bergstra and Bengio: "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012,
https://jmlr.org/papers/v13/bergstra12a.html. The baseline every other algorithm must beat.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch
from nas_algos.config import Config
from nas_algos.searcher import Searcher, Trial


@dataclass(frozen=True)
class RandomSearchConfig(Config):
    """The empty options of random search."""


class RandomSearch(Searcher):
    """Evaluates independent uniform draws from the space."""

    Config = RandomSearchConfig

    def propose(self) -> tuple[Arch, Fidelity]:
        return self.space.sample(self.rng), self.fidelity

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        """Ignore the outcome: the draws are independent."""
