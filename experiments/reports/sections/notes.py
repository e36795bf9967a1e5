"""Section: what a reader must know before comparing the numbers of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from experiments.records.headers import TrainingSettings
from experiments.reports.entries import MUST_AGREE, OWN, WEIGHT_SHARING_MUST_AGREE, Entry, RecordedStudy, difference
from experiments.reports.measures import Measure
from experiments.reports.section import SectionInput
from experiments.reports.tables import joined
from experiments.reports.text import bullets, format_fidelities


def section(given: SectionInput) -> str:
    """The notes; empty if there are none."""
    read_first = bullets(notes(given))
    return f"## Read this first\n\n{read_first}" if read_first else ""


def notes(given: SectionInput) -> Iterator[str]:
    """One or a few sentences on each matter."""
    studies, entries = given.studies, given.entries
    if any(isinstance(study.header.settings, TrainingSettings) for study in studies):
        yield (
            "**The best architecture is unknown**, since only the architectures that searches asked for were trained: "
            "there is no regret. Each accuracy is that of a single training."
        )
    untested = [dataset for dataset, measure in given.measures.items() if measure.split == "validation"]
    if untested:
        yield (
            f"**There is no test on {', '.join(untested)}**: the benchmark has validation scores only. Searches choose "
            "by validation, so these numbers are optimistic."
        )
    hardware = {study.name: study.header.versions["hardware"] for study in studies if study.header.settings.measured}
    if len(set(hardware.values())) > 1:
        yield f"**Seconds were measured on different hardware** and cannot be compared: {_where(hardware)}."
    yield from _weight_sharing(studies, entries, hardware)
    for entry in entries:
        if entry.one_fidelity:
            used = joined(format_fidelities(entry.fidelities[dataset]) for dataset in entry.one_fidelity)
            yield (
                f"**{entry.label} searched at one fidelity** on {', '.join(entry.one_fidelity)}: all its recorded "
                f"trials are at {used}. None was a cheaper, shorter training, so these numbers do not show how "
                f"{entry.algorithm} performs with several fidelities."
            )
    yield from _paired(entries)
    for entry in entries:
        yield from _missing(entry, given.measures)
    for study in studies:
        yield from _course(study)
    yield from _differences([study for study in studies if not study.weight_sharing], MUST_AGREE)
    yield from _differences([study for study in studies if study.weight_sharing], WEIGHT_SHARING_MUST_AGREE)


def _where(hardware: Mapping[str, str]) -> str:
    return ", ".join(f"on {model} in {name}" for name, model in hardware.items())


def _weight_sharing(
    studies: Sequence[RecordedStudy], entries: Sequence[Entry], hardware: Mapping[str, str]
) -> Iterator[str]:
    names = ", ".join(entry.label for entry in entries if entry.weight_sharing)
    if not names:
        return
    yield (
        f"**The searched score of weight-sharing methods ({names}) is one-shot**: validation accuracy with the shared "
        "weights of the supernet, which is not comparable with the accuracy of a trained architecture."
    )
    simulated = ", ".join(study.name for study in studies if not study.header.settings.measured)
    if simulated:
        yield (
            f"**Seconds are of two kinds**: measured {_where(hardware)}; simulated in {simulated}, from training times "
            "in the benchmark's table, measured or calibrated on the machine that made it. Both share an axis."
        )
    elif len(set(hardware.values())) == 1:
        yield f"Seconds were measured on {next(iter(hardware.values()))}, whatever else was running there."
    unknown = ", ".join(
        entry.label for entry in entries if entry.weight_sharing and not entry.study.header.settings.table
    )
    if unknown:
        yield (
            f"**The performance of the architectures of {unknown} is unknown**: there was no benchmark table in which "
            "to look them up, and they were not trained by themselves."
        )


def _paired(entries: Sequence[Entry]) -> Iterator[str]:
    """A note on each two entries of one algorithm whose runs draw the same random numbers."""
    for one, other in combinations(entries, 2):
        seeds = [entry.study.header.settings.seed for entry in (one, other)]
        if one.algorithm == other.algorithm and seeds[0] == seeds[1] and one.runs.keys() & other.runs.keys():
            yield (
                f"**Runs of {one.label} and {other.label} are paired**: both studies have the seed {seeds[0]}, so that "
                "runs with the same number start with the same random numbers. The tests below assume independent "
                "runs: give one of the studies another --seed."
            )


def _missing(entry: Entry, measures: Mapping[str, Measure]) -> Iterator[str]:
    """Runs or numbers that an entry lacks."""
    settings = entry.study.header.settings
    for dataset in settings.datasets:
        end = entry.finals.get(dataset)
        runs = end.runs if end else 0
        finished = entry.study.finished.get((entry.algorithm, dataset), 0)
        if finished < settings.runs:
            yield f"**{entry.label} on {dataset} is unfinished: {finished} of {settings.runs} runs are recorded.**"
        if runs < finished:
            yield (
                f"**{finished - runs} of {finished} runs of {entry.label} on {dataset} ended without any evaluation "
                "within the budget**: the numbers are over the other runs."
            )
        if end and end.score.count < runs:
            lost = runs - int(end.score.count)
            yield f"{lost} of {runs} runs of {entry.label} on {dataset} have no incumbent: every trial failed."
        looked_up = not entry.weight_sharing or settings.table is not None
        final = end and (end.test if measures[dataset].split == "test" else end.validation)
        if end and final and looked_up and final.count < end.score.count:
            short = int(end.score.count - final.count)
            yield (
                f"**The incumbents of {short} of {runs} runs of {entry.label} on {dataset} have no "
                f"{measures[dataset].name} at the reporting fidelity**: the numbers are over the other runs."
            )


def _course(study: RecordedStudy) -> Iterator[str]:
    """Interruptions and failures of a study, and how much of it was read."""
    runs = study.header.settings.runs
    if runs < study.planned:
        yield f"**This report covers the first {runs:,} runs** of each algorithm; {study.name} has {study.planned:,}."
    if study.header.resumed_with:
        commits = [study.header.git_commit, *(code["git_commit"] for code in study.header.resumed_with)]
        yield (
            f"**{study.name} was interrupted and resumed with other code or on another machine**: commits "
            f"{', '.join(commits)}."
        )
    if study.recorded.failed:
        yield f"{study.recorded.failed} of {study.recorded.trials} evaluations in {study.name} failed."


def _differences(studies: Sequence[RecordedStudy], same: Sequence[str]) -> Iterator[str]:
    """Differences between studies of one kind in settings that they need not share.

    Args:
        same: settings that they must share.
    """
    for study in studies[1:]:
        others = [key for key in studies[0].header.identity if key not in (*same, *OWN)]
        different = difference(studies[0].settings(others), study.settings(others))
        if different:
            setting, first, second = different
            yield f"**The studies differ**: {setting} is {first!r} in {studies[0].name}, {second!r} in {study.name}."
