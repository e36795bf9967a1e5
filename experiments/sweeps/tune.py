"""Tuning of the knobs of a search algorithm by Ray Tune; a Tune trial evaluates one configuration by complete searches.

ASHA: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, https://arxiv.org/abs/1810.05934.
BOHB: Falkner, Klein, Hutter, ICML 2018, https://arxiv.org/abs/1807.01774, by hpbandster, under Hyperband's brackets.

The fidelity is the number of runs (for weight sharing: epochs), raised rung by rung (`evaluator`). `Tuner.restore` is
not used to resume: every evaluation is kept in a store, earlier configurations are suggested again in the same order,
and evaluations in the store are reported at once.

Evaluations and the configurations suggested by random search are reproducible. The last rung of each configuration
under ASHA depends on the order in which evaluations end, hence on the machine if there are several workers; so do the
suggestions of the other search algorithms, and hpbandster draws from NumPy's global random state.

In your own Tune script:

    trainable = tune_searcher(study, "regularized_ea", rungs=(10, 30, 90))
    space = search_space(RegularizedEA.Config, ["population_size=5:100:log", "sample_size=2:50"])
    asha = ASHAScheduler(time_attr="runs", grace_period=10, max_t=90, reduction_factor=3)
    config = tune.TuneConfig(metric="objective", mode="max", scheduler=asha, num_samples=60)
    results = tune.Tuner(trainable, param_space=space, tune_config=config).fit()
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import ASHAScheduler, HyperBandForBOHB
from ray.tune.search import BasicVariantGenerator

from benchmarks.errors import InputError
from experiments.execution.calls import TORCH
from experiments.execution.progress import Progress
from experiments.execution.ray_tasks import RETRIES, check_versions, connected
from experiments.execution.resources import Resources
from experiments.records.domains import Choice, Domain, Tuned
from experiments.records.headers import Objective, SweepHeader, SweepSettings
from experiments.records.sweep import COLUMNS, TRIALS, Configuration, SweepRecords, folder_of
from experiments.storage.provenance import git_commit, versions
from experiments.studies.table_study import TableStudy
from experiments.sweeps.evaluator import FACTOR, Evaluator
from experiments.sweeps.knobs import plain, tuned_knobs
from experiments.sweeps.request import Scheduler, SearchAlgorithm
from experiments.sweeps.table_evaluator import TableEvaluator
from nas_algos.config import Config

if TYPE_CHECKING:
    from experiments.studies.weight_sharing_study import WeightSharingStudy

RESOURCE = "resource"
"""Name of the metric with the values 1, 3, 9, ...: the rung in Hyperband's units, which are powers of its factor."""
SEEDS = 2**32
"""Exclusive upper bound of the seeds that NumPy's legacy generators accept."""
ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output can be silenced
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths keep their meaning
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the command
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # the checkpoints are for Tuner.restore
}


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The definition of a sweep. `trials` can be raised later; every other field affects the numbers."""

    evaluator: Evaluator
    tuned: Tuned
    rungs: tuple[int, ...]
    """The best configuration is chosen at the last rung; the other rungs serve to stop poor ones early."""
    search: SearchAlgorithm
    scheduler: Scheduler
    trials: int

    def __post_init__(self) -> None:
        for name in COLUMNS & self.tuned.keys():
            raise InputError(f"a knob called {name} cannot be tuned: a column of {TRIALS} has that name; rename it")
        if self.trials < 1:
            raise InputError(f"a sweep has at least 1 trial, got {self.trials}")
        if (self.search == "bohb") != (self.scheduler == "hyperband"):
            raise InputError(f"bohb and hyperband go together, got {self.search} with {self.scheduler}")
        if self.search == "bohb" and len(self.rungs) < 2:
            raise InputError(f"bohb needs two rungs to compare at, got only {self.rungs[0]} {self.evaluator.unit}")

    @property
    def seed(self) -> int:
        return self.evaluator.study.seed

    def header(self) -> SweepHeader:
        study = self.evaluator.study.header()
        settings = SweepSettings(
            algorithm=self.evaluator.algorithm,
            tuned=self.tuned,
            unit=self.evaluator.unit,
            rungs=self.rungs,
            objective=self.evaluator.objective,
            search=self.search,
            scheduler=self.scheduler,
            study=study.settings,
        )
        more = {"random": (), "bohb": ("hpbandster", "ConfigSpace"), "optuna": ("optuna",)}[self.search]
        return SweepHeader(settings, {**study.versions, **versions("ray", *more)}, git_commit())


def search_space(config: type[Config], tuned: Iterable[str]) -> dict[str, Any]:
    """Tune's domain of each knob, from texts such as 'population_size=5:100:log', 'mutation' or 'sample_size=2,4,8'."""
    return {name: _tune_domain(domain) for name, domain in tuned_knobs(config, tuned).items()}


def _tune_domain(domain: Domain) -> Any:
    if isinstance(domain, Choice):
        return tune.choice(list(domain.values))
    low, high = domain.low, domain.high
    if domain.whole:
        first, end = int(low), int(high) + 1
        return tune.lograndint(first, end) if domain.log else tune.randint(first, end)
    return tune.loguniform(low, high) if domain.log else tune.uniform(low, high)


def tune_searcher(
    study: TableStudy | WeightSharingStudy,
    algorithm: str,
    rungs: Sequence[int] = (10, 30, 90),
    objective: Objective = "final_validation",
    store: Path | None = None,
) -> Callable[[dict[str, Any]], None]:
    """A trainable for Tune that evaluates the suggested options and reports after each rung.

    Every report is {objective, runs, resource, seconds} (for weight sharing, epochs instead of runs) with a
    checkpoint, so that schedulers may pause a trial. The objective is to be maximised and never contains test
    accuracies.

    Args:
        study: a study of only `algorithm` on one data set, which fixes the options that are not tuned.
        store: a directory that keeps all evaluations; evaluations in it are reported at once. All nodes must share it
            under the same path.
    """
    evaluator = evaluator_for(study, algorithm, objective)
    libraries = () if isinstance(study, TableStudy) else TORCH
    expected = versions(*libraries)

    def trainable(suggested: dict[str, Any]) -> None:
        check_versions(expected, libraries)
        options = plain(type(evaluator.base), suggested)
        with TemporaryDirectory() as temporary:
            state, checkpoint = Path(temporary), tune.get_checkpoint()
            if checkpoint:
                with checkpoint.as_directory() as saved:
                    copytree(saved, state, dirs_exist_ok=True)
            folder, done = folder_of(store, options) if store else state, state / "reported"
            reported = int(done.read_text()) if done.exists() else 0
            for level, rung in list(enumerate(rungs))[reported:]:
                known = evaluator.evaluate(options, rung, folder)
                done.write_text(str(level + 1))
                metrics = {"objective": known.objectives[rung], evaluator.unit: rung, RESOURCE: FACTOR**level}
                tune.report({**metrics, "seconds": known.seconds}, checkpoint=tune.Checkpoint.from_directory(state))

    trainable.__name__ = algorithm
    return trainable


def default_directory(sweep: Sweep) -> Path:
    """A directory under ./runs named after the sweep's settings, so that the same command finds it again."""
    header = sweep.header()
    settings = header.settings
    return Path("runs") / "-".join(
        ["sweep", settings.study.space, settings.algorithm, settings.search, header.digest]
    ).replace(":", ".")


def run_sweep(sweep: Sweep, directory: Path, resources: Resources, progress: Progress) -> SweepRecords:
    """Run the evaluations that the sweep's directory does not hold yet.

    Raises:
        RecordError: the directory holds something else.
        InputError: another process is writing there, no cluster answers, or the study cannot be run.
    """
    records, header = SweepRecords(directory), sweep.header()
    sweep.evaluator.study.check()
    with records.writing(header):
        tried = records.configurations()
        if len(tried) < sweep.trials or any(row.status in ("running", "failed") for row in tried):
            _tune(sweep, records, tried, resources, progress)
    return records


def _tune(
    sweep: Sweep, records: SweepRecords, tried: Sequence[Configuration], resources: Resources, progress: Progress
) -> None:
    evaluator, watch = sweep.evaluator, _Watch(sweep, records, tried, progress)
    store = records.store
    trainable: Any = tune_searcher(evaluator.study, evaluator.algorithm, sweep.rungs, evaluator.objective, store)
    logs = records.path.absolute() / "ray"
    cpus = evaluator.cpus * resources.workers
    session = f"{len(list(logs.glob('[0-9]*'))):03d}"
    with _quiet_tune(), connected(cpus, resources.address, resources.gpus * resources.workers):
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": evaluator.cpus, "gpu": resources.gpus}),
            param_space=_space(sweep),
            tune_config=tune.TuneConfig(
                metric="objective",
                mode="max",
                num_samples=sweep.trials,
                max_concurrent_trials=resources.workers,
                reuse_actors=True,
                search_alg=_search_algorithm(sweep, [dict(row.options) for row in tried]),
                scheduler=_scheduler(sweep),
            ),
            run_config=tune.RunConfig(
                name=session,
                storage_path=str(logs),
                verbose=0,
                callbacks=[watch],
                checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
            ),
        )
        tuner.fit()


class _Watch(tune.Callback):
    """Writes the table of configurations at every event of a trial."""

    def __init__(self, sweep: Sweep, records: SweepRecords, tried: Sequence[Configuration], progress: Progress) -> None:
        self._sweep, self._records, self._tried, self._progress = sweep, records, tried, progress
        self._rows: dict[str, Configuration] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as an empty callback, since `Tuner.restore` is not used."""
        return tune.Callback, ()

    def on_trial_start(self, *_: Any, **info: Any) -> None:
        if info["trial"].trial_id not in self._rows:
            self._note(info["trial"], "running")

    def on_trial_result(self, *_: Any, **info: Any) -> None:
        self._note(info["trial"], "running")

    def on_trial_complete(self, *_: Any, **info: Any) -> None:
        evaluation = self._rows[info["trial"].trial_id].evaluation
        last = evaluation is not None and self._sweep.rungs[-1] in evaluation.objectives
        self._note(info["trial"], "complete" if last else "stopped")

    def on_trial_error(self, *_: Any, **info: Any) -> None:
        self._note(info["trial"], "failed")

    def _note(self, trial: TuneTrial, status: str) -> None:
        options = plain(type(self._sweep.evaluator.base), trial.config)
        self._rows[trial.trial_id] = self._records.configuration(options, status)
        rows = list(self._rows.values())  # in the order in which they began
        again = [row.options for row in rows]
        rows += [row for row in self._tried if row.options not in again]  # which are suggested again soon
        self._records.write(rows)
        for rung in self._sweep.rungs:
            done = sum(row.evaluation is not None and rung in row.evaluation.objectives for row in rows)
            self._progress(f"{rung} {self._sweep.evaluator.unit}", done, self._sweep.trials)


@contextmanager
def _quiet_tune() -> Iterator[None]:
    """Silence Tune, hpbandster and statsmodels, and keep Tune from handling Ctrl-C and changing paths."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    logger = logging.getLogger("ray.tune")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # the tracebacks of failed trials are in their error.txt
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            del os.environ[name]
            os.environ.update({} if value is None else {name: value})


def _space(sweep: Sweep) -> dict[str, Any]:
    return {name: _tune_domain(domain) for name, domain in sweep.tuned.items()}


def _search_algorithm(sweep: Sweep, tried: list[dict[str, Any]]) -> Any:
    """The algorithm that suggests configurations, starting with those `tried` before.

    Random suggestions depend only on the seed. The other algorithms get a new seed for new suggestions, since the old
    one would repeat the earlier ones.
    """
    seed = (sweep.seed + len(tried)) % SEEDS
    if sweep.search == "random":
        return BasicVariantGenerator(random_state=sweep.seed % SEEDS)
    if sweep.search == "bohb":
        from ray.tune.search.bohb import TuneBOHB

        return TuneBOHB(points_to_evaluate=tried, seed=seed)
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return OptunaSearch(points_to_evaluate=tried, seed=seed)


def _scheduler(sweep: Sweep) -> Any:
    last = FACTOR ** (len(sweep.rungs) - 1)
    if sweep.scheduler == "none" or last == 1:
        return None
    if sweep.scheduler == "hyperband":
        return HyperBandForBOHB(time_attr=RESOURCE, max_t=last, reduction_factor=FACTOR)
    return ASHAScheduler(time_attr=RESOURCE, max_t=last, grace_period=1, reduction_factor=FACTOR)


def evaluator_for(
    study: TableStudy | WeightSharingStudy, algorithm: str, objective: Objective = "final_validation"
) -> Evaluator:
    """The evaluator of configurations of `algorithm` in a study.

    Raises:
        InputError: the study has several algorithms or data sets, or does not support the objective.
    """
    if list(study.algorithms) != [algorithm]:
        raise InputError(f"a sweep tunes one algorithm, {algorithm}; this study has {', '.join(study.algorithms)}")
    if isinstance(study, TableStudy):
        return TableEvaluator(replace(study, table=study.table.absolute()), algorithm, objective)
    from experiments.sweeps.weight_sharing_evaluator import WeightSharingEvaluator  # imports PyTorch

    return WeightSharingEvaluator(study, algorithm, objective)
