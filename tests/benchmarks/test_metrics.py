"""Metrics: direction, scores and values, ranges, and how tables store them."""

import json
import math

import numpy as np
import pytest

from benchmarks.errors import InputError
from benchmarks.metrics import ACCURACY, METRICS, Metric


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_a_better_value_has_a_larger_score_and_comes_back_from_it(metric: Metric) -> None:
    worse, better = (1.5, 2.5) if metric.larger_is_better else (2.5, 1.5)
    assert metric.score(better) > metric.score(worse) >= metric.worst_score
    assert metric.value(metric.score(better)) == better
    np.testing.assert_array_equal(metric.value(metric.score(np.array([worse, np.nan]))), [worse, np.nan])


@pytest.mark.parametrize("metric", [*METRICS.values(), Metric("PSNR", "dB", range=(0, None))], ids=lambda m: m.name)
def test_what_tables_store_is_read_back(metric: Metric) -> None:
    assert Metric.from_facts(json.loads(json.dumps(metric.to_facts(), allow_nan=False))) == metric


def test_a_known_metric_is_stored_by_name_unless_it_was_redefined() -> None:
    assert ACCURACY.to_facts() == "accuracy"
    assert isinstance(Metric("accuracy", "").to_facts(), dict)


@pytest.mark.parametrize(
    ("metric", "worst"),
    [
        (ACCURACY, 0.0),
        (METRICS["error"], -100.0),
        (METRICS["loss"], -math.inf),
        (METRICS["neg_loss"], -math.inf),
        (METRICS["SSIM"], -1.0),
    ],
)
def test_the_worst_score_is_that_of_the_bad_end_of_the_range(metric: Metric, worst: float) -> None:
    assert metric.worst_score == worst


def test_labels_have_the_unit_where_there_is_one() -> None:
    assert (ACCURACY.label, METRICS["SSIM"].label) == ("accuracy (%)", "SSIM")


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "x", "range": (1.0, 1.0)}, {"name": "x", "range": (2, 1)}])
def test_a_metric_without_name_or_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="a metric needs a name and a range whose least value is below"):
        Metric(**wrong)  # type: ignore[arg-type]
