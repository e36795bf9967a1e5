"""What a table says about itself: by hand, and on the real CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.table import BenchmarkTable
from experiments.tables.importing import import_benchmark
from experiments.tables.quality import final_mean, qualities, rank_correlation, seed_agreement

NAN = float("nan")


def test_rank_correlation_by_hand() -> None:
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([10.0, 20, 400])) == pytest.approx(1)
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([9.0, 2, 1])) == pytest.approx(-1)
    assert rank_correlation(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 4, 3])) == pytest.approx(0.8)


def test_what_is_not_measured_in_both_does_not_count() -> None:
    assert rank_correlation(np.array([1.0, 2, 3, 4, NAN]), np.array([1.0, 2, NAN, 3, 0])) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.array([1.0, 2, NAN]), np.array([1.0, 2, 3])))


def test_seed_agreement_is_the_mean_over_pairs_of_seeds() -> None:
    final = np.array([[1.0, 1, 4], [2, 2, 3], [3, 4, 2], [4, 3, 1]])
    assert seed_agreement(final) == pytest.approx((0.8 - 1 - 0.8) / 3)
    assert np.isnan(seed_agreement(final[:, :1]))


def test_a_table_tells_its_spread_and_agreement(tss_table: BenchmarkTable) -> None:
    searched, reported = qualities(tss_table)
    assert (searched.column.name, reported.column.name) == ("made-up/12/valid/accuracy", "made-up/200/test/accuracy")
    low, middle, high = reported.percentiles
    final = tss_table.values("made-up/200/test/accuracy")[:, :, 0].mean(axis=1)
    assert (np.mean(final < low), np.mean(final < middle)) == pytest.approx((0.05, 0.5), abs=1e-3)
    assert np.mean(final > high) == pytest.approx(0.05, abs=1e-3)
    assert 0.9 < reported.seed_agreement < 1
    assert reported.search_agreement == pytest.approx(1)
    assert 0.9 < searched.search_agreement < 1


def test_an_architecture_without_a_seed_has_the_mean_of_the_others(tss_table: BenchmarkTable) -> None:
    values = tss_table.values("made-up/200/valid/accuracy")[:, :, 0]
    assert final_mean(tss_table, "made-up/200/valid/accuracy")[5] == pytest.approx(values[5].mean())


def test_the_real_12_epoch_validation_agrees_with_the_200_epoch_test(shared_data: Path, tmp_path: Path) -> None:
    path = import_benchmark(shared_data / "nasbench201_accuracies.csv", tmp_path, progress=lambda *_: None)
    found = {quality.column.name: quality for quality in qualities(BenchmarkTable.open(path))}
    cifar10 = found["cifar10/12/valid/accuracy"]
    assert cifar10.search_agreement == pytest.approx(0.81, abs=0.1)
    assert np.isnan(cifar10.seed_agreement)  # means over seeds
