"""ArchResults and ResultsCount beside those of the genuine `nats_bench` 1.8, step by step."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import Any

import pytest

from benchmarks.official import nats_bench as ours

RECORDS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
SPACES = ("tss", "sss")
Pair = tuple[Any, Any]
Check = Callable[[Pair, list[Any]], None]
call = methodcaller

RESULTS_CALLS = [
    *(
        call("get_metrics", "cifar100", name, iepoch=iepoch, is_random=which)
        for name in ("train", "valid", "x-valid", "x-test", "ori-test", "unknown", None)
        for iepoch in (None, 0, 11, 12, -1)
        for which in (True, False, 777, 1, None)
    ),
    *(
        call(method, record)
        for method in ("get_compute_costs", "get_dataset_seeds")
        for record in (*RECORDS, "x", None)
    ),
    *(call(method, record) for method in ("get_latency", "get_total_epoch", "query") for record in (*RECORDS, "x", 3)),
    call("get_total_epoch"),
    call("get_dataset_names"),
    call("query", "cifar10", 777),
    call("query", "cifar10", 5),
    call("get_net_param", "cifar10"),
    call("get_net_param", "cifar10", 5),
    call("arch_idx_str"),
    call("state_dict"),
    call("debug_test"),
    repr,
    call("reset_latency", "cifar10", None, 0.5),
    call("get_latency", "cifar10"),
    call("reset_latency", "cifar100", 777, -1.0),
    call("get_latency", "cifar100"),
    call("get_compute_costs", "cifar100"),
    call("reset_latency", "cifar100", 5, 1.0),
    call("reset_pseudo_train_times", "cifar10", None, 3.0),
    call("get_metrics", "cifar10", "train", 4),
    call("reset_pseudo_train_times", "cifar10", 5, 3.0),
    call("reset_pseudo_eval_times", "cifar10", None, "ori-test", 2.0),
    call("get_metrics", "cifar10", "ori-test", 4),
    call("get_compute_costs", "cifar10"),
    call("reset_pseudo_eval_times", "cifar10", None, "x-valid", 2.0),
    call("update", "cifar10", 777, None),
    call("clear_params"),
    repr,
]

RUN_CALLS = [
    *(
        call("get_eval", name, iepoch)
        for name in ("valid", "x-valid", "ori-test", "x")
        for iepoch in (None, 0, 5, 12, -1)
    ),
    *(call("get_train", iepoch) for iepoch in (None, 0, 5, 11, 12, -1, "0", 1.0)),
    *(call(method) for method in ("get_times", "get_latency", "get_eval_set", "get_total_epoch", "get_net_param")),
    call("get_net_param", clone=True),
    call("get_config", None),
    call("get_config", str.upper),
    call("state_dict"),
    repr,
    call("update_latency", None),
    call("get_latency"),
    call("reset_pseudo_eval_times", "x-valid", 1.5),
    call("reset_pseudo_eval_times", "nothing", 1.5),
    call("get_times"),
    call("update_train_info", {0: 1.0}, None, {0: 2.0}, None),
    call("get_train", 0),
    call("get_train", 1),
    call("get_times"),
    call("update_OLD_eval", "x-valid", {}, {}),
    call("update_OLD_eval", "new", {0: 1.0, 11: 2.0}, {0: 3.0, 11: 4.0}),
    call("get_eval", "new"),
    call("update_eval", {"ori-test@0": 1.0}, {}, {}),
    call("update_eval", {"short@0": 1.0}, {"short@0": 1.0}, {"short@0": 1.0}),
    call("update_eval", *[{f"long@{epoch}": epoch / 2 for epoch in range(12)}] * 3),
    call("get_eval", "long", 7),
    call("get_times"),
    call("reset_eval"),
    call("get_eval", "x-valid"),
    call("get_times"),
    repr,
]


@pytest.mark.parametrize("space", SPACES)
def test_arch_results(fast_pairs: dict[str, Pair], assert_same_calls: Check, space: str) -> None:
    pair = tuple(api.query_meta_info_by_index(11, "12") for api in fast_pairs[space])
    assert_same_calls(pair, RESULTS_CALLS)


@pytest.mark.parametrize("space", SPACES)
def test_results_count(fast_pairs: dict[str, Pair], assert_same_calls: Check, space: str) -> None:
    pair = tuple(api.query_by_index(11, "cifar10-valid")[777] for api in fast_pairs[space])
    assert_same_calls(pair, RUN_CALLS)


def test_results_made_from_scratch(official: Any, assert_same_calls: Check, content: dict[str, Any]) -> None:
    arguments = ("cifar10", None, {0: 1.0, 1: 2.0}, {0: 3.0, 1: 4.0}, 1.5, 2.5, {"arch_str": "made"}, "0777", 2, [0.1])
    runs = [module.ResultsCount(*arguments) for module in (official, ours)]
    results = [module.ArchResults(7, "made") for module in (official, ours)]
    for one, run in zip(results, runs, strict=True):
        one.update("cifar10", 777, run)
    assert_same_calls(
        tuple(runs), [repr, call("state_dict"), call("get_train"), call("get_times"), call("get_eval", "x")]
    )
    assert_same_calls(tuple(results), [repr, call("state_dict"), call("get_compute_costs", "cifar10")])
    assert_same_calls(
        tuple(results), [*(call("update", "new", seed, "run") for seed in (999, 5)), call("get_dataset_seeds", "new")]
    )
    state = content["arch2infos"][1]["12"]
    makers = tuple(module.ArchResults.create_from_state_dict for module in (official, ours))
    assert_same_calls(makers, [call("__call__", argument) for argument in (state, None, 3, {"all_results": 3}, {})])
