"""The queries common to the topology and the size API; the package header lists differences from the official ones."""

from __future__ import annotations

import copy
import random
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from benchmarks.official.nats_bench.archive import NATSArchive, checked_schedule, now
from benchmarks.official.nats_bench.results import DATASETS, ArchResults, set_names
from benchmarks.official.nats_bench.text import Shown, info_lines, schedule_block

_TRAINED_ON = {"cifar10-valid": "train set", "cifar10": "train+valid sets"}
_COMMENT = (
    "In this dict, train-loss/accuracy/time is the metric on the {part} of CIFAR-10. "
    "The test-loss/accuracy/time is the performance of the CIFAR-10 test set "
    "after training on the {part} by {hp} epochs. "
    "The per-time and total-time indicate the per epoch and total time costs, respectively."
)
_RENAMED_SETS = {
    ("cifar10", "valid"): ("cifar10-valid", "x-valid"),
    ("cifar10", "test"): ("cifar10", "ori-test"),
    **{(name, part): (name, f"x-{part}") for name in ("cifar100", "ImageNet16-120") for part in ("valid", "test")},
}
"""(dataset, metric_on_set) of `find_best` -> (record, official set name); other pairs already are official names."""


def remap_dataset_set_names(dataset: str, metric_on_set: str, verbose: bool = False) -> tuple[str, str]:
    """The official (record, set name) that `find_best` reads for (dataset, 'train', 'valid' or 'test')."""
    renamed = _RENAMED_SETS.get((dataset, metric_on_set), (dataset, metric_on_set))
    if verbose:
        print(
            f"Call internal function _remap_dataset_set_names with dataset={dataset} and "
            f"metric_on_set={metric_on_set}\n  return dataset={renamed[0]} and metric_on_set={renamed[1]}"
        )
    return renamed


class NATSBenchAPI(NATSArchive):
    """Queries about an architecture, given as an index, its official string, or an object with `tostr()`.

    `dataset` is a record: 'cifar10-valid' (trained on half of CIFAR-10), 'cifar10', 'cifar100', 'ImageNet16-120'.
    `hp` is a schedule, its number of epochs as a string. `iepoch` counts epochs from 0; None is the last. Accuracies
    are percent, times are seconds. With `verbose` every call is announced on stdout.
    """

    _shown: ClassVar[dict[str, Shown]]

    def _announced_results(self, index: int, hp: Any) -> ArchResults:
        if self.verbose:
            print(f"Call query_meta_info_by_index with arch_index={index}, hp={hp}")
        return self._results(index, hp)

    def query_meta_info_by_index(self, arch_index: int, hp: str = "12") -> ArchResults:
        """A copy of all results under one schedule; ValueError if there are none."""
        return copy.deepcopy(self._announced_results(arch_index, hp))

    def query_by_index(self, arch_index: int, dataname: str | None = None, hp: str = "12") -> Any:
        """A copy of all results under one schedule, or {seed: ResultsCount} on `dataname`; ValueError if none."""
        if self.verbose:
            print(f"{now()} Call query_by_index with arch_index={arch_index}, dataname={dataname}, hp={hp}")
        results = self._announced_results(arch_index, str(hp))
        if dataname is None:
            return copy.deepcopy(results)
        if dataname not in results.get_dataset_names():
            raise ValueError(f"invalid dataset-name : {dataname}; choose from {results.get_dataset_names()}")
        return copy.deepcopy(results.query(dataname))

    def query_info_str_by_arch(self, arch: Any, hp: str = "12") -> str | None:
        """A printable summary: costs, and means over the seeds after the last epoch.

        None, with a warning, if the architecture has no results; ValueError if it has none under `hp`.
        """
        if self.verbose:
            print(f"{now()} Call query_info_str_by_arch with arch={arch}and hp={hp}")
        index = self.query_index_by_arch(arch)
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            warnings.warn(f"Find this arch-index : {index}, but this arch is not evaluated.", stacklevel=2)
            return None
        schedules = self.arch2infos_dict[index]
        results = schedules[checked_schedule(schedules, index, hp)]
        return "\n".join(info_lines(results, self._shown, f"arch-index={index}"))

    def query_by_arch(self, arch: Any, hp: str) -> str | None:
        """`query_info_str_by_arch` under its name in NAS-Bench-201."""
        return self.query_info_str_by_arch(arch, hp)

    def clear_params(self, index: int, hp: str | None = None) -> None:
        """Drop the weights of an architecture, of all schedules or of `hp`; ValueError if `hp` has no results."""
        if self.verbose:
            print(f"{now()} Call clear_params with index={index} and hp={hp}")
        if index not in self.arch2infos_dict:
            warnings.warn(f"architecture {index} is not loaded: there are no weights to clear", stacklevel=2)
            return
        schedules = self.arch2infos_dict[index]
        for name in schedules if hp is None else [checked_schedule(schedules, index, hp)]:
            schedules[name].clear_params()

    def get_net_param(self, index: int, dataset: str, seed: int | None, hp: str = "12") -> Any:
        """The trained weights of one seed, or {seed: weights}; None in files without weights. ValueError if no run."""
        if self.verbose:
            print(
                f"{now()} Call the get_net_param function with index={index}, dataset={dataset}, seed={seed}, hp={hp}"
            )
        return copy.deepcopy(self._announced_results(index, hp).get_net_param(dataset, seed))

    def get_net_config(self, index: int, dataset: str) -> dict[str, Any]:
        """The arguments of the official network constructor; ValueError if the architecture has no results."""
        if self.verbose:
            print(f"{now()} Call the get_net_config function with index={index}, dataset={dataset}.")
        first_schedule = next(iter(self._schedules(index).values()))
        first_trial = next(iter(first_schedule.query(dataset).values()))
        config: dict[str, Any] = first_trial.get_config(None)
        return config

    def get_cost_info(self, index: int, dataset: str, hp: str = "12") -> dict[str, float | None]:
        """Means over the seeds: flops and params (millions), latency (s), times (s); see ArchResults."""
        return self._costed_results(index, dataset, hp).get_compute_costs(dataset)

    def get_latency(self, index: int, dataset: str, hp: str = "12") -> float | None:
        """Mean seconds per batch of 256 images over the seeds; None if not measured."""
        if self.verbose:
            print(f"{now()} Call the get_latency function with index={index}, dataset={dataset}, and hp={hp}.")
        return self._costed_results(index, dataset, hp).mean_latency(dataset)

    def _costed_results(self, index: int, dataset: str, hp: str) -> ArchResults:
        if self.verbose:
            print(f"{now()} Call the get_cost_info function with index={index}, dataset={dataset}, and hp={hp}.")
        self._prepare_info(index)
        return self._announced_results(index, hp)

    def get_more_info(
        self, index: Any, dataset: str, iepoch: int | None = None, hp: str = "12", is_random: Any = True
    ) -> dict[str, Any]:
        """Loss, accuracy and times of every set that was evaluated at epoch `iepoch`.

        Keys are '<part>-loss', '-accuracy', '-per-time' and '-all-time' (mean and sum over the epochs up to `iepoch`)
        of the parts train, valid, test and valtest (valid and test together); parts not evaluated at this epoch are
        left out. `is_random`: True uses one seed, drawn by the global `random`, for all parts; False uses the mean over
        the seeds; an integer selects this seed.

        Raises:
            KeyError: the architecture has no results under `hp` or on `dataset`.
            ValueError: unknown architecture, epoch, seed or kind of `is_random`.
        """
        if self.verbose:
            print(
                f"{now()} Call the get_more_info function with index={index}, dataset={dataset}, "
                f"iepoch={iepoch}, hp={hp}, and is_random={is_random}."
            )
        results = self._schedules(self.query_index_by_arch(index))[str(hp)]
        seed = is_random
        if isinstance(is_random, bool) and is_random:
            seed = random.choice(results.get_dataset_seeds(dataset))
        train = results.get_metrics(dataset, "train", iepoch=iepoch, is_random=seed)
        epochs = train["iepoch"] + 1
        info = _part("train", train, epochs)
        if dataset in _TRAINED_ON:
            info["comment"] = _COMMENT.format(part=_TRAINED_ON[dataset], hp=hp)
        for part, setname in set_names(dataset).items():
            try:
                metrics = results.get_metrics(dataset, setname, iepoch=iepoch, is_random=seed)
            except (KeyError, ValueError, TypeError):
                if (dataset, part) == ("cifar10-valid", "valid"):
                    raise
                continue
            info.update(_part(part, metrics, epochs))
        return info

    def simulate_train_eval(
        self, arch: Any, dataset: str, iepoch: int | None = None, hp: str = "12", account_time: bool = True
    ) -> tuple[float, float | None, float, float]:
        """Simulate training up to `iepoch`: (validation accuracy, latency, seconds of it, seconds charged so far).

        The seconds are those of all training epochs and one validation pass. The latency of 'cifar10' is that of the
        record 'cifar10', everything else of 'cifar10-valid'. Errors as `get_more_info`, and ValueError for other names.

        Warns:
            UserWarning: there is no validation accuracy at this epoch; the accuracy returned is that of valtest, half
                of which is the test set.
        """
        index = self.query_index_by_arch(arch)
        names = ("cifar10", "cifar100", "ImageNet16-120")
        if dataset not in names:
            raise ValueError(f"Invalid dataset name : {dataset}; choose from {names}")
        record = "cifar10-valid" if dataset == "cifar10" else dataset
        info = self.get_more_info(index, record, iepoch=iepoch, hp=hp, is_random=True)
        if "valid-accuracy" in info:
            accuracy, per_pass = info["valid-accuracy"], info["valid-per-time"]
        else:
            warnings.warn(
                f"{dataset} has no validation accuracy at iepoch={iepoch} of hp={hp}; as in nats_bench, the accuracy "
                "returned is that of valtest, which contains the test set. Do not select architectures by it.",
                stacklevel=2,
            )
            accuracy = info["valtest-accuracy"]
            # The official code draws a second seed for the time of a pass; drawing it keeps the random stream equal.
            per_pass = self.get_more_info(index, record, iepoch=None, hp=hp, is_random=True)["valid-per-time"]
        seconds = info["train-all-time"] + per_pass
        latency = self.get_latency(index, dataset, hp=hp)
        if account_time:
            self._used_time += seconds
        return accuracy, latency, seconds, self._used_time

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        flop_max: float | None = None,
        param_max: float | None = None,
        hp: str = "12",
        enforce_all: bool | None = None,
    ) -> tuple[int, float | None]:
        """(index, accuracy) of the best mean accuracy after the last epoch; ties go to the lowest index.

        Only architectures of at most `flop_max` and `param_max` (millions) count; (-1, None) if there are none. In fast
        mode all architectures are read, unless `enforce_all` is False: then only those already read count.

        Raises:
            AssertionError: `enforce_all` without fast mode (the official type).
            KeyError: no results under `hp`, on `dataset` or on `metric_on_set`.
        """
        if self.verbose:
            print(
                f"{now()} Call find_best with dataset={dataset}, metric_on_set={metric_on_set}, hp={hp} "
                f"| with #FLOPs < {flop_max} and #Params < {param_max}"
            )
        dataset, metric_on_set = remap_dataset_set_names(dataset, metric_on_set, self.verbose)
        if enforce_all and not self.fast_mode:
            raise AssertionError("enforce_all=True needs fast_mode=True; without it leave enforce_all out")
        everything = self.fast_mode if enforce_all is None else enforce_all
        indexes = list(range(len(self))) if everything else sorted(self.evaluated_indexes)
        best, highest = -1, None
        for index in indexes:
            self._prepare_info(index)
            results = self.arch2infos_dict[index][str(hp)]
            if not _affordable(results, dataset, flop_max, param_max):
                continue
            accuracy = results.get_metrics(dataset, metric_on_set)["accuracy"]
            if best == -1 or highest < accuracy:
                best, highest = index, accuracy
        if self.verbose:
            self._print_best(best, highest, bool(indexes))
        return best, highest

    def _print_best(self, best: int, accuracy: float | None, searched: bool) -> None:
        if not searched:
            print("The evaluated_indexes is empty, please fill it before call find_best.")
        elif best == -1:
            print("  no architecture meets the constraints")
        else:
            print(f"  the best architecture : [{best}] {self.arch(best)} with accuracy={accuracy:.3f}%")

    def statistics(self, dataset: str, hp: str | int) -> dict[int, int]:
        """{number of runs: how many of the evaluated architectures have it}; ValueError for an unknown `dataset`."""
        if self.verbose:
            print(f"Call the statistics function with dataset={dataset} and hp={hp}.")
        if dataset not in DATASETS:
            raise ValueError(f"{dataset} not in {list(DATASETS)}")
        results = (self.arch2infos_dict[index][str(hp)] for index in self.evaluated_indexes)
        return dict(Counter(len(result.dataset_seed.get(dataset, ())) for result in results))

    def show(self, index: int = -1) -> None:
        """Print the summaries of an architecture under every schedule; of all that were evaluated if `index` < 0."""
        if index < 0:
            print(self)
            for i, evaluated in enumerate(sorted(self.evaluated_indexes)):
                rule = "-" * 10
                place = f"({i:5d}/{len(self.evaluated_indexes):5d}) {evaluated:06d}-th"
                print(f"\n{rule} The {place} architecture! {rule}\narch : {self.meta_archs[evaluated]}")
                self._show_schedules(evaluated)
        elif index >= len(self.meta_archs):
            print(f"This index ({index}) is out of range (0~{len(self.meta_archs)}).")
        else:
            if index not in self.evaluated_indexes:
                self._prepare_info(index)
            if index in self.evaluated_indexes:
                self._show_schedules(index)
            else:
                print(f"The {index}-th architecture has not been evaluated or not saved.")

    def _show_schedules(self, index: int) -> None:
        for results in self.arch2infos_dict[index].values():
            print(schedule_block(results, self._shown))
        rule = "<" * 40
        print(f"{rule}------------{rule}")


def _part(name: str, metrics: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    """One part of `get_more_info`; times are None where the run has none."""
    all_time = metrics["all_time"]
    return {
        f"{name}-loss": metrics["loss"],
        f"{name}-accuracy": metrics["accuracy"],
        f"{name}-per-time": None if all_time is None else all_time / epochs,
        f"{name}-all-time": all_time,
    }


def _affordable(results: ArchResults, dataset: str, flop_max: float | None, param_max: float | None) -> bool:
    """Whether FLOPs and parameters (millions) are within the limits that are given."""
    if flop_max is None and param_max is None:
        return True
    costs: dict[str, Any] = results.get_compute_costs(dataset)
    return not (
        (flop_max is not None and costs["flops"] > flop_max) or (param_max is not None and costs["params"] > param_max)
    )
