"""Studies to a report: sections with figures and tables, each in all its formats, and a page that holds them together.

A report reads records, never live objects; equal records give equal files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.records.study import StudyHeader
from experiments.records.sweep import SweepRecords
from experiments.reports.entries import (
    Entry,
    RecordedStudy,
    _legend,
    common_header,
    entries_of,
    read_studies,
)
from experiments.reports.html_page import html_page
from experiments.reports.publishing import _published
from experiments.reports.sections.checklist import write_checklist
from experiments.reports.sections.curves import NO_CURVES, _curve_rules, _draw
from experiments.reports.sections.final import _table_rule, final_table, long_table, write_csv
from experiments.reports.sections.found import write_found
from experiments.reports.sections.notes import notes
from experiments.reports.sections.pairwise import write_comparison
from experiments.reports.sections.provenance import what_was_run
from experiments.reports.sections.published import write_published
from experiments.reports.sections.sensitivity import write_sensitivity
from experiments.reports.sections.speed import AskedTarget, write_overhead, write_speed
from experiments.reports.sections.weight_sharing import write_weight_sharing
from experiments.reports.tables import latex, markdown
from experiments.reports.text import bullets, figure
from experiments.statistics.aggregates import Band, Interpolation

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Report:
    """A written report."""

    files: Sequence[Path]
    headers: Sequence[str]
    """Of `rows`."""
    rows: Sequence[Sequence[str]]
    """How the searches ended, by data set and algorithm."""


def write_report(
    study_dirs: Sequence[Path],
    out: Path,
    *,
    band: Band = "iqr",
    interpolation: Interpolation = "step",
    runs: int | None = None,
    sweeps: Sequence[Path] = (),
    targets: Sequence[AskedTarget] = (),
) -> Report:
    """Read studies and write their common report into the directory `out`.

    The report is made beside `out` and moved there when it is complete. Files of `out` that are none of the report's
    stay as they are.

    Args:
        band: around the mean of the curves.
        interpolation: of the curves between trials; the table does not depend on it.
        runs: read only the first so many of each algorithm on each data set. What is read of a run is 0.35 KB; by the
            interpolation 'nats' all its trials, of 0.05 KB each.
        sweeps: directories of nas-sweep, whose sensitivity to each option is shown.
        targets: test accuracies that searches are to reach, instead of some near the best one.

    Raises:
        RecordError: a directory holds no readable study, or no readable sweep.
        ReportError: the studies cannot be compared (see `read_studies`), or `out` cannot be written.
    """
    studies = read_studies(study_dirs, runs, every_trial=interpolation == "nats")
    header, entries = common_header(studies), entries_of(studies)
    headers, rows = final_table(header, entries)
    with _published(out) as directory:
        figures = _draw(header, entries, directory, band, interpolation)
        sections = _write_sections(studies, entries, band, sweeps, targets, directory)
        (directory / "table.md").write_text(markdown(headers, rows) + "\n", "utf-8")
        (directory / "table.tex").write_text(latex(headers, rows) + "\n", "utf-8")
        write_csv(directory / "table.csv", header, entries)
        how = bullets(_curve_rules(header, entries, band, interpolation)) if figures else NO_CURVES
        text = page(studies, entries, figures, how, sections, what_was_run(studies, entries, directory))
        (directory / "report.md").write_text(text, "utf-8")
        (directory / "report.html").write_text(html_page(text, directory), "utf-8")
        names = sorted(path.name for path in directory.iterdir())
    return Report([out / name for name in names], *long_table(header, entries))


def _write_sections(
    studies: Sequence[RecordedStudy],
    entries: Sequence[Entry],
    band: Band,
    sweeps: Sequence[Path],
    targets: Sequence[AskedTarget],
    directory: Path,
) -> list[str]:
    """Write what the sections after the curves show, and return them; some may be empty."""
    header, legend = common_header(studies), _legend(entries)
    return [
        write_published(header, entries, directory),
        write_comparison(entries, legend, directory),
        write_speed(header, entries, legend, targets, directory),
        write_found(header, entries, legend, directory),
        write_weight_sharing(entries, legend, band, directory),
        write_sensitivity(sweeps, directory),
        write_overhead(header, entries, directory),
        write_checklist(studies, entries, [SweepRecords(path) for path in sweeps], directory),
    ]


def page(
    studies: Sequence[RecordedStudy],
    entries: Sequence[Entry],
    figures: Mapping[str, str],
    how: str,
    sections: Sequence[str] = (),
    run: str = "",
) -> str:
    """report.md.

    Args:
        figures: file name without extension -> caption.
        how: a list of how they are drawn.
        sections: more of them, as Markdown; the last one comes after `run`.
        run: the section `what_was_run`.
    """
    header, read_first = common_header(studies), bullets(notes(studies, entries))
    parts = [
        f"# Architecture search on {header.settings['space']}: {_source(header)}",
        f"## Read this first\n\n{read_first}" if read_first else "",
        f"## Final results\n\n{markdown(*final_table(header, entries))}",
        _table_rule(header, studies),
        "## Curves",
        *(figure(name, caption) for name, caption in figures.items()),
        how,
        *sections[:-1],
        run,
        *sections[-1:],
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _source(header: StudyHeader) -> str:
    """Where the accuracies come from."""
    settings = header.settings
    if "trained" in settings:
        return f"really trained on {settings['trained']['dataset']}"
    if "table" not in settings:
        return f"weight sharing on {settings['shared']['dataset']}"
    name: str = settings["table"]["name"]
    return name
