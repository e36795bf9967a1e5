"""BOHB: Hyperband whose fresh architectures come from a density-ratio model.

Falkner, Klein, Hutter: "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML 2018,
https://arxiv.org/abs/1807.01774, algorithms 1 and 2. The model follows hpbandster 0.7.4 (`optimizers/config_generators/
bohb.py`, kernel density estimate of statsmodels) for categorical decisions, and is held to it numerically by a test;
defaults are those of the NATS-Bench scripts. It runs in process: no name server, no workers of its own.

Departures from hpbandster: the sort into good and bad is stable (hpbandster's is for up to 16 results), and a failed
evaluation is not modelled (hpbandster gives it infinite loss).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.oracle import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from nas_algos.multi_trial.hyperband import Hyperband, HyperbandConfig
from nas_algos.searcher import Trial, knob


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

    `data` is (n, d) choices; `bandwidth` (d,); `levels` (d,) counts the distinct choices present in each column.
    """

    data: NDArray[np.int64]
    bandwidth: NDArray[np.float64]
    levels: NDArray[np.int64]

    @classmethod
    def fit(cls, data: NDArray[np.int64], min_bandwidth: float) -> KDE:
        """Normal reference rule on the choice codes: h = 1.06 std n^(-1/(4+d)), at least `min_bandwidth`."""
        n, d = data.shape
        bandwidth = 1.06 * data.std(axis=0) * n ** (-1.0 / (4 + d))
        ordered = np.sort(data, axis=0)
        levels = 1 + np.count_nonzero(ordered[1:] != ordered[:-1], axis=0)
        return cls(data, np.maximum(bandwidth, min_bandwidth), levels)

    def pdf(self, points: NDArray[np.int64]) -> NDArray[np.float64]:
        """(m,) densities of (m, d) points: mean over data of prod_j (1 - h_j if equal else h_j / (L_j - 1)).

        A column with one level gives infinity, or NaN, to every other choice, as in statsmodels.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            different = self.bandwidth / (self.levels - 1)
            kernel = np.where(points[:, None] == self.data, 1 - self.bandwidth, different)  # (m, n, d)
            density: NDArray[np.float64] = kernel.prod(axis=2).mean(axis=1)
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
        l, g = good.pdf(candidates), bad.pdf(candidates)  # noqa: E741  the paper's names
        with np.errstate(invalid="ignore"):
            ratio = np.maximum(1e-32, g) / np.maximum(l, 1e-32)
        best, chosen = math.inf, None
        for candidate, value, density in zip(candidates.tolist(), ratio.tolist(), l.tolist(), strict=True):
            if not math.isfinite(value) and math.isfinite(density):
                return tuple(candidate)  # a choice no bad result has
            if value < best:
                best, chosen = value, candidate
        return self.space.sample(self.rng) if chosen is None else tuple(chosen)

    def _candidates(self, good: KDE) -> NDArray[np.int64]:
        """(num_samples, d): each keeps a good result's choice with probability 1 - h, else draws any choice."""
        d, options = self.space.shape
        shape = (self.config.num_samples, d)
        rows = good.data[self.rng.integers(len(good.data), size=shape[0])]
        keep = self.rng.random(shape) < 1 - good.bandwidth
        return np.where(keep, rows, self.rng.integers(options, size=shape))

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
        n, d = len(results), self.space.shape[0]
        n_good = max(d + 1, self.config.top_n_percent * n // 100)
        n_bad = max(d + 1, (100 - self.config.top_n_percent) * n // 100)
        if min(n_good, n - n_good) <= d:
            return
        order = np.argsort([loss for loss, _ in results], kind="stable")
        data = np.array([arch for _, arch in results])[order]
        floor = self.config.min_bandwidth
        self.models[epochs] = KDE.fit(data[:n_good], floor), KDE.fit(data[n_good : n_good + n_bad], floor)
