"""Where tables live: `$NAS_BENCH_HOME`, or the user's data directory."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from benchmarks.spaces.base import unknown_name
from benchmarks.table import BenchmarkTable, TableError

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


def table_named(name: str) -> BenchmarkTable:
    """The installed table called `name`, or the table at the path `name`; MissingTableError lists those there are."""
    if name.endswith(".arrow") and Path(name).exists():
        return BenchmarkTable.open(name)
    path = home() / f"{name}.arrow"
    if not path.exists():
        names = [table.stem for table in installed()]
        raise MissingTableError(f"{unknown_name('table', name, names)} (looked in {home()}); see: nas-bench list")
    return BenchmarkTable.open(path)


def official_files(space: str) -> list[Path]:
    """Where an official release of `space` may lie, best first."""
    stem = torch_home() / OFFICIAL[space]
    return [stem.with_name(stem.name + suffix) for suffix in ("-simple", "-simple.tar", ".pickle.pbz2")]


def table_of(space: str) -> BenchmarkTable:
    """The installed table of `space`; an official release is preferred over other tables.

    Raises:
        MissingTableError: there is none, or several and none is official.
    """
    tables = [table for path in installed() if (table := BenchmarkTable.open(path)).info.space == space]
    official = [table for table in tables if table.info.name == OFFICIAL[space]]
    if official or len(tables) == 1:
        return (official or tables)[0]
    if tables:
        names = ", ".join(table.info.name for table in tables)
        raise MissingTableError(f"several tables hold the space {space}: {names}; choose one with --table NAME")
    places = "\n".join(f"  {path}" for path in [home() / "*.arrow", *official_files(space)])
    raise MissingTableError(
        f"no table of the space {space}. Looked for:\n{places}\n"
        f"Get {OFFICIAL[space]}-simple.tar from the NATS-Bench authors (https://github.com/D-X-Y/NATS-Bench), then:\n"
        f"  nas-bench import PATH/{OFFICIAL[space]}-simple.tar"
    )
