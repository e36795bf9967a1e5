"""Studies to a report: sections with figures and tables, each in all its formats, on one page.

A report reads records, never live objects; equal records give equal files.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal

from experiments.records.budgets import BudgetUnit
from experiments.records.headers import StudyHeader
from experiments.reports.entries import budget_unit, entries_of, read_studies
from experiments.reports.publishing import publish
from experiments.reports.section import AskedTarget, Section, SectionInput
from experiments.reports.summary import long_table
from experiments.statistics.aggregates import Band, Interpolation


@dataclass(frozen=True)
class Report:
    """A written report."""

    files: Sequence[Path]
    headers: Sequence[str]
    """Headers of the columns of `rows`."""
    rows: Sequence[Sequence[str]]
    """The final results, by data set and algorithm."""


def write_report(
    study_dirs: Sequence[Path],
    out: Path,
    *,
    band: Band = "iqr",
    interpolation: Interpolation = "step",
    over: BudgetUnit | None = None,
    runs: int | None = None,
    sweeps: Sequence[Path] = (),
    targets: Sequence[AskedTarget] = (),
    workers: int = 1,
) -> Report:
    """Read studies and write their common report into the directory `out`.

    The report is made next to `out` and moved there when it is complete. Other files in `out` stay as they are.

    Args:
        band: the kind of band drawn around the means of curves.
        interpolation: the interpolation of curves between trials; tables do not depend on it.
        over: the unit of time axes; default: the unit of the budget.
        runs: read only the first `runs` runs of each algorithm on each data set. A run takes about 0.35 KB of memory;
            with the interpolation 'nats', 0.05 KB for each of its trials.
        sweeps: directories of nas-sweep, whose sensitivity to each option is shown.
        targets: values of the metric for which to report when searches reach them; default: some near the best one.
        workers: processes that write sections; the files do not depend on it. More than one are fresh processes, each
            with a copy of what was read.

    Raises:
        RecordError: a directory holds no readable study, or no readable sweep.
        ReportError: the studies cannot be compared (see `read_studies`) or drawn over `over`, a target is no value of
            the metric, or `out` cannot be written.
    """
    from experiments.reports.html_page import html_page
    from experiments.reports.sections import SECTIONS  # imports matplotlib, which is slow

    studies = read_studies(study_dirs, runs, every_trial=interpolation == "nats")
    counted = over or budget_unit(studies)
    entries = entries_of(studies, counted)
    with publish(out) as directory:
        given = SectionInput(studies, entries, directory, band, interpolation, counted, targets, sweeps)
        text = page(given.header, _written(SECTIONS, given, workers))
        (directory / "report.md").write_text(text, "utf-8")
        (directory / "report.html").write_text(html_page(text, directory), "utf-8")
        names = sorted(path.name for path in directory.iterdir())
    return Report([out / name for name in names], *long_table(given.header, entries))


def _written(sections: Sequence[Section], given: SectionInput, workers: int) -> list[str]:
    """The Markdown of each section, which also writes its files into the report's directory."""
    if workers == 1:
        return [section(given) for section in sections]
    with ProcessPoolExecutor(workers, get_context("spawn"), _ignore_ctrl_c) as pool:
        return list(pool.map(_write, sections, repeat(given)))


def _ignore_ctrl_c() -> None:
    """Leave Ctrl-C to the command."""
    signal(SIGINT, SIG_IGN)


def _write(section: Section, given: SectionInput) -> str:
    return section(given)


def page(header: StudyHeader, sections: Sequence[str]) -> str:
    """The Markdown of report.md: a title, then the sections that are not empty."""
    title = f"# Architecture search on {header.settings.space}: {header.settings.source}"
    return "\n\n".join([title, *filter(None, sections)]) + "\n"
