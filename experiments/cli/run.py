"""nas-run: search algorithms on a benchmark table, by real training, or with shared weights; many independent runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from benchmarks.errors import InputError
from benchmarks.oracle import COST_MODELS, Fidelity, Oracle
from benchmarks.spaces import SPACES
from benchmarks.spaces.base import unknown_name
from experiments.cli.options import add_config_options, build_config, first_pass, guarded, new_parser
from experiments.cli.shared import add_shared_options, search_with_shared_weights
from experiments.cli.training import add_network_options, add_recipe_options, refuse, search_by_training
from experiments.config_files import ConfigFile
from experiments.presets import PRESETS, STUDIES, Preset, preset_named
from experiments.run import Crossing, IncumbentRule
from nas_algos.multi_trial import ALGORITHMS, algorithm_named
from nas_algos.weight_sharing import METHODS, method_named

if TYPE_CHECKING:
    from benchmarks.table import BenchmarkTable
    from experiments.study import Study
    from nas_algos.searcher import Config

ORDINARY = Preset("the defaults", PRESETS["nats-paper"].budgets)
"""What holds where neither an option nor a preset says otherwise."""
EVALUATIONS = 200
"""At the highest fidelity, of average cost, in a budget where none is published."""
SUMMARISED = 5000
"""Runs of each algorithm on each data set that this command itself reads back: all their trials are in memory then."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return guarded("nas-run", lambda: _run(_given(list(sys.argv[1:] if argv is None else argv))))


def _given(arguments: list[str]) -> argparse.Namespace:
    arguments = with_config_files(with_study(arguments))
    names = first_pass(arguments, "--algo")
    import_from_here(names)
    parser = _parser(names)
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        owners = [f"{flag} belongs to {name}" for flag in unknown for name in owners_of(flag)]
        parser.error("; ".join([f"unrecognized arguments: {' '.join(unknown)}", *owners]))
    if given.study and {key_of(name) for name in names} & METHODS.keys():
        raise InputError(f"--study {given.study} compares multi-trial algorithms: leave it out for weight sharing")
    return given


def import_from_here(names: Sequence[str]) -> None:
    """Let MODULE:CLASS be found in the working directory, which Python leaves out where a command is installed."""
    if any(":" in name for name in names):
        sys.path.insert(0, str(Path.cwd()))


def with_study(arguments: list[str]) -> list[str]:
    """The arguments, and those options of the study named in them that they leave open."""
    study = [option for name in first_pass(arguments, "--study")[-1:] for option in STUDIES.get(name, {}).items()]
    left_open = [(flag, values) for flag, values in study if not first_pass(arguments, flag)]
    return [*arguments, *(word for flag, values in left_open for word in (flag, *values))]


def with_config_files(arguments: list[str]) -> list[str]:
    """The arguments, and the algorithms of the files named in them that they leave out."""
    named = {key_of(name) for name in first_pass(arguments, "--algo")}
    others = set(_config_files(map(Path, first_pass(arguments, "--config")))) - named
    return [*arguments, "--algo", *sorted(others)] if others else arguments


def _config_files(paths: Iterable[Path]) -> dict[str, tuple[Path, ConfigFile]]:
    """Algorithm -> its file."""
    found: dict[str, tuple[Path, ConfigFile]] = {}
    for path in paths:
        file = ConfigFile.read(path)
        if file.algorithm in found:
            raise InputError(f"{found[file.algorithm][0]} and {path} are both of {file.algorithm}: give one of them")
        found[file.algorithm] = path, file
    return found


def owners_of(flag: str) -> list[str]:
    """The algorithms that have the option `flag`."""
    knob = flag.split("=")[0].removeprefix("--").replace("-", "_")
    return [name for name in [*ALGORITHMS, *METHODS] if knob in config_of(name).__dataclass_fields__]


def config_of(name: str) -> type[Config]:
    """The options of an algorithm; those of weight-sharing methods import PyTorch."""
    return method_named(name).Config if name in METHODS else algorithm_named(name).Config


def key_of(name: str) -> str:
    """The name of an algorithm as it is recorded."""
    return name if ":" in name else name.replace("-", "_")


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = new_parser(
        "nas-run",
        "Run search algorithms on a benchmark table under a simulated time budget, or with real training under a real "
        "one, or weight-sharing methods, which train a supernet, and record every trial or epoch. An interrupted "
        "command goes on where it stopped when it is given again.",
        epilog="An algorithm's own options are listed by: nas-run --algo NAME --help",
    )
    _add_what(parser.add_argument_group("what to run"))
    add_evaluation_options(parser.add_argument_group("how multi-trial evaluations are scored and charged"))
    _add_where(parser.add_argument_group("where"))
    default = "Defaults are those of nas-bench build."
    trained = parser.add_argument_group("images and networks (weight sharing, and --evaluate train)", default)
    add_network_options(trained)
    add_recipe_options(parser.add_argument_group("recipe (--evaluate train)", default))
    add_shared_options(parser.add_argument_group("weight sharing"))
    configs: dict[str, type[Config]] = {}
    for name in map(key_of, names):
        with suppress(InputError):  # which is told when all options are known
            configs[name] = config_of(name)
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


def add_evaluation_options(group: Any) -> None:
    """Those that weight-sharing methods have no use for."""
    evaluate = "table: look evaluations up; train: train every architecture that is asked for (default: table)"
    group.add_argument("--evaluate", choices=("table", "train"), default="table", help=evaluate)
    presets = "; ".join(f"{name}: {preset.summary}" for name, preset in PRESETS.items())
    group.add_argument("--preset", choices=list(PRESETS), help=f"a paper's protocol for what is not given. {presets}")
    budget = "seconds per run; with --evaluate train measured, and required (default: the data set's nats-paper "
    budget += "budget, else the time of 200 average evaluations)"
    group.add_argument("--budget", type=float, metavar="SECONDS", help=budget)
    cost = "charged per evaluation; nats: its training epochs and one validation pass (default: nats)"
    group.add_argument("--cost-model", choices=COST_MODELS, help=cost)
    policy = "sampled: the score of one training seed at random; mean: over seeds; fixed:SEED (default: sampled; with "
    group.add_argument("--seed-policy", metavar="POLICY", help=f"{policy}--evaluate train fixed:0, and no other kind)")
    schedule = "training schedule searched with (default: the table's); with --evaluate train its epochs, required"
    group.add_argument("--schedule", metavar="NAME", help=schedule)
    crossing = "whether the evaluation that crosses the budget counts (default: keep)"
    group.add_argument("--crossing", choices=get_args(Crossing), help=crossing)
    group.add_argument("--cache", action="store_true", help="repeated queries are free (default: charged again)")
    simulated = "evaluations at a time on the search's clock (default: 1; with --evaluate train as many as --workers)"
    group.add_argument("--simulated-workers", type=int, metavar="W", help=simulated)
    incumbent = "fidelities whose scores are compared to find a run's answer (default: highest_fidelity)"
    group.add_argument("--incumbent", choices=get_args(IncumbentRule), help=incumbent)


def _add_where(group: argparse._ArgumentGroup) -> None:
    workers = "Ray tasks at a time: runs, or with --evaluate train trainings; 0: this process alone (default: 0)"
    group.add_argument("--workers", type=int, default=0, metavar="N", help=workers)
    group.add_argument("--ray-address", metavar="ADDRESS", help="a running Ray cluster (default: start Ray here)")
    out = "directory of the records (default: a name made from the settings, under ./runs)"
    group.add_argument("--out", type=Path, metavar="DIR", help=out)
    group.add_argument("--report", action="store_true", help="also write the report, as nas-report DIR does")


def _run(given: argparse.Namespace) -> int:
    from experiments.comparison import entries_of, read_studies  # slow to import, and --help does not need them
    from experiments.console import show_answers, show_results
    from experiments.records import StudyRecords
    from experiments.report_tables import long_table

    if given.workers < 0 or (given.ray_address and not given.workers):
        raise InputError("--workers is 0 or more, and at least 1 with --ray-address")
    preset = preset_named(given.preset) if given.preset else ORDINARY
    directory = _search(given, _algorithms(given, preset), preset)
    shown = SUMMARISED if given.runs > SUMMARISED else None
    studies = read_studies([directory], shown)
    show_results(*long_table(studies[0].header, entries_of(studies)))
    if shown:
        print(f"of the first {shown:,} runs of each; of more: nas-report {directory} --runs N")
    if given.runs == 1:
        show_answers(StudyRecords(directory))
    if given.report:
        from experiments.report import write_report

        write_report([directory], directory / "report", runs=shown)
        print(f"records: {directory}; report: {directory / 'report'}")
    else:
        print(f"records: {directory}; draw them with: nas-report {directory}")
    return 0


def _algorithms(given: argparse.Namespace, preset: Preset) -> dict[str, Config]:
    """Name -> options, of multi-trial algorithms or of weight-sharing methods."""
    algorithms: dict[str, Config] = {}
    files = _config_files(given.config)
    for name in given.algo:
        key = key_of(name)
        if key not in (*ALGORITHMS, *METHODS) and ":" not in key:
            raise InputError(unknown_name("algorithm", name, [*ALGORITHMS, *METHODS]))
        if key in algorithms:
            raise InputError(f"the algorithm {key} is given twice")
        config, options = config_of(key), dict(preset.configs.get(key, {}))
        if key in files:
            path, file = files[key]
            options |= file.checked(path, config)
        algorithms[key] = build_config(config, options, given)
    kinds = {name in METHODS for name in algorithms}
    if len(kinds) > 1:
        raise InputError(
            f"{', '.join(algorithms)}: multi-trial algorithms and weight-sharing methods have different budgets. Run "
            "them with two commands and give both directories to nas-report"
        )
    return algorithms


def _search(given: argparse.Namespace, algorithms: dict[str, Config], preset: Preset) -> Path:
    """Run the study that is asked for; returns its directory."""
    if algorithms.keys() & METHODS.keys():
        for add_options in (add_evaluation_options, add_recipe_options):
            refuse(given, add_options, "is of multi-trial algorithms, not of weight-sharing methods")
        return search_with_shared_weights(given, algorithms)
    if given.evaluate == "train":
        return search_by_training(given, algorithms, preset)
    refuse(given, add_network_options, "is of networks that are trained here: give --evaluate train with it")
    refuse(given, add_recipe_options, "is of architectures that are really trained: give --evaluate train with it")
    refuse(given, add_shared_options, "is of weight-sharing methods")
    return _search_table(given, algorithms, preset)


def _search_table(given: argparse.Namespace, algorithms: dict[str, Config], preset: Preset) -> Path:
    """Run a study on a table; returns its directory."""
    from experiments.console import progress_bar
    from experiments.study_runner import default_directory, run_study

    study = study_on_table(given, algorithms, preset)
    directory: Path = given.out or default_directory(study)
    with progress_bar() as progress:
        run_study(study, directory, given.workers, given.ray_address, progress)
    return directory


def study_on_table(given: argparse.Namespace, algorithms: Mapping[str, Config], preset: Preset) -> Study:
    """The study that is asked for, on the table that is asked for or found."""
    from experiments.console import progress_bar
    from experiments.tables import embedded, find_table

    with progress_bar() as progress:
        table = find_table(given.space, given.table, given.dataset or (), progress=progress)
    if given.table is None and table.path in embedded():
        name, datasets = table.info.name, ", ".join(table.info.tasks)
        print(f"no table given: searching {name}, which comes with nas-algos ({datasets}; see nas-bench info {name})")
    return _study(given, algorithms, preset, table)


def _study(given: argparse.Namespace, algorithms: Mapping[str, Config], preset: Preset, table: BenchmarkTable) -> Study:
    from experiments.study import Study

    return Study(
        table=table.path,
        algorithms=algorithms,
        budgets=_budgets(given, preset, table),
        runs=given.runs,
        seed=given.seed,
        cost_model=given.cost_model or preset.cost_model,
        seed_policy=given.seed_policy or preset.seed_policy,
        schedule=given.schedule,
        crossing=given.crossing or preset.crossing,
        cache=given.cache,
        simulated_workers=1 if given.simulated_workers is None else given.simulated_workers,
        incumbent=given.incumbent or preset.incumbent,
        preset=given.preset,
    )


def _budgets(given: argparse.Namespace, preset: Preset, table: BenchmarkTable) -> dict[str, float]:
    """Data set -> simulated seconds."""
    datasets = given.dataset or list(table.info.tasks)[:1]
    for dataset in datasets:
        table.task(dataset)  # raises on an unknown name
        if datasets.count(dataset) > 1:
            raise InputError(f"the data set {dataset} is given {datasets.count(dataset)} times")
    if given.budget is not None:
        return dict.fromkeys(datasets, given.budget)
    return {
        dataset: preset.budgets.get((given.space, dataset)) or _usual_budget(given, preset, table, dataset)
        for dataset in datasets
    }


def _usual_budget(given: argparse.Namespace, preset: Preset, table: BenchmarkTable, dataset: str) -> float:
    """Simulated seconds of about as many evaluations as the published budgets allow, where none is published."""
    cost_model, seed_policy = given.cost_model or preset.cost_model, given.seed_policy or preset.seed_policy
    oracle = Oracle(table, dataset, cost_model=cost_model, seed_policy=seed_policy)
    schedule = given.schedule or oracle.task.search_schedule
    seconds = EVALUATIONS * oracle.mean_seconds(Fidelity(schedule, oracle.epochs(schedule)[-1]))
    return float(f"{seconds:.2g}")


if __name__ == "__main__":
    sys.exit(main())
