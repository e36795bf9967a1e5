"""Options: fields of data classes with a meaning, a unit and a range, for command lines and messages.

A field made by `option` carries the metadata help, symbol, unit, low, high, log, flag, metavar, choices and unset.
Algorithms, recipes, networks, images, resources, evaluations and sweeps describe their options in this one way, and the
command line is generated from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, Field, field
from typing import Any, TypeVar

T = TypeVar("T")


def option(
    default: T, help: str, *, symbol: str = "", unit: str = "", low: float | None = None, high: float | None = None,
    log: bool = False, flag: str = "", metavar: str = "", choices: Iterable[str] = (), unset: str = "",
) -> T:  # fmt: skip
    """Return a field of a data class with its meaning, its symbol in the paper, its unit, and its closed range.

    Args:
        log: whether to tune it on a logarithmic scale.
        flag: its name on the command line, if different from the field's.
        metavar: the placeholder of its value on the command line, if that is not the name of its type.
        choices: the values of a string, if its type does not list them.
        unset: what holds if the value is None.
    """
    metadata = {
        "help": help, "symbol": symbol, "unit": unit, "low": low, "high": high, "log": log, "flag": flag,
        "metavar": metavar, "choices": tuple(choices), "unset": unset,
    }  # fmt: skip
    value: T = field(default=default, metadata=metadata)
    return value


def describe_range(option: Field[Any]) -> str:
    """The closed range of an option as text: '[1, 100]', '[0, inf)'."""
    low, high = option.metadata["low"], option.metadata["high"]
    left = "(-inf" if low is None else f"[{low:g}"
    right = "inf)" if high is None else f"{high:g}]"
    return f"{left}, {right}"


def default_of(option: Field[Any]) -> Any:
    """The default of an option."""
    assert option.default is not MISSING, "every option has a default"
    return option.default
