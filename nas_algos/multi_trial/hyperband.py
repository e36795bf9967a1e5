"""Hyperband: brackets of successive halving, from many architectures trained briefly to few trained fully.

Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization", JMLR 18, 2018, https://arxiv.org/abs/1603.06560, algorithm 1. Bracket sizes are those of hpbandster
0.7.4, n = floor((s_max + 1) / (s + 1)) eta^s, where the paper has ceil((s_max + 1) eta^s / (s + 1)): [9, 3, 1], [3, 1],
[3] for eta = 3 and epochs 1, 4, 12. A promoted architecture is trained from scratch and charged in full.

With several trials open and a rung waiting for results, the next bracket starts. Failed evaluations are not promoted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from nas_algos.config import Config, knob
from nas_algos.searcher import Searcher, Trial


@dataclass(frozen=True)
class HyperbandConfig(Config):
    """Options of Hyperband."""

    eta: int = knob(3, "one in eta architectures is promoted to eta times the epochs", symbol="eta", low=2)
    min_epochs: int = knob(
        1, "fewest epochs of a rung; equal to the highest for a single fidelity", unit="epochs", low=1
    )


@dataclass
class Bracket:
    """Successive halving: `sizes[r]` architectures are trained to `rungs[r]`, the best are promoted to rung r + 1."""

    rungs: tuple[Fidelity, ...]
    sizes: list[int]
    rung: int = 0
    promoted: list[Arch] = field(default_factory=list)  # left to ask at this rung, best last; rung 0 draws fresh ones
    asked: int = 0  # trials asked at the current rung
    results: dict[int, tuple[float, Arch]] = field(default_factory=dict)  # trial id -> score, at the current rung

    @property
    def waiting(self) -> bool:
        """Whether all architectures of the rung have been asked, so that the next step depends on results."""
        return self.asked == self.sizes[self.rung]

    def record(self, trial: Trial, score: float) -> bool:
        """Record a result; returns whether the bracket is finished.

        The last result of a rung promotes its best architectures; among equal ones, those that were asked first.
        """
        self.results[trial.id] = (score, trial.arch)
        if len(self.results) < self.sizes[self.rung]:
            return False
        if self.rung + 1 == len(self.rungs):
            return True
        # algorithm 1, line 8: T = top_k(T, L, floor(n_i / eta))
        ranked = sorted(self.results.items(), key=lambda result: (-result[1][0], result[0]))
        survivors = [arch for _, (score, arch) in ranked if score > -math.inf][: self.sizes[self.rung + 1]]
        self.rung += 1
        self.sizes[self.rung] = len(survivors)
        self.promoted, self.asked, self.results = survivors[::-1], 0, {}
        return not survivors


class Hyperband(Searcher):
    """Cycles through brackets s = s_max, ..., 1, 0, from the most explorative one to full training only."""

    Config = HyperbandConfig
    _FIXED = Searcher._FIXED | {"_fidelities", "_cycle"}

    def __init__(self, space: Space, config: HyperbandConfig, fidelity: Fidelity, rng: np.random.Generator) -> None:
        super().__init__(space, config, fidelity, rng)
        if config.min_epochs > fidelity.epoch:
            raise InputError(
                f"min_epochs must be at most the {fidelity.epoch} epochs of the search, got {config.min_epochs}"
            )
        self._fidelities = tuple(Fidelity(fidelity.schedule, epochs) for epochs in _rungs(fidelity.epoch, config))
        rungs = len(self._fidelities)
        self._cycle = [_sizes(s, rungs - 1, config.eta) for s in range(rungs - 1, -1, -1)]  # algorithm 1, line 1
        self.started = 0  # number of brackets
        self.brackets: dict[int, Bracket] = {}  # number -> unfinished bracket
        self.bracket_of: dict[int, int] = {}  # open trial id -> bracket

    @property
    def fidelities(self) -> tuple[Fidelity, ...]:
        return self._fidelities

    def sample(self) -> Arch:
        """A fresh architecture for a lowest rung."""
        return self.space.sample(self.rng)  # algorithm 1, line 3

    def propose(self) -> tuple[Arch, Fidelity]:
        number = next((n for n, bracket in self.brackets.items() if not bracket.waiting), None)
        if number is None:
            number = self._start_bracket()
        bracket = self.brackets[number]
        bracket.asked += 1
        self.bracket_of[self.next_id] = number
        arch = self.sample() if bracket.rung == 0 else bracket.promoted.pop()
        return arch, bracket.rungs[bracket.rung]

    def _start_bracket(self) -> int:
        sizes = self._cycle[self.started % len(self._cycle)]
        rungs = self._fidelities[-len(sizes) :]  # algorithm 1, line 6: r_i
        self.brackets[self.started] = Bracket(rungs, sizes.copy())
        self.started += 1
        return self.started - 1

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        number = self.bracket_of.pop(trial.id)
        if self.brackets[number].record(trial, -math.inf if outcome.failed else outcome.score):
            del self.brackets[number]


def _rungs(epochs: int, config: HyperbandConfig) -> list[int]:
    """Epochs R eta^-s of the rungs, ascending, for s = s_max, ..., 1, 0, where s_max = floor(log_eta(R / r))."""
    s_max = 0
    while config.min_epochs * config.eta ** (s_max + 1) <= epochs:
        s_max += 1
    return [epochs // config.eta**s for s in range(s_max, -1, -1)]


def _sizes(s: int, s_max: int, eta: int) -> list[int]:
    """The number of architectures at each rung of bracket s."""
    first = (s_max + 1) // (s + 1) * eta**s  # algorithm 1, line 2: n
    return [max(1, first // eta**i) for i in range(s + 1)]  # algorithm 1, line 5: n_i
