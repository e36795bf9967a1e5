"""The tables that come with the package: what they cover, how well they tell architectures apart, and that training an
architecture again gives what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest

from benchmarks.oracle import Oracle
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable
from benchmarks.verify import verify_table
from experiments.factory.digits import RECIPE
from experiments.tables.quality import final_mean, qualities, rank_correlation
from experiments.tables.store import embedded
from supernets.counting import cost_by_formula
from supernets.images.tasks import digits_task
from supernets.networks import candidate_config
from supernets.settings import settings_of
from supernets.training.devices import single_threaded
from supernets.training.train import train_candidate

DATASET = "digits"


@pytest.fixture(scope="module", params=embedded(), ids=lambda path: path.stem)
def table(request: pytest.FixtureRequest) -> BenchmarkTable:
    return BenchmarkTable.open(request.param)


def test_the_topology_space_comes_with_the_package() -> None:
    assert "tss-digits" in [path.stem for path in embedded()]


def test_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in embedded()) <= 12e6


def test_every_architecture_is_measured(table: BenchmarkTable) -> None:
    size = len(space_named(table.info.space))
    assert table.architectures.tolist() == list(range(size))
    for name in table.columns:
        assert np.isfinite(table.values(name)).all(), name
    assert all(finding.ok for finding in verify_table(table))


def test_it_is_searched_after_a_short_training_and_reported_after_a_longer_one(table: BenchmarkTable) -> None:
    oracle = Oracle(table, DATASET)
    search, report = oracle.search_fidelity, oracle.report_fidelity
    assert search.epoch == int(search.schedule) < report.epoch == int(report.schedule)
    assert oracle.epochs(search.schedule) == tuple(range(1, search.epoch + 1)), "learning curves"


def test_it_is_of_the_images_that_the_package_makes(table: BenchmarkTable) -> None:
    task = digits_task()
    assert task.fingerprint() in table.info.provenance["images"]
    splits = [task.train, *task.evaluation.values()]
    assert [len(split) for split in splits] == [600, 597, 600]


def test_it_tells_architectures_apart(table: BenchmarkTable) -> None:
    """Two seeds of the topology space rank them alike; the size space was trained with one."""
    searched, reported = qualities(table)
    for quality in (searched, reported):
        low, _, high = quality.percentiles
        assert high - low >= 10
    assert searched.search_agreement >= 0.5
    if table.info.space == "tss":
        assert searched.seed_agreement >= 0.8


def test_isomorphic_architectures_have_the_numbers_of_one_of_them(table: BenchmarkTable) -> None:
    space, column = space_named(table.info.space), f"{DATASET}/{Oracle(table, DATASET).search_fidelity.schedule}"
    trained = table.values(f"{column}/network/trained_as")[:, 0, 0].astype(int)
    if table.info.space == "sss":
        assert trained.tolist() == list(range(len(space)))
        return
    assert len(set(trained)) == 6466
    accuracies = table.values(f"{column}/valid/accuracy")
    for index in np.random.default_rng(0).integers(len(space), size=300).tolist():
        assert space.canonical(space.arch(index)) == space.canonical(space.arch(trained[index]))
        assert np.array_equal(accuracies[index], accuracies[trained[index]])


def test_sizes_are_those_of_the_networks(table: BenchmarkTable) -> None:
    space, column = space_named(table.info.space), f"{DATASET}/{Oracle(table, DATASET).search_fidelity.schedule}"
    for index in np.random.default_rng(1).integers(len(space), size=50).tolist():
        network = candidate_config(space.name, space.arch(index), 10, 1, settings_of(space.name).digits_scale)
        for quantity, number in zip(("params", "flops"), cost_by_formula(network, (10, 10)), strict=True):
            assert table.values(f"{column}/network/{quantity}")[index, 0, 0] == pytest.approx(number / 1e6)


def test_training_again_gives_what_it_says(table: BenchmarkTable) -> None:
    """Trainings are chaotic, so it is the ranks of some architectures, and their mean, that come back."""
    space, fidelity = space_named(table.info.space), Oracle(table, DATASET).search_fidelity
    column = table.values(f"{DATASET}/{fidelity.schedule}/valid/accuracy")
    drawn = np.random.default_rng(2).integers(len(space), size=24).tolist()
    recipe = RECIPE.lasting(int(fidelity.schedule))
    again = []
    with single_threaded():
        for index in drawn:
            network = candidate_config(space.name, space.arch(index), 10, 1, settings_of(space.name).digits_scale)
            again.append(train_candidate(network, digits_task(), recipe, 0).measurements["valid"][-1].accuracy)
    held = column[drawn, 0, -1]
    assert rank_correlation(np.array(again), held) >= 0.6
    assert np.mean(again) == pytest.approx(held.mean(), abs=4)


def test_it_ranks_the_topology_space_somewhat_as_published_benchmarks_do(shared_data: Path) -> None:
    (path,) = [path for path in embedded() if path.stem == "tss-digits"]
    searched = final_mean(BenchmarkTable.open(path), f"{DATASET}/6/valid/accuracy")
    published = pyarrow.csv.read_csv(shared_data / "nasbench201_accuracies.csv")
    for column, least in (("cifar10_valid_accuracy_12", 0.45), ("imagenet16_120_test_accuracy_200", 0.3)):
        assert rank_correlation(searched, published[column].to_numpy()) >= least
