"""Studies to a report: figures, the final table as Markdown, CSV and LaTeX, and a page that says what was run.

A report reads records, never live objects; equal records give equal files.
"""

from __future__ import annotations

import csv
import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.errors import InputError
from experiments import statistics
from experiments.records import StudyHeader, StudyRecords
from experiments.statistics import Aggregate, Band, Final, Interpolation, Runs

MUST_AGREE = ("space", "table", "datasets", "budgets", "cost_model", "report_fidelity")
"""Settings without which the numbers of two studies mean different things."""
OWN = ("algorithms", "runs", "seed", "preset")
"""Settings that each study of a report has its own of."""
MULTI_FIDELITY = ("hyperband", "bohb")
DASH = "–"


class ReportError(InputError):
    """Studies that no one report can hold, or a place where none can be written."""


@dataclass(frozen=True)
class Study:
    """What was read from one study's directory."""

    name: str
    """The directory's."""
    header: StudyHeader
    groups: Mapping[statistics.Group, Runs]
    fidelities: Mapping[statistics.Group, Counter[tuple[str, int]]]
    search_seconds: Mapping[statistics.Group, float]
    trials: int
    failed: int
    """Trials whose score is NaN."""


@dataclass(frozen=True)
class Entry:
    """One algorithm of one study: a row of the table, a line in the figures. The mappings go by data set."""

    label: str
    """The algorithm's name; with the study's if several studies ran it."""
    algorithm: str
    study: Study
    runs: Mapping[str, Runs]
    """Data sets without a recorded run are absent."""
    finals: Mapping[str, Final]
    fidelities: Mapping[str, Counter[tuple[str, int]]]

    @property
    def one_fidelity(self) -> list[str]:
        """Data sets on which an algorithm made for several fidelities was given one."""
        return [name for name, used in self.fidelities.items() if self.algorithm in MULTI_FIDELITY and len(used) == 1]

    @property
    def text(self) -> str:
        """How the row and the line are called."""
        return f"{self.label}, one fidelity" if self.runs and len(self.one_fidelity) == len(self.runs) else self.label


@dataclass(frozen=True)
class Report:
    """A written report."""

    files: Sequence[Path]
    headers: Sequence[str]
    """Of the final table."""
    rows: Sequence[Sequence[str]]


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
        ReportError: the studies differ in what must agree, hold no run, or `out` cannot be written.
    """
    studies = read_studies(study_dirs)
    entries = entries_of(studies)
    headers, rows = final_table(studies[0].header, entries)
    with _published(out) as directory:
        names = _draw(studies[0].header, entries, directory, band, interpolation)
        (directory / "table.md").write_text(_markdown(headers, rows) + "\n")
        (directory / "table.tex").write_text(_latex(headers, rows) + "\n")
        _write_csv(directory / "table.csv", studies[0].header, entries)
        (directory / "report.md").write_text(_page(studies, entries, names, band, interpolation))
        files = ["report.md", "table.md", "table.csv", "table.tex", *names]
    return Report([out / name for name in files], headers, rows)


def read_studies(study_dirs: Sequence[Path]) -> list[Study]:
    """Read the studies and check that they can be compared; RecordError or ReportError if not."""
    paths = [path.resolve() for path in study_dirs]
    for path in paths:
        if paths.count(path) > 1:
            raise ReportError(f"{path} is given {paths.count(path)} times: give each study once")
    names = [path.name for path in paths]
    unique = len(set(names)) == len(names)
    studies = [_read(path, path.name if unique else str(path)) for path in paths]
    for other in studies[1:]:
        difference = _difference(_must_agree(studies[0]), _must_agree(other))
        if difference:
            setting, first, second = difference
            raise ReportError(
                f"{studies[0].name} and {other.name} cannot share a report: their {setting} differs, {first!r} and "
                f"{second!r}. Make one report of each"
            )
    return studies


def _read(path: Path, name: str) -> Study:
    records = StudyRecords(path)
    header, trials = records.header(), records.trials()
    if not trials.num_rows:
        raise ReportError(f"{path} holds no finished run yet: repeat its nas-run command to go on")
    failed = int(np.isnan(trials["validation"].to_numpy()).sum())
    return Study(
        name, header, statistics.split(trials), statistics.fidelities(trials),
        statistics.mean_search_seconds(records.overhead()), trials.num_rows, failed,
    )  # fmt: skip


def _must_agree(study: Study) -> dict[str, Any]:
    """The settings in MUST_AGREE, without what may differ: the order of data sets, and who imported the table."""
    settings = {key: study.header.settings.get(key) for key in MUST_AGREE}
    table = settings["table"]
    provenance = {key: value for key, value in table.get("provenance", {}).items() if key != "imported_by"}
    return {**settings, "table": {**table, "provenance": provenance}, "datasets": sorted(settings["datasets"])}


def _difference(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> tuple[str, Any, Any] | None:
    """(name, first's value, second's value) of a setting that differs, looked for inside nested ones."""
    for key in [*first, *(key for key in second if key not in first)]:
        a, b = first.get(key), second.get(key)
        if a == b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            return _difference(a, b, f"{prefix}{key} ")
        return f"{prefix}{key}", a, b
    return None


def entries_of(studies: Sequence[Study]) -> list[Entry]:
    """Every algorithm of every study, in the order in which they were given."""
    ran = Counter(algorithm for study in studies for algorithm in study.header.settings["algorithms"])
    entries = []
    for study in studies:
        for algorithm in study.header.settings["algorithms"]:
            label = algorithm if ran[algorithm] == 1 else f"{algorithm} ({study.name})"
            runs = {
                dataset: study.groups[algorithm, dataset]
                for dataset in study.header.settings["datasets"]
                if (algorithm, dataset) in study.groups
            }
            finals = {
                dataset: statistics.final(of, study.search_seconds.get((algorithm, dataset), math.nan))
                for dataset, of in runs.items()
            }
            fidelities = {dataset: study.fidelities[algorithm, dataset] for dataset in runs}
            entries.append(Entry(label, algorithm, study, runs, finals, fidelities))
    return entries


def final_table(header: StudyHeader, entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of the final table: validation and test percent as mean ± standard deviation over runs."""
    datasets = header.settings["datasets"]
    measured = [f"{dataset} {split} (%)" for dataset in datasets for split in ("validation", "test")]
    rows = []
    for entry in entries:
        finals = [entry.finals.get(dataset) for dataset in datasets]
        cells = [
            _plus_minus(value) for end in finals for value in ((end.validation, end.test) if end else (None, None))
        ]
        runs = _joined([str(end.runs if end else 0) for end in finals])
        evaluations = _joined([f"{end.evaluations:.1f}" if end else DASH for end in finals])
        rows.append([entry.text, runs, *cells, evaluations])
    optima = [header.optima[dataset] for dataset in datasets]
    best = [_number(value) for optimum in optima for value in (optimum.validation, optimum.test)]
    return ["algorithm", "runs", *measured, "evaluations"], [*rows, ["optimum", "", *best, ""]]


def _plus_minus(value: Aggregate | None) -> str:
    """'94.08 ± 0.26'; a dash if no run has a value."""
    return f"{value.mean:.2f} ± {value.std:.2f}" if value is not None and value.count else DASH


def _number(value: float) -> str:
    return DASH if math.isnan(value) else f"{value:.2f}"


def _joined(cells: Sequence[str]) -> str:
    """One cell if the data sets agree, otherwise one after the other."""
    return cells[0] if len(set(cells)) == 1 else " / ".join(cells)


def _alignment(headers: Sequence[str]) -> list[str]:
    return ["left", *["right"] * (len(headers) - 1)]


def _markdown(headers: Sequence[str], rows: Sequence[Sequence[str]], alignment: Sequence[str] | None = None) -> str:
    safe = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    alignment = alignment or _alignment(headers)
    text: str = tabulate(safe, headers, tablefmt="pipe", colalign=alignment, disable_numparse=True)
    return text


def _latex(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text: str = tabulate(rows, headers, tablefmt="latex_booktabs", colalign=_alignment(headers), disable_numparse=True)
    return text.replace("±", r"$\pm$").replace(DASH, "--")


def _write_csv(path: Path, header: StudyHeader, entries: Sequence[Entry]) -> None:
    """One line per algorithm and data set, numbers in full precision, empty where there is none."""
    statistics_of = ("mean", "std", "sem", "lower", "median", "upper")
    names = {"lower": "quartile1", "upper": "quartile3"}
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        columns = [f"{split}_{names.get(name, name)}" for split in ("validation", "test") for name in statistics_of]
        writer.writerow(["algorithm", "dataset", "runs", *columns, "evaluations_mean", "search_host_seconds_mean"])
        for entry in entries:
            for dataset, end in entry.finals.items():
                numbers = [float(getattr(of, name)) for of in (end.validation, end.test) for name in statistics_of]
                cells = [*numbers, end.evaluations, end.search_seconds]
                writer.writerow([entry.text, dataset, end.runs, *("" if math.isnan(x) else x for x in cells)])
        for dataset in header.settings["datasets"]:
            optimum = header.optima[dataset]
            rest = [""] * (len(statistics_of) - 1)
            validation = "" if math.isnan(optimum.validation) else optimum.validation
            writer.writerow(["optimum", dataset, "", validation, *rest, optimum.test, *rest, "", ""])


def _draw(
    header: StudyHeader, entries: Sequence[Entry], directory: Path, band: Band, interpolation: Interpolation
) -> list[str]:
    """Write the figures; return their file names."""
    from experiments import figures  # matplotlib is slow to import, and --help does not need it

    panels = []
    for dataset in header.settings["datasets"]:
        budget, optimum = float(header.settings["budgets"][dataset]), header.optima[dataset].test
        times = statistics.curve_times(budget, interpolation)
        curves = []
        for entry in entries:
            if dataset in entry.runs:
                test = statistics.resample(entry.runs[dataset], times, interpolation)
                regret = statistics.aggregate(statistics.regret(optimum, test))
                curves.append(figures.Curve(entry.label, times, statistics.aggregate(test), regret))
        panels.append(figures.Panel(dataset, budget, optimum, curves))
    legend = {
        entry.label: f"{entry.text} (n = {_joined([str(len(runs)) for runs in entry.runs.values()])})"
        for entry in entries
        if entry.runs
    }
    return [path.name for path in figures.write_figures(figures.Figures(panels, band, legend), directory)]


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """A directory to write a report into. It becomes `out` when the block ends, and vanishes if the block raises."""
    out = out.resolve()
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
