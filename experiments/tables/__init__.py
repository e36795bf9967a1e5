"""Benchmark tables on this machine: finding, importing, exporting and judging them."""

from benchmarks.lazy_names import lazy_names

_MODULES = {
    "export_benchmark": "exporting",
    "import_benchmark": "importing",
    "find_table": "store",
    "table_named": "store",
}
__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
