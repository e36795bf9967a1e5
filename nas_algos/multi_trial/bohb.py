"""BOHB: Hyperband whose fresh architectures come from a density-ratio model.

Falkner, Klein, Hutter: "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML 2018,
https://arxiv.org/abs/1807.01774, algorithms 1 and 2. The model follows hpbandster 0.7.4 (`optimizers/config_generators/
bohb.py`, kernel density estimate of statsmodels) for categorical decisions, and a test compares it numerically;
defaults are those of the NATS-Bench scripts. It runs in one process, without a name server or workers of its own.

The model has the weaknesses of hpbandster's: choice codes are unordered, yet their standard deviation sets the
bandwidth, which has no upper bound; above 1 a good result's choice is never kept. On these spaces BOHB ends close to
random search, as in NATS-Bench (table 4: 93.01 against 93.03 percent on the size space, CIFAR-10).

Departures from hpbandster: the sort into good and bad is stable (ties: first told), and a failed evaluation is not
modelled (hpbandster gives it infinite loss).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from nas_algos.config import knob
from nas_algos.multi_trial.hyperband import Hyperband, HyperbandConfig
from nas_algos.searcher import Trial

MAX_DRAWS = 100
"""Upper bound of the rounds of candidates per trial; after these, fewer valid candidates are compared."""


@dataclass(frozen=True)
class BOHBConfig(HyperbandConfig):
    """Options of BOHB: those of Hyperband and those of the model."""

    num_samples: int = knob(4, "candidates drawn from the good density; the best ratio is taken", symbol="N_s", low=1)
    random_fraction: float = knob(0.0, "share of fresh architectures drawn uniformly", symbol="rho", low=0, high=1)
    min_bandwidth: float = knob(0.3, "lower bound of the kernel bandwidths", symbol="b_min", low=1e-6)
    top_n_percent: int = knob(15, "share of the results that count as good", symbol="q", unit="percent", low=1, high=99)


@dataclass(frozen=True)
class KDE:
    """Kernel density estimate over categorical decisions with the Aitchison-Aitken kernel.

    `data` is (d, n) choices. A decision with the same choice as the data point contributes 1 - h, any other choice
    h / (L - 1), where L counts the distinct choices in the data: infinity if there is only one, as in statsmodels.
    """

    data: NDArray[np.integer]
    bandwidth: NDArray[np.float64]  # h, (d,)
    different: NDArray[np.float64]  # h / (L - 1), (d,)

    @classmethod
    def fit(cls, data: NDArray[np.integer], options: int, min_bandwidth: float) -> KDE:
        """Fit one density by the rule of `fit_densities`."""
        return fit_densities((data,), options, min_bandwidth)[0]

    def pdf(self, points: NDArray[np.integer]) -> NDArray[np.float64]:
        """The densities (m,) of (d, m) points: the mean over the data of the product over the decisions."""
        equal = points[:, :, None] == self.data[:, None, :]  # (d, m, n)
        kernel = np.where(equal, (1 - self.bandwidth)[:, None, None], self.different[:, None, None])
        density: NDArray[np.float64] = np.multiply.reduce(kernel).sum(axis=1) / self.data.shape[1]
        return density


def fit_densities(parts: Sequence[NDArray[np.integer]], options: int, min_bandwidth: float) -> list[KDE]:
    """Fit a density to each part by the normal reference rule on the choice codes.

    The bandwidth is h = 1.06 std n^(-1/(4+d)), at least `min_bandwidth`. Computing all parts at once halves the time,
    most of which is overhead of array operations.

    Args:
        parts: (d, n) choices, each below `options`; d is the same in all parts.
    """
    d = len(parts[0])
    offsets, powers = _tables(d, options)
    counts = np.array([np.bincount((part + offsets).ravel(), minlength=d * options) for part in parts])
    counts = counts.reshape(-1, d, options)
    n = np.array([part.shape[1] for part in parts])[:, None]
    shrink = np.array([part.shape[1] ** (-1.0 / (4 + d)) for part in parts])[:, None]
    mean, square = (counts @ powers).transpose(2, 0, 1) / n
    h = np.maximum(1.06 * np.sqrt(np.maximum(square - mean * mean, 0.0)) * shrink, min_bandwidth)
    others = np.minimum(counts, 1).sum(axis=2) - 1  # L - 1
    different = np.divide(h, others, out=np.full(h.shape, np.inf), where=others > 0)
    return [KDE(*arrays) for arrays in zip(parts, h, different, strict=True)]


@lru_cache
def _tables(d: int, options: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(d, 1) codes of each decision's first choice, and (options, 2) powers 1 and 2 of the choices."""
    codes = np.arange(float(options))
    return options * np.arange(d)[:, None], np.stack([codes, codes * codes], axis=1)


@dataclass
class Results:
    """The results at one fidelity, sorted by ascending loss; among equal losses, the first one told comes first."""

    columns: NDArray[np.int16]
    """(d, capacity) choices; the first columns hold the architectures in the order of `losses`."""
    losses: list[float] = field(default_factory=list)
    model: tuple[KDE, KDE] | None = None
    """The densities (good l, bad g) of all results; None until they are fitted."""

    @classmethod
    def empty(cls, decisions: int) -> Results:
        """An empty set of results for architectures with this number of decisions."""
        return cls(np.zeros((decisions, 64), np.int16))

    @property
    def choices(self) -> NDArray[np.int16]:
        """The choices (d, n) of the architectures."""
        return self.columns[:, : len(self.losses)]

    def insert(self, loss: float, arch: Arch) -> None:
        """Add a result; this discards the fitted model."""
        n, at = len(self.losses), bisect_right(self.losses, loss)
        if n == self.columns.shape[1]:
            self.columns = np.concatenate([self.columns, np.zeros_like(self.columns)], axis=1)
        self.columns[:, at + 1 : n + 1] = self.columns[:, at:n]
        self.columns[:, at] = arch
        self.losses.insert(at, loss)
        self.model = None


class BOHB(Hyperband):
    """Draws candidates around good results and takes the one with the smallest ratio bad / good."""

    Config = BOHBConfig

    def __init__(self, space: Space, config: BOHBConfig, fidelity: Fidelity, rng: np.random.Generator) -> None:
        super().__init__(space, config, fidelity, rng)
        self.results: dict[int, Results] = {}  # epochs -> results
        self.modelled = 0  # highest epochs with enough results for a model; 0 if there are none

    def sample(self) -> Arch:
        if not self.modelled or self.rng.random() < self.config.random_fraction:
            return self.space.sample(self.rng)
        good, bad = self.model(self.modelled)
        candidates = self._candidates(good)
        with np.errstate(invalid="ignore"):  # infinity * 0, infinity - infinity
            densities = zip(
                candidates.T.tolist(), good.pdf(candidates).tolist(), bad.pdf(candidates).tolist(), strict=True
            )
        best, chosen = math.inf, None
        for candidate, l, g in densities:  # noqa: E741  the paper's names
            ratio = max(1e-32, g) / max(l, 1e-32)  # NaN counts as 1e-32 in g and stays in l
            if not math.isfinite(ratio) and math.isfinite(l):
                return tuple(candidate)  # a choice no bad result has
            if ratio < best:
                best, chosen = ratio, candidate
        return self.space.sample(self.rng) if chosen is None else tuple(chosen)

    def _candidates(self, good: KDE) -> NDArray[np.integer]:
        """Valid candidates (d, num_samples), or fewer columns if MAX_DRAWS draws of each yield no more.

        Each starts from a good result and keeps each choice with probability 1 - h, else draws any choice.
        """
        d, options = len(self.space.options), np.array(self.space.options)[:, None]
        parts: list[NDArray[np.integer]] = []
        left = self.config.num_samples
        for _ in range(MAX_DRAWS):
            uniform = self.rng.random((2 * d + 1, left))
            rows = good.data.take((uniform[0] * good.data.shape[1]).astype(np.intp), axis=1)
            keep = uniform[1 : d + 1] < 1 - good.bandwidth[:, None]
            drawn = np.where(keep, rows, (uniform[d + 1 :] * options).astype(np.int16))
            valid = list(map(self.space.is_valid, map(tuple, drawn.T.tolist())))
            parts.append(drawn if all(valid) else drawn[:, valid])
            left -= sum(valid)
            if not left:
                break
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        super().learn(trial, outcome)
        epochs = trial.fidelity.epoch
        if outcome.failed or self.modelled > epochs:
            return  # a model of a higher fidelity exists: this result is not modelled
        if epochs not in self.results:
            self.results[epochs] = Results.empty(len(trial.arch))
        self.results[epochs].insert(-outcome.score, trial.arch)
        good, bad = self._split(len(self.results[epochs].losses))
        if min(good, bad) > len(trial.arch):  # each side has more rows than decisions
            self.modelled = epochs

    def _split(self, n: int) -> tuple[int, int]:
        """The number of good ones among n results, and the number of the others."""
        good = max(len(self.space.options) + 1, self.config.top_n_percent * n // 100)
        return good, n - good

    def model(self, epochs: int) -> tuple[KDE, KDE]:
        """The densities (good l, bad g) of the results at `epochs`, fitted on first use; requires enough results."""
        results = self.results[epochs]
        if results.model is None:
            d, options = len(self.space.options), max(self.space.options)
            n_good, left = self._split(len(results.losses))
            n_bad = min(left, max(d + 1, (100 - self.config.top_n_percent) * len(results.losses) // 100))
            data = results.choices[:, : n_good + n_bad].copy()
            good, bad = fit_densities((data[:, :n_good], data[:, n_good:]), options, self.config.min_bandwidth)
            results.model = good, bad
        return results.model
