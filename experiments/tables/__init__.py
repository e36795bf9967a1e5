"""Benchmark tables on this machine: where they are found, importing, exporting, quality."""

from experiments.tables.exporting import export_benchmark
from experiments.tables.importing import import_benchmark
from experiments.tables.store import find_table, table_named

__all__ = ["export_benchmark", "find_table", "import_benchmark", "table_named"]
