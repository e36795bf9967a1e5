"""nas-run: search algorithms on a benchmark table, by real training, or by weight sharing; many independent runs."""

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
    networks_on_digits,
    recipe_on_digits,
    refuse,
)
from experiments.cli.studies import (
    evaluation_request,
    resource_request,
    study_by_training,
    study_by_weight_sharing,
    study_on_table,
    study_request,
)
from experiments.studies.algorithms import configured_algorithms, read_config_files
from experiments.studies.presets import STUDIES
from nas_algos.multi_trial import ALGORITHMS
from nas_algos.registry import algorithm_key, config_named, owners_of
from nas_algos.weight_sharing import METHODS

if TYPE_CHECKING:
    from experiments.execution.resources import Resources
    from experiments.records.study import StudyRecords
    from experiments.studies.requests import StudyRequest
    from experiments.studies.study import Study
    from nas_algos.config import Config

SUMMARISED = 5000
"""Runs of each algorithm on each data set that this command reads back, since it holds all their trials in memory."""
REPORT_WORKERS = 3
"""Processes that write a report, at most: one section takes a third of the time of all."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
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
    """Append the options of the study named in the arguments that are not given there."""
    study = STUDIES.get("".join(first_pass(arguments, "--study")[-1:]))
    if study is None:
        return arguments
    options: dict[str, Sequence[str]] = {
        "--algo": study.algorithms,
        "--space": [study.space],
        "--dataset": study.datasets,
        "--preset": [study.preset],
        "--runs": [str(study.runs)],
        "--report": [],
    }
    missing = [[flag, *values] for flag, values in options.items() if not first_pass(arguments, flag)]
    return [*arguments, *(word for words in missing for word in words)]


def with_config_files(arguments: list[str]) -> list[str]:
    """Append the algorithms of the files named in the arguments that are not given there."""
    named = {algorithm_key(name) for name in first_pass(arguments, "--algo")}
    others = set(read_config_files(map(Path, first_pass(arguments, "--config")))) - named
    return [*arguments, "--algo", *sorted(others)] if others else arguments


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = new_parser(
        "nas-run",
        "Run multi-trial search algorithms on a benchmark table within a simulated time budget, or with real training "
        "within a real one; or run weight-sharing methods, which train a supernet. Every trial or epoch is recorded. "
        "Repeat the command to resume it after an interruption.",
        epilog="List an algorithm's own options with: nas-run --algo NAME --help",
    )
    _add_what(parser.add_argument_group("what to run"))
    add_evaluation_options(parser.add_argument_group("evaluations of multi-trial algorithms"))
    _add_where(parser.add_argument_group("resources and output"))
    networks = parser.add_argument_group("images and networks (weight sharing, --evaluate train)", networks_on_digits())
    add_network_options(networks)
    add_recipe_options(parser.add_argument_group("training recipe (--evaluate train)", recipe_on_digits()))
    add_weight_sharing_options(parser.add_argument_group("weight sharing"))
    configs: dict[str, type[Config]] = {}
    for name in map(algorithm_key, names):
        with suppress(InputError):  # raised again once all options are known
            configs[name] = config_named(name)
    add_config_options(parser, configs)
    return parser


def _add_what(group: argparse._ArgumentGroup) -> None:
    algorithms = (
        f"algorithms to run; multi-trial: {', '.join(ALGORITHMS)}, or your own as MODULE:CLASS; weight sharing: "
    )
    algorithms += ", ".join(METHODS)
    study = "a paper's comparison: sets --report and, unless they are given, --algo, --space, --dataset, --preset and "
    group.add_argument("--study", choices=list(STUDIES), help=f"{study}--runs")
    group.add_argument("--algo", nargs="+", action="extend", required=True, metavar="NAME", help=algorithms)
    config = "files of nas-sweep, each with an algorithm and its options; options given here take precedence"
    group.add_argument("--config", nargs="+", action="extend", type=Path, default=[], metavar="FILE", help=config)
    group.add_argument("--space", required=True, choices=list(SPACES), help="search space")
    datasets = (
        "data sets of the table (default: its first one); weight sharing and --evaluate train take one data set that "
        "nas-bench build knows (default: digits)"
    )
    group.add_argument("--dataset", nargs="+", action="extend", metavar="NAME", help=datasets)
    table = "installed table, or a file that nas-bench import takes (default: the installed table of the space, else "
    table += "the official files under $TORCH_HOME, else the table that comes with nas-algos)"
    group.add_argument("--table", metavar="TABLE", help=table)
    runs = "independent runs of each algorithm on each data set (default: 1)"
    group.add_argument("--runs", type=int, default=1, metavar="N", help=runs)
    seed = "seed of the study, from which every run gets its own random numbers (default: 0)"
    group.add_argument("--seed", type=int, default=0, metavar="N", help=seed)


def _add_where(group: argparse._ArgumentGroup) -> None:
    workers = (
        "simultaneous Ray tasks, which are runs or, with --evaluate train, trainings; 0 computes in this process, "
    )
    group.add_argument("--workers", type=int, default=0, metavar="N", help=f"{workers}without Ray (default: 0)")
    address = "address of a running Ray cluster (default: start Ray on this machine)"
    group.add_argument("--ray-address", metavar="ADDRESS", help=address)
    out = "directory of the records (default: a name made from the settings, under ./runs)"
    group.add_argument("--out", type=Path, metavar="DIR", help=out)
    report = "also write the report, as nas-report DIR does"
    group.add_argument("--report", action="store_true", help=report)


def _run(given: argparse.Namespace) -> int:
    protocol = evaluation_request(given).protocol
    algorithms = configured_algorithms(given.algo, protocol, given.config, vars(given))
    request = study_request(given, algorithms, runs=given.runs, seed=given.seed)
    if algorithms.keys() & METHODS.keys():
        records = _by_weight_sharing(given, request)
    elif given.evaluate == "train":
        records = _by_training(given, request)
    else:
        records = _on_table(given, request)
    _show(given, records)
    return 0


def _on_table(given: argparse.Namespace, request: StudyRequest) -> StudyRecords:
    for add_options in (add_network_options, add_recipe_options):
        refuse(given, add_options, "only applies to networks that are trained: give --evaluate train with it")
    refuse(given, add_weight_sharing_options, "only applies to weight-sharing methods")
    resources = resource_request(given).on_cpus()
    return _executed(given, study_on_table(given, request), resources)


def _by_training(given: argparse.Namespace, request: StudyRequest) -> StudyRecords:
    refuse(given, add_weight_sharing_options, "only applies to weight-sharing methods, not to --evaluate train")
    resources = resource_request(given).resolve()
    records = _executed(given, study_by_training(given, request, resources), resources)
    kept = records.evaluations_path
    print(f"trainings: {kept}; make a table of them with: nas-bench calibrate {kept} && nas-bench merge {kept}")
    return records


def _by_weight_sharing(given: argparse.Namespace, request: StudyRequest) -> StudyRecords:
    for add_options in (add_evaluation_options, add_recipe_options):
        refuse(given, add_options, "only applies to multi-trial algorithms, not to weight-sharing methods")
    resources = resource_request(given).resolve()
    return _executed(given, study_by_weight_sharing(given, request, resources.device), resources)


def _executed(given: argparse.Namespace, study: Study, resources: Resources) -> StudyRecords:
    """The records of the study, after executing what they lack."""
    from experiments.cli.console import progress_bar
    from experiments.studies.runner import default_directory, run_study

    with progress_bar() as progress:
        return run_study(study, given.out or default_directory(study), resources, progress)


def _show(given: argparse.Namespace, records: StudyRecords) -> None:
    """Print how the searches ended, and write the report if it is wanted."""
    from experiments.cli.console import show_answers, show_results
    from experiments.reports.entries import entries_of, read_studies
    from experiments.reports.summary import long_table

    directory, shown = records.path, SUMMARISED if given.runs > SUMMARISED else None
    if given.report:
        from experiments.reports.report import write_report

        workers = max(1, min(given.workers, REPORT_WORKERS))
        report = write_report([directory], directory / "report", runs=shown, workers=workers)
        show_results(report.headers, report.rows)
    else:
        studies = read_studies([directory], shown)
        show_results(*long_table(studies[0].header, entries_of(studies)))
    if shown:
        print(f"these are the first {shown:,} runs of each; for more: nas-report {directory} --runs N")
    if given.runs == 1:
        show_answers(records)
    report_advice = f"report: {directory / 'report'}" if given.report else f"draw them with: nas-report {directory}"
    print(f"records: {directory}; {report_advice}")


if __name__ == "__main__":
    sys.exit(main())
