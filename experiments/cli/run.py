"""nas-run: search algorithms on a benchmark table, by real training, or with shared weights; many independent runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from benchmarks.spaces import SPACES
from experiments.cli.config_options import (
    add_config_options,
    first_pass,
    guarded,
    import_from_working_directory,
    new_parser,
)
from experiments.cli.option_groups import (
    add_evaluation_options,
    add_network_options,
    add_recipe_options,
    add_weight_sharing_options,
    refuse,
)
from experiments.cli.table_request import ORDINARY, study_on_table
from experiments.cli.training_request import search_by_training
from experiments.cli.weight_sharing_request import search_by_weight_sharing
from experiments.studies.algorithms import configured_algorithms, read_config_files
from experiments.studies.presets import STUDIES, Preset, preset_named
from nas_algos.multi_trial import ALGORITHMS
from nas_algos.registry import algorithm_key, config_named, owners_of
from nas_algos.weight_sharing import METHODS

if TYPE_CHECKING:
    from nas_algos.config import Config

SUMMARISED = 5000
"""Runs of each algorithm on each data set that this command itself reads back: all their trials are in memory then."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return guarded("nas-run", lambda: _run(_given(list(sys.argv[1:] if argv is None else argv))))


def _given(arguments: list[str]) -> argparse.Namespace:
    arguments = with_config_files(with_study(arguments))
    names = first_pass(arguments, "--algo")
    import_from_working_directory(names)
    parser = _parser(names)
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        owners = [f"{flag} belongs to {name}" for flag in unknown for name in owners_of(_knob(flag))]
        parser.error("; ".join([f"unrecognized arguments: {' '.join(unknown)}", *owners]))
    if given.study and {algorithm_key(name) for name in names} & METHODS.keys():
        raise InputError(f"--study {given.study} compares multi-trial algorithms: leave it out for weight sharing")
    return given


def _knob(flag: str) -> str:
    return flag.split("=")[0].removeprefix("--").replace("-", "_")


def with_study(arguments: list[str]) -> list[str]:
    """The arguments, and those options of the study named in them that they leave open."""
    study = [option for name in first_pass(arguments, "--study")[-1:] for option in STUDIES.get(name, {}).items()]
    left_open = [(flag, values) for flag, values in study if not first_pass(arguments, flag)]
    return [*arguments, *(word for flag, values in left_open for word in (flag, *values))]


def with_config_files(arguments: list[str]) -> list[str]:
    """The arguments, and the algorithms of the files named in them that they leave out."""
    named = {algorithm_key(name) for name in first_pass(arguments, "--algo")}
    others = set(read_config_files(map(Path, first_pass(arguments, "--config")))) - named
    return [*arguments, "--algo", *sorted(others)] if others else arguments


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = new_parser(
        "nas-run",
        "Run search algorithms on a benchmark table under a simulated time budget, or with real training under a real "
        "one, or weight-sharing methods, which train a supernet, and record every trial or epoch. Repeat an "
        "interrupted command to resume it.",
        epilog="An algorithm's own options are listed by: nas-run --algo NAME --help",
    )
    _add_what(parser.add_argument_group("what to run"))
    add_evaluation_options(parser.add_argument_group("how multi-trial evaluations are scored and charged"))
    _add_where(parser.add_argument_group("where"))
    default = "The defaults are the published ones; digits has smaller ones, which nas-bench build --help lists."
    trained = parser.add_argument_group("images and networks (weight sharing, and --evaluate train)", default)
    add_network_options(trained)
    add_recipe_options(parser.add_argument_group("recipe (--evaluate train)", default))
    add_weight_sharing_options(parser.add_argument_group("weight sharing"))
    configs: dict[str, type[Config]] = {}
    for name in map(algorithm_key, names):
        with suppress(InputError):  # raised again once all options are known
            configs[name] = config_named(name)
    add_config_options(parser, configs)
    return parser


def _add_what(group: argparse._ArgumentGroup) -> None:
    algorithms = f"multi-trial: {', '.join(ALGORITHMS)}, or your own as MODULE:CLASS; weight sharing: "
    algorithms += ", ".join(METHODS)
    study = "a paper's comparison: gives --algo, --space, --dataset, --preset and --runs where they are not given, and "
    group.add_argument("--study", choices=list(STUDIES), help=f"{study}--report")
    group.add_argument("--algo", nargs="+", action="extend", required=True, metavar="NAME", help=algorithms)
    config = "of nas-sweep: an algorithm and options of it, over which those that are given here take precedence"
    group.add_argument("--config", nargs="+", action="extend", type=Path, default=[], metavar="FILE", help=config)
    group.add_argument("--space", required=True, choices=list(SPACES), help="search space")
    datasets = (
        "data sets of the table (default: its first); with --evaluate train and with weight sharing one of nas-bench "
        "build (default: digits)"
    )
    group.add_argument("--dataset", nargs="+", action="extend", metavar="NAME", help=datasets)
    table = "installed table, or a file that nas-bench import takes (default: the space's installed table, else the "
    group.add_argument("--table", metavar="TABLE", help=f"{table}official files under $TORCH_HOME)")
    group.add_argument("--runs", type=int, default=1, metavar="N", help="independent runs of each (default: 1)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the study; every run has its own stream")


def _add_where(group: argparse._ArgumentGroup) -> None:
    workers = "Ray tasks at a time: runs, or with --evaluate train trainings; 0: this process alone (default: 0)"
    group.add_argument("--workers", type=int, default=0, metavar="N", help=workers)
    group.add_argument("--ray-address", metavar="ADDRESS", help="a running Ray cluster (default: start Ray here)")
    out = "directory of the records (default: a name made from the settings, under ./runs)"
    group.add_argument("--out", type=Path, metavar="DIR", help=out)
    group.add_argument("--report", action="store_true", help="also write the report, as nas-report DIR does")


def _run(given: argparse.Namespace) -> int:
    from experiments.cli.console import show_answers, show_results
    from experiments.records.study import StudyRecords
    from experiments.reports.entries import entries_of, read_studies  # slow to import, and --help does not need them
    from experiments.reports.summary import long_table

    if given.workers < 0 or (given.ray_address and not given.workers):
        raise InputError("--workers is 0 or more, and at least 1 with --ray-address")
    preset = preset_named(given.preset) if given.preset else ORDINARY
    algorithms = configured_algorithms(given.algo, preset, given.config, vars(given))
    directory = _search(given, algorithms, preset)
    shown = SUMMARISED if given.runs > SUMMARISED else None
    if given.report:
        from experiments.reports.report import write_report

        report = write_report([directory], directory / "report", runs=shown)
        show_results(report.headers, report.rows)
    else:
        studies = read_studies([directory], shown)
        show_results(*long_table(studies[0].header, entries_of(studies)))
    if shown:
        print(f"of the first {shown:,} runs of each; of more: nas-report {directory} --runs N")
    if given.runs == 1:
        show_answers(StudyRecords(directory))
    report_advice = f"report: {directory / 'report'}" if given.report else f"draw them with: nas-report {directory}"
    print(f"records: {directory}; {report_advice}")
    return 0


def _search(given: argparse.Namespace, algorithms: dict[str, Config], preset: Preset) -> Path:
    """Run the study that is asked for; returns its directory."""
    if algorithms.keys() & METHODS.keys():
        for add_options in (add_evaluation_options, add_recipe_options):
            refuse(given, add_options, "only applies to multi-trial algorithms, not to weight-sharing methods")
        return search_by_weight_sharing(given, algorithms)
    if given.evaluate == "train":
        return search_by_training(given, algorithms, preset)
    refuse(given, add_network_options, "only applies to networks that are trained: give --evaluate train with it")
    refuse(given, add_recipe_options, "only applies to networks that are trained: give --evaluate train with it")
    refuse(given, add_weight_sharing_options, "only applies to weight-sharing methods")
    return _search_table(given, algorithms, preset)


def _search_table(given: argparse.Namespace, algorithms: dict[str, Config], preset: Preset) -> Path:
    """Run a study on a table; returns its directory."""
    from experiments.cli.console import progress_bar
    from experiments.execution.resources import Resources
    from experiments.studies.runner import default_directory, run_study

    study = study_on_table(given, algorithms, preset)
    directory: Path = given.out or default_directory(study)
    with progress_bar() as progress:
        run_study(study, directory, Resources(given.workers, address=given.ray_address), progress)
    return directory


if __name__ == "__main__":
    sys.exit(main())
