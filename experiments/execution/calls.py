"""Descriptions of many calls of one function, each with its own key."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")
Beat = Callable[[float], None]
"""Called by a running call to report its progress, in a unit of its own."""
TORCH = ("torch",)
"""Libraries whose version can change the results of training."""


@dataclass(frozen=True, kw_only=True)
class Calls(Generic[Key, Result]):
    """The calls function(*shared, *files, key) of all keys, with a `Beat` as last argument if `beats` is true."""

    function: Callable[..., Result]
    """A function that a new process can import."""
    shared: tuple[Any, ...] = ()
    """Leading arguments, which Ray sends to each node once."""
    files: tuple[Path, ...] = ()
    """Files that the function reads; a node of a cluster that lacks one gets a copy."""
    beats: bool = False
    cpus: int = 1
    """CPUs of each call."""
    libraries: Sequence[str] = ()
    """Libraries, in addition to those of `versions`, that can change results; all nodes need the same versions."""
