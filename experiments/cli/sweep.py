"""nas-sweep: tune the options of a search algorithm with Ray Tune, on whole searches."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import InputError
from benchmarks.spaces import SPACES
from experiments.cli.config_options import (
    add_config_options,
    add_options,
    first_pass,
    given_options,
    guarded,
    import_from_working_directory,
    new_parser,
)
from experiments.cli.option_groups import (
    add_network_options,
    add_table_options,
    add_weight_sharing_options,
    networks_on_digits,
    refuse,
)
from experiments.cli.studies import (
    evaluation_request,
    resource_request,
    study_by_weight_sharing,
    study_on_table,
    study_request,
)
from experiments.sweeps.request import SweepRequest, TunedAlgorithm, sweep_resources, tuned_algorithm
from nas_algos.multi_trial import ALGORITHMS
from nas_algos.registry import algorithm_key, config_named
from nas_algos.weight_sharing import METHODS

if TYPE_CHECKING:
    from experiments.execution.resources import Resources
    from experiments.records.sweep import SweepRecords
    from experiments.studies.table_study import TableStudy
    from experiments.studies.weight_sharing_study import WeightSharingStudy
    from experiments.sweeps.tune import Sweep


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    names = first_pass(arguments, "--algo")
    import_from_working_directory(names)
    return guarded("nas-sweep", lambda: _sweep(_parser(names).parse_args(arguments)))


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = new_parser(
        "nas-sweep",
        "Tune the options of a search algorithm with Ray Tune. A trial of Tune makes several whole searches with one "
        "configuration: all configurations start with a few runs, the best third of them make three times as many, and "
        "so on (with weight sharing, epochs instead of runs). Only validation scores decide. The best configuration is "
        "then compared with the default one on fresh seeds. Repeat the command to resume it after an interruption.",
        epilog="List an algorithm's own options, all of which can be tuned, with: nas-sweep --algo NAME --help",
    )
    _add_what(parser.add_argument_group("what to tune"))
    how = parser.add_argument_group("how to tune")
    add_options(how, SweepRequest, [name for name in SweepRequest.__dataclass_fields__ if name != "objective"])
    add_table_options(parser.add_argument_group("evaluations of multi-trial algorithms"))
    _add_where(parser.add_argument_group("resources and output"))
    add_network_options(parser.add_argument_group("images and networks (weight sharing)", networks_on_digits()))
    add_weight_sharing_options(parser.add_argument_group("weight sharing"))
    for name in names[:1]:
        with suppress(InputError):  # raised again once all options are known
            add_config_options(parser, {algorithm_key(name): config_named(algorithm_key(name))})
    return parser


def _add_what(group: Any) -> None:
    algorithms = (
        f"algorithm to tune; multi-trial: {', '.join(ALGORITHMS)}, or your own as MODULE:CLASS; weight sharing: "
    )
    group.add_argument("--algo", required=True, metavar="NAME", help=algorithms + ", ".join(METHODS))
    tune = "options to tune: NAME=LOW:HIGH, to which :log or :linear may be added, NAME=A,B,C, or NAME alone for its "
    group.add_argument("--tune", nargs="+", action="extend", required=True, metavar="KNOB", help=f"{tune}whole range")
    group.add_argument("--space", required=True, choices=list(SPACES), help="search space")
    dataset = "data set of the table (default: its first one); with weight sharing, as in nas-run (default: digits)"
    group.add_argument("--dataset", metavar="NAME", help=dataset)
    table = "installed table, or a file that nas-bench import takes (default: as in nas-run)"
    group.add_argument("--table", metavar="TABLE", help=table)
    add_options(group, SweepRequest, ["objective"])


def _add_where(group: Any) -> None:
    workers = (
        "configurations evaluated at the same time (default: one per core, or per GPU); on a Ray cluster, also the "
    )
    group.add_argument("--workers", type=int, metavar="N", help=f"{workers}tasks of the final comparison")
    address = "address of a running Ray cluster (default: start Ray on this machine)"
    group.add_argument("--ray-address", metavar="ADDRESS", help=address)
    out = "directory of the results (default: a name made from the settings, under ./runs)"
    group.add_argument("--out", type=Path, metavar="DIR", help=out)


def _sweep(given: argparse.Namespace) -> int:
    request = SweepRequest(**given_options(SweepRequest, given))
    given.dataset = [given.dataset] if given.dataset else None
    algorithm = tuned_algorithm(given.algo, given.tune, evaluation_request(given).protocol, vars(given))
    _refuse_other_options(given, algorithm)
    resources = sweep_resources(resource_request(given), algorithm)
    study = _study(given, algorithm, request, resources)
    from experiments.cli.console import progress_bar  # slow to import, and --help does not need it
    from experiments.storage.directories import exclusive_lock
    from experiments.sweeps.planning import planned_sweep
    from experiments.sweeps.tune import default_directory, run_sweep

    sweep = planned_sweep(study, algorithm, request)
    directory = given.out or default_directory(sweep)
    with progress_bar() as progress:
        records = run_sweep(sweep, directory, resources, progress)
    with exclusive_lock(directory):
        figure = _show_best(sweep, records)
        _show_confirmation(sweep, records, request, resources)
    print(f"effect of each option: {figure}; logs: tensorboard --logdir {records.path / 'ray'}")
    print(f"use the best configuration with: nas-run --config {records.best_path} ...")
    return 0


def _refuse_other_options(given: argparse.Namespace, algorithm: TunedAlgorithm) -> None:
    if algorithm.shares_weights:
        refuse(given, add_table_options, "only applies to multi-trial algorithms, not to weight-sharing methods")
        return
    for add_group in (add_network_options, add_weight_sharing_options):
        refuse(given, add_group, "only applies to weight-sharing methods")


def _study(
    given: argparse.Namespace, algorithm: TunedAlgorithm, how: SweepRequest, resources: Resources
) -> TableStudy | WeightSharingStudy:
    algorithms = {algorithm.key: algorithm.base}
    request = study_request(given, algorithms, runs=how.runs_of(algorithm.key), seed=how.seed)
    if algorithm.shares_weights:
        return study_by_weight_sharing(given, request, resources.device)
    return study_on_table(given, request)


def _show_best(sweep: Sweep, records: SweepRecords) -> Path:
    """Print and write the best configurations, draw the effect of each option, and return the drawing's path."""
    from experiments.cli.console import show_ranking
    from experiments.records.sweep import ranked
    from experiments.reports.figures import report_style, save
    from experiments.reports.sections.sensitivity import sensitivity
    from experiments.sweeps.outcome import write_best

    write_best(sweep, records)
    rows = records.configurations()
    ranking, failed = ranked(rows), sum(row.status == "failed" for row in rows)
    show_ranking(ranking, records.header().settings)
    if failed:
        print(f"{failed} of {len(rows)} configurations failed: see error.txt under {records.path / 'ray'}")
    with report_style():
        files = save(sensitivity(ranking, records.header().settings), records.path / "sensitivity")
    return files[0]


def _show_confirmation(sweep: Sweep, records: SweepRecords, request: SweepRequest, resources: Resources) -> None:
    """Compare the best configuration with the default one, unless no runs are wanted, and print how they did."""
    from experiments.cli.console import progress_bar, show_confirmation
    from experiments.sweeps.outcome import confirm_sweep

    with progress_bar() as progress:
        confirmation = confirm_sweep(sweep, records, request.confirm_runs, resources, progress)
    if confirmation is None:
        return
    show_confirmation(confirmation.results, confirmation.p, records.header().settings)
    print("the objective of the best of many configurations is biased upwards: judge it by these runs alone")
    if not confirmation.is_significant:
        print("these runs do not show that the best configuration differs from the default one")


if __name__ == "__main__":
    sys.exit(main())
