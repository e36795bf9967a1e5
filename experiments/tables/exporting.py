"""Exporting: table -> official NATS-Bench archive, in worker processes, resumable, there whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.errors import InputError
from benchmarks.official.nats_bench.export import META, NatsExport, file_name, packed
from benchmarks.official.nats_bench.files import EXTENSION
from benchmarks.table import BenchmarkTable, sha256
from experiments.execution.processes import in_processes
from experiments.execution.progress import Progress
from experiments.storage.atomic import write_atomically
from experiments.storage.provenance import version

BLOCK = 16
"""Architectures written together: about half a second of the largest table."""
STAMP = "export.json"
"""The file that says of which table a directory is the export."""


def export_benchmark(
    table: BenchmarkTable, folder: Path, *, workers: int | None = None, progress: Progress
) -> list[int]:
    """Write `table` as the official archive `folder`; return the indices of the architectures that have a file.

    Files are written beside it, in `folder`.partial, which becomes `folder` once it is complete. Interrupted or killed,
    the same call goes on where it stopped; a complete export of the same table is left as it is.

    Args:
        workers: processes; by default one per core.

    Raises:
        InputError: `folder` holds something else, or official files cannot hold the table, see `NatsExport`; what was
            begun is removed.
        OSError: a file cannot be written.
    """
    if workers is not None and workers < 1:
        raise InputError(f"an export needs at least one worker process, got {workers}")
    folder = Path(os.path.abspath(folder))
    export, stamp = NatsExport(table), _stamp(table)
    if _read_stamp(folder) == stamp:
        return _exported(folder)
    if folder.exists() and not _is_empty(folder):
        raise InputError(
            f"{folder} is there already and no export of this table as it is: remove it, or choose another"
        )
    partial = folder.with_name(f"{folder.name}.partial")
    _begin(partial, stamp)
    with _exclusively(partial):
        try:
            _write(export, partial, workers or os.cpu_count() or 1, progress)
        except InputError:
            shutil.rmtree(partial)
            raise
        except BrokenProcessPool as error:
            raise InputError(
                f"{table.path}: a worker process died, perhaps for want of memory; finished files are kept, the same "
                "command goes on there, with --workers 1 it needs the least memory"
            ) from error
        os.replace(partial, folder)
    return _exported(folder)


def _stamp(table: BenchmarkTable) -> dict[str, Any]:
    facts = {"table": table.info.name, "sha256": sha256(table.path), "provenance": dict(table.info.provenance)}
    return {**facts, "exported_by": f"nas-algos {version()}"}


def _read_stamp(folder: Path) -> Any:
    """What the directory is an export of; None if it is none."""
    try:
        return json.loads((folder / STAMP).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _is_empty(folder: Path) -> bool:
    """Whether it holds nothing but, perhaps, what a kill left of the first file of an export."""
    return folder.is_dir() and all(path.name == f".{STAMP}.partial" for path in folder.iterdir())


def _begin(partial: Path, stamp: dict[str, Any]) -> None:
    """Make the directory of an unfinished export, unless it is there and of the same table."""
    held = _read_stamp(partial)
    if held == stamp:
        return
    if held is not None:
        with _exclusively(partial):
            shutil.rmtree(partial)
    if partial.exists() and not _is_empty(partial):
        raise InputError(f"{partial} is no unfinished export, but an export is written there first: remove it")
    partial.mkdir(parents=True, exist_ok=True)
    write_atomically(partial / STAMP, (json.dumps(stamp, indent=2) + "\n").encode())


@contextmanager
def _exclusively(partial: Path) -> Iterator[None]:
    """InputError if another process is at work in this unfinished export."""
    with (partial / STAMP).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is exporting to {partial}: wait for it, or stop it") from None
        yield


def _exported(folder: Path) -> list[int]:
    """The indices of the architectures that have a file."""
    return sorted(int(path.name.partition(".")[0]) for path in folder.glob(f"[0-9]*.{EXTENSION}"))


def _write(export: NatsExport, partial: Path, workers: int, progress: Progress) -> None:
    """Write what is missing; the meta file last."""
    total = len(export.table)
    blocks = [range(start, min(start + BLOCK, total)) for start in range(0, total, BLOCK)]
    done = 0
    progress("exporting", done, total)
    for block in _written(export, partial, blocks, workers):
        done += len(block)
        progress("exporting", done, total)
    exported = _exported(partial)
    if not exported:
        raise InputError(f"{export.table.path} holds no training: there is nothing to export")
    write_atomically(partial / META, packed(export.meta(exported)))


def _written(export: NatsExport, partial: Path, blocks: list[range], workers: int) -> Iterator[range]:
    """Write blocks, yielding each as it is finished; in this process if there is only one."""
    if len(blocks) <= 1 or workers == 1:
        yield from (_write_block(export, partial, block) for block in blocks)
    else:
        yield from in_processes(_write_in_worker, blocks, workers, _open_worker, export.table.path, partial)


_export: NatsExport
_partial: Path


def _open_worker(table: Path, partial: Path) -> None:
    """What one worker process holds for its whole life."""
    global _export, _partial
    _export, _partial = NatsExport(BenchmarkTable.open(table)), partial


def _write_in_worker(block: range) -> range:
    return _write_block(_export, _partial, block)


def _write_block(export: NatsExport, partial: Path, block: range) -> range:
    """Write the files of the architectures in these rows, unless they are there or nothing was trained."""
    for index in export.table.architectures[block.start : block.stop].tolist():
        path = partial / file_name(index)
        if not path.exists() and (content := export.architecture(index)):
            write_atomically(path, packed(content))
    return block
