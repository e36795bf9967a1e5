"""What the commands show on a terminal: progress on stderr, results on stdout."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from math import isfinite, isnan
from operator import itemgetter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as ProgressBars,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from benchmarks.errors import TableError
from benchmarks.metrics import ACCURACY, METRICS, Metric
from benchmarks.outcomes import format_ranges
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable
from experiments.execution.progress import Progress
from experiments.records.headers import SweepSettings
from experiments.records.runs import Floats, Group, runs_by_group
from experiments.records.study import StudyRecords
from experiments.records.sweep import Configuration
from experiments.reports.measures import Measure, with_unit
from experiments.statistics.aggregates import aggregate
from experiments.statistics.weight_sharing import OneShotRanking
from experiments.sweeps.confirmation import Confirmed

LINE_SECONDS = 60.0
"""Seconds between two lines of progress of a task if stderr is not a terminal."""
MOST_BARS = 10
"""Greatest number of bars on a terminal, unless more tasks are unfinished."""


class _Rate(ProgressColumn):
    """The recent number of items done per second."""

    def render(self, task: Task) -> str:
        return f"{task.speed:.3g}/s" if task.speed else ""


class _LinePerMinute:
    """Progress in a log file: one line a minute for each task."""

    def __init__(self, console: Console) -> None:
        self._console, self._start = console, time.monotonic()
        self._printed: dict[str, float] = {}  # task -> time of its last line

    def __call__(self, task: str, done: float, total: float) -> None:
        if time.monotonic() - self._printed.get(task, self._start) >= LINE_SECONDS:
            self._printed[task] = time.monotonic()
            count = f"{done:,.0f} of {total:,.0f}" if isfinite(total) else f"{done:,.0f}"
            self._console.print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {task}: {count}", highlight=False)


class _Bars:
    """Progress on a terminal: one bar for each task. Finished bars are removed if there are too many."""

    def __init__(self, bars: ProgressBars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, task: str, done: float, total: float) -> None:
        known = total if isfinite(total) else None
        if task not in self._tasks:
            self._make_room()
            self._tasks[task] = self._bars.add_task(task, total=known)
        self._bars.update(self._tasks[task], completed=done, total=known)

    def _make_room(self) -> None:
        finished = [one for one in self._bars.tasks if one.finished]
        for one in finished[: max(0, len(self._bars.tasks) - MOST_BARS + 1)]:
            self._bars.remove_task(one.id)
            del self._tasks[one.description]


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Draw one bar per task on stderr; if that is not a terminal, print a line a minute instead."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _LinePerMinute(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn())
    with ProgressBars(*columns, TimeRemainingColumn(), console=console) as bars:
        yield _Bars(bars)


def show_tables(installed: Sequence[Path], embedded: Sequence[Path], home: Path) -> None:
    """List the tables in `home` and those that come with nas-algos."""
    if not installed:
        print(f"no tables in {home}; import one with: nas-bench import PATH")
    if not [*installed, *embedded]:
        return
    listing = Table("table", "space", "data sets", "architectures", "MB", "")
    for path in [*installed, *embedded]:
        try:
            table = BenchmarkTable.open(path)
        except TableError:
            listing.add_row(path.stem, "", "damaged: import it again", "", "", "")
            continue
        size, origin = f"{path.stat().st_size / 1e6:.1f}", "comes with nas-algos" if path in embedded else ""
        listing.add_row(table.info.name, table.info.space, ", ".join(table.info.tasks), f"{len(table):,}", size, origin)
    Console().print(listing)


def show_table(table: BenchmarkTable) -> None:
    """Describe one table: tasks, provenance, and every measured quantity."""
    console, info = Console(), table.info
    size = len(space_named(info.space))
    console.print(f"{info.name}: {len(table):,} of {size:,} architectures of {info.space} ({table.path})", markup=False)
    for name, task in info.tasks.items():
        split, record = ("test", task.report_record) if task.report_record else ("validation", task.search_record)
        console.print(
            f"{name}: searched on the validation {task.metric.name} of {task.search_record} at schedule "
            f"{task.search_schedule}, reported as the {split} {task.metric.name} of {record} at schedule "
            f"{task.report_schedule}{'' if task.report_record else ' (no test was measured)'}"
        )
    for key, value in info.provenance.items():
        console.print(f"{key}: {value}", highlight=False, markup=False)
    columns = Table("record", "schedule", "split", "quantity", "seeds", "epochs")
    for column in table.columns.values():
        epochs = format_ranges(column.epochs) if column.epochs else "any"
        seeds = " ".join(column.seeds)
        columns.add_row(column.record, column.schedule, column.split, column.quantity, seeds, epochs)
    console.print(columns)
    console.print(_quality_table(table))


def _quality_table(table: BenchmarkTable) -> Table:
    from experiments.tables.quality import qualities  # imports SciPy, which a list of tables does not need

    title = "final values: percentiles over architectures, Spearman's ρ between two seeds and with the reported value"
    shown = Table(title=title, title_justify="left")
    for header in ("record", "schedule", "split"):
        shown.add_column(header, no_wrap=True)
    for header in ("5 %", "50 %", "95 %", "ρ of seeds", "ρ with report"):
        shown.add_column(header, justify="right")
    for quality in qualities(table):
        column = quality.column
        correlations = ("" if np.isnan(r) else f"{r:.3f}" for r in (quality.seed_agreement, quality.search_agreement))
        measure = Measure(METRICS.get(column.quantity, Metric(column.quantity)))
        percentiles = map(measure.difference, quality.percentiles)
        shown.add_row(column.record, column.schedule, column.split, *percentiles, *correlations)
    return shown


def show_results(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print how searches ended: `rows` of `reports.summary.long_table`, one table per data set."""
    console = Console()
    for dataset, of_dataset in groupby(rows, key=itemgetter(0)):
        table = Table(headers[1], title=dataset, title_justify="left")
        for header in headers[2:]:
            table.add_column(header, justify="right", no_wrap=True)
        for _, *cells in of_dataset:
            table.add_row(*cells)
        console.print(table)


def show_one_shot(compared: Mapping[Group, Sequence[OneShotRanking]], metric: Metric) -> None:
    """Print how well the shared weights of each run rank architectures; `metric` judges the trained ones."""
    count = len(next(iter(compared.values()))[0].architectures)
    names = f"{ACCURACY.name} with shared weights and {metric.name} after training"
    title = f"validation {names}: rank correlations over {count} architectures"
    table = Table("algorithm", "run", title=title, title_justify="left")
    for header in (
        "Spearman's ρ",
        "Kendall's τ",
        with_unit("shared", ACCURACY.unit),
        with_unit("trained", metric.unit),
    ):
        table.add_column(header, justify="right", no_wrap=True)
    for (algorithm, _), runs in compared.items():
        for one in runs:
            means = Measure(ACCURACY).number(one.shared.mean()), Measure(metric).number(one.trained.mean())
            table.add_row(algorithm, str(one.run), f"{one.spearman:.3f}", f"{one.kendall:.3f}", *means)
    Console().print(table)


def show_answers(records: StudyRecords) -> None:
    """Print the architecture that the one run of each algorithm on each data set found."""
    space = space_named(records.header().settings.space)
    answers = {group: runs.architecture[runs.incumbent][-1:] for group, runs in runs_by_group(records.trials()).items()}
    for (algorithm, dataset), last in answers.items():
        for index in last.tolist():
            print(f"{algorithm} on {dataset} found architecture {index}: {space.to_string(space.arch(index))}")


SHOWN = 5
"""Number of configurations that `show_ranking` prints."""


def show_ranking(rows: Sequence[Configuration], settings: SweepSettings) -> None:
    """Print the best configurations of a sweep, with their objective at each rung."""
    measure, rungs = Measure(settings.metric), settings.rungs
    title = f"best configurations: {with_unit('objective', measure.metric.unit)}"
    table = Table(title=title, title_justify="left")
    for name in [*rows[0].options, *(f"{rung} {settings.unit}" for rung in rungs)]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows[:SHOWN]:
        objectives = row.evaluation.objectives if row.evaluation else {}
        values = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.options.values())
        table.add_row(*values, *(measure.number(objectives[rung]) if rung in objectives else "" for rung in rungs))
    Console().print(table)


def show_confirmation(confirmed: Mapping[str, Confirmed], p: Mapping[str, float], settings: SweepSettings) -> None:
    """Print how the best and the default configuration of a sweep did on fresh seeds; `p` names what is shown."""
    (dataset,) = settings.study.datasets
    measures = {name: Measure(settings.study.metric(dataset) if name == "test" else settings.metric) for name in p}
    runs = len(next(iter(confirmed.values())).validation)
    table = Table("configuration", title=f"{runs} runs of each with fresh seeds: mean ± std", title_justify="left")
    for name, measure in measures.items():
        heading = with_unit(name.replace("_", " "), measure.metric.unit)
        table.add_column(heading, justify="right", no_wrap=True)
    for label, found in confirmed.items():
        table.add_row(label, *(_mean(getattr(found, name), measure) for name, measure in measures.items()))
    table.add_row("p (Mann-Whitney)", *("" if isnan(value) else f"{value:.2g}" for value in p.values()))
    Console().print(table)


def _mean(scores: Floats, measure: Measure) -> str:
    return measure.plus_minus(aggregate(scores)) if len(scores) and np.isfinite(scores).all() else ""
