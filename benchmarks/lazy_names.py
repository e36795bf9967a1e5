"""Public names of a package that import their modules when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package's `__init__` (PEP 562).

    Importing one module of a package runs its `__init__`; with it, that does not import the slow dependencies of the
    others.

    Args:
        package: `__name__` of the package.
        modules: public name -> the module of the package that defines it.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return get
