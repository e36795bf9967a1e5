"""Section: how the searches ended."""

from __future__ import annotations

import csv
from collections.abc import Mapping

from experiments.records.headers import MultiTrialSettings
from experiments.reports.entries import Entry, budget_unit
from experiments.reports.measures import Measure
from experiments.reports.section import SectionInput
from experiments.reports.summary import FinalCells, final_cells, optimum_cells, validation_kind
from experiments.reports.tables import CSV_COLUMNS, joined, latex, markdown, statistics_columns, without_nan

TABLE_RULE = (
    "Last incumbent of each run at the reporting fidelity: mean ± standard deviation over runs (population, as in the "
    "papers). {untested}{crossing}{weight_sharing}{optimum}Evaluations: mean number of trials per run. Several numbers "
    "in one cell are in the order of the data sets. Full precision: [table.csv](table.csv); for a paper: "
    "[table.tex](table.tex)."
)
UNTESTED = "**There is no test** on {datasets}: the benchmark has validation scores only, and these are reported. "
CROSSING = "The evaluation that crosses the budget counts if the study keeps it (`crossing`). "
WEIGHT_SHARING = (
    "The incumbent of a weight-sharing method is the architecture derived after its last epoch. These methods evaluate "
    "no trained architecture; their validation with shared weights is called one-shot: see [Weight "
    "sharing](#weight-sharing). "
)
OPTIMUM = "The optimum is the table's best architecture by {judged}{validation}. "


def section(given: SectionInput) -> str:
    """The final results of all searches."""
    headers, rows = final_table(given)
    text = markdown(headers, rows)
    (given.directory / "table.md").write_text(text + "\n", "utf-8")
    (given.directory / "table.tex").write_text(latex(headers, rows) + "\n", "utf-8")
    _write_csv(given)
    return "\n\n".join(["## Final results", text, _table_rule(given)])


def _table_rule(given: SectionInput) -> str:
    weight_sharing = any(study.weight_sharing for study in given.studies)
    settings = [study.header.settings for study in given.studies]
    timed = any(isinstance(held, MultiTrialSettings) for held in settings) and budget_unit(given.studies) == "seconds"
    untested = [dataset for dataset, measure in given.measures.items() if measure.split == "validation"]
    validation = "" if untested else f", with its own validation {_metric_name(given)}"
    return TABLE_RULE.format(
        untested=UNTESTED.format(datasets=", ".join(untested)) if untested else "",
        crossing=CROSSING if timed else "",
        weight_sharing=WEIGHT_SHARING if weight_sharing else "",
        optimum=OPTIMUM.format(judged=given.judged, validation=validation) if given.header.optima else "",
    )


def _metric_name(given: SectionInput) -> str:
    names = {measure.metric.name for measure in given.measures.values()}
    return names.pop() if len(names) == 1 else "score"


def final_table(given: SectionInput) -> tuple[list[str], list[list[str]]]:
    """(headers, rows) of how the searches ended, a row per algorithm, as in the papers.

    Cells are mean ± standard deviation over runs. The last row is the optimum, if it is known.
    """
    measures, validated = given.measures, validation_kind(given.entries)
    headings: list[str] = []
    for dataset, measure in measures.items():
        splits = [validated, "test"] if measure.split == "test" else [validated]
        headings += [f"{dataset} {split} {measure.metric.label}" for split in splits]
    rows = []
    for entry in given.entries:
        cells = {dataset: final_cells(entry, dataset, measure, validated) for dataset, measure in measures.items()}
        runs, evaluations = joined(cell.runs for cell in cells.values()), joined(c.evaluations for c in cells.values())
        rows.append([entry.text, runs, *_values(cells, measures), evaluations])
    if given.header.optima:
        best = {dataset: optimum_cells(given.header.optima[dataset], measures[dataset]) for dataset in measures}
        rows.append(["optimum", "", *_values(best, measures), ""])
    return ["algorithm", "runs", *headings, "evaluations"], rows


def _values(cells: Mapping[str, FinalCells], measures: Mapping[str, Measure]) -> list[str]:
    """Validation and, on data sets with a test, test cells in the order of the data sets."""
    return [
        text
        for dataset, cell in cells.items()
        for text in ([cell.validation, cell.test] if measures[dataset].split == "test" else [cell.validation])
    ]


def _write_csv(given: SectionInput) -> None:
    """Write table.csv: a line per algorithm and data set, numbers in full precision, empty cells for missing ones."""
    columns = [
        f"{split}_{name}" for split in ("searched_validation", "validation", "test") for name in CSV_COLUMNS.values()
    ]
    with (given.directory / "table.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(
            stream, ["algorithm", "dataset", "runs", *columns, "evaluations_mean", "search_host_seconds_mean"],
            lineterminator="\n",
        )  # fmt: skip
        writer.writeheader()
        for entry in given.entries:
            for dataset, end in entry.finals.items():
                row = without_nan(_csv_row(entry, dataset, given.measures[dataset]))
                writer.writerow({"algorithm": entry.text, "dataset": dataset, "runs": end.runs, **row})
        for dataset, optimum in given.header.optima.items():
            value = given.measures[dataset].value
            row = without_nan({"validation_mean": value(optimum.validation), "test_mean": value(optimum.test)})
            writer.writerow({"algorithm": "optimum", "dataset": dataset, **row})


def _csv_row(entry: Entry, dataset: str, measure: Measure) -> dict[str, float]:
    end = entry.finals[dataset]
    score, validation, test = (part.in_units_of(measure.metric) for part in (end.score, end.validation, end.test))
    row = statistics_columns("validation", validation) | statistics_columns("test", test)
    row["search_host_seconds_mean"] = end.search_seconds
    if entry.weight_sharing:
        return row
    return row | statistics_columns("searched_validation", score) | {"evaluations_mean": end.evaluations}
