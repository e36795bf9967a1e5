"""Export of a table to an official NATS-Bench archive: by worker processes, resumable, and atomic."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.errors import InputError
from benchmarks.official.nats_bench.export import META, NatsExport, file_name, packed
from benchmarks.official.nats_bench.files import EXTENSION
from benchmarks.table import BenchmarkTable, sha256
from experiments.execution.processes import in_processes
from experiments.execution.progress import Progress
from experiments.storage.atomic import write_atomically
from experiments.storage.directories import LOCK, RecordError, ResumableDirectory, exclusive_lock
from experiments.storage.provenance import version

BLOCK = 16
"""Number of architectures per task: about half a second of work for the largest table."""


def export_benchmark(
    table: BenchmarkTable, folder: Path, *, workers: int | None = None, progress: Progress
) -> list[int]:
    """Write `table` as the official archive `folder`; return the indices of the architectures that have a file.

    Files are written to `folder`.partial, which is renamed to `folder` when it is complete. Resumable: call it again
    after an interruption. An existing complete export of the same table is left unchanged.

    Args:
        workers: number of processes; by default one per core.

    Raises:
        InputError: `folder` holds something else, or official files cannot hold the table, see `NatsExport`; the
            unfinished export is removed.
        OSError: a file cannot be written.
    """
    if workers is not None and workers < 1:
        raise InputError(f"an export needs at least one worker process, got {workers}")
    folder = Path(os.path.abspath(folder))
    export, header = NatsExport(table), ExportHeader.of(table)
    if _is_export(folder, header):
        return _exported(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(
            f"{folder} already exists and is not an export of this table: remove it, or choose another folder"
        )
    partial = ExportDirectory(folder.with_name(f"{folder.name}.partial"))
    _discard_other(partial, header)
    with partial.writing(header):
        try:
            _write(export, partial.path, workers or os.cpu_count() or 1, progress)
        except InputError:
            shutil.rmtree(partial.path)
            raise
        except BrokenProcessPool as error:
            raise InputError(
                f"{table.path}: a worker process died, perhaps out of memory; finished files are kept. Repeat the "
                "command to resume; --workers 1 needs the least memory"
            ) from error
        (partial.path / LOCK).unlink()
        os.replace(partial.path, folder)
    return _exported(folder)


@dataclass(frozen=True)
class ExportHeader:
    """Identity of the exported table, and the exporting version."""

    table: str
    sha256: str
    """SHA-256 of the table's file."""
    provenance: Mapping[str, Any]
    exported_by: str

    @classmethod
    def of(cls, table: BenchmarkTable) -> ExportHeader:
        return cls(table.info.name, sha256(table.path), dict(table.info.provenance), f"nas-algos {version()}")

    @property
    def identity(self) -> Mapping[str, Any]:
        facts: dict[str, Any] = json.loads(self.to_json())
        return facts

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


class ExportDirectory(ResumableDirectory[ExportHeader]):
    """The directory of an export, finished or not."""

    kind = "export"
    remedy = "remove it, since the export is written to this directory first"

    def header(self) -> ExportHeader:
        """Read the header; RecordError if there is none or it is damaged."""
        try:
            return msgspec.json.decode(self.header_path.read_bytes(), type=ExportHeader)
        except (FileNotFoundError, NotADirectoryError):
            raise RecordError(f"{self.path} is not an export") from None
        except msgspec.DecodeError as error:
            raise RecordError(f"{self.header_path} is damaged ({error}): remove {self.path}") from error


def _is_export(folder: Path, header: ExportHeader) -> bool:
    """Whether the directory is the finished export that `header` describes."""
    try:
        return ExportDirectory(folder).header() == header
    except RecordError:
        return False


def _discard_other(partial: ExportDirectory, header: ExportHeader) -> None:
    """Remove an unfinished export of another table."""
    if partial.header_path.exists() and partial.header() != header:
        with exclusive_lock(partial.path):
            shutil.rmtree(partial.path)


def _exported(folder: Path) -> list[int]:
    """The indices of the architectures that have a file in `folder`."""
    return sorted(int(path.name.partition(".")[0]) for path in folder.glob(f"[0-9]*.{EXTENSION}"))


def _write(export: NatsExport, partial: Path, workers: int, progress: Progress) -> None:
    """Write the missing files, the meta file last."""
    total = len(export.table)
    blocks = [range(start, min(start + BLOCK, total)) for start in range(0, total, BLOCK)]
    done = 0
    progress("exporting", done, total)
    for block in _written(export, partial, blocks, workers):
        done += len(block)
        progress("exporting", done, total)
    exported = _exported(partial)
    if not exported:
        raise InputError(f"{export.table.path} holds no trainings: there is nothing to export")
    write_atomically(partial / META, packed(export.meta(exported)))


def _written(export: NatsExport, partial: Path, blocks: list[range], workers: int) -> Iterator[range]:
    """Write blocks, yielding each when it is finished; in this process if there is only one block or worker."""
    if len(blocks) <= 1 or workers == 1:
        yield from (_write_block(export, partial, block) for block in blocks)
    else:
        yield from in_processes(_write_in_worker, blocks, workers, _open_worker, export.table.path, partial)


_export: NatsExport
_partial: Path


def _open_worker(table: Path, partial: Path) -> None:
    """Open the table for the lifetime of a worker process."""
    global _export, _partial
    _export, _partial = NatsExport(BenchmarkTable.open(table)), partial


def _write_in_worker(block: range) -> range:
    return _write_block(_export, _partial, block)


def _write_block(export: NatsExport, partial: Path, block: range) -> range:
    """Write the missing files of the architectures in these rows; untrained architectures get no file."""
    for index in export.table.architectures[block.start : block.stop].tolist():
        path = partial / file_name(index)
        if not path.exists() and (content := export.architecture(index)):
            write_atomically(path, packed(content))
    return block
