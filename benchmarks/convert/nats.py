"""Official NATS-Bench releases: the `-simple` directory, its `.tar`, and the monolithic `.pickle.pbz2`.

The directory and the tar hold one bz2 pickle per architecture; the tar is read in place, never unpacked. The monolithic
file is one pickle of everything: its architectures are removed while it is being read, and spooled to disk as rows.
All pickles are read by the restricted unpickler.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import os
import re
import tarfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import safe_pickle
from benchmarks.convert.base import SourceError, Values, files_digest
from benchmarks.convert.nats_records import RecordReader
from benchmarks.nats_layout import TASKS, nats_columns
from benchmarks.spaces import SPACES
from benchmarks.table import Column, TableInfo, sha256

BLOCK = 32  # architectures read together: about 3 MB of numbers
CITATION = "Dong, Liu, Musial, Gabrys: NATS-Bench, TPAMI 2021, arXiv:2009.00437"
_MEMBER = re.compile(r"(?:^|/)(\d{1,6})\.pickle\.pbz2$")
_MONOLITH = re.compile(r"NATS-[ts]ss-v\d_\d-([0-9a-f]{5})\.pickle\.pbz2$")
_END_MARKER = bytes(2 * tarfile.BLOCKSIZE)
Progress = Callable[[int, int], None]
"""Called with (done, total) while a file is read; the function that takes it names the unit."""


class Member(NamedTuple):
    """The location of the pickle of one architecture: `size` bytes at `offset` of `file`."""

    architecture: int
    file: Path
    offset: int
    size: int


@dataclass(frozen=True)
class NatsFiles:
    """A `-simple` directory or tar: one pickle per architecture."""

    path: Path
    space: str
    digest: str
    members: tuple[Member, ...]

    @classmethod
    def open_directory(cls, path: Path) -> NatsFiles:
        files = sorted((int(match[1]), file) for file in path.iterdir() if (match := _MEMBER.search(file.name)))
        members = tuple(Member(index, file, 0, file.stat().st_size) for index, file in files)
        meta = path / "meta.pickle.pbz2"
        space = _space_of(members, meta.read_bytes() if meta.exists() else None, path)
        return cls(path, space, files_digest(member.file for member in members), members)

    @classmethod
    def open_tar(cls, path: Path) -> NatsFiles:
        members, meta = [], None
        try:
            with tarfile.open(path, "r:") as archive:
                for item in archive:
                    if match := _MEMBER.search(item.name):
                        members.append(Member(int(match[1]), path, item.offset_data, item.size))
                    elif item.name.endswith("meta.pickle.pbz2") and (stream := archive.extractfile(item)):
                        meta = stream.read()
                end = archive.offset  # end of the last member's padded data
            _check_end_marker(path, end)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise SourceError(
                f"{path}: not a readable tar ({error}): it is truncated or damaged, download it again"
            ) from error
        members.sort()
        return cls(path, _space_of(tuple(members), meta, path), sha256(path), tuple(members))

    @property
    def info(self) -> TableInfo:
        return _info(self.path, self.space, self.digest, "NATS-Bench files, one pickle per architecture")

    @property
    def columns(self) -> tuple[Column, ...]:
        return nats_columns(self.space)

    @cached_property
    def architectures(self) -> NDArray[np.int32]:
        return np.array([member.architecture for member in self.members], np.int32)

    def blocks(self) -> list[range]:
        return [range(start, min(start + BLOCK, len(self.members))) for start in range(0, len(self.members), BLOCK)]

    def read(self, rows: range) -> Iterator[tuple[int, Values]]:
        reader = RecordReader(SPACES[self.space])
        for row in rows:
            member = self.members[row]
            yield row, reader.row(_load_member(member), member.architecture, _member_name(member))


def _check_end_marker(path: Path, end: int) -> None:
    """Raise SourceError unless the tar ends with its two blocks of zeros; else it may be truncated between members."""
    with path.open("rb") as stream:
        stream.seek(end)
        if stream.read(len(_END_MARKER)) != _END_MARKER:
            raise SourceError(
                f"{path}: no end-of-archive marker after its last member, at byte {end:,} of {path.stat().st_size:,}: "
                "it is truncated or damaged, download it again"
            )


def _member_name(member: Member) -> str:
    return f"{member.file} (architecture {member.architecture})"


def _load_member(member: Member) -> Any:
    with member.file.open("rb") as stream:
        stream.seek(member.offset)
        return _load_bytes(stream.read(member.size), _member_name(member))


def _load_bytes(payload: bytes, source: str) -> Any:
    with bz2.open(io.BytesIO(payload)) as stream:
        return safe_pickle.load(stream, source)


def _space_of(members: tuple[Member, ...], meta: bytes | None, path: Path) -> str:
    """The space with the official strings and order of the release; SourceError if there is none."""
    if not members:
        raise SourceError(
            f"{path} holds no file like 000000.pickle.pbz2: name the unpacked '-simple' release or its .tar"
        )
    first = _load_member(members[0])
    twice = [later for former, later in pairwise(members) if former.architecture == later.architecture]
    if twice:
        raise SourceError(f"{path} holds architecture {twice[0].architecture} twice: remove one of the two files")
    try:
        string = next(iter(first.values()))["arch_str"]
    except (AttributeError, KeyError, TypeError, StopIteration) as error:
        raise SourceError(f"{_member_name(members[0])}: not an official NATS-Bench record") from error
    for name, space in SPACES.items():
        if 0 <= members[0].architecture < len(space) and space.to_string(space.arch(members[0].architecture)) == string:
            if meta is not None:
                _check_order(_load_bytes(meta, f"{path}: meta.pickle.pbz2"), name, path)
            return name
    raise SourceError(
        f"{_member_name(members[0])} is {string!r}, which no space has at that index (spaces: {', '.join(SPACES)}): "
        "the file belongs to another benchmark, or was renamed"
    )


def _check_order(meta: Any, name: str, path: Path) -> None:
    space = SPACES[name]
    archs = meta.get("meta_archs") if isinstance(meta, dict) else None
    if archs != [space.to_string(space.arch(index)) for index in range(len(space))]:
        raise SourceError(
            f"{path}: the meta file does not list the {len(space)} architectures of {name} in official order"
        )


def _info(path: Path, space: str, digest: str, kind: str) -> TableInfo:
    name = re.sub(r"(-simple|\.pickle\.pbz2|\.tar)+$", "", Path(os.path.abspath(path)).name)
    provenance = {"source": path.name, "sha256": digest, "format": kind, "citation": CITATION, "licence": "MIT"}
    return TableInfo(name, space, TASKS[space], provenance)


# The monolithic file.


@dataclass(frozen=True)
class NatsMonolith:
    """A monolithic file whose architectures were spooled, row by row, to `spool`."""

    path: Path
    space: str
    digest: str
    spool: Path
    spooled: tuple[int, ...]
    """Official indices, in the order of the spool."""

    @property
    def info(self) -> TableInfo:
        return _info(self.path, self.space, self.digest, "NATS-Bench monolithic pickle")

    @property
    def columns(self) -> tuple[Column, ...]:
        return nats_columns(self.space)

    @cached_property
    def architectures(self) -> NDArray[np.int32]:
        return np.sort(np.array(self.spooled, np.int32))

    def blocks(self) -> list[range]:
        return [range(start, min(start + BLOCK, len(self.spooled))) for start in range(0, len(self.spooled), BLOCK)]

    def read(self, rows: range) -> Iterator[tuple[int, Values]]:
        shapes = {column.name: column.shape for column in self.columns}
        width = sum(seeds * epochs for seeds, epochs in shapes.values())
        order = np.argsort(self.spooled)
        for row in rows:
            numbers = np.fromfile(self.spool, np.float64, width, offset=int(order[row]) * width * 8)
            pieces = np.split(numbers, np.cumsum([seeds * epochs for seeds, epochs in shapes.values()])[:-1])
            yield row, {name: piece.reshape(1, *shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}


def open_monolith(path: Path, scratch: Path, progress: Progress) -> NatsMonolith:
    """Write the rows of a monolithic file to a spool file in `scratch`; `progress` is called with the bytes read.

    The spool does not outlive the process: an interrupted import reads the file from the start again. The unpickler
    keeps every string and container in memory, but not the numbers; see the README.
    """
    digest, size = sha256(path), path.stat().st_size
    _check_md5_tail(path)
    spool = scratch / f"{digest[:16]}.spool"
    with spool.open("wb") as rows, path.open("rb") as raw, bz2.open(raw) as stream:
        take = _Spooler(path, rows, lambda: progress(raw.tell(), size))
        allowed = {**safe_pickle.ALLOWED, ("collections", "OrderedDict"): take.container}
        whole = safe_pickle.load(stream, str(path), allowed)
        take.rest(whole)
    assert take.reader_space is not None
    return NatsMonolith(path, take.reader_space, digest, spool, tuple(take.indices))


def _check_md5_tail(path: Path) -> None:
    """Raise SourceError unless the file's MD5 ends with the five hexadecimal digits in its official name, if any."""
    match = _MONOLITH.search(path.name)
    if not match:
        return
    with path.open("rb") as stream:
        tail = hashlib.file_digest(stream, "md5").hexdigest()[-5:]
    if tail != match[1]:
        raise SourceError(
            f"{path}: the md5 sum ends with {tail}, the official name promises {match[1]}: "
            "the file is incomplete or damaged, download it again"
        )


class _Spooler:
    """Writes each architecture to the spool as soon as the unpickler has built it, then empties it.

    Official files keep each architecture in an OrderedDict, schedule -> record. The unpickler fills containers other
    than plain dicts item by item through `__setitem__`, where this class takes each finished record.
    """

    def __init__(self, path: Path, rows: Any, progress: Callable[[], None]) -> None:
        self._path, self._rows, self._progress = path, rows, progress
        self._reader: RecordReader | None = None
        self._pending: dict[str, Any] = {}
        self.reader_space: str | None = None
        self.indices: list[int] = []
        spooler = self

        class Container(OrderedDict[Any, Any]):
            def __setitem__(self, key: Any, value: Any) -> None:
                if isinstance(value, dict) and "all_results" in value:
                    spooler.take(key, value)
                    value = None
                super().__setitem__(key, value)

        self.container = Container

    def take(self, schedule: str, record: dict[str, Any]) -> None:
        """Take the record of one schedule; a record of the next architecture completes the previous one."""
        if self._pending and next(iter(self._pending.values()))["arch_index"] != record["arch_index"]:
            self._flush()
        self._pending[schedule] = record

    def rest(self, whole: Any) -> None:
        """Take the records that the unpickler has built as plain dicts, after it has finished."""
        if not isinstance(whole, dict) or not isinstance(whole.get("arch2infos"), dict):
            raise SourceError(f"{self._path}: not a monolithic NATS-Bench file: it has no 'arch2infos'")
        try:
            for results in whole["arch2infos"].values():
                for schedule, record in results.items():
                    if record is not None:
                        self.take(schedule, record)
            if self._pending:
                self._flush()
        except (AttributeError, KeyError, TypeError) as error:
            raise SourceError(f"{self._path}: not official records ({type(error).__name__}: {error})") from error
        if not self.reader_space:
            raise SourceError(f"{self._path} holds no architectures")
        if sorted(self.indices) != sorted(whole["arch2infos"]):
            raise SourceError(f"{self._path}: the keys of 'arch2infos' are not the indices in its records")
        _check_order(whole, self.reader_space, self._path)

    def _flush(self) -> None:
        first = next(iter(self._pending.values()))
        index, string = first["arch_index"], first["arch_str"]
        if self._reader is None:
            names = [n for n, s in SPACES.items() if 0 <= index < len(s) and s.to_string(s.arch(index)) == string]
            if not names:
                raise SourceError(f"{self._path}: architecture {index} is {string!r}, which no space has at that index")
            self.reader_space = names[0]
            self._reader = RecordReader(SPACES[names[0]])
        row = self._reader.row(self._pending, index, str(self._path))
        np.concatenate([values.ravel() for values in row.values()]).tofile(self._rows)
        self.indices.append(index)
        for record in self._pending.values():
            _empty(record)
        self._pending = {}
        self._progress()


def _empty(value: Any) -> None:
    """Empty nested containers, which frees their numbers although the unpickler keeps the containers."""
    if isinstance(value, dict):
        for inner in value.values():
            _empty(inner)
        value.clear()
    elif isinstance(value, list):
        value.clear()
