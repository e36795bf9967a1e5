"""Resumable directories: repeating a command resumes its directory, and only one process at a time writes to it."""

from __future__ import annotations

import errno
import fcntl
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from benchmarks.errors import InputError
from experiments.storage.atomic import write_atomically

LOCK = ".lock"
"""Name of the lock file, which is never removed."""
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
"""Error numbers of file systems without support for locks."""


class RecordError(InputError):
    """A directory holds no records, records of something else, or damaged records."""


@contextmanager
def exclusive_lock(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on an existing folder; the end of the process releases it, too.

    On a file system without locks, a second process is not excluded.

    Args:
        wait: whether to wait until another process releases the lock, instead of raising.

    Raises:
        InputError: another process holds the lock.
    """
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise InputError(f"another process is writing to {folder}: wait for it, or stop it") from None
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
        yield


class Header(Protocol):
    """The header of a directory, which identifies its content."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """The settings that determine the content, as JSON values."""

    def to_json(self) -> str: ...


def first_difference(held: Header, wanted: Header) -> str | None:
    """The name of the first setting in which `held` differs from `wanted`; None if they agree."""
    return next((key for key, value in wanted.identity.items() if held.identity.get(key) != value), None)


H = TypeVar("H", bound=Header)


@dataclass(frozen=True)
class ResumableDirectory(ABC, Generic[H]):
    """A directory identified by a header file, which one command fills step by step."""

    kind: ClassVar[str]
    """A word for the content of the directory, whose header file is KIND.json."""
    remedy: ClassVar[str] = "choose another --out"
    """Advice for error messages when the directory holds something else."""
    may_be_there: ClassVar[tuple[str, ...]] = ()
    """Names of files that may exist in a directory before its header is written."""
    path: Path

    @property
    def header_path(self) -> Path:
        return self.path / f"{self.kind}.json"

    @abstractmethod
    def header(self) -> H:
        """Read the header.

        Raises:
            InputError: there is none, it is damaged, or a newer version of this project wrote it.
        """

    @contextmanager
    def writing(self, header: H) -> Iterator[None]:
        """Create or resume the directory, and lock it for this process.

        Raises:
            RecordError: the directory holds something else.
            InputError: another process is writing to it.
        """
        self.check(header)  # first, so that no lock file is written into an unrelated directory
        self.path.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self.path):
            self.begin(header)
            yield

    def begin(self, header: H) -> None:
        """Write the header, or resume with an equal identity; RecordError if the directory holds something else."""
        self.check(header)
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.header_path.exists():
            self.write_header(header)

    def write_header(self, header: H) -> None:
        """Replace the header."""
        write_atomically(self.header_path, header.to_json().encode())

    def check(self, header: H) -> None:
        """Raise RecordError if the directory holds something else."""
        if self.header_path.exists():
            held = self.header()
            if key := first_difference(held, header):
                raise RecordError(
                    f"{self.path} holds another {self.kind}: {key} is {held.identity.get(key)!r}, but "
                    f"{header.identity[key]!r} was requested: {self.remedy}"
                )
        elif not self.is_free():
            raise RecordError(f"{self.path} is not empty and holds no {self.header_path.name}: {self.remedy}")

    def is_free(self) -> bool:
        """Whether the directory does not exist, or holds only what a killed process may have left behind."""
        if not self.path.exists():
            return True
        allowed = (LOCK, *self.may_be_there)
        return self.path.is_dir() and all(
            entry.suffix == ".partial" or entry.name in allowed for entry in self.path.iterdir()
        )


class RecordedHeader(Header, Protocol):
    """The header of records, which names the code that wrote them."""

    @property
    def made_by(self) -> dict[str, Any]:
        """{git_commit, versions} of the code that created the directory."""

    @property
    def resumed_with(self) -> Sequence[Mapping[str, Any]]:
        """{git_commit, versions} of each other version of the code that resumed it."""


R = TypeVar("R", bound=RecordedHeader)


class RecordedDirectory(ResumableDirectory[R]):
    """The directory of a study or a sweep, written by nas-run or nas-sweep."""

    remedy = "choose another --out, or repeat the command that began it to complete it"

    def resume(self, header: R) -> None:
        """Add the code of `header` to the header file if it differs from all code that has written the directory."""
        held: Any = self.header()
        made_by = json.loads(json.dumps(header.made_by))
        if made_by not in (held.made_by, *held.resumed_with):
            self.write_header(replace(held, resumed_with=[*held.resumed_with, made_by]))
