"""Import of official files as tables: by worker processes, resumable, and atomic."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.convert import Source, open_source, read_checked
from benchmarks.errors import InputError, TableError
from benchmarks.table import BenchmarkTable, RowWriter, TableInfo, preallocate, publish
from experiments.execution.processes import in_processes
from experiments.execution.progress import Progress
from experiments.storage.directories import exclusive_lock
from experiments.storage.provenance import version


@dataclass(frozen=True)
class _Partial:
    """An unfinished table: the preallocated file and the journal of its finished blocks."""

    path: Path

    @property
    def table(self) -> Path:
        return self.path.with_name(self.path.name + ".partial")

    @property
    def journal(self) -> Path:
        return self.path.with_name(self.path.name + ".journal")

    def begin(self, source: Source, info: TableInfo) -> set[int]:
        """Start an import, or resume one of the same source; return the first row of each finished block."""
        stamp = json.dumps([info.to_json(), [column.name for column in source.columns], len(source.architectures)])
        if self.table.exists() and self.journal.exists():
            identity, *finished = self.journal.read_text().splitlines() or [""]
            if identity == stamp:
                return {int(line) for line in finished}
        self.journal.unlink(missing_ok=True)  # the old journal does not describe the new table
        preallocate(self.table, info, source.columns, source.architectures)
        self.journal.write_text(stamp + "\n")
        return set()

    def remove(self) -> None:
        self.table.unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)


def import_benchmark(
    path: Path,
    home: Path,
    *,
    name: str | None = None,
    workers: int | None = None,
    force: bool = False,
    progress: Progress,
) -> Path:
    """Convert the benchmark at `path` to a table in the directory `home`; return the table's path.

    The table appears under its name only when it is complete. Resumable: call it again after an interruption; only a
    monolithic pickle is read from the start again. Invalid data removes the unfinished table. Other imports into `home`
    wait until this one ends.

    Args:
        name: name of the table; by default that of the official release or of the CSV.
        workers: number of processes that read and convert; by default one per core.
        force: replace a table of the same name that was imported from another source.

    Raises:
        FileNotFoundError, InputError: nothing was imported; the message gives the reason.
    """
    if workers is not None and workers < 1:
        raise InputError(f"an import needs at least one worker process, got {workers}")
    if name is not None and (not name or name.startswith(".") or "/" in name):
        raise InputError(f"a table's name is a file name that does not begin with a dot, got {name!r}")
    with scratch_directory(home) as scratch:
        source = open_source(path, scratch, lambda done, total: progress("reading", done, total))
        info = source.info
        info = replace(
            info, name=name or info.name, provenance={**info.provenance, "imported_by": f"nas-algos {version()}"}
        )
        table = home / f"{info.name}.arrow"
        partial = _Partial(table)
        existing = _info_of(table)
        if existing == info:
            partial.remove()
            return table
        if existing and not force:
            _check_source(existing, info, path, table)
        try:
            _convert(source, partial, info, workers or os.cpu_count() or 1, progress)
        except InputError:
            partial.remove()
            raise
        except BrokenProcessPool as error:
            raise InputError(
                f"{path}: a worker process died, out of memory or because the file crashes its reader. Finished blocks "
                "are kept: repeat the command to resume; --workers 1 needs the least memory"
            ) from error
        publish(partial.table, table)
        partial.remove()
    return table


def _check_source(existing: TableInfo, info: TableInfo, path: Path, table: Path) -> None:
    """Raise InputError if the existing table was imported from another file than `path`."""
    if existing.provenance.get("sha256") != info.provenance["sha256"]:
        raise InputError(
            f"{table} was imported from another source, {existing.provenance.get('source')}, or an earlier version of "
            f"this one; import {path} under another name with nas-bench import --name OTHER, or replace the table "
            "with nas-bench import --force"
        )


def _info_of(table: Path) -> TableInfo | None:
    """The description of a finished table; None if there is none or it is damaged."""
    try:
        return BenchmarkTable.open(table).info
    except (FileNotFoundError, TableError):
        return None


@contextmanager
def scratch_directory(home: Path) -> Iterator[Path]:
    """A directory for intermediate files, removed at the end; other processes wait until it is free."""
    home.mkdir(parents=True, exist_ok=True)
    scratch = home / ".scratch"
    with exclusive_lock(home, wait=True):
        shutil.rmtree(scratch, ignore_errors=True)  # left by a process that was killed
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _convert(source: Source, partial: _Partial, info: TableInfo, workers: int, progress: Progress) -> None:
    total = len(source.architectures)
    finished = partial.begin(source, info)
    blocks = source.blocks()
    left = [block for block in blocks if block.start not in finished]
    done = total - sum(len(block) for block in left)
    progress("converting", done, total)
    with partial.journal.open("a") as journal:
        for block in _converted(source, partial.table, left, workers):
            journal.write(f"{block.start}\n")
            journal.flush()
            done += len(block)
            progress("converting", done, total)


def _converted(source: Source, table: Path, blocks: list[range], workers: int) -> Iterator[range]:
    """Convert blocks, yielding each when it is finished; in this process if there is only one block or worker."""
    if len(blocks) <= 1 or workers == 1:
        with RowWriter(table) as writer:
            for block in blocks:
                yield _convert_block(source, writer, block)
    else:
        yield from in_processes(_convert_in_worker, blocks, workers, _open_worker, source, table)


_source: Source
_writer: RowWriter


def _open_worker(source: Source, table: Path) -> None:
    """Open the source and the table for the lifetime of a worker process."""
    global _source, _writer
    _source, _writer = source, RowWriter(table)


def _convert_in_worker(block: range) -> range:
    return _convert_block(_source, _writer, block)


def _convert_block(source: Source, writer: RowWriter, block: range) -> range:
    for row, values in read_checked(source, block):
        writer.write(row, values)
    return block
