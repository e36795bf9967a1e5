"""The same API over a BenchmarkTable: like the official files it was made from, and by hand on a table made here."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.errors import TableError
from benchmarks.official import nats_bench as ours
from benchmarks.official.nats_bench import table as nats_table
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable, Column, RowWriter, TableInfo, preallocate

SPACES = ("tss", "sss")
SCHEDULES = {"tss": {"12": 12, "200": 200}, "sss": {"01": 1, "12": 12, "90": 90}}
RECORDS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
SAMPLES = (0, 11, 284)
call = methodcaller
Check = Callable[[Any, Any], None]


@pytest.fixture(scope="module")
def pairs(sample_dicts: dict[str, dict[str, Any]], tables: dict[str, BenchmarkTable]) -> dict[str, tuple[Any, Any]]:
    """Space -> (API over official files, API over the table made of them)."""
    return {
        space: (ours.create(sample_dicts[space], space), ours.create(str(tables[space].path), space))
        for space in SPACES
    }


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("arch", SAMPLES)
@pytest.mark.parametrize("record", RECORDS)
def test_the_table_answers_like_the_files(
    pairs: dict[str, tuple[Any, Any]], assert_same_calls: Check, space: str, arch: int, record: str
) -> None:
    for schedule, epochs in SCHEDULES[space].items():
        assert_same_calls(pairs[space], [
            *(
                call("get_more_info", arch, record, iepoch=iepoch, hp=schedule, is_random=which)
                for iepoch in dict.fromkeys((None, 0, epochs // 2, epochs - 1, epochs, -1))
                for which in (True, False, 111, 777, 999)
            ),
            call("simulate_train_eval", arch, record, hp=schedule),
            call("simulate_train_eval", arch, record, iepoch=0, hp=schedule),
            call("get_cost_info", arch, record, hp=schedule),
            call("get_latency", arch, record, hp=schedule),
            call("get_net_config", arch, record),
            call("get_net_param", arch, record, None, hp=schedule),
            call("query_info_str_by_arch", arch, schedule),
            call("statistics", record, schedule),
            call("find_best", record, "test", hp=schedule),
            call("find_best", record, "train", hp=schedule, flop_max=100, param_max=1.0),
        ])  # fmt: skip


@pytest.mark.parametrize("space", SPACES)
def test_other_calls(pairs: dict[str, tuple[Any, Any]], assert_same_calls: Check, space: str) -> None:
    steps = [
        *(call(method, 5, "cifar10") for method in ("get_more_info", "simulate_train_eval", "get_cost_info")),
        *(call("show", index) for index in (0, 11, 5, 99999)),
        call("query_info_str_by_arch", 5),
        call("query_by_index", 11, "imagenet"),
        call("query_index_by_arch", pairs[space][0].arch(284)),
        call("random"),
        call("__getitem__", 284),
    ]
    assert_same_calls(pairs[space], steps)
    files, table = pairs[space]
    assert table.meta_archs == files.meta_archs
    assert table.avaliable_hps == files.avaliable_hps
    assert table.evaluated_indexes == files.evaluated_indexes
    assert list(table.arch2infos_dict) == list(files.arch2infos_dict)
    assert table.filename == f"{space}.arrow"


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("arch", SAMPLES)
def test_the_official_layout_comes_back(
    sample_dicts: dict[str, dict[str, Any]],
    tables: dict[str, BenchmarkTable],
    assert_equal: Check,
    space: str,
    arch: int,
) -> None:
    got = nats_table.archresults(tables[space], arch)
    expected = copy.deepcopy(sample_dicts[space]["arch2infos"][arch])
    for layout in (got, expected):
        for results in layout.values():
            assert list(results["dataset_seed"]) == list(RECORDS)
            for run in results["all_results"].values():
                run["eval_names"].sort()  # the one thing that the table does not hold: the order of the sets
    assert list(got) == list(expected)
    assert_equal(expected, got)


def test_trainings_that_an_architecture_lacks(
    archives: dict[str, str], make_table: Callable[[Path, Path], BenchmarkTable], tmp_path: Path
) -> None:
    """Most architectures have fewer than three 200-epoch runs, and some file may lack a schedule."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for index, seeds in ((0, [888]), (11, [])):
        content = ours.pickle_load(f"{archives['tss']}/{index:06d}.pickle.pbz2")
        content["200"]["all_results"] = {
            (record, seed): run for (record, seed), run in content["200"]["all_results"].items() if seed in seeds
        }
        ours.pickle_save(content, folder / f"{index:06d}.pickle")
    api = ours.create(make_table(folder, tmp_path / "tss.arrow"), "tss", verbose=False)
    assert api.query_by_index(0, hp="200").dataset_seed == {record: [888] for record in RECORDS}
    assert list(api.arch2infos_dict[11]) == ["12"]
    with pytest.raises(KeyError):
        api.get_more_info(11, "cifar10", hp="200")


# A table made here: architectures 0 and 5, schedule '12' with three epochs, the second without seed 777.


def made_table(path: Path, space: str = "tss", seeds: tuple[str, ...] = ("111", "777")) -> BenchmarkTable:
    every = (1, 2, 3)
    accuracy = np.array([[[10.0, 20.0, 30.0], [12.0, 22.0, 32.0]], [[50.0, 60.0, 70.0], [np.nan] * 3]])
    valtest = accuracy - 1
    valtest[1, 0, 0] = np.nan
    measured = {
        Column("cifar100", "12", "network", "params", seeds): np.array([[[0.5], [0.5]], [[0.25], [np.nan]]]),
        Column("cifar100", "12", "network", "flops", seeds): np.array([[[20.0], [20.0]], [[30.0], [np.nan]]]),
        Column("cifar100", "12", "train", "accuracy", seeds, every): accuracy + 1,
        Column("cifar100", "12", "train", "loss", seeds, every): accuracy / 100,
        Column("cifar100", "12", "train", "seconds", seeds): np.array([[[4.0], [6.0]], [[8.0], [np.nan]]]),
        Column("cifar100", "12", "valid", "accuracy", seeds, every[-1:]): accuracy[..., -1:],
        Column("cifar100", "12", "valid", "loss", seeds, every[-1:]): accuracy[..., -1:] / 100,
        Column("cifar100", "12", "valid", "seconds", seeds): np.array([[[1.0], [1.0]], [[2.0], [np.nan]]]),
        Column("cifar100", "12", "valtest", "accuracy", seeds, every): valtest,
        Column("cifar100", "12", "valtest", "loss", seeds, every): accuracy / 100,
    }
    preallocate(path, TableInfo("made", space, {}, {}), tuple(measured), np.array([0, 5], np.int32))
    with RowWriter(path) as writer:
        writer.write(0, {column.name: values for column, values in measured.items()})
    return BenchmarkTable.open(path)


@pytest.fixture
def made(tmp_path: Path) -> Any:
    return ours.create(made_table(tmp_path / "made.arrow"), "tss", verbose=False)


def test_values_by_hand(made: Any) -> None:
    assert repr(made) == "NATStopology(2/15625 architectures, fast_mode=False, file=made.arrow)"
    assert made.get_more_info(0, "cifar100", is_random=False) == {
        "train-loss": pytest.approx(0.31), "train-accuracy": 32.0, "train-per-time": 5.0, "train-all-time": 15.0,
        "valid-loss": pytest.approx(0.31), "valid-accuracy": 31.0, "valid-per-time": 1.0, "valid-all-time": 3.0,
    }  # fmt: skip
    early = made.get_more_info(0, "cifar100", iepoch=1, is_random=111)
    assert (early["train-accuracy"], early["train-all-time"]) == (21.0, 8.0)
    assert "valid-accuracy" not in early
    assert made.query_by_index(5, "cifar100").keys() == {111}
    assert made.query_by_index(5, "cifar100")[111].eval_acc1es == {
        "x-valid@2": 70.0,
        "ori-test@1": 59.0,
        "ori-test@2": 69.0,
    }
    assert made.get_cost_info(5, "cifar100") == {
        "flops": 30.0, "params": 0.25, "latency": None, "T-train@epoch": 8.0, "T-train@total": 24.0,
        "T-x-valid@epoch": 2.0, "T-x-valid@total": 6.0, "T-ori-test@epoch": None, "T-ori-test@total": None,
    }  # fmt: skip
    assert made.find_best("cifar100", "valid") == (5, 70.0)
    assert made.statistics("cifar100", 12) == {2: 1, 1: 1}
    assert made.arch(5) == space_named("tss").to_string(space_named("tss").arch(5))


def test_tables_open_by_path_in_any_mode(tmp_path: Path, assert_same_calls: Check) -> None:
    path = made_table(tmp_path / "made.arrow").path
    apis = [ours.create(which, "tss", fast, False) for which in (path, str(path)) for fast in (False, True)]
    best = call("find_best", "cifar100", "train", enforce_all=False)
    for api in apis[1:]:
        assert_same_calls((apis[0], api), [call("get_more_info", 5, "cifar100"), best])


def test_results_can_be_changed_and_replaced(made: Any, archive: Path) -> None:
    made.arch2infos_dict[5]["12"].reset_pseudo_train_times("cifar100", None, 3.0)
    assert made.get_more_info(5, "cifar100")["train-all-time"] == 9.0
    made.reload(str(archive), 1)
    assert made.get_more_info(1, "cifar100", is_random=777)["valid-accuracy"] == 72.0
    assert made.evaluated_indexes == {0, 1, 5}
    del made.arch2infos_dict[1]
    assert 1 not in made.arch2infos_dict


def test_memory_is_bounded(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_table, "KEPT", 1)
    first = made.arch2infos_dict[0]
    assert made.arch2infos_dict[0] is first
    assert made.arch2infos_dict[5] is not first
    assert made.arch2infos_dict[0] is not first


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda api: pickle.loads(pickle.dumps(api))])
def test_copies_reopen_the_table(made: Any, copied: Callable[[Any], Any]) -> None:
    twin = copied(made)
    assert twin.get_more_info(0, "cifar100", is_random=777) == made.get_more_info(0, "cifar100", is_random=777)
    results = copied(made.arch2infos_dict[0]["12"])
    assert type(results.all_results) is dict
    assert results.get_metrics("cifar100", "train")["accuracy"] == 32.0


def test_tables_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="'mean'"):
        ours.create(made_table(tmp_path / "mean.arrow", seeds=("mean", "777")), "tss", verbose=False)
    with pytest.raises(TableError, match="nasbench101"):
        nats_table.archresults(made_table(tmp_path / "other.arrow", space="nasbench101"), 0)
    with pytest.raises(TableError, match="'tss', not of 'sss'"):
        ours.create(made_table(tmp_path / "made.arrow"), "sss", verbose=False)
    with pytest.raises(KeyError, match="no architecture 7"):
        nats_table.archresults(made_table(tmp_path / "again.arrow"), 7)
