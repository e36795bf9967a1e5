"""Ours beside the genuine `nats_bench` 1.8 on the official sample files: results, errors, printed text, random draws.

A step is a call on an API object; steps of one list run in order on the same two objects. The differences that are
deliberate are in test_differences.py and nowhere in these tables.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from operator import attrgetter, methodcaller
from pathlib import Path
from typing import Any

import pytest

from benchmarks.official import nats_bench as ours

SPACES = ("tss", "sss")
SCHEDULES = {"tss": {"12": 12, "200": 200}, "sss": {"01": 1, "12": 12, "90": 90}}
RECORDS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
SAMPLES = (0, 11, 284)
STRINGS = {
    "tss": "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|",  # index 11
    "sss": "8:8:8:16:32",
}
Pair = tuple[Any, Any]
Check = Callable[[Pair, list[Any]], None]
call = methodcaller


class Structure:
    """An architecture object of the user."""

    def __init__(self, string: str) -> None:
        self.string = string

    def tostr(self) -> str:
        return self.string

    def __repr__(self) -> str:
        return f"Structure({self.string!r})"


def named(space: str) -> list[Any]:
    """Ways to name an architecture: index, string, object; and what is none."""
    return [
        11,
        True,
        STRINGS[space],
        Structure(STRINGS[space]),
        "unknown",
        Structure("unknown"),
        None,
        11.0,
        -1,
        99999,
        5,
    ]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("arch", SAMPLES)
@pytest.mark.parametrize("record", RECORDS)
def test_get_more_info_at_every_fidelity_and_seed(
    fast_pairs: dict[str, Pair], assert_same_calls: Check, space: str, arch: int, record: str
) -> None:
    for schedule, epochs in SCHEDULES[space].items():
        for iepoch in dict.fromkeys((None, 0, epochs // 2, epochs - 1, epochs, -1)):
            for is_random in (True, False, 111, 777, 888, 999, 5, None, 1.5, "777"):
                step = call("get_more_info", arch, record, iepoch=iepoch, hp=schedule, is_random=is_random)
                assert_same_calls(fast_pairs[space], [step])


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("arch", SAMPLES)
@pytest.mark.parametrize("record", RECORDS)
def test_every_query_under_every_schedule(
    fast_pairs: dict[str, Pair], assert_same_calls: Check, space: str, arch: int, record: str
) -> None:
    for schedule in SCHEDULES[space]:
        steps = [
            call("simulate_train_eval", arch, record, hp=schedule),
            call("simulate_train_eval", arch, record, iepoch=0, hp=schedule, account_time=False),
            call("get_cost_info", arch, record, hp=schedule),
            call("get_latency", arch, record, hp=schedule),
            call("get_net_config", arch, record),
            call("get_net_param", arch, record, None, hp=schedule),
            call("get_net_param", arch, record, 777, hp=schedule),
            call("query_by_index", arch, record, hp=schedule),
            call("query_by_index", arch, hp=schedule),
            call("query_info_str_by_arch", arch, schedule),
            call("query_by_arch", arch, schedule),
            call("statistics", record, schedule),
            attrgetter("used_time"),
        ]
        assert_same_calls(fast_pairs[space], steps)


ARCH_METHODS: dict[str, tuple[Any, ...]] = {
    "query_index_by_arch": (),
    "get_more_info": ("cifar10",),
    "simulate_train_eval": ("cifar10",),
    "query_info_str_by_arch": (),
    "query_by_arch": ("12",),
    "get_cost_info": ("cifar10",),
    "get_latency": ("cifar10",),
    "query_meta_info_by_index": (),
    "query_by_index": ("cifar10",),
    "get_net_config": ("cifar10",),
    "get_net_param": ("cifar10", None),
    "clear_params": (),
}
"""Methods that take an architecture, with their other arguments."""
RECORD_METHODS = ("get_more_info", "simulate_train_eval", "get_cost_info", "get_latency", "get_net_config")
SCHEDULE_METHODS = ("get_more_info", "simulate_train_eval", "get_cost_info", "get_latency", "query_by_index")
ATTRIBUTES = ("used_time", "search_space_name", "fast_mode", "archive_dir", "full_train_epochs", "full_epochs_in_paper")
MORE_ATTRIBUTES = ("is_topology", "is_size", "filename", "verbose", "meta_archs", "archstr2index")
OTHER_STEPS: list[Any] = [
    *(call(method, arch) for method in ("arch", "show", "__getitem__") for arch in (0, 11, 5, 99999, "0", None)),
    *(call("query_by_index", 11, record) for record in ("imagenet", None, 3)),
    *(call("find_best", record, "valid", enforce_all=False) for record in ("imagenet", None, 3)),
    *(call("get_net_param", 11, record, None) for record in ("imagenet", None, ["cifar10"])),
    *(call("get_net_param", 11, "cifar10", seed) for seed in (5, "777")),
    *(call("statistics", record, "12") for record in ("imagenet", None, ["cifar10"])),
    call("query_info_str_by_arch", 11, "13"),
    call("get_more_info", 11, "cifar10", 3.0),
    call("get_more_info", 11, "cifar10-valid", True),
    call("get_more_info", 11, "cifar10", "3"),
    call("get_more_info", 11, "cifar100", iepoch=True, is_random=False),
    call("get_more_info"),
    call("random"),
    call("__getitem__", slice(0, 3)),
    call("__getitem__", -1),
    call("__len__"),
    repr,
    call("reset_time"),
    *(attrgetter(name) for name in (*ATTRIBUTES, *MORE_ATTRIBUTES)),
]


def argument_steps(space: str) -> list[Any]:
    """Each method with good and bad arguments of every kind."""
    steps = [call(method, arch, *others) for arch in named(space) for method, others in ARCH_METHODS.items()]
    for record in ("imagenet", None, 3, ["cifar10"]):
        steps += [call(method, 11, record) for method in RECORD_METHODS]
    for schedule in ("13", 12, None, "012"):
        steps += [call(method, 11, "cifar10", hp=schedule) for method in SCHEDULE_METHODS]
        steps += [call(method, 11, hp=schedule) for method in ("query_meta_info_by_index", "clear_params")]
        steps += [call("get_net_param", 11, "cifar10", None, schedule), call("statistics", "cifar10", schedule)]
    return [*steps, *OTHER_STEPS]


def topology_steps() -> list[Any]:
    string = STRINGS["tss"]
    odd = ("", "|a~0|", "|a~0|+|a~0|a~1|", "|a~x|", "|a~0~1|", "|a|", "|none~5|", "8:8:8:8:8", None, 3)
    return [
        *(call("get_unique_str", arch) for arch in (0, 11, 284, 15624, string, Structure(string), -1, 15625)),
        *(call("str2lists", arch) for arch in (string, *odd)),
        *(call("str2matrix", arch) for arch in (string, *odd)),
        call("str2matrix", "|a~0|+|b~0|a~1|", ["a", "b"]),
    ]


@pytest.mark.parametrize("mode", ["fast", "whole"])
@pytest.mark.parametrize("space", SPACES)
def test_good_and_bad_arguments(
    fast_pairs: dict[str, Pair], whole_pairs: dict[str, Pair], assert_same_calls: Check, space: str, mode: str
) -> None:
    pair = (fast_pairs if mode == "fast" else whole_pairs)[space]
    assert_same_calls(pair, argument_steps(space))
    assert set(pair[1].avaliable_hps) == set(pair[0].avaliable_hps)
    assert pair[1].evaluated_indexes == pair[0].evaluated_indexes
    assert set(pair[1].arch2infos_dict) == set(pair[0].arch2infos_dict)


@pytest.mark.parametrize("record", RECORDS)
def test_results_print_alike(fast_pairs: dict[str, Pair], record: str) -> None:
    """Keys in the official order, numbers of the official types."""
    theirs, mine = fast_pairs["tss"]
    for query in (call("get_more_info", 11, record, is_random=111), call("get_cost_info", 11, record)):
        assert repr(query(mine)) == repr(query(theirs))


def test_topology_methods(whole_pairs: dict[str, Pair], assert_same_calls: Check) -> None:
    assert_same_calls(whole_pairs["tss"], topology_steps())


def test_unique_strings(whole_pairs: dict[str, Pair]) -> None:
    theirs, mine = (copy.copy(api) for api in whole_pairs["tss"])
    theirs.verbose = mine.verbose = False
    for index in range(0, 15625, 25):
        assert mine.get_unique_str(index) == theirs.get_unique_str(index)


BEST_ARGUMENTS: list[dict[str, Any]] = [
    *({"dataset": name, "metric_on_set": part} for name in RECORDS for part in ("train", "valid", "test", "valtest")),
    *({"dataset": name, "metric_on_set": part} for name in RECORDS for part in ("x-valid", "x-test", "ori-test", None)),
    {"dataset": "cifar10", "metric_on_set": "valid", "flop_max": 50},
    {"dataset": "cifar10", "metric_on_set": "valid", "param_max": 0.3},
    {"dataset": "cifar100", "metric_on_set": "test", "flop_max": 1e9, "param_max": 1e9},
    {"dataset": "cifar10", "metric_on_set": "valid", "hp": "13"},
]


@pytest.mark.parametrize("space", SPACES)
def test_find_best(
    fast_pairs: dict[str, Pair], whole_pairs: dict[str, Pair], assert_same_calls: Check, space: str
) -> None:
    steps = [call("get_more_info", arch, "cifar10", is_random=777) for arch in SAMPLES]
    for arguments in BEST_ARGUMENTS:
        steps += [call("find_best", **{"hp": hp, **arguments}, enforce_all=False) for hp in SCHEDULES[space]]
    assert_same_calls(fast_pairs[space], steps)
    assert_same_calls(whole_pairs[space], steps)
    assert_same_calls(whole_pairs[space], [call("find_best", "cifar10", "valid", enforce_all=True)])
    assert_same_calls(whole_pairs[space], [call("find_best", "cifar10", "valid")])


@pytest.mark.parametrize("verbose", [True, False])
def test_find_best_reads_the_whole_archive_in_fast_mode(
    official: Any, assert_same_calls: Check, archive: Path, verbose: bool
) -> None:
    pair = tuple(module.create(str(archive), "tss", True, verbose) for module in (official, ours))
    steps = [
        call("find_best", "cifar10", "valid", enforce_all=False),
        call("find_best", "cifar10", "valid"),
        call("find_best", "cifar10", "test", enforce_all=True, flop_max=20.0),
        call("find_best", "cifar10", "test", hp="200"),
        repr,
        call("statistics", "cifar100", 12),
    ]
    assert_same_calls(pair, steps)
    assert pair[1].evaluated_indexes == {0, 1, 2}


@pytest.mark.parametrize("space", SPACES)
def test_show(fast_pairs: dict[str, Pair], whole_pairs: dict[str, Pair], assert_same_calls: Check, space: str) -> None:
    for pair in (fast_pairs[space], whole_pairs[space]):
        assert_same_calls(pair, [call("show", index) for index in (*SAMPLES, 5, 99999)])


def test_other_methods_on_private_objects(official: Any, assert_same_calls: Check, archive: Path) -> None:
    """What changes an object: weights, places, times, reading again."""
    pair = tuple(module.create(str(archive), "tss", True, True) for module in (official, ours))
    steps = [
        call("clear_params", 0),
        call("reload", str(archive), 1),
        call("clear_params", 1),
        call("clear_params", 1, "12"),
        call("clear_params", 1, "13"),
        call("reload", str(archive)),
        call("reload", str(archive / "nowhere"), 1),
        call("reload", str(archive), 3),
        call("reload", str(archive), -1),
        call("reload", str(archive), "1"),
        call("simulate_train_eval", "arch-1", "cifar100"),
        call("simulate_train_eval", 1, "cifar100", iepoch=0),
        call("simulate_train_eval", 1, "cifar100", account_time=False),
        attrgetter("used_time"),
        call("reset_time"),
        attrgetter("used_time"),
        call("reset_archive_dir", None),
        attrgetter("archive_dir"),
        call("reset_fast_mode", False),
        attrgetter("fast_mode"),
        call("get_more_info", 2, "cifar10"),
        repr,
    ]
    assert_same_calls(pair, steps)


def test_reload_takes_archive_dir_without_the_default(
    official: Any, assert_same_calls: Check, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(archive / "nowhere"))
    pair = tuple(module.create(str(archive), "tss", True, True) for module in (official, ours))
    assert_same_calls(pair, [call("reload", index=2), call("reset_archive_dir", None), call("reload", index=2)])


def test_every_official_name_exists(official: Any, whole_pairs: dict[str, Pair]) -> None:
    for name in ("create", "version", "search_space_info", "pickle_load", "pickle_save"):
        assert hasattr(ours, name)
    for theirs, mine in (*whole_pairs.values(), (official.ArchResults, ours.ArchResults)):
        public = {name for name in dir(theirs) if not name.startswith("_")}
        assert public <= set(dir(mine)), public - set(dir(mine))
    run = official.ResultsCount(*[None] * 10)
    assert {name for name in dir(run) if not name.startswith("_")} <= set(dir(ours.ResultsCount(*[None] * 10)))
