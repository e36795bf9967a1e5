"""Directories that one command makes, and goes on with when it is given again; one process at a time writes to them."""

from __future__ import annotations

import errno
import fcntl
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from benchmarks.errors import InputError
from experiments.storage.atomic import write_atomically

LOCK = ".lock"
"""A file that stays there."""
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
"""What file systems without locks answer."""


class RecordError(InputError):
    """A directory holds no records, other ones, or damaged ones."""


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """An existing folder for this process, until it ends, however it does.

    Where a file system has no locks, nothing keeps a second process away.

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


class Header(Protocol):
    """What a directory says of itself."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides its numbers."""

    @property
    def made_by(self) -> dict[str, Any]:
        """{git_commit, versions} of the code that began it."""

    @property
    def resumed_with(self) -> Sequence[Mapping[str, Any]]:
        """The same of other code that went on."""

    def to_json(self) -> str: ...


@dataclass(frozen=True)
class RecordedDirectory(ABC):
    """What is named by its settings, in a header file, and added to piece by piece."""

    kind: ClassVar[str]
    """study or sweep: the header is in KIND.json, written by nas-run or nas-sweep."""
    may_be_there: ClassVar[tuple[str, ...]] = ()
    """Names in a directory without a header that can become such a directory."""
    path: Path

    @property
    def header_path(self) -> Path:
        return self.path / f"{self.kind}.json"

    @abstractmethod
    def header(self) -> Header:
        """RecordError if there is none, or one of a newer version."""

    @contextmanager
    def writing(self, header: Header) -> Iterator[None]:
        """The directory, begun or gone on with, for this process alone.

        Raises:
            RecordError: it holds something else.
            InputError: another process is writing there.
        """
        self.check(header)  # nothing is written into somebody else's directory
        self.path.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self.path):
            self.begin(header)
            yield

    def begin(self, header: Header) -> None:
        """Begin, or go on with the same settings; RecordError if the directory holds something else."""
        self.check(header)
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.header_path.exists():
            write_atomically(self.header_path, header.to_json().encode())

    def check(self, header: Header) -> None:
        """RecordError if the directory holds something else."""
        if self.header_path.exists():
            held, settings = self.header().settings, json.loads(header.to_json())["settings"]
            different = [key for key in settings if held.get(key) != settings[key]]
            if different:
                key = different[0]
                raise RecordError(
                    f"{self.path} holds another {self.kind}: its {key} is {held.get(key)!r}, now {settings[key]!r} was "
                    f"asked for. Choose another --out, or repeat the {self.kind}'s own command to complete it"
                )
        elif self.path.exists() and any(
            name.suffix != ".partial" and name.name not in (LOCK, *self.may_be_there) for name in self.path.iterdir()
        ):
            raise RecordError(f"{self.path} is not empty and holds no {self.kind}.json: choose another --out")

    def resume(self, header: Header) -> None:
        """Note in the header if other code than before goes on."""
        held: Any = self.header()
        made_by = json.loads(json.dumps(header.made_by))
        if made_by not in (held.made_by, *held.resumed_with):
            held = replace(held, resumed_with=[*held.resumed_with, made_by])
            write_atomically(self.header_path, held.to_json().encode())
