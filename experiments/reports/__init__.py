"""Reports: one page from the records of studies and sweeps."""

from benchmarks.lazy_names import lazy_names

_MODULES = {
    "Report": "report",
    "write_report": "report",
}
__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
