"""Exact values by hand on records made here: no official file, no official package.

Architecture i of three has at epoch e the accuracy (50, 70, 60)[i] + e with seed 777 and 2 more with seed 888; an epoch
takes 4 s of training and 1 s per evaluation; there are three epochs.
"""

from __future__ import annotations

import copy
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.official import nats_bench as ours
from benchmarks.safe_pickle import UnsafePickleError


@pytest.fixture
def api(content: dict[str, Any]) -> Any:
    return ours.create(content, "tss", verbose=False)


def test_means_over_seeds(api: Any) -> None:
    info = api.get_more_info(0, "cifar100", is_random=False)
    third = pytest.approx(1 / 3)
    assert info == {
        "train-loss": third, "train-accuracy": 53.0, "train-per-time": 4.0, "train-all-time": 12.0,
        "valid-loss": third, "valid-accuracy": 53.0, "valid-per-time": 1.0, "valid-all-time": 3.0,
        "test-loss": third, "test-accuracy": 53.0, "test-per-time": 1.0, "test-all-time": 3.0,
        "valtest-loss": third, "valtest-accuracy": 53.0, "valtest-per-time": 1.0, "valtest-all-time": 3.0,
    }  # fmt: skip


@pytest.mark.parametrize(("record", "parts"), [
    ("cifar10-valid", ["train", "valid", "test"]),
    ("cifar10", ["train", "test"]),
    ("cifar100", ["train", "valid", "test", "valtest"]),
    ("ImageNet16-120", ["train", "valid", "test", "valtest"]),
])  # fmt: skip
@pytest.mark.parametrize(
    ("iepoch", "seed", "accuracy"), [(0, 777, 70.0), (1, 777, 71.0), (2, 888, 74.0), (None, 888, 74.0)]
)
def test_one_seed_at_one_epoch(
    api: Any, record: str, parts: list[str], iepoch: int | None, seed: int, accuracy: float
) -> None:
    info = api.get_more_info("arch-1", record, iepoch=iepoch, is_random=seed)
    epochs = 3 if iepoch is None else iepoch + 1
    assert [key.removesuffix("-accuracy") for key in info if key.endswith("-accuracy")] == parts
    assert {info[f"{part}-accuracy"] for part in parts} == {accuracy}
    assert {info[f"{part}-loss"] for part in parts} == {1 / epochs}
    assert info["train-all-time"] == 4.0 * epochs
    assert {info[f"{part}-all-time"] for part in parts[1:]} == {1.0 * epochs}
    assert ("comment" in info) == (record in ("cifar10-valid", "cifar10"))


def test_random_seed_is_drawn_once_by_the_global_random(api: Any) -> None:
    for state in range(20):
        random.seed(state)
        seed = random.choice([777, 888])
        following = random.random()
        random.seed(state)
        assert api.get_more_info(1, "cifar100") == api.get_more_info(1, "cifar100", is_random=seed)
        assert random.random() == following


def test_simulated_seconds_are_training_and_one_validation(api: Any) -> None:
    random.seed(0)
    accuracy, latency, seconds, used = api.simulate_train_eval(1, "cifar10")
    assert accuracy in (72.0, 74.0)
    assert (latency, seconds, used) == (0.01, 3 * 4.0 + 1.0, 13.0)
    assert api.simulate_train_eval(1, "cifar100", iepoch=0)[2:] == (5.0, 18.0)
    assert api.simulate_train_eval(1, "cifar100", account_time=False)[2:] == (13.0, 18.0)
    api.reset_time()
    assert api.used_time == 0


def test_costs(api: Any) -> None:
    assert api.get_cost_info(0, "cifar10") == {
        "flops": 20.0, "params": 0.5, "latency": 0.01,
        "T-train@epoch": 4.0, "T-train@total": 12.0, "T-ori-test@epoch": 1.0, "T-ori-test@total": 3.0,
    }  # fmt: skip


def test_best_and_statistics(api: Any, content: dict[str, Any]) -> None:
    assert api.find_best("cifar10", "valid") == (1, 73.0)
    content["arch2infos"][1]["12"]["all_results"]["cifar10", 888]["flop"] = 30.0
    limited = ours.create(content, "tss", verbose=False)
    assert limited.find_best("cifar10", "test", flop_max=20.0) == (2, 63.0)  # seed 888 decides: 30 million
    assert limited.find_best("cifar10", "test", flop_max=30.0) == (1, 73.0)
    assert api.statistics("cifar100", "12") == {2: 3}


def test_ties_keep_the_lowest_index(content: dict[str, Any]) -> None:
    content["arch2infos"][2] = copy.deepcopy(content["arch2infos"][1])
    assert ours.create(content, "tss", verbose=False).find_best("cifar10", "valid")[0] == 1


def test_callers_cannot_change_the_data(content: dict[str, Any], api: Any) -> None:
    before = api.get_more_info(1, "cifar10", is_random=False)
    content["arch2infos"][1]["12"]["all_results"]["cifar10", 777]["eval_acc1es"]["ori-test@2"] = 0.0
    api.query_by_index(1, "cifar10")[777].reset_eval()
    api.query_meta_info_by_index(1).reset_pseudo_train_times("cifar10", None, 9.0)
    api.arch(1)
    assert api.get_more_info(1, "cifar10", is_random=False) == before


def test_changes_to_held_results_show_at_once(api: Any) -> None:
    api.get_more_info(1, "cifar10")
    api.arch2infos_dict[1]["12"].reset_pseudo_train_times("cifar10", None, 9.0)
    api.arch2infos_dict[1]["12"].all_results["cifar10", 777].eval_times["ori-test@0"] = 10.0
    info = api.get_more_info(1, "cifar10", is_random=777)
    assert (info["train-all-time"], info["test-all-time"]) == (27.0, 12.0)


def test_fast_mode_reads_when_asked(archive: Path) -> None:
    api = ours.create(str(archive), "tss", fast_mode=True, verbose=False)
    assert repr(api) == f"NATStopology(0/3 architectures, fast_mode=True, file={archive.name})"
    assert api.avaliable_hps == []
    api.get_more_info(1, "cifar10")
    assert (api.evaluated_indexes, api.avaliable_hps) == ({1}, ["12"])
    (archive / "000002.pickle.pbz2").unlink()
    with pytest.raises(AssertionError, match=r"000002\.pickle\.pbz2 nor 2\.pickle\.pbz2"):
        api.get_more_info(2, "cifar10")


class Malicious:
    """A pickle that makes a directory when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_executed(archive: Path) -> None:
    mark = archive / "executed"
    for name in ("000000.pickle", "whole.pickle", "meta.pickle"):
        ours.pickle_save({"meta_archs": [], "12": Malicious(mark)}, archive / name)
        with pytest.raises(UnsafePickleError, match="mkdir"):
            ours.pickle_load(archive / name)
    with pytest.raises(UnsafePickleError):
        ours.create(str(archive / "whole.pickle.pbz2"), "tss", verbose=False)
    with pytest.raises(UnsafePickleError):
        ours.create(str(archive), "tss", fast_mode=True, verbose=False)
    assert not mark.exists()


def test_a_file_without_a_dict(archive: Path) -> None:
    ours.pickle_save([1, 2], archive / "000000.pickle")
    api = ours.create(str(archive), "tss", fast_mode=True, verbose=False)
    with pytest.raises(AssertionError, match="expected a dict"):
        api.get_more_info(0, "cifar10")


@pytest.mark.parametrize("quiet_call", [
    lambda api: api.get_more_info(1, "cifar10"),
    lambda api: api.simulate_train_eval(1, "cifar10"),
    lambda api: api.find_best("cifar10", "valid"),
    lambda api: api.query_info_str_by_arch(1),
    lambda api: api.query_by_index(1, "cifar10"),
    lambda api: api.arch(1),
    lambda api: api.statistics("cifar10", 12),
])  # fmt: skip
def test_silence(api: Any, capsys: pytest.CaptureFixture[str], quiet_call: Any) -> None:
    quiet_call(api)
    assert capsys.readouterr().out == ""


def test_heavy_packages_are_not_imported() -> None:
    code = "import sys, benchmarks.official.nats_bench; print({'torch', 'ray', 'ConfigSpace'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
