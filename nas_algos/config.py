"""Configurations of search algorithms: frozen data classes whose fields carry unit, range and help text."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, fields
from typing import Literal, get_args, get_origin, get_type_hints

from benchmarks.errors import InputError
from benchmarks.options import describe_range, option

knob = option
"""Returns a field of an algorithm's config."""


@dataclass(frozen=True)
class Config:
    """The options of one algorithm; every field is a `knob`. Construction raises InputError if one is out of range."""

    def __post_init__(self) -> None:
        kinds = get_type_hints(type(self))
        for item in fields(self):
            value, kind = getattr(self, item.name), kinds[item.name]
            if get_origin(kind) is Literal:
                if value not in get_args(kind):
                    raise InputError(f"{item.name} must be one of {', '.join(get_args(kind))}, got {value!r}")
                continue
            if kind is bool and not isinstance(value, bool):
                raise InputError(f"{item.name} must be true or false, got {value!r}")
            low, high = item.metadata["low"], item.metadata["high"]
            inside = (low is None or value >= low) and (high is None or value <= high)  # false for NaN
            if not inside or not math.isfinite(value):
                raise InputError(f"{item.name} must be in {describe_range(item)}, got {value}")
            if kind is int and value != int(value):
                raise InputError(f"{item.name} must be a whole number in {describe_range(item)}, got {value}")


def check_knobs(config: type[Config]) -> None:
    """Raise InputError unless a Config is a dataclass of knobs of type int, float, bool or a Literal of strings."""
    owner = f"the Config {config.__qualname__}"
    if inspect.get_annotations(config).keys() - config.__dataclass_fields__.keys():
        raise InputError(f"{owner} is not a dataclass: put @dataclass(frozen=True) before it")
    kinds = get_type_hints(config)
    for item in fields(config):
        kind = kinds[item.name]
        if "help" not in item.metadata:
            raise InputError(f"{item.name} of {owner} is not a knob: write {item.name} = knob(DEFAULT, 'what it is')")
        if kind not in (int, float, bool) and not all(isinstance(value, str) for value in get_args(kind) or [kind]):
            raise InputError(f"{item.name} of {owner} is {kind}; a knob is int, float, bool, or a Literal of strings")
