"""Fixtures of the benchmark tests: the official sample files, the real CSV, and the tables they become."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.convert import Source, open_source
from benchmarks.table import BenchmarkTable, RowWriter, preallocate

RELEASES = {"tss": "NATS-tss-v1_0-3ffb9-simple", "sss": "NATS-sss-v1_0-50262-simple"}


def write_table(source: Source, path: Path) -> BenchmarkTable:
    """Every row of `source` as a table at `path`, in this process."""
    preallocate(path, source.info, source.columns, source.architectures)
    with RowWriter(path) as writer:
        for block in source.blocks():
            for row, values in source.read(block):
                writer.write(row, values)
    return BenchmarkTable.open(path)


@pytest.fixture(scope="session")
def table_of() -> Callable[[Source, Path], BenchmarkTable]:
    return write_table


@pytest.fixture(scope="session")
def releases(shared_data: Path) -> dict[str, Path]:
    """Space -> directory with the official files of the architectures 0, 11 and 284."""
    return {space: shared_data / "nats_bench" / name for space, name in RELEASES.items()}


@pytest.fixture(scope="session")
def sample_tables(releases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, BenchmarkTable]:
    """Space -> table of the official sample files."""
    folder = tmp_path_factory.mktemp("samples")
    return {
        space: write_table(open_source(path, folder, lambda *_: None), folder / f"{space}.arrow")
        for space, path in releases.items()
    }


@pytest.fixture(scope="session")
def published_table(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    """The table of the real accuracies of all topologies, means over seeds."""
    folder = tmp_path_factory.mktemp("published")
    source = open_source(shared_data / "nasbench201_accuracies.csv", folder, lambda *_: None)
    return write_table(source, folder / "published.arrow")


@pytest.fixture(scope="session")
def golden(shared_data: Path) -> dict[str, dict[str, Any]]:
    """'<space>/<index>/<schedule>/<record>' -> the numbers that nats_bench 1.8 gave."""
    records: dict[str, dict[str, Any]] = json.loads((shared_data / "nats_golden_values.json").read_text())
    return records
