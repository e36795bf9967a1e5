"""Importing a benchmark: official file -> table, in worker processes, resumable, published whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from benchmarks.convert import Source, open_source
from benchmarks.errors import InputError
from benchmarks.table import BenchmarkTable, RowWriter, TableInfo, preallocate, publish
from experiments.versions import version

Progress = Callable[[str, int, int], None]
"""Told (what is being done, done, total)."""


@dataclass(frozen=True)
class _Partial:
    """A table on its way: the preallocated file and the journal of its finished blocks."""

    path: Path

    @property
    def table(self) -> Path:
        return self.path.with_name(self.path.name + ".partial")

    @property
    def journal(self) -> Path:
        return self.path.with_name(self.path.name + ".journal")

    def begin(self, source: Source, info: TableInfo) -> set[int]:
        """First rows of the blocks that an interrupted import of the same source already finished."""
        stamp = json.dumps([info.to_json(), [column.name for column in source.columns], len(source.architectures)])
        if self.table.exists() and self.journal.exists():
            lines = self.journal.read_text().splitlines()
            if lines and lines[0] == stamp:
                return {int(line) for line in lines[1:] if line.isdecimal()}
        preallocate(self.table, info, source.columns, source.architectures)
        self.journal.write_text(stamp + "\n")
        return set()

    def remove(self) -> None:
        self.table.unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)


def import_benchmark(
    path: Path, home: Path, *, name: str | None = None, workers: int | None = None, progress: Progress
) -> Path:
    """Convert the benchmark at `path` to a table in the directory `home`; return the table's path.

    The table appears under its name only when it is complete. Interrupted or killed, the same call goes on where it
    stopped. Bad data removes what was begun.

    Args:
        name: of the table; by default the name of the official release, or the CSV's.
        workers: processes that read and convert; by default one per core.

    Raises:
        FileNotFoundError, InputError: nothing was imported; the message says why.
    """
    home.mkdir(parents=True, exist_ok=True)
    with scratch_directory(home) as scratch:
        source = open_source(path, scratch, lambda done, total: progress("reading", done, total))
        info = source.info
        info = replace(
            info, name=name or info.name, provenance={**info.provenance, "imported_by": f"nas-algos {version()}"}
        )
        table = home / f"{info.name}.arrow"
        if table.exists() and BenchmarkTable.open(table).info == info:
            return table
        partial = _Partial(table)
        try:
            _convert(source, partial, info, workers or os.cpu_count() or 1, progress)
        except InputError:
            partial.remove()
            raise
        publish(partial.table, table)
        partial.remove()
    return table


@contextmanager
def scratch_directory(home: Path) -> Iterator[Path]:
    """A directory for intermediate files, emptied at the end whatever happens."""
    scratch = home / f".scratch-{os.getpid()}"
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
    """Convert blocks, yielding each as it is finished; in this process if there is only one."""
    if len(blocks) <= 1 or workers == 1:
        _open_worker(source, table)
        for block in blocks:
            _convert_block(block)
            yield block
        return
    context = get_context("spawn")
    waiting, running = list(reversed(blocks)), set[Future[range]]()
    pool = ProcessPoolExecutor(min(workers, len(blocks)), context, _open_worker, (source, table))
    try:
        while waiting or running:
            while waiting and len(running) < 2 * workers:
                running.add(pool.submit(_convert_block, waiting.pop()))
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ready)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_source: Source
_writer: RowWriter


def _open_worker(source: Source, table: Path) -> None:
    """What one worker process holds for its whole life."""
    global _source, _writer
    _source, _writer = source, RowWriter(table)


def _convert_block(block: range) -> range:
    for row, values in _source.read(block):
        _writer.write(row, values)
    return block
