"""Names of algorithms on the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas_algos.multi_trial import ALGORITHMS, algorithm_named
from nas_algos.weight_sharing import METHODS, method_named

if TYPE_CHECKING:
    from nas_algos.config import Config


def import_from_here(names: Sequence[str]) -> None:
    """Let MODULE:CLASS be found in the working directory, which Python leaves out where a command is installed."""
    if any(":" in name for name in names):
        sys.path.insert(0, str(Path.cwd()))


def owners_of(flag: str) -> list[str]:
    """The algorithms that have the option `flag`."""
    knob = flag.split("=")[0].removeprefix("--").replace("-", "_")
    return [name for name in [*ALGORITHMS, *METHODS] if knob in config_of(name).__dataclass_fields__]


def config_of(name: str) -> type[Config]:
    """The options of an algorithm; those of weight-sharing methods import PyTorch."""
    return method_named(name).Config if name in METHODS else algorithm_named(name).Config


def key_of(name: str) -> str:
    """The name of an algorithm as it is recorded."""
    return name if ":" in name else name.replace("-", "_")
