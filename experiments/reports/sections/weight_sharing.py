"""The section of a report about weight-sharing methods: what only they have, in a table and in figures by epoch."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.spaces import space_named
from benchmarks.spaces.sss import CHANNELS
from experiments.reports.entries import Entry
from experiments.reports.tables import (
    Fact,
    ReportTable,
    _statistics,
    _without_nan,
    latex,
    markdown,
    number,
    plus_minus,
    seconds,
    write_table,
)
from experiments.reports.text import BAND_RULES, bullets, figure
from experiments.statistics.aggregates import Aggregate, Band, aggregate
from experiments.statistics.weight_sharing import most_frequent, weight_sharing_finals
from nas_algos.weight_sharing import PHASES

TABLE_RULE = (
    "Of the last epoch of each run, mean ± standard deviation over runs (population): the derived architecture's test "
    "accuracy at the reporting fidelity{regret}, and its validation accuracy with the shared weights; the relative "
    "entropy (see below) of the distribution it comes from. Seconds are means per run, measured; the pass that "
    "measures one-shot validation is not among them. Full precision: [table_shared.csv](table_shared.csv); for a "
    "paper: [table_shared.tex](table_shared.tex)."
)
REGRET = (
    ", by how many percentage points it stays below the table's best, its rank there (1 is best), and the percentage "
    "of the table's other architectures that it beats (50 of a random one, on average, whatever its accuracy)"
)
ACCURACY_RULE = (
    "Test accuracy is looked up afterwards, at the reporting fidelity; no search sees it. Its axis leaves out the "
    "first epochs, and dips that make up less than a tenth of a line."
)
ENTROPY_RULE = (
    "Relative entropy: entropy of the distribution over the {options} options, mean over decisions, divided by "
    "log({options}): 1 is uniform, 0 decided. Methods that learn no distribution stay at 1."
)
TRAIT_RULES = {
    "tss": "Edges: of the derived cell's six, how many are skip_connect, and how many none. A search that collapses "
    "fills its cell with them.",
    "sss": "Mean channels: over the layers of the derived network.",
}
"""Space -> what the panels of `experiments.statistics.traits.traits` show."""
TRAINING_RULE = (
    "Training accuracy and loss are means over an epoch's images as each step saw them, on one sampled path or on a "
    "mixture of all: they compare between epochs rather than between methods. One-shot validation is of the derived "
    "architecture, with the shared weights, on all validation images."
)
ONE_SHOT_RULE = (
    "Do shared weights rank architectures as training does? Validation accuracy of {count} random architectures, the "
    "same for all, with the shared weights at the end of each run and at the table's reporting fidelity: rank "
    "correlations over architectures, mean ± standard deviation over runs (population). Full precision: "
    "[table_one_shot.csv](table_one_shot.csv)."
)
ANSWER_RULE = "Of each method the final architecture that most runs derived; of several, that of the earliest run."


def write_weight_sharing(entries: Sequence[Entry], legend: Mapping[str, str], band: Band, directory: Path) -> str:
    """Write the tables and figures of the weight-sharing methods among the entries into a directory.

    Args:
        legend: label of an entry -> its text in the legends.

    Returns: the section of report.md; empty if there are none.
    """
    from experiments.reports.sections.weight_sharing_figures import (
        write_weight_sharing_figures,
    )  # matplotlib is slow to import

    shared = [entry for entry in entries if entry.epochs]
    if not shared:
        return ""
    headers, rows = weight_sharing_table(shared)
    (directory / "table_shared.md").write_text(markdown(headers, rows) + "\n", "utf-8")
    (directory / "table_shared.tex").write_text(latex(headers, rows) + "\n", "utf-8")
    write_weight_sharing_csv(directory / "table_shared.csv", shared)
    figures = write_weight_sharing_figures(shared, legend, band, directory)
    where = " and ".join(dict.fromkeys(dataset for entry in shared for dataset in entry.epochs))
    known = any(entry.study.header.optima for entry in shared)
    parts = [
        "## Weight sharing",
        markdown(headers, rows),
        TABLE_RULE.format(regret=REGRET if known else ""),
        *(figure(name, f"{caption} on {where}") for name, caption in figures.items()),
        bullets(_rules(shared, band, "shared_accuracy" in figures)),
        *_one_shot(shared, directory),
        *_answers(shared, directory),
    ]
    return "\n\n".join(parts)


def _rules(entries: Sequence[Entry], band: Band, known: bool) -> Iterator[str]:
    """How the figures are drawn.

    Args:
        known: whether there is test accuracy.
    """
    space = space_named(entries[0].study.header.settings["space"])
    yield BAND_RULES[band]
    if known:
        yield ACCURACY_RULE
    yield ENTROPY_RULE.format(options=max(space.options))
    if space.name in TRAIT_RULES:
        yield TRAIT_RULES[space.name]
    yield TRAINING_RULE


def _one_shot(entries: Sequence[Entry], directory: Path) -> Iterator[str]:
    """The comparison of shared weights with the table, where it was made."""
    from experiments.reports.sections.weight_sharing_figures import ONE_SHOT, one_shots_of

    compared = one_shots_of(entries)
    if not compared:
        return
    rows: list[list[str]] = []
    facts: list[dict[str, Fact]] = []
    for label, runs in compared.items():
        found = {name: np.array([getattr(one, name) for one in runs]) for name in ("spearman", "kendall")}
        rows.append([label, str(len(runs)), *(plus_minus(aggregate(values)) for values in found.values())])
        facts += [{"method": label, "run": one.run, "spearman": one.spearman, "kendall": one.kendall} for one in runs]
    count = len(next(iter(compared.values()))[0].architectures)
    headers = ["method", "runs", "Spearman's rho", "Kendall's tau"]
    yield write_table(ReportTable(headers, rows, facts), directory / "table_one_shot")
    yield ONE_SHOT_RULE.format(count=count)
    yield figure(ONE_SHOT, "Validation accuracy with shared weights and after training")


def _answers(entries: Sequence[Entry], directory: Path) -> Iterator[str]:
    """Draw the final architectures, and describe them."""
    from experiments.reports.sections.weight_sharing_figures import write_answer

    settings = entries[0].study.header.settings
    space, channels = space_named(settings["space"]), settings["shared"]["scale"]["channels"]
    rescaled = space.name == "sss" and list(channels) != list(CHANNELS)
    yield ANSWER_RULE + (
        f" Channels are those of the published networks; here the choices stood for {', '.join(map(str, channels))}."
        if rescaled
        else ""
    )
    for name, entry in zip(_names(entries), entries, strict=True):
        for runs in entry.epochs.values():
            architecture, times = most_frequent(runs.architecture[:, -1].tolist())
            test = runs.test[:, -1][runs.architecture[:, -1] == architecture][0]
            write_answer(space, architecture, directory / name)
            caption = f"{entry.label}: {space.name} {architecture}, derived by {times} of {len(runs.number)} runs"
            yield figure(name, f"{caption}, test accuracy {number(float(test))} %" if test == test else caption)


def _names(entries: Sequence[Entry]) -> list[str]:
    """Of the files: cell_METHOD, and the number of the study if several ran the method."""
    studies = list(dict.fromkeys(entry.study.name for entry in entries))
    algorithms = [entry.algorithm for entry in entries]
    return [
        f"cell_{entry.algorithm}"
        + (f"_{studies.index(entry.study.name) + 1}" if algorithms.count(entry.algorithm) > 1 else "")
        for entry in entries
    ]


WEIGHT_SHARING_COLUMNS = {
    "test": "test (%)",
    "regret": "regret (points)",
    "rank": "rank",
    "beats": "beats (%)",
    "one_shot_validation": "one-shot validation (%)",
    "search_seconds": "search (s)",
    **{f"{phase}_seconds": f"{phase} (s)" for phase in PHASES},
    "relative_entropy": "relative entropy",
}
"""Of `weight_sharing_finals` -> heading; traits of the space follow under their own names."""


def weight_sharing_table(entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of what only weight-sharing methods have, a row per method and data set.

    Accuracies, regret, rank, entropy and traits are mean ± standard deviation over runs, seconds the mean.
    """
    rows, traits = [], []
    for entry in entries:
        for dataset, runs in entry.epochs.items():
            finals = _finals(entry, dataset)
            traits = [name for name in finals if name not in WEIGHT_SHARING_COLUMNS]
            cells = [
                seconds(float(value.mean))
                if name.endswith("seconds")
                else plus_minus(value, {"rank": 0, "beats": 1}.get(name, 2))
                for name, value in finals.items()
            ]
            rows.append([entry.text, str(len(runs.number)), str(runs.epochs), *cells])
    optima = {name: best for entry in entries for name, best in entry.study.header.optima.items()}
    for best in optima.values():
        if not math.isnan(best.mean_test):
            spread = f" ± {number(best.std_test)}" if best.architectures else ""
            known = {
                "test": number(best.mean_test) + spread,
                "regret": number(best.test - best.mean_test) + spread,
                "beats": "50.0",
            }
            cells = [known.get(name, "") for name in [*WEIGHT_SHARING_COLUMNS, *traits]]
            rows.append(["random architecture", "", "", *cells])
    return ["method", "runs", "epochs", *WEIGHT_SHARING_COLUMNS.values(), *traits], rows


def _finals(entry: Entry, dataset: str) -> dict[str, Aggregate]:
    """In the order of SHARED_COLUMNS, then traits."""
    header = entry.study.header
    best = header.optima.get(dataset)
    known = (best.test, best.architectures) if best else ()
    finals = weight_sharing_finals(entry.epochs[dataset], header.settings, *known)
    return {name: finals[name] for name in WEIGHT_SHARING_COLUMNS} | finals


def write_weight_sharing_csv(path: Path, entries: Sequence[Entry]) -> None:
    """`weight_sharing_table` in full precision, with every statistic; empty where there is none."""
    rows, columns = [], []
    for entry in entries:
        for dataset, runs in entry.epochs.items():
            names = {"method": entry.text, "dataset": dataset}
            row: dict[str, float] = {"runs": len(runs.number), "epochs": runs.epochs}
            for name, value in _finals(entry, dataset).items():
                row |= _statistics(name.replace(" ", "_"), value)
            columns = [*names, *row]
            rows.append({**names, **_without_nan(row)})
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
