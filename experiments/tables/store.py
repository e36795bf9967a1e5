"""Lookup of tables, in `$NAS_BENCH_HOME` or the user's data directory, and in the package itself."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs

import benchmarks
from benchmarks.errors import TableError, unknown_name
from benchmarks.nats_layout import TASKS
from benchmarks.spaces import SPACES
from benchmarks.table import BenchmarkTable
from experiments.execution.progress import Progress
from experiments.tables.oracles import open_table

OFFICIAL = {"tss": "NATS-tss-v1_0-3ffb9", "sss": "NATS-sss-v1_0-50262"}
"""Space -> name of its official release, without '-simple', '.tar' or '.pickle.pbz2'."""
EMBEDDED = Path(next(iter(benchmarks.__path__))) / "tables"
"""The directory of the tables included in the package."""


class AmbiguousTableError(TableError):
    """Several tables fit equally well; the message lists them."""


class MissingTableError(TableError):
    """No table fits the request; the message lists the places searched and how to get one."""


def home() -> Path:
    """The directory of the tables: `$NAS_BENCH_HOME`, by default `nas-algos` in the user's data directory."""
    return Path(os.environ.get("NAS_BENCH_HOME") or platformdirs.user_data_dir("nas-algos"))


def torch_home() -> Path:
    """The directory in which official tools keep benchmark files: `$TORCH_HOME`, by default `~/.torch`."""
    return Path(os.environ.get("TORCH_HOME") or Path.home() / ".torch")


def installed() -> list[Path]:
    """The tables in `home()`, by name."""
    return sorted(home().glob("*.arrow"))


def embedded() -> list[Path]:
    """The tables that come with the package, by name."""
    return sorted(EMBEDDED.glob("*.arrow"))


def is_table(wanted: str) -> bool:
    """Whether `wanted` names a table, installed or embedded, or is a table file."""
    named = any((place / f"{wanted}.arrow").exists() for place in (home(), EMBEDDED))
    return named or (wanted.endswith(".arrow") and Path(wanted).exists())


def table_named(wanted: str) -> BenchmarkTable:
    """Open the table called `wanted`. Installed tables take precedence over embedded ones, these over table files.

    Raises:
        MissingTableError: there is no such table; the message lists the known names.
    """
    for path in (home() / f"{wanted}.arrow", EMBEDDED / f"{wanted}.arrow"):
        if path.exists():
            return open_table(path)
    if is_table(wanted):
        return open_table(Path(wanted))
    names = [path.stem for path in [*installed(), *embedded()]]
    unknown = unknown_name("table", wanted, names) if names else f"unknown table {wanted!r}: no table is installed"
    raise MissingTableError(f"{unknown} (looked in {home()}); there is no file of that name either")


def find_table(
    space: str,
    wanted: str | None,
    datasets: Collection[str] = (),
    *,
    progress: Progress,
) -> BenchmarkTable:
    """Open the table to search on.

    Args:
        wanted: the name of a table, a table file, or a benchmark file to import first; None for a table of the space
            that holds the `datasets`: an installed one, official releases first; else one imported from official files;
            else one that comes with the package.
        progress: called during an import.

    Raises:
        MissingTableError: no table fits.
        AmbiguousTableError: several tables fit equally well.
        TableError: the table `wanted` holds another space.
    """
    if wanted is None:
        return _table_of(space, frozenset(datasets), progress)
    importable = Path(wanted).exists() and not is_table(wanted)
    table = _imported(Path(wanted), progress) if importable else table_named(wanted)
    if table.info.space != space:
        raise TableError(f"the table {table.info.name} holds the space {table.info.space}, not {space}")
    return table


def official_files(space: str) -> list[Path]:
    """The possible paths of an official release of `space` under $TORCH_HOME, in order of preference."""
    stem = torch_home() / OFFICIAL[space]
    return [stem.with_name(stem.name + suffix) for suffix in ("-simple", "-simple.tar", ".pickle.pbz2")]


def _imported(path: Path, progress: Progress) -> BenchmarkTable:
    from experiments.tables.importing import import_benchmark  # slow to import, and rarely needed

    return open_table(import_benchmark(path, home(), progress=progress))


def _readable(paths: Iterable[Path]) -> Iterator[BenchmarkTable]:
    """Yield the tables at `paths`, skipping damaged ones."""
    for path in paths:
        with suppress(TableError):
            yield open_table(path)


def _table_of(space: str, datasets: frozenset[str], progress: Progress) -> BenchmarkTable:
    of_space = [table for table in _readable(installed()) if table.info.space == space]
    tables = [table for table in of_space if datasets <= table.info.tasks.keys()]
    tables = [table for table in tables if len(table) == len(SPACES[space])] or tables  # complete ones, if any
    official = [table for table in tables if table.info.name == OFFICIAL.get(space)]
    if official or len(tables) == 1:
        return (official or tables)[0]
    if tables:
        names = ", ".join(table.path.stem for table in tables)
        raise AmbiguousTableError(f"several tables hold the space {space}: {names}; choose one with --table NAME")
    published = TASKS.get(space, {}).keys()
    if space in OFFICIAL and datasets <= published:
        for path in official_files(space):
            if path.exists():
                return _imported(path, progress)
    own = [table for table in _readable(embedded()) if table.info.space == space]
    for table in own:
        if datasets <= table.info.tasks.keys():
            return table
    known = {name for table in [*of_space, *own] for name in table.info.tasks} | published
    for dataset in sorted(datasets - known):
        raise MissingTableError(unknown_name("data set", dataset, sorted(known)))
    raise MissingTableError(_how_to_get(space, datasets))


def _how_to_get(space: str, datasets: frozenset[str]) -> str:
    what = f" with {', '.join(sorted(datasets))}" if datasets else ""
    if space not in OFFICIAL:
        return f"no table of the space {space}{what} in {home()}: import one with nas-bench import PATH"
    places = "\n".join(f"  {path}" for path in [home() / "*.arrow", *official_files(space)])
    return (
        f"no table of the space {space}{what}. Looked for (in $NAS_BENCH_HOME and $TORCH_HOME):\n{places}\n"
        f"Get {OFFICIAL[space]}-simple.tar from the NATS-Bench authors (https://github.com/D-X-Y/NATS-Bench), then:\n"
        f"  nas-bench import PATH/{OFFICIAL[space]}-simple.tar"
    )
