"""Metrics: the quantity that a task measures of a trained architecture, its unit, and which direction is better.

Tables hold values in the metric's own unit. Searchers, records and statistics see scores, which are larger-is-better
for every metric: `Metric.score` and `Metric.value` convert between the two, and only the oracle does so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray

from benchmarks.errors import InputError

Numbers = TypeVar("Numbers", float, NDArray[Any])


@dataclass(frozen=True)
class Metric:
    """A quantity by which architectures are compared.

    Raises:
        InputError: the name or the range is empty.
    """

    name: str
    unit: str = ""
    """'%' for percent (0 to 100, not a fraction); empty for a plain number."""
    larger_is_better: bool = True
    range: tuple[float | None, float | None] = (None, None)
    """(least, greatest) possible value; None for no bound."""

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not self.name or not low < high:
            raise InputError(f"a metric needs a name and a range whose least value is below its greatest, got {self}")

    @property
    def bounds(self) -> tuple[float, float]:
        """(least, greatest) possible value; infinite for no bound."""
        low, high = self.range
        return -math.inf if low is None else low, math.inf if high is None else high

    @property
    def label(self) -> str:
        """Name and unit for axes and headings: 'accuracy (%)', 'SSIM'."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def score(self, value: Numbers) -> Numbers:
        """The score of a value in the metric's unit, where larger is better; NaN for NaN."""
        return value if self.larger_is_better else -value

    def value(self, score: Numbers) -> Numbers:
        """The value in the metric's unit that has this score."""
        return self.score(score)

    @property
    def worst_score(self) -> float:
        """The least possible score; minus infinity if values can be arbitrarily bad."""
        low, high = self.bounds
        return self.score(low if self.larger_is_better else high)

    def to_facts(self) -> str | dict[str, Any]:
        """The metric as stored in table metadata: the name of a metric in METRICS, all fields of any other."""
        return self.name if METRICS.get(self.name) == self else asdict(self)

    @classmethod
    def from_facts(cls, facts: str | Mapping[str, Any]) -> Metric:
        """The inverse of `to_facts`; LookupError or TypeError for anything that `to_facts` never returns."""
        return METRICS[facts] if isinstance(facts, str) else cls(**{**facts, "range": tuple(facts["range"])})


ACCURACY = Metric("accuracy", "%", range=(0.0, 100.0))

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        ACCURACY,
        Metric("mIoU", "%", range=(0.0, 100.0)),  # mean intersection over union
        Metric("mAP", "%", range=(0.0, 100.0)),  # mean average precision
        Metric("SSIM", range=(-1.0, 1.0)),  # structural similarity
        Metric("top5_accuracy", "%", range=(0.0, 100.0)),
        Metric("error", "%", larger_is_better=False, range=(0.0, 100.0)),
        Metric("neg_loss", range=(None, 0.0)),  # minus the loss, as TransNAS-Bench-101 publishes it
        Metric("loss", "nats", larger_is_better=False, range=(0.0, None)),  # cross entropy
        Metric("l1_loss", larger_is_better=False, range=(0.0, None)),
        Metric("perplexity", larger_is_better=False, range=(1.0, None)),
    )
}
"""Name -> metric. If a data set has several, the first one in this order scores its architectures by default."""
