"""What a reader must know before comparing the numbers of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from experiments.records.headers import TrainingSettings
from experiments.records.study import is_weight_sharing, measured
from experiments.reports.entries import MUST_AGREE, OWN, WEIGHT_SHARING_MUST_AGREE, Entry, RecordedStudy, difference
from experiments.reports.section import SectionInput
from experiments.reports.tables import joined
from experiments.reports.text import bullets, format_fidelities


def section(given: SectionInput) -> str:
    """The notes; empty if there are none."""
    read_first = bullets(notes(given.studies, given.entries))
    return f"## Read this first\n\n{read_first}" if read_first else ""


def notes(studies: Sequence[RecordedStudy], entries: Sequence[Entry]) -> Iterator[str]:
    """One sentence or a few on each matter."""
    if any(isinstance(study.header.settings, TrainingSettings) for study in studies):
        yield (
            "**The best architecture is unknown**, since only what the searches asked for was trained: there is no "
            "regret. Accuracies are of one training of each architecture."
        )
    hardware = {study.name: study.header.versions["hardware"] for study in studies if measured(study.header)}
    if len(set(hardware.values())) > 1:
        yield (f"**Seconds were measured on different hardware** and cannot be compared: {_where(hardware)}.")
    yield from _weight_sharing(studies, entries, hardware)
    for entry in entries:
        if entry.one_fidelity:
            used = joined(format_fidelities(entry.fidelities[dataset]) for dataset in entry.one_fidelity)
            yield (
                f"**{entry.label} searched at one fidelity** on {', '.join(entry.one_fidelity)}: all its recorded "
                f"trials are at {used}. None was a cheaper, shorter training, so these numbers do not show what "
                f"{entry.algorithm} does where learning curves are searched."
            )
    yield from _paired(entries)
    for entry in entries:
        yield from _missing(entry)
    for study in studies:
        yield from _course(study)
    yield from _differences([study for study in studies if not is_weight_sharing(study.header)], MUST_AGREE)
    yield from _differences([study for study in studies if is_weight_sharing(study.header)], WEIGHT_SHARING_MUST_AGREE)


def _where(hardware: Mapping[str, str]) -> str:
    return ", ".join(f"on {model} in {name}" for name, model in hardware.items())


def _weight_sharing(
    studies: Sequence[RecordedStudy], entries: Sequence[Entry], hardware: Mapping[str, str]
) -> Iterator[str]:
    names = ", ".join(entry.label for entry in entries if entry.shared)
    if not names:
        return
    yield (
        f"**The searched score of weight-sharing methods ({names}) is one-shot**: validation accuracy with weights "
        "that all architectures share. It does not compare with the accuracy of a trained architecture."
    )
    simulated = ", ".join(study.name for study in studies if not measured(study.header))
    if simulated:
        yield (
            f"**Seconds are of two kinds**: measured {_where(hardware)}; simulated in {simulated}, where the "
            "benchmark's table tells what a training takes, measured or calibrated on the machine that made it. One "
            "axis shows both."
        )
    elif len(set(hardware.values())) == 1:
        yield f"Seconds were measured on {next(iter(hardware.values()))}, beside whatever else it did."
    unknown = ", ".join(entry.label for entry in entries if entry.shared and not entry.study.header.settings.table)
    if unknown:
        yield (
            f"**How good the architectures of {unknown} are is unknown**: no benchmark table was there to look them "
            "up in, and they were not trained by themselves."
        )


def _paired(entries: Sequence[Entry]) -> Iterator[str]:
    """Of one algorithm with several options: runs of equal number and seed draw the same random numbers."""
    for one, other in combinations(entries, 2):
        seeds = [entry.study.header.settings.seed for entry in (one, other)]
        if one.algorithm == other.algorithm and seeds[0] == seeds[1] and one.runs.keys() & other.runs.keys():
            yield (
                f"**Runs of {one.label} and {other.label} are paired**: both studies have the seed {seeds[0]}, so that "
                "runs of the same number begin with the same random numbers. The tests below take runs for "
                "independent: give one of the studies another --seed."
            )


def _missing(entry: Entry) -> Iterator[str]:
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
                "within the budget**: the numbers are of the others."
            )
        if end and end.score.count < runs:
            lost = runs - int(end.score.count)
            yield f"{lost} of {runs} runs of {entry.label} on {dataset} have no answer: every trial failed."
        looked_up = not entry.shared or settings.table is not None
        if end and looked_up and end.test.count < end.score.count:
            short = int(end.score.count - end.test.count)
            yield (
                f"**The answers of {short} of {runs} runs of {entry.label} on {dataset} have no test accuracy at the "
                "reporting fidelity**: the numbers are of the others."
            )


def _course(study: RecordedStudy) -> Iterator[str]:
    """What happened while a study was run, and how much of it was read."""
    runs = study.header.settings.runs
    if runs < study.planned:
        yield f"**This report is of the first {runs:,} runs** of each algorithm; {study.name} has {study.planned:,}."
    if study.header.resumed_with:
        commits = [study.header.git_commit, *(code["git_commit"] for code in study.header.resumed_with)]
        told = ", ".join(commits)
        yield f"**{study.name} was interrupted and completed by other code or elsewhere**: commits {told}."
    if study.recorded.failed:
        yield f"{study.recorded.failed} of {study.recorded.trials} evaluations in {study.name} failed."


def _differences(studies: Sequence[RecordedStudy], same: Sequence[str]) -> Iterator[str]:
    """Of studies of one kind, in settings in which they need not agree.

    Args:
        same: settings in which they must.
    """
    for study in studies[1:]:
        others = [key for key in studies[0].header.identity if key not in (*same, *OWN)]
        different = difference(studies[0].settings(others), study.settings(others))
        if different:
            setting, first, second = different
            yield f"**The studies differ**: {setting} is {first!r} in {studies[0].name}, {second!r} in {study.name}."
