"""Studies to a report: figures, the final table as Markdown, CSV and LaTeX, and a page that says what was run.

A report reads records, never live objects; equal records give equal files.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.comparison import (
    MUST_AGREE,
    OWN,
    Entry,
    RecordedStudy,
    ReportError,
    difference,
    entries_of,
    read_studies,
)
from experiments.records import Optimum, StudyHeader
from experiments.report_tables import DASH, final_table, joined, latex, long_table, markdown, number, write_csv
from experiments.statistics import Band, Interpolation

GENERAL = (
    "space", "table", "trained", "runs", "seed", "preset", "cost_model", "seed_policy", "crossing", "incumbent",
    "cache", "simulated_workers",
)  # fmt: skip
"""Settings that the page lists one by one, where there are any."""
TABLE_RULE = (
    "Percent accuracy at the reporting fidelity of the last incumbent of each run, mean ± standard deviation over runs "
    "(population, as in the papers). The evaluation that crosses the budget counts if the study keeps it (`crossing`). "
    "{optimum}Evaluations are trials per run, mean. Several numbers in a cell are in the order of the data sets. Full "
    "precision: [table.csv](table.csv); for a paper: [table.tex](table.tex)."
)
OPTIMUM = "The optimum is the table's best architecture by test accuracy, with its own validation accuracy. "
CURVE_RULES = (
    "A curve begins when all its runs have an incumbent.",
    "The accuracy axis begins where the lowest curve is early in the search, to leave out the first, poor "
    "architectures.",
    "Searchers see validation scores only; test accuracy is looked up afterwards, at the reporting fidelity.",
)
REGRET_RULE = "Regret is the optimum's test accuracy minus the incumbent's; the mean is taken before the logarithm."
INTERPOLATION_RULES: dict[Interpolation, str] = {
    "step": "At each time a run counts with its last incumbent told by then; a run that ended keeps it.",
    "nats": "Between trials, curves follow the published NATS-Bench scripts: at i/150 of the budget, i = 0, ..., 149, "
    "a run counts with the line through its two trials nearest in time, which also extrapolates.",
}
BAND_RULES: dict[Band, str] = {
    "iqr": "Lines are means over runs and bands inter-quartile ranges; a mean leaves its band when few runs lag far "
    "behind.",
    "sem": "Lines are means over runs, bands one standard error of the mean on either side.",
    "std": "Lines are means over runs, bands one standard deviation (population) on either side.",
}


@dataclass(frozen=True)
class Report:
    """A written report."""

    files: Sequence[Path]
    headers: Sequence[str]
    """Of `rows`."""
    rows: Sequence[Sequence[str]]
    """How the searches ended, by data set and algorithm."""


def write_report(
    study_dirs: Sequence[Path], out: Path, *, band: Band = "iqr", interpolation: Interpolation = "step"
) -> Report:
    """Read studies and write their common report into the directory `out`.

    The report is made beside `out` and moved there when it is complete. Files of `out` that are none of the report's
    stay as they are.

    Args:
        band: around the mean of the curves.
        interpolation: of the curves between trials; the table does not depend on it.

    Raises:
        RecordError: a directory holds no readable study.
        ReportError: the studies cannot be compared (see `read_studies`), or `out` cannot be written.
    """
    studies = read_studies(study_dirs)
    header, entries = studies[0].header, entries_of(studies)
    headers, rows = final_table(header, entries)
    with _published(out) as directory:
        figures = _draw(header, entries, directory, band, interpolation)
        (directory / "table.md").write_text(markdown(headers, rows) + "\n", "utf-8")
        (directory / "table.tex").write_text(latex(headers, rows) + "\n", "utf-8")
        write_csv(directory / "table.csv", header, entries)
        rules = [BAND_RULES[band], INTERPOLATION_RULES[interpolation], *CURVE_RULES]
        how = _list([*rules, REGRET_RULE] if header.optima else rules)
        (directory / "report.md").write_text(page(studies, entries, figures, how), "utf-8")
        names = sorted(path.name for path in directory.iterdir())
    return Report([out / name for name in names], *long_table(header, entries))


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _draw(
    header: StudyHeader, entries: Sequence[Entry], directory: Path, band: Band, interpolation: Interpolation
) -> dict[str, str]:
    """Write the figures; return file name without extension -> caption."""
    from experiments.figures import panel, views, write_figures  # matplotlib is slow to import

    panels = []
    for dataset, budget in header.settings["budgets"].items():
        runs = {entry.label: entry.runs[dataset] for entry in entries if dataset in entry.runs}
        optimum = header.optima[dataset].test if header.optima else math.nan
        drawn = panel(dataset, float(budget), optimum, runs, interpolation)
        panels.append(replace(drawn, time=f"{_clock(header)} seconds"))
    legend = {}
    for entry in entries:
        if entry.runs:
            legend[entry.label] = f"{entry.text} (n = {joined(str(len(runs)) for runs in entry.runs.values())})"
    write_figures(panels, legend, band, directory)
    return {name: view.caption for name, view in views(panels).items()}


def _clock(header: StudyHeader) -> str:
    """Which seconds the clock of the searches counts."""
    return "measured" if "trained" in header.settings else "simulated"


def page(studies: Sequence[RecordedStudy], entries: Sequence[Entry], figures: Mapping[str, str], how: str) -> str:
    """report.md.

    Args:
        figures: file name without extension -> caption.
        how: a list of how they are drawn.
    """
    header = studies[0].header
    notes = _list(_notes(studies, entries))
    parts = [
        f"# Architecture search on {header.settings['space']}: {_source(header)}",
        f"## Read this first\n\n{notes}" if notes else "",
        f"## Final results\n\n{markdown(*final_table(header, entries))}\n\n"
        + TABLE_RULE.format(optimum=OPTIMUM if header.optima else ""),
        "## Curves",
        *(f"![{caption}]({name}.png)\n\n{caption} ([SVG]({name}.svg), [PDF]({name}.pdf))."
          for name, caption in figures.items()),
        how,
        "## What was run",
        *(_provenance(study, [entry for entry in entries if entry.study is study]) for study in studies),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _source(header: StudyHeader) -> str:
    """Where the scores come from."""
    if "trained" in header.settings:
        return f"really trained on {header.settings['trained']['dataset']}"
    name: str = header.settings["table"]["name"]
    return name


def _notes(studies: Sequence[RecordedStudy], entries: Sequence[Entry]) -> Iterator[str]:
    """What a reader must know before comparing the numbers."""
    if not studies[0].header.optima:
        yield (
            "**The best architecture is unknown**, since only what the searches asked for was trained: there is no "
            "regret. Accuracies are of one training of each architecture."
        )
    hardware = {study.name: study.header.versions["hardware"] for study in studies if not study.header.optima}
    if len(set(hardware.values())) > 1:
        measured = ", ".join(f"on {model} in {name}" for name, model in hardware.items())
        yield f"**Seconds were measured on different hardware** and cannot be compared: {measured}."
    for entry in entries:
        if entry.one_fidelity:
            used = joined(_fidelities(entry.fidelities[dataset]) for dataset in entry.one_fidelity)
            yield (
                f"**{entry.label} searched at one fidelity** on {', '.join(entry.one_fidelity)}: all its recorded "
                f"trials are at {used}. None was a cheaper, shorter training, so these numbers do not show what "
                f"{entry.algorithm} does where learning curves are searched."
            )
    for entry in entries:
        yield from _missing(entry)
    for study in studies:
        if study.header.resumed_with:
            commits = [study.header.git_commit, *(code["git_commit"] for code in study.header.resumed_with)]
            yield (
                f"**{study.name} was interrupted and completed by other code or elsewhere**: commits "
                f"{', '.join(commits)}."
            )
        if study.failed:
            yield f"{study.failed} of {study.trials} evaluations in {study.name} failed."
    others = [key for key in studies[0].header.settings if key not in MUST_AGREE + OWN]
    for study in studies[1:]:
        different = difference(studies[0].settings(others), study.settings(others))
        if different:
            setting, first, second = different
            yield f"**The studies differ**: {setting} is {first!r} in {studies[0].name}, {second!r} in {study.name}."


def _missing(entry: Entry) -> Iterator[str]:
    planned = entry.study.header.settings["runs"]
    for dataset in entry.study.header.settings["datasets"]:
        end = entry.finals.get(dataset)
        runs = end.runs if end else 0
        finished = entry.study.finished.get((entry.algorithm, dataset), 0)
        if finished < planned:
            yield f"**{entry.label} on {dataset} is unfinished: {finished} of {planned} runs are recorded.**"
        if runs < finished:
            yield (
                f"**{finished - runs} of {finished} runs of {entry.label} on {dataset} ended without any evaluation "
                "within the budget**: the numbers are of the others."
            )
        if end and end.score.count < runs:
            lost = runs - int(end.score.count)
            yield f"{lost} of {runs} runs of {entry.label} on {dataset} have no answer: every trial failed."
        if end and end.test.count < end.score.count:
            short = int(end.score.count - end.test.count)
            yield (
                f"**The answers of {short} of {runs} runs of {entry.label} on {dataset} have no test accuracy at the "
                "reporting fidelity**: the numbers are of the others."
            )


def _provenance(study: RecordedStudy, entries: Sequence[Entry]) -> str:
    """Everything that decided the numbers of one study, as tables."""
    settings, optima = study.header.settings, study.header.optima
    facts = {key.replace("_", " "): settings[key] for key in GENERAL if key in settings}
    facts |= {"versions": study.header.versions, "commit": study.header.git_commit}
    datasets = [
        [name, f"{budget:g}", _told_fidelity(settings["fidelity"][name]),
         _told_fidelity(settings["report_fidelity"][name]), *_best(optima.get(name))]
        for name, budget in settings["budgets"].items()
    ]  # fmt: skip
    algorithms = [
        [
            entry.label,
            _told(settings["algorithms"][entry.algorithm]),
            joined(_fidelities(used) for used in entry.fidelities.values()),
            joined(f"{end.search_seconds:.3g}" for end in entry.finals.values()),
        ]
        for entry in entries
    ]
    budget = f"budget ({_clock(study.header)} s)"
    tables = [
        (["data set", budget, "searched at", "reported at", "best index", "its test (%)"], datasets),
        (["algorithm", "options", "trials at", "search itself (host s per run)"], algorithms),
    ]
    told = _list(f"{name}: {_told(fact)}" for name, fact in facts.items())
    return "\n\n".join([f"### {study.name}", told, *(markdown(names, rows, "left") for names, rows in tables)])


def _best(optimum: Optimum | None) -> tuple[str, str]:
    """(official index, test percent)."""
    return (str(optimum.architecture), number(optimum.test)) if optimum else (DASH, DASH)


def _told(value: Any) -> str:
    """A setting in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_told(inner)}" for key, inner in value.items()) or "none"
    return "none" if value is None else str(value)


def _told_fidelity(fidelity: Mapping[str, Any]) -> str:
    return _fidelities([(fidelity["schedule"], fidelity["epoch"])])


def _fidelities(used: Iterable[tuple[str, int]]) -> str:
    """(schedule, epoch) pairs as 'epochs 1, 4, 12 of schedule 12'."""
    schedules: dict[str, list[int]] = {}
    for schedule, epoch in sorted(used):
        schedules.setdefault(schedule, []).append(epoch)
    return "; ".join(
        f"epoch{'s' * (len(epochs) > 1)} {', '.join(map(str, epochs))} of schedule {schedule}"
        for schedule, epochs in schedules.items()
    )


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """A directory to write a report into. It becomes `out` when the block ends, and vanishes if the block raises."""
    out = out.resolve()
    if out.exists() and not out.is_dir():
        raise ReportError(f"{out} is a file, and a report is a directory: choose another --out")
    directory = out.parent / f".{out.name}.partial-{os.getpid()}"
    try:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        yield directory
        if not out.exists():
            os.replace(directory, out)
            return
        for file in sorted(directory.iterdir(), key=lambda file: file.name == "report.md"):  # the page last
            os.replace(file, out / file.name)
    except OSError as error:
        raise ReportError(f"cannot write the report into {out} ({error}): choose another --out") from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)
