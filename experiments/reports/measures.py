"""How a report names, formats and orients what judges architectures: a metric of the test or the validation split.

Records and statistics hold scores, of which larger ones are better. A `Measure` turns them into values of the metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from benchmarks.metrics import Metric
from experiments.records.headers import StudyHeader
from experiments.reports.tables import DASH, plus_minus
from experiments.statistics.aggregates import Aggregate

Split = Literal["test", "validation"]
DIGITS = {"%": 2, "dB": 2}
"""Unit -> decimals of its numbers; other units have PLAIN_DIGITS."""
PLAIN_DIGITS = 4


@dataclass(frozen=True)
class Measure:
    """What judges the architectures of one data set."""

    metric: Metric
    split: Split = "test"
    """The split that is reported: 'validation' if the benchmark has no test."""

    @property
    def name(self) -> str:
        """'test accuracy'."""
        return f"{self.split} {self.metric.name}"

    @property
    def label(self) -> str:
        """Name and unit for axes and headings."""
        return f"{self.split} {self.metric.label}"

    @property
    def difference_unit(self) -> str:
        """Unit of a difference of two values; empty for a plain number."""
        return "percentage points" if self.metric.unit == "%" else self.metric.unit

    @property
    def digits(self) -> int:
        """Decimals of values and differences."""
        return DIGITS.get(self.metric.unit, PLAIN_DIGITS)

    def value(self, score: float) -> float:
        """The value with a score."""
        return self.metric.value(score)

    def number(self, score: float) -> str:
        """The value with a score, as the cell of a table: '94.08', or a dash for NaN."""
        return self.difference(self.metric.value(score))

    def difference(self, value: float) -> str:
        """A difference of values as the cell of a table; a dash for NaN."""
        return DASH if math.isnan(value) else f"{value + 0.0:.{self.digits}f}"  # + 0.0 turns -0.0 into 0.0

    def plus_minus(self, scores: Aggregate) -> str:
        """Mean and standard deviation of the values: '94.08 ± 0.26'."""
        return plus_minus(scores.in_units_of(self.metric), self.digits)

    def quantity(self, score: float) -> str:
        """The value with its unit: '94.08 %'."""
        return f"{self.number(score)} {self.metric.unit}".rstrip()


def common(measures: Iterable[Measure], text: Callable[[Measure], str], otherwise: str) -> str:
    """A text about measures if it is the same for all, else `otherwise`."""
    texts = {text(measure) for measure in measures}
    return texts.pop() if len(texts) == 1 else otherwise


def with_unit(name: str, unit: str) -> str:
    """'regret (percentage points)', or 'regret' without a unit."""
    return f"{name} ({unit})" if unit else name


def measures_of(header: StudyHeader) -> dict[str, Measure]:
    """Data set -> what judges its architectures: test scores, or validation scores on data sets without a test."""
    settings = header.settings
    return {
        dataset: Measure(settings.metric(dataset), "validation" if dataset in settings.untested else "test")
        for dataset in settings.datasets
    }
