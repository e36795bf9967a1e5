"""Benchmarks from scratch: train the architectures of a space, merge the results into a table."""

from benchmarks.lazy_names import lazy_names

_MODULES = {
    "BuildDirectory": "directory",
    "BuildHeader": "directory",
    "Images": "images",
}
__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
