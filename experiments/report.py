"""Studies to a report: sections with figures and tables, each in all its formats, and a page that holds them together.

A report reads records, never live objects; equal records give equal files.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.checklist import write_checklist
from experiments.comparison import Entry, RecordedStudy, ReportError, common_header, entries_of, is_shared, read_studies
from experiments.comparison_report import write_comparison
from experiments.found_report import write_found
from experiments.html_page import html_page
from experiments.published_report import write_published
from experiments.records import StudyHeader
from experiments.report_notes import clock, notes
from experiments.report_provenance import what_was_run
from experiments.report_tables import final_table, joined, latex, long_table, markdown, write_csv
from experiments.report_text import BAND_RULES, bullets, figure
from experiments.sensitivity_report import write_sensitivity
from experiments.shared_report import write_shared
from experiments.speed_report import AskedTarget, write_overhead, write_speed
from experiments.statistics import Band, Interpolation
from experiments.sweep_records import SweepRecords

if TYPE_CHECKING:
    from experiments.curve_figures import Curve, Panel

TABLE_RULE = (
    "Percent accuracy at the reporting fidelity of the last incumbent of each run, mean ± standard deviation over runs "
    "(population, as in the papers). {crossing}{shared}{optimum}Evaluations are trials per run, mean. Several numbers "
    "in a cell are in the order of the data sets. Full precision: [table.csv](table.csv); for a paper: "
    "[table.tex](table.tex)."
)
CROSSING = "The evaluation that crosses the budget counts if the study keeps it (`crossing`). "
SHARED = (
    "The incumbent of a weight-sharing method is what its last epoch derived. It evaluates no trained architecture; "
    "validation with shared weights is called one-shot: see [Weight sharing](#weight-sharing). "
)
OPTIMUM = "The optimum is the table's best architecture by test accuracy, with its own validation accuracy. "
CURVE_RULES = (
    "A curve begins when all its runs have an incumbent.",
    "The accuracy axis begins where the lowest curve is early in the search, to leave out the first, poor "
    "architectures.",
    "Searchers see validation scores only; test accuracy is looked up afterwards, at the reporting fidelity.",
)
SHARED_CURVE_RULE = (
    "Weight sharing counts with what the last finished epoch derived, whatever the rule between trials. Its lines end "
    "with the longest run, and the axis leaves out dips that make up less than a tenth of one."
)
NO_CURVES = (
    "Curves of test accuracy over time are left out: no benchmark table tells the accuracy of what weight sharing "
    "derived."
)
REGRET_RULE = "Regret is the optimum's test accuracy minus the incumbent's; the mean is taken before the logarithm."
INTERPOLATION_RULES: dict[Interpolation, str] = {
    "step": "At each time a run counts with its last incumbent told by then; a run that ended keeps it.",
    "nats": "Between trials, curves follow the published NATS-Bench scripts: at i/150 of the budget, i = 0, ..., 149, "
    "a run counts with the line through its two trials nearest in time, which also extrapolates.",
}
WRITTEN = ".files"
"""Holds the names of the files of a report."""


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
        write_shared(entries, legend, band, directory),
        write_sensitivity(sweeps, directory),
        write_overhead(header, entries, directory),
        write_checklist(studies, entries, [SweepRecords(path) for path in sweeps], directory),
    ]


def _draw(
    header: StudyHeader, entries: Sequence[Entry], directory: Path, band: Band, interpolation: Interpolation
) -> dict[str, str]:
    """Write the figures that there are numbers for; return file name without extension -> caption."""
    from experiments.curve_figures import views, write_figures  # matplotlib is slow to import

    drawn = [entry for entry in entries if _has_curve(entry)]
    if not drawn:
        return {}
    panels = [panel_of(header, drawn, dataset, interpolation, band) for dataset in header.settings["datasets"]]
    write_figures(panels, _legend(drawn), band, directory)
    return {name: view.caption for name, view in views(panels).items()}


def _has_curve(entry: Entry) -> bool:
    return not entry.shared or any(map(entry.has_test, entry.runs))


def panel_of(
    header: StudyHeader, entries: Sequence[Entry], dataset: str, interpolation: Interpolation, band: Band = "iqr"
) -> Panel:
    """The curves of a data set, on an axis that is long enough for all."""
    from experiments.curve_figures import Panel

    optimum = header.optima[dataset].test if header.optima else math.nan
    there = [entry for entry in entries if dataset in entry.runs]
    end = max(entry.end(dataset) for entry in entries if dataset in entry.runs or not entry.shared)
    clocks = dict.fromkeys(clock(entry.study.header) for entry in entries)
    curves = [_curve(entry, dataset, optimum, interpolation, band) for entry in there]
    return Panel(dataset, end, optimum, curves, f"{' or '.join(clocks)} seconds")


def _curve(entry: Entry, dataset: str, optimum: float, interpolation: Interpolation, band: Band) -> Curve:
    from experiments.curve_figures import curve_of

    rule: Interpolation = "step" if entry.shared else interpolation
    runs, end = entry.runs[dataset], entry.end(dataset)
    return replace(curve_of(entry.label, runs, end, optimum, rule, interval=band == "ci"), falls=entry.shared)


def _legend(entries: Sequence[Entry]) -> dict[str, str]:
    """Label -> text, of entries that have runs."""
    return {
        entry.label: f"{entry.text} (n = {joined(str(len(runs)) for runs in entry.runs.values())})"
        for entry in entries
        if entry.runs
    }


def _curve_rules(
    header: StudyHeader, entries: Sequence[Entry], band: Band, interpolation: Interpolation
) -> Iterator[str]:
    """How the curves are drawn."""
    yield BAND_RULES[band]
    yield INTERPOLATION_RULES[interpolation]
    yield from CURVE_RULES
    if header.optima:
        yield REGRET_RULE
    if any(entry.shared for entry in entries):
        yield SHARED_CURVE_RULE


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


def _table_rule(header: StudyHeader, studies: Sequence[RecordedStudy]) -> str:
    kinds = {is_shared(study.header) for study in studies}
    return TABLE_RULE.format(
        crossing=CROSSING if False in kinds else "",
        shared=SHARED if True in kinds else "",
        optimum=OPTIMUM if header.optima else "",
    )


def _source(header: StudyHeader) -> str:
    """Where the accuracies come from."""
    settings = header.settings
    if "trained" in settings:
        return f"really trained on {settings['trained']['dataset']}"
    if "table" not in settings:
        return f"weight sharing on {settings['shared']['dataset']}"
    name: str = settings["table"]["name"]
    return name


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """A directory to write a report into. It becomes `out` when the block ends, and vanishes if the block raises.

    What an earlier report wrote into `out` is replaced or taken away; other files there stay.
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
        for name in {Path(name).name for name in before} - set(written):  # of a report of something else
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(f"cannot write the report into {out} ({error}): choose another --out") from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)
