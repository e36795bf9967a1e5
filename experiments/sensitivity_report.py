"""The section of a report about sweeps: how much each option of an algorithm matters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.directories import RecordError
from experiments.report_tables import DASH, Fact, Table, number, write_table
from experiments.report_text import figure, sources
from experiments.sweep_records import Row, SweepHeader, SweepRecords
from experiments.sweep_report import different, ranked
from experiments.tuning import tuned_of

MOST = 5
"""Configurations in a table."""
OBJECTIVES = {
    "final_validation": "validation accuracy for which a run chose its answer",
    "validation_area": "validation accuracy of a run's answer, averaged over the time of the search",
}
RULE = (
    "{tried} configurations of {algorithm} on {dataset}, suggested by {search}; the objective is the {objective}, in "
    "percent, mean over runs. The table has the best; in the figure a point is a configuration, at the last rung that "
    "it reached. All have the same seeds. The best of many looks better than it is: judge it by runs with other seeds, "
    "such as those in the sweep's confirmation/. {sources}"
)


def write_sensitivity(sweeps: Sequence[Path], directory: Path) -> str:
    """Write a table and a figure of each sweep into a directory.

    Returns: the section of report.md; empty if there are no sweeps.

    Raises:
        RecordError: one of `sweeps` holds no readable sweep, or no configuration evaluated yet.
    """
    parts = [_sweep(SweepRecords(path), f"sweep{i}", directory) for i, path in enumerate(sweeps, start=1)]
    return "\n\n".join(["## Sensitivity to options", *parts]) if parts else ""


def _sweep(records: SweepRecords, name: str, directory: Path) -> str:
    from experiments.figures import report_style, save  # matplotlib is slow to import
    from experiments.sweep_figures import sensitivity

    header, rows = records.header(), records.rows()
    ranking, settings = ranked(rows), header.settings
    if not ranking:
        raise RecordError(f"{records.path} holds no configuration that was evaluated: repeat its nas-sweep command")
    with report_style():
        save(sensitivity(ranking, tuned_of(settings["tuned"]), settings["rungs"], settings["unit"]), directory / name)
    (dataset,) = settings["study"]["datasets"]
    rule = RULE.format(
        tried=different(rows),
        algorithm=settings["algorithm"],
        dataset=dataset,
        search=settings["search"],
        objective=OBJECTIVES[settings["objective"]],
        sources=sources(f"{name}_best"),
    )
    table = write_table(_table(ranking, header), directory / f"{name}_best")
    caption = f"Objective over each option of {settings['algorithm']}"
    return "\n\n".join([f"### {settings['algorithm']}: {records.path.name}", table, rule, figure(name, caption)])


def _table(ranking: Sequence[Row], header: SweepHeader) -> Table:
    """The best configurations; the facts are of all."""
    rungs, unit = header.settings["rungs"], header.settings["unit"]
    facts: list[dict[str, Fact]] = []
    rows = []
    for row in ranking:
        known = row.evaluation.objectives if row.evaluation else {}
        facts.append({**row.options, **{f"objective_{rung}_{unit}": value for rung, value in known.items()}})
        values = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.options.values())
        rows.append([*values, *(number(known[rung]) if rung in known else DASH for rung in rungs)])
    return Table([*ranking[0].options, *(f"{rung} {unit} (%)" for rung in rungs)], rows[:MOST], facts)
