"""Publishing a report: its files appear together or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.reports.entries import ReportError

WRITTEN = ".files"
"""Name of the file that lists the files of a report."""


@contextmanager
def publish(out: Path) -> Iterator[Path]:
    """Yield a directory for a report, which becomes `out` when the block ends and is removed if the block raises.

    Files that an earlier report wrote into `out` are replaced or removed; other files there stay.

    Raises:
        ReportError: `out` is a file, or cannot be written.
    """
    out = out.resolve()
    if out.exists() and not out.is_dir():
        raise ReportError(f"{out} is a file, and a report is a directory: choose another --out")
    directory = out.parent / f".{out.name}.partial-{os.getpid()}"
    try:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        yield directory
        written = sorted(path.name for path in directory.iterdir())
        (directory / WRITTEN).write_text("\n".join(written), "utf-8")
        if not out.exists():
            os.replace(directory, out)
            return
        before = (out / WRITTEN).read_text("utf-8").splitlines() if (out / WRITTEN).exists() else []
        for file in sorted(directory.iterdir(), key=lambda file: file.stem == "report"):  # the page last
            os.replace(file, out / file.name)
        for name in {Path(name).name for name in before} - set(written):  # written by an earlier report only
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(f"cannot write the report into {out} ({error}): choose another --out") from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)
