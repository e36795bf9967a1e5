"""Directories that one process at a time writes to. However it ends, the system lets go of its locks."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import InputError


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """An existing folder for this process.

    Raises:
        InputError: another process has it.
    """
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is writing to {folder}: wait for it, or stop it") from None
        yield
