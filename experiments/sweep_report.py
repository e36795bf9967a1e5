"""What a sweep found, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.confirmation import Confirmed
from experiments.recorded_runs import Floats
from experiments.report_tables import plus_minus
from experiments.statistics import aggregate
from experiments.sweep_records import Row

SHOWN = 5
"""Configurations."""


def ranked(rows: Sequence[Row]) -> list[Row]:
    """The best first: configurations that were evaluated further before others, then by the objective there.

    Configurations that were suggested twice count once; of equal ones the first suggested is first.
    """
    known: dict[str, Row] = {}
    for row in rows:
        if row.evaluation and row.evaluation.objectives:
            known.setdefault(repr(row.options), row)
    return sorted(known.values(), key=_merit, reverse=True)


def different(rows: Sequence[Row]) -> int:
    """Configurations, however often each was suggested."""
    return len({repr(row.options) for row in rows})


def _merit(row: Row) -> tuple[int, float]:
    assert row.evaluation is not None
    last = max(row.evaluation.objectives)
    return last, row.evaluation.objectives[last]


def show_ranking(rows: Sequence[Row], rungs: Sequence[int], unit: str) -> None:
    """Print the best configurations."""
    table = Table(title="best configurations: objective (%)", title_justify="left")
    for name in [*rows[0].options, *(f"{rung} {unit}" for rung in rungs)]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows[:SHOWN]:
        objectives = row.evaluation.objectives if row.evaluation else {}
        values = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.options.values())
        table.add_row(*values, *(f"{objectives[rung]:.3f}" if rung in objectives else "" for rung in rungs))
    Console().print(table)


def show_confirmation(confirmed: Mapping[str, Confirmed], p: Mapping[str, float]) -> None:
    """Print how the best and the default configuration did on fresh seeds."""
    runs = len(next(iter(confirmed.values())).validation)
    table = Table("configuration", title=f"{runs} runs of each with fresh seeds: mean ± std", title_justify="left")
    for name in p:
        table.add_column(f"{name.replace('_', ' ')} (%)", justify="right", no_wrap=True)
    for label, found in confirmed.items():
        table.add_row(label, *(_mean(getattr(found, name)) for name in p))
    table.add_row("p (Mann-Whitney)", *("" if isnan(value) else f"{value:.2g}" for value in p.values()))
    Console().print(table)


def _mean(values: Floats) -> str:
    return plus_minus(aggregate(values)) if len(values) and np.isfinite(values).all() else ""
