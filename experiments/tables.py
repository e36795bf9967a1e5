"""Where tables live: `$NAS_BENCH_HOME`, or the user's data directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs

from benchmarks.spaces import SPACES
from benchmarks.spaces.base import unknown_name
from benchmarks.table import BenchmarkTable, TableError
from experiments.importing import import_benchmark

OFFICIAL = {"tss": "NATS-tss-v1_0-3ffb9", "sss": "NATS-sss-v1_0-50262"}
"""Space -> name of its official release, without '-simple', '.tar' or '.pickle.pbz2'."""


class MissingTableError(TableError):
    """No table holds what was asked for; the message says where it was looked for and how to get one."""


def home() -> Path:
    """The directory of the tables: `$NAS_BENCH_HOME`, by default `nas-algos` in the user's data directory."""
    return Path(os.environ.get("NAS_BENCH_HOME") or platformdirs.user_data_dir("nas-algos"))


def torch_home() -> Path:
    """Where the official tools keep benchmark files: `$TORCH_HOME`, by default `~/.torch`."""
    return Path(os.environ.get("TORCH_HOME") or Path.home() / ".torch")


def installed() -> list[Path]:
    """The tables in `home()`, by name."""
    return sorted(home().glob("*.arrow"))


def is_table(wanted: str) -> bool:
    """Whether `wanted` names an installed table or is a table file."""
    return (home() / f"{wanted}.arrow").exists() or (wanted.endswith(".arrow") and Path(wanted).exists())


def table_named(wanted: str) -> BenchmarkTable:
    """The installed table or table file `wanted`; MissingTableError lists the names there are."""
    installed_table = home() / f"{wanted}.arrow"
    if installed_table.exists():
        return BenchmarkTable.open(installed_table)
    if is_table(wanted):
        return BenchmarkTable.open(wanted)
    names = [path.stem for path in installed()]
    there = unknown_name("table", wanted, names) if names else f"unknown table {wanted!r}: no table is installed"
    raise MissingTableError(f"{there} (looked in {home()}); there is no file of that name either")


def find_table(space: str, wanted: str | None, progress: Callable[[str, int, int], None]) -> BenchmarkTable:
    """The table to search on.

    Args:
        wanted: an installed table's name, a table file, or a benchmark file to import first; None for the table of the
            space: the installed one, an official release before others, or else official files, which are imported.
        progress: told (what, done, total) while something is imported.

    Raises:
        MissingTableError: there is none, several that are equally good, or none called `wanted`.
        TableError: the table `wanted` is of another space.
    """
    if wanted is None:
        return _table_of(space, progress)
    if Path(wanted).exists() and not is_table(wanted):
        table = BenchmarkTable.open(import_benchmark(Path(wanted), home(), progress=progress))
    else:
        table = table_named(wanted)
    if table.info.space != space:
        raise TableError(f"the table {table.info.name} is of the space {table.info.space}, not {space}")
    return table


def official_files(space: str) -> list[Path]:
    """Where an official release of `space` may lie under $TORCH_HOME, best first."""
    stem = torch_home() / OFFICIAL[space]
    return [stem.with_name(stem.name + suffix) for suffix in ("-simple", "-simple.tar", ".pickle.pbz2")]


def _readable() -> Iterator[BenchmarkTable]:
    """The installed tables; a damaged one does not stand in the way of the others."""
    for path in installed():
        with suppress(TableError):
            yield BenchmarkTable.open(path)


def _table_of(space: str, progress: Callable[[str, int, int], None]) -> BenchmarkTable:
    tables = [table for table in _readable() if table.info.space == space]
    tables = [table for table in tables if len(table) == len(SPACES[space])] or tables  # whole ones, if there are any
    official = [table for table in tables if table.info.name == OFFICIAL[space]]
    if official or len(tables) == 1:
        return (official or tables)[0]
    if tables:
        names = ", ".join(table.path.stem for table in tables)
        raise MissingTableError(f"several tables hold the space {space}: {names}; choose one with --table NAME")
    for path in official_files(space):
        if path.exists():
            return BenchmarkTable.open(import_benchmark(path, home(), progress=progress))
    places = "\n".join(f"  {path}" for path in [home() / "*.arrow", *official_files(space)])
    raise MissingTableError(
        f"no table of the space {space}. Looked for (in $NAS_BENCH_HOME and $TORCH_HOME):\n{places}\n"
        f"Get {OFFICIAL[space]}-simple.tar from the NATS-Bench authors (https://github.com/D-X-Y/NATS-Bench), then:\n"
        f"  nas-bench import PATH/{OFFICIAL[space]}-simple.tar"
    )
