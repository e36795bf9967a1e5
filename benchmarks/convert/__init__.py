"""Converters of foreign benchmark formats to tables; each format has its own file and is a source of table rows."""

from pathlib import Path

from benchmarks.convert.base import Source, SourceError, Values, read_checked
from benchmarks.convert.csv import NamedColumnsCsv
from benchmarks.convert.nats import NatsFiles, Progress, open_monolith

__all__ = ["Source", "SourceError", "Values", "open_source", "read_checked"]

FORMATS = (
    "a NATS-Bench '-simple' directory, its .tar, the monolithic NATS-Bench .pickle.pbz2, "
    "or a .csv with named columns (arch, cifar10_valid_accuracy_12, ...)"
)


def open_source(path: Path, scratch: Path, progress: Progress) -> Source:
    """Recognise and open the benchmark at `path`.

    Args:
        scratch: directory for intermediate files of formats that must be split into rows first.
        progress: called with (bytes read, total bytes) while such a file is split.

    Raises:
        FileNotFoundError: `path` does not exist.
        SourceError: the format is unknown, or the file is damaged.
    """
    if path.is_dir():
        return NatsFiles.open_directory(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or directory; nas-bench import takes {FORMATS}")
    if path.suffix == ".tar":
        return NatsFiles.open_tar(path)
    if path.name.endswith(".pickle.pbz2"):
        return open_monolith(path, scratch, progress)
    if path.suffix == ".csv":
        return NamedColumnsCsv(path)
    raise SourceError(f"{path}: not a known benchmark format; nas-bench import takes {FORMATS}")
