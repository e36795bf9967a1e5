"""REINFORCE: a policy gradient on one independent softmax per decision.

Williams: "Simple statistical gradient-following algorithms for connectionist reinforcement learning", Machine Learning
8, 1992, with the policy, baseline and defaults of NATS-Bench (`reinforce.py` of AutoDL-Projects/exps/NATS-algos). Adam
is Kingma and Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980. The reward is the score as the task gives it
(percent accuracy), without entropy bonus or clipping.

Departure: with several trials open, the gradient of log p is taken at the current policy when an outcome is told.
A failed evaluation gives no update.

In a space with invalid combinations the policy is sampled until an architecture is valid, and the gradient is that of
log p(arch) under the independent softmaxes, without the term of log P(valid), which has no closed form. A policy whose
MAX_DRAWS samples are all invalid is replaced by a uniform sample of the space for that trial.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from nas_algos.config import Config, knob
from nas_algos.searcher import Searcher, Trial

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults
MAX_DRAWS = 1000
"""Upper bound of the policy's samples per trial; after these, the space is sampled uniformly."""


@dataclass(frozen=True)
class ReinforceConfig(Config):
    """Options of REINFORCE."""

    learning_rate: float = knob(0.01, "step size of Adam", symbol="alpha", low=1e-8, log=True)
    ema_momentum: float = knob(0.9, "momentum of the reward baseline", symbol="m", low=0, high=0.9999)
    init_scale: float = knob(1e-3, "standard deviation of the initial logits", low=0)


class Reinforce(Searcher):
    """Samples every decision from softmax(theta); each outcome moves theta along (r - b) grad log p(arch)."""

    Config = ReinforceConfig
    _FIXED = Searcher._FIXED | {"_first", "_last", "_one_hot", "_constrained"}

    def __init__(self, space: Space, config: ReinforceConfig, fidelity: Fidelity, rng: np.random.Generator) -> None:
        super().__init__(space, config, fidelity, rng)
        self._first = (0,) * len(space.options)
        self._last = tuple(options - 1 for options in space.options)
        self._one_hot = np.eye(max(space.options))
        self._constrained = len(space) < math.prod(space.options)  # some combinations of choices are invalid
        exists = np.arange(max(space.options)) < np.array(space.options)[:, None]  # (decisions, most options)
        self.theta = np.full(exists.shape, -np.inf)  # logits; minus infinity where a decision has no such option
        self.theta[exists] = config.init_scale * rng.standard_normal(sum(space.options))
        self.m, self.v, self.step = np.zeros(exists.shape), np.zeros(exists.shape), 0  # Adam's moments
        self.policy = softmax(self.theta)  # (decisions, most options) probabilities
        self.baseline = self.baseline_weight = 0.0  # b, the bias-corrected moving average of the reward

    def propose(self) -> tuple[Arch, Fidelity]:
        cumulative = np.add.accumulate(self.policy, axis=1).tolist()
        for _ in range(MAX_DRAWS):
            uniform = self.rng.random(len(cumulative)).tolist()
            # Inverse CDF. The search ends before the last choice, where the CDF may be rounded to below 1.
            arch = tuple(map(bisect_left, cumulative, uniform, self._first, self._last))
            if not self._constrained or self.space.is_valid(arch):
                return arch, self.fidelity
        return self.space.sample(self.rng), self.fidelity

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        if outcome.failed:
            return
        momentum = self.config.ema_momentum
        self.baseline_weight = momentum * self.baseline_weight + (1 - momentum)
        self.baseline += (1 - momentum) / self.baseline_weight * (outcome.score - self.baseline)
        advantage = outcome.score - self.baseline  # r - b, exactly zero at the first outcome
        gradient = self.policy - self._one_hot.take(trial.arch, axis=0)  # d/dtheta of -log p(arch)
        gradient *= advantage
        self._adam(gradient)
        self.policy = softmax(self.theta)

    def _adam(self, gradient: NDArray[np.float64]) -> None:
        """Take one step of Adam, which minimises. The updates are in place: arrays this small cost most to create."""
        self.step += 1
        change = gradient - self.m
        change *= 1 - BETA1
        self.m += change
        change = gradient * gradient
        change -= self.v
        change *= 1 - BETA2
        self.v += change
        scale = self.v / (1 - BETA2**self.step)  # v_hat
        np.sqrt(scale, out=scale)
        scale += EPSILON
        change = self.m / (1 - BETA1**self.step)  # m_hat
        change *= self.config.learning_rate
        change /= scale
        self.theta -= change


def softmax(theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row-wise exp(theta) / sum exp(theta), shape (decisions, most options); 0 where theta is minus infinity."""
    p: NDArray[np.float64] = theta - np.maximum.reduce(theta, axis=1, keepdims=True)
    np.exp(p, out=p)
    p /= np.add.reduce(p, axis=1, keepdims=True)
    return p
