"""Configurations of search algorithms: frozen data classes whose fields carry unit, range and help text."""

from __future__ import annotations

import inspect
import math
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from benchmarks.errors import InputError

T = TypeVar("T", bound=float | int | str)


def knob(
    default: T, help: str, *, symbol: str = "", unit: str = "", low: float | None = None, high: float | None = None,
    log: bool = False,
) -> T:  # fmt: skip
    """A field of an algorithm's config: its meaning, the paper's symbol, its unit and its closed range.

    `log` means that it should be tuned on a logarithmic scale.
    """
    metadata = {"help": help, "symbol": symbol, "unit": unit, "low": low, "high": high, "log": log}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """The options of one algorithm; every field is a `knob`. InputError on construction if one is out of range."""

    def __post_init__(self) -> None:
        kinds = get_type_hints(type(self))
        for option in fields(self):
            value, kind = getattr(self, option.name), kinds[option.name]
            if get_origin(kind) is Literal:
                if value not in get_args(kind):
                    raise InputError(f"{option.name} must be one of {', '.join(get_args(kind))}, got {value!r}")
                continue
            if kind is bool and not isinstance(value, bool):
                raise InputError(f"{option.name} must be true or false, got {value!r}")
            low, high = option.metadata["low"], option.metadata["high"]
            inside = (low is None or value >= low) and (high is None or value <= high)  # never of NaN
            if not inside or not math.isfinite(value):
                raise InputError(f"{option.name} must be in {describe_range(option)}, got {value}")
            if kind is int and value != int(value):
                raise InputError(f"{option.name} must be a whole number in {describe_range(option)}, got {value}")


def check_knobs(config: type[Config]) -> None:
    """InputError unless a Config is a dataclass of knobs, each of them int, float, bool or a Literal of strings."""
    owner = f"the Config {config.__qualname__}"
    if inspect.get_annotations(config).keys() - config.__dataclass_fields__.keys():
        raise InputError(f"{owner} is no dataclass: put @dataclass(frozen=True) before it")
    kinds = get_type_hints(config)
    for option in fields(config):
        kind = kinds[option.name]
        if "help" not in option.metadata:
            raise InputError(f"{option.name} of {owner} is no knob: write {option.name} = knob(DEFAULT, 'what it is')")
        if kind not in (int, float, bool) and not all(isinstance(value, str) for value in get_args(kind) or [kind]):
            raise InputError(f"{option.name} of {owner} is {kind}; a knob is int, float, bool, or a Literal of strings")


def describe_range(option: Field[Any]) -> str:
    """'[1, 100]', '[0, inf)' for a knob's closed range."""
    low, high = option.metadata["low"], option.metadata["high"]
    left = "(-inf" if low is None else f"[{low:g}"
    right = "inf)" if high is None else f"{high:g}]"
    return f"{left}, {right}"


def default_of(option: Field[Any]) -> Any:
    """A knob's default."""
    assert option.default is not MISSING, "every knob has a default"
    return option.default
