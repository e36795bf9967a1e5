"""ArchResults: all training runs of one architecture under one schedule, as in `nats_bench` 1.8.

A run is identified by its record ('cifar10-valid', 'cifar10', 'cifar100', 'ImageNet16-120') and its training seed.
Units are those of the module `trial`.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from benchmarks.official.nats_bench.files import pickle_load
from benchmarks.official.nats_bench.trial import Metrics, ResultsCount, mean

DATASETS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
_CIFAR10_SETS = {"valid": "x-valid", "test": "ori-test"}
_OTHER_SETS = {"valid": "x-valid", "test": "x-test", "valtest": "ori-test"}
INTEGERS = (int, np.integer)
MIGRATED_SEED = 888
"""The seed with the correct numbers if runs of an architecture disagree on parameters or FLOPs (nats_bench 1.6)."""


def set_names(record: str) -> Mapping[str, str]:
    """{part: official set name} that queries look up on a record of any name; valtest is valid and test together."""
    return _CIFAR10_SETS if record in ("cifar10-valid", "cifar10") else _OTHER_SETS


class ArchResults:
    """All runs of one architecture. `state_dict` is the layout of a schedule in the official files."""

    arch_index: int
    arch_str: str
    all_results: MutableMapping[tuple[str, int], ResultsCount]
    dataset_seed: dict[str, list[int]]
    clear_net_done: bool

    def __init__(self, arch_index: int, arch_str: Any) -> None:
        self.arch_index = int(arch_index)
        self.arch_str = copy.deepcopy(arch_str)
        self.all_results = {}
        self.dataset_seed = {}
        self.clear_net_done = False

    @staticmethod
    def create_from_state_dict(state_dict_or_file: dict[str, Any] | str) -> ArchResults:
        """Build the results from an official dict or the path of a file that holds one; ValueError otherwise."""
        if not isinstance(state_dict_or_file, str | dict):
            raise ValueError(f"expected a dict or a path as str, got {type(state_dict_or_file)}")
        results = ArchResults(-1, -1)
        state = pickle_load(state_dict_or_file) if isinstance(state_dict_or_file, str) else state_dict_or_file
        results.load_state_dict(state)
        return results

    def state_dict(self) -> dict[str, Any]:
        """The official dict; ValueError if `all_results` holds anything but ResultsCount."""
        return {
            **self.__dict__,
            "all_results": self._converted(self.all_results, ResultsCount, ResultsCount.state_dict),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Overwrite this object with an official dict."""
        state = dict(state_dict)
        if "all_results" in state:
            state["all_results"] = self._converted(state["all_results"], object, ResultsCount.create_from_state_dict)
        self.__dict__.update(state)

    @staticmethod
    def _converted(runs: Any, kind: type, convert: Any) -> dict[Any, Any]:
        if not isinstance(runs, Mapping):
            raise ValueError(f"all_results must be a dict {{(dataset, seed): run}}, got {type(runs)}")
        wrong = [key for key, run in runs.items() if not isinstance(run, kind)]
        if wrong:
            raise ValueError(f"all_results must hold ResultsCount, but the runs {wrong} have other types")
        return {key: convert(run) for key, run in runs.items()}

    def _trials(self, dataset: str) -> list[ResultsCount]:
        """The runs on `dataset` in the order of their seeds; KeyError if there are none."""
        return [self.all_results[dataset, seed] for seed in self.dataset_seed[dataset]]

    def get_compute_costs(self, dataset: str) -> dict[str, float | None]:
        """Means over the runs: 'flops' and 'params' (millions), 'latency' (seconds) and the times of `get_times`.

        Raises:
            KeyError: there is no run on `dataset`.
            ValueError: the runs disagree on parameters or FLOPs and the run of seed 888 is missing.
        """
        trials = self._trials(dataset)
        costs: dict[str, float | None] = {
            "flops": mean(self._without_legacy(dataset, [trial.flop for trial in trials])),
            "params": mean(self._without_legacy(dataset, [trial.params for trial in trials])),
            "latency": self.mean_latency(dataset),
        }
        return {**costs, **_averaged([trial.get_times() for trial in trials])}

    def mean_latency(self, dataset: str) -> float | None:
        """Mean seconds per batch of 256 images over the runs that have a latency; None if none has."""
        latencies = [latency for latency in (trial.get_latency() for trial in self._trials(dataset)) if latency > 0]
        return mean(latencies) if latencies else None

    def _without_legacy(self, dataset: str, values: Sequence[float]) -> Sequence[float]:
        """`values`, one per seed; only that of MIGRATED_SEED if they differ in the first five decimals."""
        if len({f"{value:.5f}" for value in values}) <= 1:
            return values
        return [values[self.dataset_seed[dataset].index(MIGRATED_SEED)]]

    def get_metrics(self, dataset: str, setname: str, iepoch: int | None = None, is_random: Any = False) -> Metrics:
        """Loss, accuracy and times of the set `setname` ('train' or an evaluated set) at epoch `iepoch`.

        `is_random`: False for the mean over the runs, True for a run drawn by Python's global `random` (the official
        behaviour), an integer for the run with this seed.

        Raises:
            KeyError: there is no run on `dataset`, or no evaluation at this epoch.
            ValueError: `iepoch` or the seed does not exist, or `is_random` is neither a bool nor an integer.
        """
        trials = self._trials(dataset)
        if setname == "train":
            infos = [trial.get_train(iepoch) for trial in trials]
        else:
            infos = [trial.get_eval(setname, iepoch) for trial in trials]
        if isinstance(is_random, bool):
            return infos[random.randint(0, len(infos) - 1)] if is_random else _averaged(infos)
        if not isinstance(is_random, INTEGERS):
            raise ValueError(f"is_random must be a bool or the integer of a seed, got {is_random!r}")
        seeds = self.dataset_seed[dataset]
        if is_random not in seeds:
            raise ValueError(f"{dataset} was trained with the seeds {seeds}, not with {is_random}")
        return infos[seeds.index(int(is_random))]

    def get_dataset_names(self) -> list[str]:
        return list(self.dataset_seed)

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        """The training seeds on `dataset`, ascending; KeyError if there are none."""
        return list(self.dataset_seed[dataset])

    def get_net_param(self, dataset: str, seed: int | None = None) -> Any:
        """The trained weights of one run, or {seed: weights} of all; ValueError if there is no such run."""
        if seed is None:
            return {seed: self.all_results[dataset, seed].get_net_param() for seed in self.dataset_seed[dataset]}
        if (dataset, seed) not in self.all_results:
            raise ValueError(f"there is no run {(dataset, seed)}, only {list(self.all_results)}")
        return self.all_results[dataset, seed].get_net_param()

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """The ResultsCount of one run, or {seed: ResultsCount} of all; KeyError if there is no such run."""
        if seed is None:
            return {seed: self.all_results[dataset, seed] for seed in self.dataset_seed[dataset]}
        return self.all_results[dataset, seed]

    def _selected(self, dataset: str, seed: int | None) -> list[ResultsCount]:
        return self._trials(dataset) if seed is None else [self.all_results[dataset, seed]]

    def reset_latency(self, dataset: str, seed: int | None, latency: float) -> None:
        """Set the latency (seconds) of one run, or of all runs on `dataset` if `seed` is None."""
        for trial in self._selected(dataset, seed):
            trial.update_latency([latency])

    def reset_pseudo_train_times(self, dataset: str, seed: int | None, estimated_per_epoch_time: float) -> None:
        """Set the seconds per training epoch of one run, or of all runs on `dataset` if `seed` is None."""
        for trial in self._selected(dataset, seed):
            trial.reset_pseudo_train_times(estimated_per_epoch_time)

    def reset_pseudo_eval_times(
        self, dataset: str, seed: int | None, eval_name: str, estimated_per_epoch_time: float
    ) -> None:
        """Set the seconds per pass over `eval_name` of one run, or of all runs on `dataset` if `seed` is None."""
        for trial in self._selected(dataset, seed):
            trial.reset_pseudo_eval_times(eval_name, estimated_per_epoch_time)

    def get_latency(self, dataset: str) -> float:
        """Mean latency (seconds) over the runs on `dataset`; ValueError if one of them has none."""
        latencies = [trial.get_latency() for trial in self._trials(dataset)]
        for seed, latency in zip(self.dataset_seed[dataset], latencies, strict=True):
            if not isinstance(latency, float) or latency <= 0:
                raise ValueError(f"the run of seed {seed} on {dataset} has no latency (got {latency})")
        return float(mean(latencies))

    def get_total_epoch(self, dataset: str | None = None) -> int:
        """Epochs trained, on one record or on all; ValueError if the runs disagree."""
        if dataset is not None and not isinstance(dataset, str):
            raise ValueError(f"dataset must be a str or None, got {dataset!r}")
        names = list(self.dataset_seed) if dataset is None else [dataset]
        epochs = [trial.get_total_epoch() for name in names for trial in self._trials(name)]
        if len(set(epochs)) > 1:
            raise ValueError(f"the runs must agree on their number of epochs, got {epochs}")
        return epochs[-1]

    def arch_idx_str(self) -> str:
        """The index with six digits, as in official file names."""
        return f"{self.arch_index:06d}"

    def update(self, dataset_name: str, seed: int, result: ResultsCount) -> None:
        """Add a run; ValueError if there is one of this seed on this record."""
        seeds = self.dataset_seed.setdefault(dataset_name, [])
        if seed in seeds:
            raise ValueError(f"architecture {self.arch_index} has a run of seed {seed} on {dataset_name} already")
        self.dataset_seed[dataset_name] = sorted([*seeds, seed])
        self.all_results[dataset_name, seed] = result
        self.clear_net_done = False

    def clear_params(self) -> None:
        """Drop the weights of every run, to save memory."""
        for trial in self.all_results.values():
            trial.net_state_dict = None
        self.clear_net_done = True

    def debug_test(self) -> None:
        """Print latency, runs and times of the four records."""
        for dataset in DATASETS:
            print(f"---->>>> {dataset}")
            print(f"The latency on {dataset} is {self.get_latency(dataset)} s")
            for trial in self._trials(dataset):
                print(f"  ==>> result = {trial}")
                print(f"  ==>> cost = {trial.get_times()}")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(arch-index={self.arch_index}, arch={self.arch_str}, "
            f"{len(self.all_results)} runs, clear={self.clear_net_done})"
        )


def _averaged(infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each key, the mean over the `infos` that have it; None if the first of these has None."""
    columns: dict[str, list[Any]] = {}
    for info in infos:
        for key, value in info.items():
            columns.setdefault(key, []).append(value)
    return {key: None if values[0] is None else mean(values) for key, values in columns.items()}
