"""Oracles of tables, opened once per process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchmarks.costs import CostModel
from benchmarks.oracle import Oracle, SeedPolicy
from benchmarks.table import BenchmarkTable


@lru_cache(maxsize=8)
def oracle_of(table: Path, dataset: str, cost_model: CostModel = "nats", seed_policy: str = "sampled") -> Oracle:
    """The oracle of a table file, cached so that all jobs of a process share what it has read."""
    return Oracle(BenchmarkTable.open(table), dataset, cost_model=cost_model, seed_policy=SeedPolicy.parse(seed_policy))
