"""nas-report: figures and tables from the records of nas-run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path

from benchmarks.errors import InputError
from experiments.cli.config_options import guarded, new_parser
from experiments.records.budgets import BUDGET_UNITS
from experiments.statistics.aggregates import BANDS, INTERPOLATIONS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = _parser().parse_args(argv)
    return guarded("nas-report", lambda: _report(given))


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        "nas-report",
        "Compare searches on one page: the incumbent over time, final results with significance tests and effect "
        "sizes, the time to reach targets, and the architectures found. Studies can be compared if they searched the "
        "same data sets within the same budgets; weight-sharing methods have no budget and can be added to any report.",
    )
    parser.add_argument("studies", nargs="+", type=Path, metavar="DIR", help="--out directories of nas-run")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: report/ in the first DIR)")
    band = (
        "band around the mean over runs: interquartile range, standard error, standard deviation, or bootstrap "
        "interval (default: iqr)"
    )
    parser.add_argument("--band", choices=BANDS, default="iqr", help=band)
    interpolation = (
        "curves between trials: the last incumbent, or the rule of the published NATS-Bench curves (default: step)"
    )
    parser.add_argument("--interpolation", choices=INTERPOLATIONS, default="step", help=interpolation)
    over = "unit of the time axes (default: that of the budget)"
    parser.add_argument("--over", choices=BUDGET_UNITS, help=over)
    runs = "only the first N runs of each algorithm on each data set (default: all)"
    parser.add_argument("--runs", type=int, metavar="N", help=runs)
    sweeps = "--out directories of nas-sweep; the report shows their sensitivity to each option"
    parser.add_argument("--sweep", nargs="+", action="extend", type=Path, default=[], metavar="DIR", help=sweeps)
    target = (
        "report when searches reach this value of the metric, on all data sets or on one (default: three values near "
        "the best one)"
    )
    parser.add_argument("--target", nargs="+", action="extend", default=[], metavar="[DATASET=]VALUE", help=target)
    workers = "processes that write the sections side by side (default: 1)"
    parser.add_argument("--workers", type=int, default=1, metavar="N", help=workers)
    return parser


def _target(text: str) -> tuple[str | None, float]:
    dataset, _, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = nan
    if isnan(value):
        raise InputError(f"--target takes a value of the metric such as 94, or DATASET=94, got {text!r}")
    return dataset or None, value


def _report(given: argparse.Namespace) -> int:
    from experiments.cli.console import show_results  # these are slow to import, and --help does not need them
    from experiments.reports.report import write_report

    for name in ("runs", "workers"):
        number = getattr(given, name)
        if number is not None and number < 1:
            raise InputError(f"--{name} is at least 1, got {number}")
    out = given.out or given.studies[0] / "report"
    report = write_report(
        given.studies,
        out,
        band=given.band,
        interpolation=given.interpolation,
        over=given.over,
        runs=given.runs,
        sweeps=given.sweep,
        targets=[_target(text) for text in given.target],
        workers=given.workers,
    )
    show_results(report.headers, report.rows)
    for file in report.files:
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
