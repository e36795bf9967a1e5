"""BOHB: Hyperband whose fresh architectures come from a density-ratio model.

Falkner, Klein, Hutter: "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML 2018,
https://arxiv.org/abs/1807.01774, algorithms 1 and 2. The model follows hpbandster 0.7.4 (`optimizers/config_generators/
bohb.py`, kernel density estimate of statsmodels) for categorical decisions, and is held to it numerically by a test;
defaults are those of the NATS-Bench scripts. It runs in process: no name server, no workers of its own.

The model is only as good as hpbandster's: choice codes are unordered, yet their standard deviation sets the bandwidth,
which has no upper bound; above 1 a good result's choice is never kept. On these spaces BOHB ends close to random
search, as in NATS-Bench (table 4: 93.01 against 93.03 percent on the size space, CIFAR-10).

Departures from hpbandster: the sort into good and bad is stable (ties: first told), and a failed evaluation is not
modelled (hpbandster gives it infinite loss). In a space with invalid combinations, invalid candidates are drawn again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from nas_algos.config import knob
from nas_algos.multi_trial.hyperband import Hyperband, HyperbandConfig
from nas_algos.searcher import Trial

MAX_DRAWS = 100
"""Rounds of candidates per trial before fewer valid ones must do."""


@dataclass(frozen=True)
class BOHBConfig(HyperbandConfig):
    """Options of BOHB: those of Hyperband, and the model's."""

    num_samples: int = knob(4, "candidates drawn from the good density, the best ratio is taken", symbol="N_s", low=1)
    random_fraction: float = knob(0.0, "share of fresh architectures drawn uniformly", symbol="rho", low=0, high=1)
    min_bandwidth: float = knob(0.3, "lower bound of the kernel bandwidths", symbol="b_min", low=1e-6)
    top_n_percent: int = knob(
        15, "share of the results that counts as good", symbol="q", unit="percent", low=1, high=99
    )


@dataclass(frozen=True)
class KDE:
    """Kernel density estimate over categorical decisions with the Aitchison-Aitken kernel.

    `data` is (d, n) choices. A decision that equals the data's contributes 1 - h, any other h / (L - 1), where L counts
    the distinct choices in the data: infinity if there is only one, as in statsmodels.
    """

    data: NDArray[np.int64]
    bandwidth: NDArray[np.float64]  # h, (d,)
    different: NDArray[np.float64]  # h / (L - 1), (d,)

    @classmethod
    def fit(cls, data: NDArray[np.int64], options: int, min_bandwidth: float) -> KDE:
        """Normal reference rule on the choice codes: h = 1.06 std n^(-1/(4+d)), at least `min_bandwidth`."""
        d, n = data.shape
        flat = (data + options * np.arange(d)[:, None]).ravel()
        counts = np.bincount(flat, minlength=d * options).reshape(d, options).astype(np.float64)
        codes = np.arange(float(options))
        variance = counts @ (codes * codes) / n - (counts @ codes / n) ** 2
        h = np.maximum(1.06 * np.sqrt(np.maximum(variance, 0.0)) * n ** (-1.0 / (4 + d)), min_bandwidth)
        others = (counts > 0).sum(axis=1) - 1  # L - 1
        return cls(data, h, np.divide(h, others, out=np.full(d, np.inf), where=others > 0))

    def pdf(self, points: NDArray[np.int64]) -> NDArray[np.float64]:
        """(m,) densities of (d, m) points: the mean over the data of the product over the decisions."""
        equal = points[:, :, None] == self.data[:, None, :]  # (d, m, n)
        kernel = np.where(equal, (1 - self.bandwidth)[:, None, None], self.different[:, None, None])
        density: NDArray[np.float64] = np.multiply.reduce(kernel).sum(axis=1) / self.data.shape[1]
        return density


class BOHB(Hyperband):
    """Draws candidates around good results and takes the one with the smallest ratio bad / good."""

    Config = BOHBConfig

    def __init__(self, space: Space, config: BOHBConfig, fidelity: Fidelity, rng: np.random.Generator) -> None:
        super().__init__(space, config, fidelity, rng)
        self.results: dict[int, list[tuple[float, Arch]]] = {}  # epochs -> (loss, architecture) in order of telling
        self.models: dict[int, tuple[KDE, KDE]] = {}  # epochs -> (good l, bad g)

    def sample(self) -> Arch:
        if not self.models or self.rng.random() < self.config.random_fraction:
            return self.space.sample(self.rng)
        good, bad = self.models[max(self.models)]
        candidates = self._candidates(good)
        with np.errstate(invalid="ignore"):  # infinity / infinity, infinity * 0
            l, g = good.pdf(candidates), bad.pdf(candidates)  # noqa: E741  the paper's names
            ratio = np.fmax(g, 1e-32) / np.maximum(l, 1e-32)  # as Python's max: NaN counts as 1e-32 in g, stays in l
        best, chosen = math.inf, None
        for candidate, value, density in zip(candidates.T.tolist(), ratio.tolist(), l.tolist(), strict=True):
            if not math.isfinite(value) and math.isfinite(density):
                return tuple(candidate)  # a choice no bad result has
            if value < best:
                best, chosen = value, candidate
        return self.space.sample(self.rng) if chosen is None else tuple(chosen)

    def _candidates(self, good: KDE) -> NDArray[np.int64]:
        """(d, num_samples) valid candidates, or fewer columns if MAX_DRAWS draws of each give no more.

        Each starts from a good result and keeps its choice with probability 1 - h, else draws any choice.
        """
        d, options = len(self.space.options), np.array(self.space.options)[:, None]
        valid: list[Arch] = []
        for _ in range(MAX_DRAWS):
            uniform = self.rng.random((2 * d + 1, self.config.num_samples - len(valid)))
            rows = good.data.take((uniform[0] * good.data.shape[1]).astype(np.int64), axis=1)
            keep = uniform[1 : d + 1] < 1 - good.bandwidth[:, None]
            drawn = np.where(keep, rows, (uniform[d + 1 :] * options).astype(np.int64))
            valid += filter(self.space.is_valid, map(tuple, drawn.T.tolist()))
            if len(valid) == self.config.num_samples:
                break
        return np.array(valid, np.int64).reshape(-1, d).T

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        super().learn(trial, outcome)
        epochs = trial.fidelity.epoch
        if outcome.failed or max(self.models, default=0) > epochs:
            return  # a model of a higher fidelity exists: this result is not modelled
        results = self.results.setdefault(epochs, [])
        results.append((-outcome.score, trial.arch))
        self._fit(epochs, results)

    def _fit(self, epochs: int, results: list[tuple[float, Arch]]) -> None:
        """Split the results at the percentile and fit both densities, once each side has more rows than decisions."""
        n, d, options = len(results), len(self.space.options), max(self.space.options)
        n_good = max(d + 1, self.config.top_n_percent * n // 100)
        n_bad = max(d + 1, (100 - self.config.top_n_percent) * n // 100)
        if min(n_good, n - n_good) <= d:
            return
        ranked = sorted(results, key=itemgetter(0))[: n_good + n_bad]
        choices = np.fromiter(chain.from_iterable(arch for _, arch in ranked), np.int64, len(ranked) * d)
        data = np.ascontiguousarray(choices.reshape(-1, d).T)
        floor = self.config.min_bandwidth
        self.models[epochs] = KDE.fit(data[:, :n_good], options, floor), KDE.fit(data[:, n_good:], options, floor)
