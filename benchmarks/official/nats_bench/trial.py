"""ResultsCount: one training run of one architecture, with the attributes and methods of `nats_bench` 1.8.

Epochs count from 0. Accuracies are percent, losses are nats, times are seconds, `flop` and `params` are in millions,
latencies are seconds per batch of 256 images. An evaluation at epoch e on the set called s has the key '<s>@<e>'.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

Metrics = dict[str, Any]
"""The keys 'iepoch', 'loss', 'accuracy', 'cur_time', 'all_time' of one set at one epoch; unrecorded times are None."""


def mean(values: Sequence[Any]) -> Any:
    """The mean as the official package computes it; `numpy.mean` may differ in the last digit."""
    return sum(values) / len(values)


@lru_cache(maxsize=64)
def epoch_keys(set_name: str, epochs: int) -> tuple[str, ...]:
    """The keys of the evaluations on `set_name` at epochs 0..epochs-1, cached as building them dominates a query."""
    return tuple(f"{set_name}@{epoch}" for epoch in range(epochs))


class ResultsCount:
    """One training run. `state_dict` is the layout of a run in the official files; the attributes are its keys."""

    name: str
    net_state_dict: Any
    train_acc1es: dict[int, float]
    train_acc5es: dict[int, float] | None
    train_losses: dict[int, float]
    train_times: dict[int, float] | None
    arch_config: dict[str, Any]
    params: float
    flop: float
    seed: str
    epochs: int
    latency: list[float] | None
    eval_names: list[str]
    eval_acc1es: dict[str, float]
    eval_times: dict[str, float]
    eval_losses: dict[str, float]

    def __init__(
        self,
        name: Any,
        state_dict: Any,
        train_accs: Any,
        train_losses: Any,
        params: Any,
        flop: Any,
        arch_config: Any,
        seed: Any,
        epochs: Any,
        latency: Any,
    ) -> None:
        self.name = name
        self.net_state_dict = state_dict
        self.train_acc1es = copy.deepcopy(train_accs)
        self.train_acc5es = None
        self.train_losses = copy.deepcopy(train_losses)
        self.train_times = None
        self.arch_config = copy.deepcopy(arch_config)
        self.params = params
        self.flop = flop
        self.seed = seed
        self.epochs = epochs
        self.latency = latency
        self.reset_eval()

    @staticmethod
    def create_from_state_dict(state_dict: Mapping[str, Any]) -> ResultsCount:
        """The run whose attributes are the items of `state_dict`."""
        trial = ResultsCount(None, None, None, None, None, None, None, None, None, None)
        trial.load_state_dict(state_dict)
        return trial

    def state_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.__dict__.update(state_dict)

    def update_train_info(
        self,
        train_acc1es: dict[int, float],
        train_acc5es: dict[int, float] | None,
        train_losses: dict[int, float],
        train_times: dict[int, float] | None,
    ) -> None:
        """Replace the training measurements, each as {epoch: value}."""
        self.train_acc1es = train_acc1es
        self.train_acc5es = train_acc5es
        self.train_losses = train_losses
        self.train_times = train_times

    def reset_pseudo_train_times(self, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every training epoch."""
        self.train_times = OrderedDict.fromkeys(range(self.epochs), estimated_per_epoch_time)

    def reset_pseudo_eval_times(self, eval_name: str, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every pass over the set `eval_name`; ValueError if there is no such set."""
        if eval_name not in self.eval_names:
            raise ValueError(f"this run was evaluated on {self.eval_names}, not on {eval_name!r}")
        self.eval_times.update(dict.fromkeys(epoch_keys(eval_name, self.epochs), estimated_per_epoch_time))

    def reset_eval(self) -> None:
        """Delete all evaluations."""
        self.eval_names = []
        self.eval_acc1es = {}
        self.eval_times = {}
        self.eval_losses = {}

    def update_latency(self, latency: list[float]) -> None:
        self.latency = copy.deepcopy(latency)

    def get_latency(self) -> float:
        """Mean seconds per batch of 256 images; -1.0 if it was not measured."""
        return -1.0 if self.latency is None else mean(self.latency)

    def update_eval(self, accs: Mapping[str, float], losses: Mapping[str, float], times: Mapping[str, float]) -> None:
        """Add the evaluations of every epoch, given under the keys '<set>@<epoch>'.

        Raises:
            ValueError: a set was already added.
            KeyError: an epoch is missing.
        """
        for name in {key.split("@")[0] for key in accs}:
            if name in self.eval_names:
                raise ValueError(f"evaluations on {name!r} were already added; call reset_eval() first")
            self.eval_names.append(name)
            for key in epoch_keys(name, self.epochs):
                self.eval_acc1es[key] = accs[key]
                self.eval_losses[key] = losses[key]
                self.eval_times[key] = times[key]

    def update_OLD_eval(self, name: str, accs: Mapping[int, float], losses: Mapping[int, float]) -> None:  # noqa: N802
        """Add evaluations in the layout of the first NAS-Bench-201 files: {epoch: value}, without times.

        Raises:
            AssertionError: the set was already added (the official type).
        """
        if name in self.eval_names:
            raise AssertionError(f"evaluations on {name!r} were already added; call reset_eval() first")
        self.eval_names.append(name)
        for epoch, key in enumerate(epoch_keys(name, self.epochs)):
            if epoch in accs:
                self.eval_acc1es[key] = accs[epoch]
                self.eval_losses[key] = losses[epoch]

    def get_total_epoch(self) -> int:
        return self.epochs

    def get_eval_set(self) -> list[str]:
        """The names of the sets that were evaluated."""
        return self.eval_names

    def get_times(self) -> dict[str, float | None]:
        """{'T-<set>@epoch': mean seconds, 'T-<set>@total': summed seconds}; None if an epoch is missing."""
        seconds: dict[str, float | None] = {"T-train@epoch": None, "T-train@total": None}
        if isinstance(self.train_times, dict):
            total = sum(self.train_times.values())
            seconds = {"T-train@epoch": total / len(self.train_times), "T-train@total": total}
        for name in self.eval_names:
            eval_total = self._eval_seconds(name)
            seconds[f"T-{name}@epoch"] = None if eval_total is None else eval_total / self.epochs
            seconds[f"T-{name}@total"] = eval_total
        return seconds

    def judge_valid(self, iepoch: int) -> None:
        """Raise ValueError unless 0 <= iepoch < epochs."""
        if iepoch < 0 or iepoch >= self.epochs:
            raise ValueError(f"invalid iepoch={iepoch}: this run has the epochs 0..{self.epochs - 1}")

    def get_train(self, iepoch: int | None = None) -> Metrics:
        """The metrics of the training set at epoch `iepoch`, by default the last; `all_time` sums epochs up to it."""
        iepoch = self._checked_epoch(iepoch)
        cur_time = all_time = None
        if self.train_times is not None:
            cur_time = self.train_times[iepoch]
            all_time = sum(map(self.train_times.__getitem__, range(iepoch + 1)))
        return {
            "iepoch": iepoch,
            "loss": self.train_losses[iepoch],
            "accuracy": self.train_acc1es[iepoch],
            "cur_time": cur_time,
            "all_time": all_time,
        }

    def get_eval(self, name: str, iepoch: int | None = None) -> Metrics:
        """The metrics of the set `name` ('valid' means 'x-valid') at epoch `iepoch`, by default the last.

        Raises:
            ValueError: `iepoch` is out of range, or no time was recorded for it.
            KeyError: the set was not evaluated at this epoch.
        """
        iepoch = self._checked_epoch(iepoch)
        name = "x-valid" if name == "valid" else name
        key = f"{name}@{iepoch}"
        cur_time = all_time = None
        if isinstance(self.eval_times, dict) and self.eval_times:
            if key not in self.eval_times:
                raise ValueError(f"no time of {key!r}: this run was evaluated on {self.eval_names}")
            cur_time = self.eval_times[key]
            all_time = sum(map(self.eval_times.__getitem__, epoch_keys(name, self.epochs)[: iepoch + 1]))
        return {
            "iepoch": iepoch,
            "loss": self.eval_losses[key],
            "accuracy": self.eval_acc1es[key],
            "cur_time": cur_time,
            "all_time": all_time,
        }

    def get_net_param(self, clone: bool = False) -> Any:
        """The trained weights; None in the files without weights."""
        return copy.deepcopy(self.net_state_dict) if clone else self.net_state_dict

    def get_config(self, str2structure: Callable[[str], Any] | None) -> dict[str, Any]:
        """The arguments of the official network constructor; `str2structure`, if given, converts the string."""
        config = self.arch_config
        if config.get("name") == "infer.shape.tiny":
            genotype = config["genotype"]
            return {
                "name": "infer.shape.tiny",
                "channels": config["channels"],
                "genotype": genotype if str2structure is None else str2structure(genotype),
                "num_classes": config["class_num"],
            }
        cell: dict[str, Any] = {"arch_str": config["arch_str"]}
        if str2structure is not None:
            cell = {"genotype": str2structure(config["arch_str"])}
        shape = {"name": "infer.tiny", "C": config["channel"], "N": config["num_cells"]}
        return {**shape, **cell, "num_classes": config["class_num"]}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name}, arch={self.arch_config['arch_str']}, FLOP={self.flop:.2f}M, "
            f"Param={self.params:.3f}MB, seed={self.seed}, {len(self.eval_names)} eval-sets: "
            f"[{', '.join(self.eval_names)}])"
        )

    def _checked_epoch(self, iepoch: int | None) -> int:
        iepoch = self.epochs - 1 if iepoch is None else iepoch
        self.judge_valid(iepoch)
        return iepoch

    def _eval_seconds(self, name: str) -> float | None:
        """The sum of the seconds of all passes over the set `name`; None if a pass was not timed."""
        try:
            return sum(map((self.eval_times or {}).__getitem__, epoch_keys(name, self.epochs)))
        except (KeyError, TypeError):
            return None
