"""Section: a reproducibility checklist, filled in as far as the records allow.

After the checklist (https://www.automl.org/nas_checklist.pdf) of Lindauer and Hutter, "Best Practices for Scientific
Research on Neural Architecture Search", Journal of Machine Learning Research 21(243), 2020, arXiv:1909.02453: its
sixteen items, rephrased and shortened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from experiments.records.headers import MultiTrialSettings, SweepSettings, TrainingSettings
from experiments.records.sweep import SweepRecords
from experiments.reports.entries import Entry, RecordedStudy
from experiments.reports.section import SectionInput
from experiments.reports.tables import ReportTable, seconds, write_table

Answer = Literal["yes", "partly", "no", "to be answered by the authors"]
AUTHORS: Answer = "to be answered by the authors"
RANDOM = ("random_search", "random_nas")
RULE = (
    "After Lindauer and Hutter, Best Practices for Scientific Research on Neural Architecture Search, JMLR 21(243), "
    "2020, and its checklist (automl.org/nas_checklist.pdf). Answers come from the records; what these do not show is "
    "left to the authors. For a paper: [checklist.tex](checklist.tex); as data: [checklist.csv](checklist.csv)."
)


class Item(NamedTuple):
    """A practice, whether it was followed, and the evidence for it."""

    practice: str
    answer: Answer
    because: str


def section(given: SectionInput) -> str:
    """The checklist."""
    items = list(checklist(given))
    facts = [dict(item._asdict()) for item in items]
    table = ReportTable(["practice", "followed", "evidence"], items, facts)
    text = write_table(table, given.directory / "checklist")
    return "\n\n".join(["## Reproducibility checklist", text, RULE])


def checklist(given: SectionInput) -> Iterator[Item]:
    """The items, in the order of the checklist: releasing code, comparing, reporting."""
    yield from _code(given.studies)
    yield from _comparison(given)
    yield _tuning(given.studies, given.entries, [SweepRecords(path) for path in given.sweeps])
    yield from _reporting(given.studies)


def _code(studies: Sequence[RecordedStudy]) -> Iterator[Item]:
    headers = [study.header for study in studies]
    resumed = {str(code["git_commit"]) for header in headers for code in header.resumed_with}
    commits = sorted({header.git_commit for header in headers} | resumed)
    code, loose = f"commit {', '.join(commits)}", [name for name in commits if name == "none" or "+changes" in name]
    from_scratch = any(isinstance(header.settings, TrainingSettings) for header in headers)
    tables = _tables(studies)
    if from_scratch:
        trained = f"trained by {code}"
    else:
        trained = f"trained by the makers of {tables}; cite them" if tables else f"only supernets were, by {code}"
    yield Item("The code that trained the architectures is released", AUTHORS, trained)
    how = "recipe and seeds are in study.json" if from_scratch else trained
    yield Item("Hyper-parameters and seeds of that training are released", AUTHORS, how)
    for practice in ("The code of the search space is released", "The code of the searches is released"):
        if loose:
            yield Item(practice, "no", f"{code}: not all of it is committed")
        else:
            yield Item(practice, AUTHORS, f"{code}; publish it")
    seeds = ", ".join(dict.fromkeys(str(header.settings.seed) for header in headers))
    because = f"listed under What was run; seed {seeds}, from which the generator of every run is spawned"
    yield Item("Hyper-parameters and seeds of the searches are released", "yes", because)


def _tables(studies: Sequence[RecordedStudy]) -> str:
    """Names of the benchmark tables; empty if there is none."""
    tables = (study.header.settings.table for study in studies)
    return ", ".join(dict.fromkeys(table.name for table in tables if table))


def _comparison(given: SectionInput) -> Iterator[Item]:
    studies, entries = given.studies, given.entries
    benchmark = "All methods are compared on one benchmark: data, splits, space, training and its settings"
    if len({study.weight_sharing for study in studies}) > 1:
        yield Item(benchmark, "partly", "multi-trial searches and weight sharing share the space and the data set only")
    else:
        yield Item(benchmark, "yes", "studies that differ in these cannot share a report")
    yield _confounders(studies)
    yield Item("Ablation studies were run", AUTHORS, "")
    finals = [entry.has_final(dataset) for entry in given.entries for dataset in entry.runs]
    known: Answer = "yes" if finals and all(finals) else "partly" if any(finals) else "no"
    protocol = f"{given.judged} of each run's last incumbent at one fidelity, looked up after the search"
    evidence = {
        "yes": protocol,
        "partly": f"{protocol}; for some methods it is unknown",
        "no": "the performance of the incumbents is unknown",
    }
    yield Item("All methods are evaluated by one protocol", known, evidence[known])
    yield Item("Performance over time is compared", known, "" if known == "no" else "see Curves")
    baselines = [entry.label for entry in entries if entry.algorithm in RANDOM]
    yield Item("Random search is among the methods", "yes" if baselines else "no", ", ".join(baselines))
    least = min((len(runs) for entry in entries for runs in entry.runs.values()), default=0)
    repeated = f"at least {least} run{'s' * (least != 1)} of each method on each data set"
    yield Item("Runs are repeated, and their seeds reported", "yes" if least > 1 else "no", repeated)
    tables = _tables(studies)
    yield Item("A tabular or surrogate benchmark is used for evaluation in depth", "yes" if tables else "no", tables)


def _confounders(studies: Sequence[RecordedStudy]) -> Item:
    """Whether hardware or software may have influenced the results."""
    practice = "Confounding factors (hardware, versions, unequal run times of methods) are controlled"
    made_by = [study.header.made_by for study in studies]
    made_by += [dict(code) for study in studies for code in study.header.resumed_with]
    if any(code["versions"] != made_by[0]["versions"] for code in made_by[1:]):
        return Item(practice, "partly", "versions or hardware differ between studies or their parts: see What was run")
    if any(study.header.settings.measured for study in studies):
        return Item(practice, "partly", "one set of versions and one kind of hardware; its other load is unknown")
    return Item(practice, "yes", "one set of versions; time does not depend on the hardware")


def _tuning(studies: Sequence[RecordedStudy], entries: Sequence[Entry], sweeps: Sequence[SweepRecords]) -> Item:
    practice = "It is reported how hyper-parameters were tuned, and at what cost"
    presets = ", ".join(dict.fromkeys(_preset(study) for study in studies))
    options = f"options are under What was run ({presets})"
    evidence, tuned = [], set()
    for sweep in sweeps:
        settings, rows = sweep.header().settings, sweep.configurations()
        if not any(_tuned_for(settings, entry) for entry in entries):
            continue
        once = {repr(row.options): row.evaluation for row in rows}.values()  # a configuration may be suggested again
        known = [evaluation for evaluation in once if evaluation and evaluation.objectives]
        amount = sum(max(evaluation.objectives) for evaluation in known)
        spent = sum(evaluation.seconds for evaluation in known)
        evidence.append(
            f"{settings.algorithm}: {len(once)} configurations by {settings.search}, {amount:,} "
            f"{settings.unit} in {seconds(spent)} s of host time"
        )
        tuned.add(settings.algorithm)
    if not evidence:
        return Item(practice, AUTHORS, options)
    others = [entry.label for entry in entries if entry.algorithm not in tuned]
    rest = f"; for {', '.join(others)}, the authors must say: {options}" if others else ""
    return Item(practice, "partly" if others else "yes", "; ".join(evidence) + rest)


def _preset(study: RecordedStudy) -> str:
    settings = study.header.settings
    return (isinstance(settings, MultiTrialSettings) and settings.preset) or "no preset"


def _tuned_for(sweep: SweepSettings, entry: Entry) -> bool:
    """Whether a sweep tuned the algorithm of an entry on the benchmark that the entry searched."""
    tuned, searched = sweep.study, entry.study.header.settings
    same = (tuned.table and tuned.table.name) == (searched.table and searched.table.name)
    there = tuned.space == searched.space and set(tuned.datasets) <= set(searched.datasets)
    return sweep.algorithm == entry.algorithm and there and same


def _reporting(studies: Sequence[RecordedStudy]) -> Iterator[Item]:
    weight_sharing = any(study.weight_sharing for study in studies)
    practice = "The time of the whole method, not of its search alone, is reported"
    if weight_sharing:
        because = "weight sharing: the search only, without training the derived architectures"
        yield Item(practice, "partly", because)
    elif any(runs.elapsed.any() for study in studies for runs in study.recorded.groups.values()):
        yield Item(practice, "yes", "budgets under What was run, host time of the algorithms under Search overhead")
    else:
        yield Item(practice, "no", "the benchmark has no times: searches are compared by evaluations")
    yield Item(
        "All details of the setup are reported",
        "partly",
        "settings, versions and commit are under What was run; the authors must add the rest",
    )
