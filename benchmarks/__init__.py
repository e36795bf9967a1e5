"""What can be searched and what was measured: spaces, benchmark tables, oracles. numpy and pyarrow only."""

from benchmarks.errors import InputError
from benchmarks.metrics import METRICS, Metric
from benchmarks.oracle import Oracle, SeedPolicy
from benchmarks.outcomes import Fidelity, FinalReport, Outcome
from benchmarks.spaces import SPACES, Arch, ProductSpace, SizeSpace, Space, TopologySpace, space_named
from benchmarks.table import BenchmarkTable, Column, TableError, TableInfo, Task

__all__ = [
    "METRICS",
    "SPACES",
    "Arch",
    "BenchmarkTable",
    "Column",
    "Fidelity",
    "FinalReport",
    "InputError",
    "Metric",
    "Oracle",
    "Outcome",
    "ProductSpace",
    "SeedPolicy",
    "SizeSpace",
    "Space",
    "TableError",
    "TableInfo",
    "Task",
    "TopologySpace",
    "space_named",
]
