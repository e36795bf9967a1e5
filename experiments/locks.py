"""Directories that one process at a time writes to. However it ends, the system lets go of its locks.

Where a file system has no locks, nothing keeps a second process away.
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import InputError

LOCK = ".lock"
"""A file that stays there."""
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
"""What such file systems answer."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """An existing folder for this process.

    Raises:
        InputError: another process has it.
    """
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is writing to {folder}: wait for it, or stop it") from None
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
        yield
