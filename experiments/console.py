"""What the commands show on a terminal: progress on stderr, results on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from benchmarks.oracle import ranges
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable
from experiments.records import StudyRecords


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A function (what, done, total) that draws one bar per `what`; quiet where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report


def show_tables(paths: Sequence[Path], home: Path) -> None:
    """List installed tables."""
    if not paths:
        print(f"no tables in {home}; import one with: nas-bench import PATH")
        return
    listing = Table("table", "space", "data sets", "architectures", "MB")
    for path in paths:
        table = BenchmarkTable.open(path)
        size = f"{path.stat().st_size / 1e6:.1f}"
        listing.add_row(table.info.name, table.info.space, ", ".join(table.info.tasks), f"{len(table):,}", size)
    Console().print(listing)


def show_table(table: BenchmarkTable) -> None:
    """Describe one table: tasks, provenance, and every measured quantity."""
    console, info = Console(), table.info
    size = len(space_named(info.space))
    console.print(f"[bold]{info.name}[/]: {len(table):,} of {size:,} architectures of {info.space} ({table.path})")
    for name, task in info.tasks.items():
        console.print(
            f"{name}: searched on the validation {task.metric} of {task.search_record} at schedule "
            f"{task.search_schedule}, reported as the test {task.metric} of {task.report_record} at schedule "
            f"{task.report_schedule}"
        )
    for key, value in info.provenance.items():
        console.print(f"{key}: {value}", highlight=False)
    columns = Table("record", "schedule", "split", "quantity", "seeds", "epochs")
    for column in table.columns.values():
        epochs = ranges(column.epochs) if column.epochs else "any"
        seeds = " ".join(column.seeds)
        columns.add_row(column.record, column.schedule, column.split, column.quantity, seeds, epochs)
    console.print(columns)


def show_summary(records: StudyRecords) -> None:
    """Print what the study found, on stdout."""
    print(f"records: {records.path}")
