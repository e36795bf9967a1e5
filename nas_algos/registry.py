"""All search algorithms by name: multi-trial algorithms and weight-sharing methods."""

from __future__ import annotations

from benchmarks.errors import InputError, unknown_name
from nas_algos.config import Config
from nas_algos.multi_trial import ALGORITHMS, algorithm_named
from nas_algos.weight_sharing import METHODS, method_named


def algorithm_key(name: str) -> str:
    """The name under which an algorithm is recorded; MODULE:CLASS of a user-defined algorithm is kept unchanged."""
    return name if ":" in name else name.replace("-", "_")


def known_key(name: str) -> str:
    """`algorithm_key` of a known name or of MODULE:CLASS; InputError for any other, with a list of the known names."""
    key = algorithm_key(name)
    if key not in (*ALGORITHMS, *METHODS) and ":" not in key:
        raise InputError(unknown_name("algorithm", name, [*ALGORITHMS, *METHODS]))
    return key


def config_named(key: str) -> type[Config]:
    """The Config class of an algorithm; for weight-sharing methods, this imports PyTorch."""
    return method_named(key).Config if key in METHODS else algorithm_named(key).Config


def owners_of(knob: str) -> list[str]:
    """The names of the algorithms that have the knob."""
    return [name for name in (*ALGORITHMS, *METHODS) if knob in config_named(name).__dataclass_fields__]
