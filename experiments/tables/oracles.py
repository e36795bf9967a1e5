"""Tables and their oracles, opened once per process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchmarks.costs import CostModel
from benchmarks.oracle import Oracle, SeedPolicy
from benchmarks.table import BenchmarkTable


def open_table(path: Path) -> BenchmarkTable:
    """Open the table at `path`, once per process while the file does not change; raises like `BenchmarkTable.open`."""
    state = path.stat()
    return _open(path, (state.st_ino, state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=8)
def _open(path: Path, state: tuple[int, ...]) -> BenchmarkTable:
    del state
    return BenchmarkTable.open(path)


@lru_cache(maxsize=8)
def oracle_of(table: Path, dataset: str, cost_model: CostModel = "nats", seed_policy: str = "sampled") -> Oracle:
    """The oracle of a table file, cached so that all jobs of a process share what it has read."""
    return Oracle(open_table(table), dataset, cost_model=cost_model, seed_policy=SeedPolicy.parse(seed_policy))
