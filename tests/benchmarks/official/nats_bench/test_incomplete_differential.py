"""Records that lack something: ours beside the genuine `nats_bench` 1.8, on records made here."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import Any

import pytest

from benchmarks.official import nats_bench as ours

RECORDS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
Pair = tuple[Any, Any]
Check = Callable[[Pair, list[Any]], None]
call = methodcaller


def without(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Removes what `path` leads to in each run of architecture 1."""

    def damage(content: dict[str, Any]) -> None:
        for run in content["arch2infos"][1]["12"]["all_results"].values():
            inner = run
            for key in path[:-1]:
                inner = inner[key]
            inner.pop(path[-1], None)

    return damage


def with_value(key: str, value: Any, seeds: tuple[int, ...] = (777, 888)) -> Callable[[dict[str, Any]], None]:
    """Sets `key` in the runs of architecture 1 with these seeds."""

    def damage(content: dict[str, Any]) -> None:
        for (_, seed), run in content["arch2infos"][1]["12"]["all_results"].items():
            if seed in seeds:
                run[key] = value

    return damage


def without_seed(seed: int) -> Callable[[dict[str, Any]], None]:
    def damage(content: dict[str, Any]) -> None:
        for seeds in content["arch2infos"][1]["12"]["dataset_seed"].values():
            seeds.remove(seed)

    return damage


def without_record(content: dict[str, Any]) -> None:
    del content["arch2infos"][1]["12"]["dataset_seed"]["cifar100"]


def without_results(content: dict[str, Any]) -> None:
    del content["arch2infos"][1]


def not_evaluated(content: dict[str, Any]) -> None:
    content["evaluated_indexes"] = [0, 2]


INCOMPLETE = {
    "no training times": with_value("train_times", None),
    "no evaluation times": with_value("eval_times", {}),
    "one evaluation time missing": without("eval_times", "x-valid@1"),
    "last evaluation time missing": without("eval_times", "x-valid@2"),
    "last evaluation missing": without("eval_acc1es", "x-valid@2"),
    "last test missing": without("eval_losses", "ori-test@2"),
    "last training loss missing": without("train_losses", 2),
    "no latency": with_value("latency", None),
    "no latency of one seed": with_value("latency", None, seeds=(777,)),
    "flops differ": with_value("flop", 21.0, seeds=(777,)),
    "flops hardly differ": with_value("flop", 20.000001, seeds=(777,)),
    "params differ": with_value("params", 0.6, seeds=(888,)),
    "epochs differ": with_value("epochs", 2, seeds=(888,)),
    "one seed": without_seed(888),
    "no cifar100": without_record,
    "no results": without_results,
    "not evaluated": not_evaluated,
}


@pytest.mark.parametrize("damage", INCOMPLETE.values(), ids=INCOMPLETE)
def test_incomplete_records(
    official: Any, assert_same_calls: Check, content: dict[str, Any], damage: Callable[[dict[str, Any]], None]
) -> None:
    damage(content)
    pair = tuple(module.create(content, "tss", verbose=False) for module in (official, ours))
    steps = [
        *(
            call("get_more_info", 1, record, iepoch=iepoch, is_random=which)
            for record in RECORDS
            for iepoch in (None, 1)
            for which in (True, False, 888)
        ),
        *(call("simulate_train_eval", 1, record) for record in RECORDS),
        *(call("get_cost_info", 1, record) for record in RECORDS),
        *(call("get_latency", 1, record) for record in ("cifar10-valid", "cifar10")),
        *(call("find_best", name, part) for name in ("cifar10", "cifar100") for part in ("valid", "test")),
        *(call("statistics", record, 12) for record in RECORDS),
        call("query_info_str_by_arch", 1),
        call("get_net_config", 1, "cifar10"),
        call("show", 1),
        call("clear_params", 1),
    ]
    assert_same_calls(pair, steps)
