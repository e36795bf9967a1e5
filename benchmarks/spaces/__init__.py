"""The search spaces, by name."""

from benchmarks.errors import InputError, unknown_name
from benchmarks.spaces.base import Arch, ConstrainedSpace, ProductSpace, Space
from benchmarks.spaces.sss import SizeSpace
from benchmarks.spaces.tss import TopologySpace

__all__ = ["SPACES", "Arch", "ConstrainedSpace", "ProductSpace", "SizeSpace", "Space", "TopologySpace", "space_named"]

SPACES: dict[str, Space] = {
    "tss": TopologySpace(),
    "sss": SizeSpace(),
}


def space_named(name: str) -> Space:
    """The space called `name`; InputError with the known names if there is none."""
    if name not in SPACES:
        raise InputError(unknown_name("space", name, list(SPACES)))
    return SPACES[name]
