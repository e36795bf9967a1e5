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
from typing import NamedTuple

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


class KDE(NamedTuple):
    """Kernel density estimate over categorical decisions with the Aitchison-Aitken kernel.

    `data` is (d, n) choices. A decision with the same choice as the data point contributes 1 - h, any other choice
    h / (L - 1), where L counts the distinct choices in the data: infinity if there is only one, as in statsmodels.
    """

    data: NDArray[np.integer]
    bandwidth: Sequence[float]  # h, (d,)
    different: Sequence[float]  # h / (L - 1), (d,)

    @classmethod
    def fit(cls, data: NDArray[np.integer], options: int, min_bandwidth: float) -> KDE:
        """Fit a density to (d, n) choices, each below `options`; see `Side.fit`."""
        side = Side.empty(len(data), options)
        for arch in data.T.tolist():
            side.add(arch)
        return cls(data, *side.fit(min_bandwidth))

    def pdf(self, points: NDArray[np.integer]) -> NDArray[np.float64]:
        """The densities (m,) of (d, m) points; see `pdfs`."""
        return pdfs((self,), points)[0]


def pdfs(densities: Sequence[KDE], points: NDArray[np.integer]) -> list[NDArray[np.float64]]:
    """Values (m,) of each density at (d, m) points: the mean over its data of the product over the decisions.

    Evaluating all densities at once saves time, most of which is overhead of array operations.
    """
    sizes = [density.data.shape[1] for density in densities]
    data = np.concatenate([density.data for density in densities], axis=1)  # (d, n), n over all densities
    kernels = [(other, 1 - h) for one in densities for h, other in zip(one.bandwidth, one.different, strict=True)]
    different = _positions(len(densities), len(data)).repeat(sizes, axis=1)[:, None]  # (d, 1, n), of h / (L - 1)
    # Looking the contributions up takes half the time of np.where, whose branches are unpredictable.
    kernel = np.array(kernels).take(different + (points[:, :, None] == data[:, None]))  # (d, m, n)
    products = np.multiply.reduce(kernel)  # (m, n)
    values, start = [], 0
    for size in sizes:
        values.append(np.add.reduce(products[:, start : start + size], axis=1) / size)
        start += size
    return values


@lru_cache
def _positions(densities: int, d: int) -> NDArray[np.intp]:
    """Positions (d, densities) of the first of two numbers in an array of shape (densities, d, 2)."""
    return np.arange(0, 2 * densities * d, 2).reshape(densities, d).T


@dataclass
class Side:
    """Sums over the choice codes of the good or of the bad architectures, to which a density is fitted.

    The sums are updated as architectures come and go. They are integers, hence exact.
    """

    sums: list[int]
    """(d,) sums of the choices."""
    squares: list[int]
    """(d,) sums of the squared choices."""
    counts: list[list[int]]
    """(d, options) how often each choice occurs."""
    n: int = 0
    fitted: tuple[list[float], list[float]] | None = None
    """What `fit` returns; None until it is called, and after each change."""

    @classmethod
    def empty(cls, decisions: int, options: int) -> Side:
        """A side without architectures, for `decisions` decisions of at most `options` options."""
        return cls([0] * decisions, [0] * decisions, [[0] * options for _ in range(decisions)])

    def add(self, arch: Sequence[int]) -> None:
        self._count(arch, 1)

    def remove(self, arch: Sequence[int]) -> None:
        self._count(arch, -1)

    def _count(self, arch: Sequence[int], sign: int) -> None:
        self.n += sign
        self.fitted = None
        for decision, choice in enumerate(arch):
            self.sums[decision] += sign * choice
            self.squares[decision] += sign * choice * choice
            self.counts[decision][choice] += sign

    def fit(self, min_bandwidth: float) -> tuple[list[float], list[float]]:
        """The bandwidths h by the normal reference rule on the choice codes, and h / (L - 1), each (d,).

        The rule is h = 1.06 std n^(-1/(4+d)), at least `min_bandwidth`.
        """
        if self.fitted is not None:
            return self.fitted
        n, shrink = self.n, self.n ** (-1.0 / (4 + len(self.sums)))
        bandwidth, different = [], []
        for total, square, counts in zip(self.sums, self.squares, self.counts, strict=True):
            mean = total / n
            variance = square / n - mean * mean  # may be rounded to below 0
            h = max(1.06 * math.sqrt(variance) * shrink, min_bandwidth) if variance > 0 else min_bandwidth
            others = len(counts) - counts.count(0) - 1  # L - 1
            bandwidth.append(h)
            different.append(h / others if others else math.inf)
        self.fitted = bandwidth, different
        return self.fitted


@dataclass
class Results:
    """The results at one fidelity, sorted by ascending loss; among equal losses, the first one told comes first.

    The good ones come first, then the bad ones, then those that are neither.
    """

    columns: NDArray[np.int16]
    """(d, capacity) choices; the first columns hold the architectures in the order of `losses`."""
    good: Side
    bad: Side
    losses: list[float] = field(default_factory=list)
    model: tuple[KDE, KDE] | None = None
    """The densities (good l, bad g), views of `columns`; None until they are fitted, and after each insertion."""

    @classmethod
    def empty(cls, decisions: int, options: int) -> Results:
        """An empty set of results for `decisions` decisions of at most `options` options."""
        return cls(np.zeros((decisions, 64), np.int16), Side.empty(decisions, options), Side.empty(decisions, options))

    @property
    def choices(self) -> NDArray[np.int16]:
        """The choices (d, n) of the architectures."""
        return self.columns[:, : len(self.losses)]

    def insert(self, loss: float, arch: Arch) -> None:
        """Add a result, which joins the side that it falls into; this discards the fitted model."""
        n, at = len(self.losses), bisect_right(self.losses, loss)
        if n == self.columns.shape[1]:
            self.columns = np.concatenate([self.columns, np.zeros_like(self.columns)], axis=1)
        self.columns[:, at + 1 : n + 1] = self.columns[:, at:n]
        self.columns[:, at] = arch
        self.losses.insert(at, loss)
        self.model = None
        if at < self.good.n:
            self.good.add(arch)
        elif at < self.good.n + self.bad.n:
            self.bad.add(arch)

    def divide(self, n_good: int, n_bad: int) -> None:
        """Make the first `n_good` results good and the next `n_bad` bad; after one insertion, few change sides."""
        good, bad, columns = self.good, self.bad, self.columns
        while (end := good.n + bad.n) < n_good + n_bad:
            bad.add(columns[:, end].tolist())
        while (end := good.n + bad.n) > n_good + n_bad:
            bad.remove(columns[:, end - 1].tolist())
        while good.n < n_good:
            bad.remove(best := columns[:, good.n].tolist())
            good.add(best)
        while good.n > n_good:
            good.remove(worst := columns[:, good.n - 1].tolist())
            bad.add(worst)


class BOHB(Hyperband):
    """Draws candidates around good results and takes the one with the smallest ratio bad / good."""

    Config = BOHBConfig
    _FIXED = Hyperband._FIXED | {"_options", "_constrained"}

    def __init__(self, space: Space, config: BOHBConfig, fidelity: Fidelity, rng: np.random.Generator) -> None:
        super().__init__(space, config, fidelity, rng)
        self._options = np.array(space.options)[:, None]  # (d, 1)
        self._constrained = len(space) < math.prod(space.options)  # some combinations of choices are invalid
        self.results: dict[int, Results] = {}  # epochs -> results
        self.modelled = 0  # highest epochs with enough results for a model; 0 if there are none

    def sample(self) -> Arch:
        if not self.modelled or self.rng.random() < self.config.random_fraction:
            return self.space.sample(self.rng)
        good, bad = self.model(self.modelled)
        candidates = self._candidates(good)
        with np.errstate(invalid="ignore"):  # infinity * 0, infinity - infinity
            densities = [values.tolist() for values in pdfs((good, bad), candidates)]
        best, chosen = math.inf, None
        for candidate, l, g in zip(candidates.T.tolist(), *densities, strict=True):  # noqa: E741  the paper's names
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
        d = len(self._options)
        kept = np.subtract(1, good.bandwidth)[:, None]  # (d, 1) chances
        parts: list[NDArray[np.integer]] = []
        left = self.config.num_samples
        for _ in range(MAX_DRAWS):
            uniform = self.rng.random((2 * d + 1, left))
            rows = good.data.take((uniform[0] * good.data.shape[1]).astype(np.intp), axis=1)
            drawn = np.where(uniform[1 : d + 1] < kept, rows, (uniform[d + 1 :] * self._options).astype(np.int16))
            if self._constrained:
                drawn = drawn[:, list(map(self.space.is_valid, map(tuple, drawn.T.tolist())))]
            parts.append(drawn)
            left -= drawn.shape[1]
            if not left:
                break
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        super().learn(trial, outcome)
        epochs = trial.fidelity.epoch
        if outcome.failed or self.modelled > epochs:
            return  # a model of a higher fidelity exists: this result is not modelled
        if epochs not in self.results:
            self.results[epochs] = Results.empty(len(trial.arch), max(self.space.options))
        results = self.results[epochs]
        results.insert(-outcome.score, trial.arch)
        good, bad = self._split(len(results.losses))
        results.divide(good, bad)
        if min(good, bad) > len(trial.arch):  # each side has more rows than decisions
            self.modelled = epochs

    def _split(self, n: int) -> tuple[int, int]:
        """The numbers of good and of bad ones among n results; rounding may leave one result that is neither."""
        least, percent = len(self.space.options) + 1, self.config.top_n_percent
        good = min(n, max(least, percent * n // 100))
        return good, min(n - good, max(least, (100 - percent) * n // 100))

    def model(self, epochs: int) -> tuple[KDE, KDE]:
        """The densities (good l, bad g) of the results at `epochs`, fitted on first use; requires enough results."""
        results = self.results[epochs]
        if results.model is None:
            n_good, n_bad = results.good.n, results.bad.n
            columns, min_bandwidth = results.columns, self.config.min_bandwidth
            good = KDE(columns[:, :n_good], *results.good.fit(min_bandwidth))
            bad = KDE(columns[:, n_good : n_good + n_bad], *results.bad.fit(min_bandwidth))
            results.model = good, bad
        return results.model
