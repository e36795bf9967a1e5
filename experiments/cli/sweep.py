"""nas-sweep: which options of a search algorithm are best? Batches of whole searches, by Ray Tune."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import InputError
from benchmarks.spaces import SPACES
from experiments.cli.config_options import (
    add_config_options,
    first_pass,
    given_options,
    guarded,
    import_from_working_directory,
    new_parser,
)
from experiments.cli.option_groups import (
    add_evaluation_options,
    add_network_options,
    add_weight_sharing_options,
    refuse,
)
from experiments.cli.table_request import ORDINARY, study_on_table
from experiments.cli.weight_sharing_request import weight_sharing_study
from experiments.execution.resources import ResourceRequest, Resources
from experiments.studies.algorithms import configured
from experiments.studies.presets import preset_named
from experiments.sweeps.knobs import tuned_knobs
from nas_algos.multi_trial import ALGORITHMS
from nas_algos.registry import algorithm_key, config_named, known_key
from nas_algos.weight_sharing import METHODS
from nas_algos.weight_sharing.configs import MethodConfig

if TYPE_CHECKING:
    from experiments.records.study import StudyRecords
    from experiments.records.sweep import SweepRecords
    from experiments.studies.table_study import TableStudy
    from experiments.studies.weight_sharing_study import WeightSharingStudy
    from experiments.sweeps.tune import Sweep
    from nas_algos.config import Config

    RunStudy = Callable[[Any, Path], StudyRecords]

OBJECTIVES = ("final_validation", "validation_area")
RUNS, WEIGHT_SHARING_RUNS = 90, 1
"""Default of --runs."""
FIDELITY = {"epochs": "the epochs are what configurations are first compared at fewer of; give --epochs"}


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    names = first_pass(arguments, "--algo")
    import_from_working_directory(names)
    return guarded("nas-sweep", lambda: _sweep(_parser(names).parse_args(arguments)))


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = new_parser(
        "nas-sweep",
        "Tune the options of a search algorithm with Ray Tune, whose trials are batches of whole searches with one "
        "configuration: many make few runs, the better third of them three times as many, and so on (weight sharing: "
        "epochs instead of runs). Only validation scores are tuned on. The best configuration is then compared "
        "with the default one on fresh seeds. Repeat an interrupted command to resume it.",
        epilog="An algorithm's own options, which are what can be tuned, are listed by: nas-sweep --algo NAME --help",
    )
    _add_what(parser.add_argument_group("what to tune"))
    _add_how(parser.add_argument_group("how"))
    add_evaluation_options(parser.add_argument_group("how multi-trial evaluations are scored and charged"))
    _add_where(parser.add_argument_group("where"))
    default = "The defaults are the published ones; digits has smaller ones, which nas-bench build --help lists."
    add_network_options(parser.add_argument_group("images and networks (weight sharing)", default))
    add_weight_sharing_options(parser.add_argument_group("weight sharing"))
    for name in names[:1]:
        with suppress(InputError):  # raised again once all options are known
            add_config_options(parser, {algorithm_key(name): config_named(algorithm_key(name))})
    return parser


def _add_what(group: Any) -> None:
    algorithms = f"multi-trial: {', '.join(ALGORITHMS)}, or your own as MODULE:CLASS; weight sharing: "
    group.add_argument("--algo", required=True, metavar="NAME", help=algorithms + ", ".join(METHODS))
    tune = "options to vary: NAME=LOW:HIGH (:log or :linear may follow), NAME=A,B,C, or NAME alone for all it can be"
    group.add_argument("--tune", nargs="+", action="extend", required=True, metavar="KNOB", help=tune)
    group.add_argument("--space", required=True, choices=list(SPACES), help="search space")
    dataset = "of the table (default: its first); of weight sharing as in nas-run (default: digits)"
    group.add_argument("--dataset", metavar="NAME", help=dataset)
    group.add_argument("--table", metavar="TABLE", help="as in nas-run")
    objective = "validation score to maximise, mean over runs; final_validation: that of a run's answer; "
    objective += "validation_area: that of its answer so far, averaged over the budget (default: "
    group.add_argument("--objective", choices=OBJECTIVES, default=OBJECTIVES[0], help=f"{objective}final_validation)")


def _add_how(group: Any) -> None:
    search = "random; bohb: TuneBOHB in Hyperband's brackets; optuna: its tree of Parzen estimators (default: random)"
    group.add_argument("--search", choices=("random", "bohb", "optuna"), default="random", help=search)
    scheduler = "what drops bad configurations early; none: all make all runs; bohb has its own (default: asha)"
    group.add_argument("--scheduler", choices=("asha", "none"), help=scheduler)
    group.add_argument("--trials", type=int, default=60, metavar="N", help="configurations to try (default: 60)")
    runs = "of the best configurations (default: 90; weight sharing: of each configuration, default: 1)"
    group.add_argument("--runs", type=int, metavar="N", help=runs)
    first = "runs, or epochs, after which configurations are first compared (default: a ninth)"
    group.add_argument("--first-rung", type=int, metavar="N", help=first)
    confirm = "of the best and of the default configuration, with fresh seeds; 0: none (default: as --runs)"
    group.add_argument("--confirm-runs", type=int, metavar="N", help=confirm)
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of searches and suggestions (default: 0)")


def _add_where(group: Any) -> None:
    workers = "batches at a time (default: one per core; on a GPU 1); on a cluster also confirming ones"
    group.add_argument("--workers", type=int, metavar="N", help=workers)
    group.add_argument("--ray-address", metavar="ADDRESS", help="a running Ray cluster (default: start Ray here)")
    out = "directory of the results (default: a name made from the settings, under ./runs)"
    group.add_argument("--out", type=Path, metavar="DIR", help=out)


def _sweep(given: argparse.Namespace) -> int:
    for name in ("workers", "confirm_runs"):
        least, number = {"workers": 1, "confirm_runs": 0}[name], getattr(given, name)
        if number is not None and number < least:
            raise InputError(f"--{name.replace('_', '-')} is {least} or more, got {number}")
    sweep, resources = _described(given)
    from experiments.cli.console import progress_bar  # slow to import, and --help does not need it
    from experiments.storage.directories import exclusive_lock
    from experiments.studies.table_study import TableStudy
    from experiments.sweeps.tune import default_directory, run_sweep

    directory = given.out or default_directory(sweep)
    with progress_bar() as progress:
        records = run_sweep(sweep, directory, resources, progress)
    with exclusive_lock(directory):
        if isinstance(sweep.evaluator.study, TableStudy) and not resources.address:
            resources = replace(resources, workers=0)  # most are done before a Ray has started
        _show(given, sweep, records, partial(_run_study, resources))
    return 0


def _described(given: argparse.Namespace) -> tuple[Sweep, Resources]:
    """The sweep that is asked for, and what it runs on."""
    preset = preset_named(given.preset) if given.preset else ORDINARY
    given.dataset = [given.dataset] if given.dataset else None
    key = known_key(given.algo)
    config, weight_sharing = config_named(key), key in METHODS
    tuned = tuned_knobs(config, given.tune, FIDELITY if weight_sharing else {})
    for name in tuned:
        if getattr(given, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{name} is both tuned and given: leave {flag} or its --tune out")
    if given.runs is None:
        given.runs = WEIGHT_SHARING_RUNS if weight_sharing else RUNS
    base = configured(config, preset.configs.get(key, {}), vars(given))
    if isinstance(base, MethodConfig):
        refuse(given, add_evaluation_options, "only applies to multi-trial algorithms, not to weight-sharing methods")
        resources = ResourceRequest(**given_options(ResourceRequest, given)).resolve()
        study = weight_sharing_study(given, {key: base}, resources.device)
        return _of(given, tuned, study, base.epochs), resources
    if given.evaluate == "train":
        raise InputError("a sweep looks evaluations up in a table: leave --evaluate train out")
    for add_options in (add_network_options, add_weight_sharing_options):
        refuse(given, add_options, "only applies to weight-sharing methods")
    return _of(given, tuned, study_on_table(given, {key: base}, preset), given.runs), Resources(
        given.workers or os.cpu_count() or 1, address=given.ray_address
    )


def _of(given: argparse.Namespace, tuned: Any, study: TableStudy | WeightSharingStudy, last: int) -> Sweep:
    from experiments.sweeps.planning import planned_sweep

    return planned_sweep(
        study,
        given.objective,
        tuned,
        search=given.search,
        scheduler=given.scheduler,
        trials=given.trials,
        last=last,
        first=given.first_rung,
    )


def _show(given: argparse.Namespace, sweep: Sweep, records: SweepRecords, run: RunStudy) -> None:
    """Print and draw what was found, and confirm it."""
    from experiments.cli.console import show_ranking
    from experiments.records.sweep import different, ranked
    from experiments.reports.figures import report_style, save
    from experiments.reports.sections.sensitivity import sensitivity
    from experiments.studies.config_files import ConfigFile

    rows = records.rows()
    ranking, failed = ranked(rows), sum(row.status == "failed" for row in rows)
    if not ranking:
        raise InputError(f"no configuration could be evaluated: see error.txt under {records.path / 'ray'}")
    show_ranking(ranking, records.header().settings)
    if failed:
        print(f"{failed} of {len(rows)} configurations failed: see error.txt under {records.path / 'ray'}")
    best = replace(sweep.evaluator.base, **ranking[0].options)
    comment = f"best of {different(rows)} configurations of nas-sweep: {records.path}"
    ConfigFile(sweep.evaluator.algorithm, asdict(best)).write(records.best_path, comment)
    with report_style():
        files = save(sensitivity(ranking, records.header().settings), records.path / "sensitivity")
    _confirm(given, sweep, records, best, run)
    print(f"how each knob matters: {files[0]}; logs: tensorboard --logdir {records.path / 'ray'}")
    print(f"use the best with: nas-run --config {records.best_path} ...")


def _confirm(given: argparse.Namespace, sweep: Sweep, records: SweepRecords, best: Config, run: RunStudy) -> None:
    from experiments.cli.console import show_confirmation
    from experiments.statistics.inference import ALPHA
    from experiments.sweeps.confirmation import confirm, p_values

    study = sweep.evaluator.study
    runs = study.runs if given.confirm_runs is None else given.confirm_runs
    if runs == 0:
        return
    confirmed = confirm(study, best, runs, records.path / "confirmation", run)
    p = p_values(confirmed, sweep.evaluator.objective)
    show_confirmation(confirmed, p, records.header().settings)
    print("the objective of the best of many is too high on average: judge it by these runs alone")
    if not next(iter(p.values())) < ALPHA:  # NaN of too few runs
        print("by them it is not certain that the best differs from the default at all")


def _run_study(resources: Resources, study: Any, directory: Path) -> StudyRecords:
    """Execute whatever the directory of a confirming study lacks."""
    from experiments.cli.console import progress_bar
    from experiments.studies.runner import run_study

    with progress_bar() as progress:
        return run_study(study, directory, resources, progress)


if __name__ == "__main__":
    sys.exit(main())
