"""Calls of one function for many keys: what is called, with what, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")
Beat = Callable[[float], None]
"""Called by a running call with how far it is, in a unit of its own."""
TORCH = ("torch",)
"""Libraries that change the results of training."""


@dataclass(frozen=True, kw_only=True)
class Calls(Generic[Key, Result]):
    """What a key becomes: function(*shared, *files, key), with a `Beat` as last argument if calls have `beats`."""

    function: Callable[..., Result]
    """One that a fresh process can import."""
    shared: tuple[Any, ...] = ()
    """Leading arguments, which Ray sends to each node once."""
    files: tuple[Path, ...] = ()
    """Files that the function reads; a node of a cluster that lacks one gets a copy."""
    beats: bool = False
    cpus: int = 1
    """CPUs of each call."""
    libraries: Sequence[str] = ()
    """Libraries, besides those of `versions`, that can change results: all nodes need the same versions of them."""
