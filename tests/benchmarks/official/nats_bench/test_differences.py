"""Every deliberate difference to `nats_bench` 1.8, with the official behaviour shown beside ours.

The list with the reasons is the module docstring of `benchmarks.official.nats_bench`.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.official import nats_bench as ours
from benchmarks.safe_pickle import DamagedFileError, UnsafePickleError

call = methodcaller
OutcomeOf = Callable[[Any, Any], Any]


@pytest.fixture
def pair(official: Any, archive: Path) -> tuple[Any, Any]:
    """(official, ours) over three made architectures in fast mode, all of them read."""
    apis = tuple(module.create(str(archive), "tss", True, False) for module in (official, ours))
    for api in apis:
        for index in range(3):
            api.get_more_info(index, "cifar10")
    return apis[0], apis[1]


SEED = np.int64(777)
UNDERSTOOD = [
    # official error, what only ours understands, what it means
    (ValueError, call("get_more_info", np.int64(1), "cifar10"), call("get_more_info", 1, "cifar10")),
    (ValueError, call("simulate_train_eval", np.int32(1), "cifar10"), call("simulate_train_eval", 1, "cifar10")),
    (
        ValueError,
        call("get_more_info", 1, "cifar10", is_random=SEED),
        call("get_more_info", 1, "cifar10", is_random=777),
    ),
    (KeyError, call("find_best", "cifar10", "valid", hp=12), call("find_best", "cifar10", "valid", hp="12")),
    (ValueError, call("query_info_str_by_arch", 1, 12), call("query_info_str_by_arch", 1, "12")),
    (ValueError, call("query_by_arch", 1, 12), call("query_by_arch", 1, "12")),
]


@pytest.mark.parametrize(("official_error", "step", "meant"), UNDERSTOOD, ids=str)
def test_arguments_that_only_ours_understands(
    pair: tuple[Any, Any], outcome_of: OutcomeOf, official_error: type[Exception], step: Any, meant: Any
) -> None:
    assert outcome_of(step, pair[0]).error is official_error
    got, expected = outcome_of(step, pair[1]), outcome_of(meant, pair[0])
    assert (got.error, got.value) == (None, expected.value)


def test_numpy_index_is_an_index(pair: tuple[Any, Any]) -> None:
    assert pair[0].query_index_by_arch(np.int64(2)) == -1
    assert pair[1].query_index_by_arch(np.int64(2)) == 2
    with pytest.raises(ValueError, match=r"0\.\.2"):
        pair[1].query_index_by_arch(np.int64(3))


def test_show_all(pair: tuple[Any, Any], outcome_of: OutcomeOf) -> None:
    """The official method fails after its first header; ours goes on with what it shows for each index alone."""
    broken, got = outcome_of(call("show"), pair[0]), outcome_of(call("show"), pair[1])
    assert broken.error is KeyError
    assert got.error is None
    assert got.printed.startswith(broken.printed)
    for index in range(3):
        header = f"\n---------- The ({index:5d}/    3) {index:06d}-th architecture! ----------\narch : arch-{index}\n"
        assert header + outcome_of(call("show", index), pair[0]).printed in got.printed


def test_nothing_within_the_limits(official: Any, content: dict[str, Any], outcome_of: OutcomeOf) -> None:
    """Whether calls are announced must not decide whether they work."""
    step = call("find_best", "cifar10", "valid", flop_max=1.0)
    for verbose, error in ((False, None), (True, ValueError)):
        assert outcome_of(step, official.create(content, "tss", verbose=verbose)).error is error
        got = outcome_of(step, ours.create(content, "tss", verbose=verbose))
        assert (got.error, got.value) == (None, (-1, None))


@pytest.mark.parametrize("unknown", ["unknown", None, 1.0])
def test_unique_string_of_an_unknown_architecture(
    official: Any, archives: dict[str, str], outcome_of: OutcomeOf, unknown: Any
) -> None:
    apis = [module.create(archives["tss"], "tss", True, False) for module in (official, ours)]
    assert apis[0].get_unique_str(unknown) == apis[0].get_unique_str(15624)
    assert outcome_of(call("get_unique_str", unknown), apis[1]).error is ValueError


def test_test_numbers_for_validation_are_announced(
    official: Any, content: dict[str, Any], outcome_of: OutcomeOf
) -> None:
    """Same numbers and same draws as the official call, but not silently."""
    for results in content["arch2infos"].values():
        for run in results["12"]["all_results"].values():
            run["eval_acc1es"].pop("x-valid@1", None)
    step = call("simulate_train_eval", 1, "cifar100", iepoch=1)
    silent, loud = (outcome_of(step, module.create(content, "tss", verbose=False)) for module in (official, ours))
    assert (silent.warned, loud.warned) == (False, True)
    assert (silent.value, silent.next_draw) == (loud.value, loud.next_draw)


def test_reload_without_torch_home(
    pair: tuple[Any, Any], outcome_of: OutcomeOf, no_default_place: pytest.MonkeyPatch
) -> None:
    step = call("reload", index=1)
    assert outcome_of(step, pair[0]).error is KeyError
    got = outcome_of(step, pair[1])
    assert (got.error, got.warned) == (None, True)
    pair[1].reset_archive_dir(None)
    assert outcome_of(step, pair[1]).error is ValueError
    no_default_place.delenv("HOME")
    assert outcome_of(step, pair[1]).error is ValueError


def test_only_costs_need_the_flops(official: Any, content: dict[str, Any], outcome_of: OutcomeOf) -> None:
    """Seeds 777 and 999 disagree on the FLOPs; 888, whose number counts, is missing."""
    results = content["arch2infos"][1]["12"]
    results["all_results"] = {
        (record, 777 if seed == 777 else 999): {**run, "flop": float(seed)}
        for (record, seed), run in results["all_results"].items()
    }
    results["dataset_seed"] = {record: [777, 999] for record in results["dataset_seed"]}
    apis = [module.create(content, "tss", verbose=False) for module in (official, ours)]
    for step, value in (
        (call("get_latency", 1, "cifar10"), 0.01),
        (call("find_best", "cifar10", "valid"), (1, 73.0)),
        (call("simulate_train_eval", 1, "cifar10"), None),
    ):
        assert outcome_of(step, apis[0]).error is ValueError
        got = outcome_of(step, apis[1])
        assert got.error is None
        assert value is None or got.value == value
    for step in (call("get_cost_info", 1, "cifar10"), call("find_best", "cifar10", "valid", flop_max=1.0)):
        assert [outcome_of(step, api).error for api in apis] == [ValueError, ValueError]


def test_size_space_without_times(official: Any, content: dict[str, Any], outcome_of: OutcomeOf) -> None:
    for run in content["arch2infos"][1]["12"]["all_results"].values():
        run.update(train_times=None, eval_times={})
    step = call("get_more_info", 1, "cifar10", is_random=False)
    assert outcome_of(step, official.create(content, "sss", verbose=False)).error is TypeError
    expected = outcome_of(step, official.create(content, "tss", verbose=False)).value
    assert outcome_of(step, ours.create(content, "sss", verbose=False)).value == expected
    assert expected["train-all-time"] is None


def test_pathlib_paths(official: Any, archive: Path, content: dict[str, Any], outcome_of: OutcomeOf) -> None:
    ours.pickle_save(content, archive / "whole.pickle")
    for path, fast in ((archive, True), (archive / "whole.pickle.pbz2", False)):
        step = call("create", path, "tss", fast, False)
        assert outcome_of(step, official).error is ValueError
        assert len(outcome_of(step, ours).value) == 3


@pytest.mark.usefixtures("no_default_place")
def test_missing_meta_file_is_named_once(official: Any, outcome_of: OutcomeOf) -> None:
    step = call("create", None, "tss", fast_mode=True)
    assert outcome_of(step, official).error is FileNotFoundError
    with pytest.raises(FileNotFoundError, match=r"NATS-tss-v1_0-3ffb9-simple/meta\.pickle\.pbz2 is not a file"):
        ours.create(None, "tss", fast_mode=True)


class Malicious:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_pickles_are_not_executed(official: Any, archive: Path, outcome_of: OutcomeOf) -> None:
    for module, runs in ((official, True), (ours, False)):
        mark = archive / module.__name__
        module.pickle_save({"12": Malicious(mark)}, archive / "000002.pickle")
        step = call("get_more_info", 2, "cifar10")
        got = outcome_of(step, module.create(str(archive), "tss", True, False))
        assert mark.exists() is runs
        assert (got.error is UnsafePickleError) is not runs


@pytest.mark.parametrize(
    ("payload", "official_error"), [(b"", EOFError), (b"no bz2 stream", OSError), (pickle.dumps(3), OSError)]
)
def test_damaged_files(
    official: Any, archive: Path, outcome_of: OutcomeOf, payload: bytes, official_error: type[Exception]
) -> None:
    (archive / "000002.pickle.pbz2").write_bytes(payload)
    step = call("get_more_info", 2, "cifar10")
    assert outcome_of(step, official.create(str(archive), "tss", True, False)).error is official_error
    assert outcome_of(step, ours.create(str(archive), "tss", True, False)).error is DamagedFileError
