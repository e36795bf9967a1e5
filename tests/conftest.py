"""Fixtures of all tests: real benchmark data where it is present, made-up tables that need none; parallel runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from benchmarks.metrics import ACCURACY, METRICS, Metric
from benchmarks.spaces import SPACES
from benchmarks.table import BenchmarkTable, Column, RowWriter, TableInfo, Task, preallocate
from experiments.records.study import TRIALS_SCHEMA

SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The default of `-n auto`: a process per core, at most 8.

    Files and single tests run in this process, since they end before others have started, and so do measurements of
    speed, since tests beside them would distort what they measure.
    """
    paths = [Path(argument.partition("::")[0]) for argument in config.args]
    alone = all(path.suffix == ".py" or path.name == "performance" for path in paths)
    return 0 if alone else min(os.cpu_count() or 1, 8)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of real benchmark data beside the project; tests that need it skip where it is absent."""
    if not SHARED.exists():
        pytest.skip(f"the real benchmark data is not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session", params=list(SPACES))
def made_up_table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    """A complete table of each space with learning curves and two seeds."""
    return write_made_up_table(tmp_path_factory.mktemp("tables"), request.param)


@pytest.fixture(scope="session")
def tss_table(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    return write_made_up_table(tmp_path_factory.mktemp("tables"), "tss")


@pytest.fixture(scope="session")
def digits_table(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    """Made-up numbers of tss under the name of the digits."""
    return write_made_up_table(tmp_path_factory.mktemp("tables"), "tss", "digits")


@pytest.fixture(scope="session")
def loss_table(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    """The losses of the architectures of tss, which are smaller-is-better."""
    return write_made_up_table(tmp_path_factory.mktemp("tables"), "tss", metric=METRICS["loss"])


@pytest.fixture(scope="session")
def untimed_table(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    """A table of tss without times and without a test."""
    return write_made_up_table(tmp_path_factory.mktemp("tables"), "tss", only_validation=True)


def write_made_up_table(
    folder: Path,
    space_name: str,
    dataset: str = "made-up",
    metric: Metric = ACCURACY,
    only_validation: bool = False,
) -> BenchmarkTable:
    """A table whose numbers are made up: accuracy is a smooth function of the choices plus noise per seed.

    Schedule '12' validated at every epoch, schedule '200' at its last; seeds 1 and 2.

    Args:
        metric: anything but accuracy holds 1 - accuracy / 100, or minus that if larger is better.
        only_validation: neither times nor a test.
    """
    space = SPACES[space_name]
    rng = np.random.default_rng(7)
    size = len(space)
    decisions, options = len(space.options), max(space.options)
    archs = np.array([space.arch(index) for index in range(size)])
    quality: NDArray[np.float64] = rng.random((decisions, options))[np.arange(decisions), archs].sum(axis=1) / decisions
    epochs = np.arange(1, 13)
    final = 50 + 40 * quality[:, None, None] + rng.normal(0, 0.5, (size, 2, 1))
    curve = final * (1 - 0.5 ** (1 + epochs / 3)) + rng.normal(0, 0.3, (size, 2, 12))
    train = np.broadcast_to(4 + 6 * quality[:, None, None], (size, 2, 1))
    seeds = ("1", "2")
    values = {
        Column(dataset, "12", "valid", metric.name, seeds, tuple(epochs.tolist())): curve,
        Column(dataset, "200", "valid", metric.name, seeds, (200,)): final,
        Column(dataset, "200", "test", metric.name, seeds, (200,)): final - 1,
    }
    if metric != ACCURACY:
        values = {column: metric.score(numbers / 100 - 1) for column, numbers in values.items()}
    if only_validation:
        values = {column: numbers for column, numbers in values.items() if column.split == "valid"}
    else:
        values |= {
            Column(dataset, "12", "train", "seconds", seeds): train,
            Column(dataset, "12", "valid", "seconds", seeds): train / 8,
        }
    task = Task(dataset, None if only_validation else dataset, "12", "200", metric)
    info = TableInfo(f"made-up-{space_name}", space_name, {dataset: task}, {})
    path = folder / f"{info.name}.arrow"
    preallocate(path, info, list(values), np.arange(size, dtype=np.int32))
    with RowWriter(path) as writer:
        writer.write(0, {column.name: array for column, array in values.items()})
    return BenchmarkTable.open(path)


def trials_table(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Trials out of (algorithm, dataset, run, architecture, elapsed, incumbent, validation, test)."""
    names = ["algorithm", "dataset", "run", "architecture", "elapsed", "incumbent", "report_validation", "report_test"]
    rest = {"trial": 1, "schedule": "12", "epoch": 12, "validation": 50.0, "seconds": 1.0}
    return pa.Table.from_pylist([{**rest, **dict(zip(names, row, strict=True))} for row in rows], schema=TRIALS_SCHEMA)
