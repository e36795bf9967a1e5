"""Exported archives: like the releases they came from, and read by the genuine package `nats_bench` 1.8."""

from __future__ import annotations

import bz2
import math
from collections.abc import Callable, Mapping
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.official import nats_bench as ours
from benchmarks.official.nats_bench.export import META, NatsExport, file_name, packed
from benchmarks.spaces import SPACES
from benchmarks.table import COSTS, BenchmarkTable, Column, RowWriter, TableInfo, preallocate

RELEASED_SCHEDULES = {"tss": {"12": 12, "200": 200}, "sss": {"01": 1, "12": 12, "90": 90}}
RECORDS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
SAMPLES = (0, 11, 284)
Values = dict[Column, NDArray[np.float64]]
Check = Callable[[tuple[Any, Any], list[Any]], None]
call = methodcaller


def write_archive(table: BenchmarkTable, folder: Path) -> Path:
    """Every file of an export, in this process."""
    export, exported = NatsExport(table), []
    folder.mkdir(parents=True)
    for index in table.architectures.tolist():
        if content := export.architecture(index):
            (folder / file_name(index)).write_bytes(packed(content))
            exported.append(index)
    (folder / META).write_bytes(packed(export.meta(exported)))
    return folder


# Exports of released files.


@pytest.fixture(scope="module")
def exports(tables: dict[str, BenchmarkTable], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Space -> export of the table of the official sample files."""
    folder = tmp_path_factory.mktemp("exports")
    return {space: write_archive(table, folder / f"{table.info.name}-simple") for space, table in tables.items()}


@pytest.mark.parametrize("space", RELEASED_SCHEDULES)
def test_an_export_is_imported_as_the_same_table(
    tables: dict[str, BenchmarkTable],
    exports: dict[str, Path],
    make_table: Callable[[Path, Path], BenchmarkTable],
    tmp_path: Path,
    space: str,
) -> None:
    table, again = tables[space], make_table(exports[space], tmp_path / "again.arrow")
    assert again.columns == table.columns
    assert (again.info.name, again.info.space, again.info.tasks) == (table.info.name, space, table.info.tasks)
    np.testing.assert_array_equal(again.architectures, table.architectures)
    for name in table.columns:
        np.testing.assert_array_equal(again.values(name), table.values(name))


@pytest.mark.parametrize("space", RELEASED_SCHEDULES)
@pytest.mark.parametrize("record", RECORDS)
def test_the_official_package_answers_as_on_the_release(
    official: Any, archives: dict[str, str], exports: dict[str, Path], assert_same_calls: Check, space: str, record: str
) -> None:
    pair = (
        official.create(archives[space], space, True, False),
        official.create(str(exports[space]), space, True, False),
    )
    for schedule, epochs in RELEASED_SCHEDULES[space].items():
        for arch in SAMPLES:
            assert_same_calls(pair, [
                *(
                    call("get_more_info", arch, record, iepoch=iepoch, hp=schedule, is_random=which)
                    for iepoch in dict.fromkeys((None, 0, epochs // 2, epochs - 1, epochs))
                    for which in (True, False, 111, 777, 999)
                ),
                lambda api, arch=arch, hp=schedule: runs_by_seed(api.query_by_index(arch, record, hp)),
                call("simulate_train_eval", arch, record, hp=schedule),
                call("simulate_train_eval", arch, record, iepoch=0, hp=schedule),
                call("get_cost_info", arch, record, hp=schedule),
                call("get_latency", arch, record, hp=schedule),
                call("get_net_config", arch, record),
                call("query_info_str_by_arch", arch, schedule),
                call("show", arch),
            ])  # fmt: skip
        assert_same_calls(pair, [
            call("statistics", record, schedule),
            *(call("find_best", record, part, hp=schedule, enforce_all=False) for part in ("train", "valid", "test")),
        ])  # fmt: skip


def runs_by_seed(runs: Mapping[int, Any]) -> dict[int, dict[str, Any]]:
    """The official dicts of the runs, the sets in one order: the one thing that a table does not hold."""
    return {seed: {**run.state_dict(), "eval_names": sorted(run.eval_names)} for seed, run in runs.items()}


@pytest.mark.parametrize("space", RELEASED_SCHEDULES)
def test_files_need_no_numpy_to_be_read(exports: dict[str, Path], space: str) -> None:
    files = list(exports[space].iterdir())
    assert len(files) == 4
    assert not any(b"numpy" in bz2.decompress(file.read_bytes()) for file in files)


def test_the_meta_file_lists_all_architectures_and_those_with_a_file(exports: dict[str, Path]) -> None:
    meta = ours.pickle_load(exports["tss"] / META)
    space = SPACES["tss"]
    assert meta == {
        "meta_archs": [space.to_string(space.arch(index)) for index in range(15_625)],
        "total_archs": 15_625,
        "arch2infos": None,
        "evaluated_indexes": {0, 11, 284},
    }


def test_an_incomplete_release_is_exported_as_it_is(
    archives: dict[str, str], make_table: Callable[[Path, Path], BenchmarkTable], tmp_path: Path
) -> None:
    content = ours.pickle_load(f"{archives['sss']}/000011.pickle.pbz2")
    run = content["12"]["all_results"]["cifar100", 888]
    del run["train_acc1es"][11], run["train_losses"][11]
    (tmp_path / "release").mkdir()
    ours.pickle_save(content, tmp_path / "release" / "000011.pickle")
    archive = write_archive(make_table(tmp_path / "release", tmp_path / "sss.arrow"), tmp_path / "export")
    exported = ours.pickle_load(archive / file_name(11))["12"]["all_results"]["cifar100", 888]
    assert (exported["train_acc1es"], exported["train_losses"]) == (run["train_acc1es"], run["train_losses"])


# Exports of a table as this project makes them: record 'digits', schedules '3' and '6', seeds 0 and 1, valid at every
# epoch and test at the last; architecture 11 was not trained with seed 1 at schedule '6', 284 never, though costs and
# times are known.

ARCHITECTURES = (0, 5, 11, 284)
SEEDS = ("0", "1")
ROW = {index: row for row, index in enumerate(ARCHITECTURES)}


def digits(record: str = "digits") -> Values:
    rng = np.random.default_rng(3)
    values: Values = {}
    for schedule in ("3", "6"):
        every = tuple(range(1, int(schedule) + 1))
        for quantity in ("params", "flops", "latency"):
            costs = np.broadcast_to(rng.uniform(0.1, 2, (len(ROW), 1, 1)), (len(ROW), len(SEEDS), 1)).copy()
            values[Column(record, schedule, "network", quantity, SEEDS)] = costs
        for split in ("train", "valid", "test"):
            epochs = every[-1:] if split == "test" else every
            for quantity, high in (("accuracy", 100), ("loss", 3)):
                curves = rng.uniform(0, high, (len(ROW), len(SEEDS), len(epochs)))
                values[Column(record, schedule, split, quantity, SEEDS, epochs)] = curves
            values[Column(record, schedule, split, "seconds", SEEDS)] = rng.uniform(1, 2, (len(ROW), len(SEEDS), 1))
    for column, numbers in values.items():
        if column.quantity in ("accuracy", "loss"):
            numbers[ROW[284]] = np.nan
            if column.schedule == "6":
                numbers[ROW[11], 1] = np.nan
    return values


def write_table(path: Path, values: Values, space: str = "tss") -> BenchmarkTable:
    preallocate(path, TableInfo("made", space, {}, {}), list(values), np.array(ARCHITECTURES, np.int32))
    with RowWriter(path) as writer:
        writer.write(0, {column.name: numbers for column, numbers in values.items()})
    return BenchmarkTable.open(path)


def of(values: Values, schedule: str, split: str, quantity: str) -> NDArray[np.float64]:
    """The numbers of the one such column."""
    wanted = (schedule, split, quantity)
    (column,) = (column for column in values if (column.schedule, column.split, column.quantity) == wanted)
    return values[column]


def without(values: Values, split: str, *quantities: str) -> Values:
    return {c: numbers for c, numbers in values.items() if c.split != split or c.quantity not in quantities}


@pytest.fixture
def opened(official: Any, tmp_path: Path) -> Callable[..., Any]:
    """Exports values and gives the official API over the archive."""

    def opened(values: Values, space: str = "tss") -> Any:
        table = write_table(tmp_path / "made.arrow", values, space)
        return official.create(str(write_archive(table, tmp_path / "made-simple")), space, True, False)

    return opened


@pytest.fixture
def api(opened: Callable[..., Any]) -> Any:
    """The official API over the export of `digits()`."""
    return opened(digits())


def test_get_more_info_gives_the_numbers_of_the_table(api: Any) -> None:
    values = digits()
    for which, pick in ((False, lambda numbers: numbers.mean(axis=0)), (0, lambda n: n[0]), (1, lambda n: n[1])):
        for iepoch in (0, 2, 5, None):
            info = api.get_more_info(5, "digits", iepoch=iepoch, hp="6", is_random=which)
            epoch = 5 if iepoch is None else iepoch
            expected = {}
            for split in ("train", "valid") if epoch < 5 else ("train", "valid", "test"):
                at = epoch if split != "test" else 0
                seconds = pick(of(values, "6", split, "seconds")[ROW[5]])[0]
                expected |= {
                    f"{split}-accuracy": pick(of(values, "6", split, "accuracy")[ROW[5]])[at],
                    f"{split}-loss": pick(of(values, "6", split, "loss")[ROW[5]])[at],
                    f"{split}-per-time": seconds,
                    f"{split}-all-time": seconds * (epoch + 1),
                }
            assert info == pytest.approx(expected)


def test_costs_and_configuration(api: Any) -> None:
    values = digits()
    assert api.get_cost_info(11, "digits", "3") == pytest.approx({
        "flops": of(values, "3", "network", "flops")[ROW[11], 0, 0],
        "params": of(values, "3", "network", "params")[ROW[11], 0, 0],
        "latency": of(values, "3", "network", "latency")[ROW[11], 0, 0],
        **{
            f"T-{name}@{suffix}": of(values, "3", split, "seconds")[ROW[11]].mean() * times
            for name, split in (("train", "train"), ("x-valid", "valid"), ("x-test", "test"))
            for suffix, times in (("epoch", 1), ("total", 3))
        },
    })  # fmt: skip
    assert api.get_latency(11, "digits", "3") == api.get_cost_info(11, "digits", "3")["latency"]
    assert api.get_net_config(11, "digits") == {
        "name": "infer.tiny", "C": None, "N": None, "arch_str": api.arch(11), "num_classes": None
    }  # fmt: skip
    assert api.get_net_param(11, "digits", None, "3") == {0: None, 1: None}


def test_query_by_index_gives_the_runs_there_are(api: Any) -> None:
    results = api.query_by_index(11, hp="6")
    assert (results.arch_str, results.get_dataset_names(), results.get_total_epoch()) == (api.arch(11), ["digits"], 6)
    (run,) = api.query_by_index(11, "digits", "6").values()
    assert (run.seed, run.get_eval_set()) == ("0000", ["x-valid", "x-test"])
    assert list(run.eval_acc1es) == [*(f"x-valid@{epoch}" for epoch in range(6)), "x-test@5"]
    assert run.get_eval("x-test")["accuracy"] == of(digits(), "6", "test", "accuracy")[ROW[11], 0, 0]
    assert list(api.query_by_index(11, "digits", "3")) == [0, 1]


def test_find_best_compares_what_was_queried_before(api: Any) -> None:
    for arch in (0, 5, 11):
        api.get_more_info(arch, "digits", hp="3")
    for name, split in (("train", "train"), ("valid", "valid"), ("x-valid", "valid"), ("x-test", "test")):
        means = of(digits(), "3", split, "accuracy")[:3, :, -1].mean(axis=1)
        expected = (ARCHITECTURES[means.argmax()], pytest.approx(means.max()))
        assert api.find_best("digits", name, hp="3", enforce_all=False) == expected
    with pytest.raises(ValueError, match="test@2"):
        api.find_best("digits", "test", hp="3", enforce_all=False)


def test_summaries(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = of(digits(), "6", "test", "accuracy")[ROW[0]].mean()
    text = api.query_info_str_by_arch(0, "6")
    assert text.splitlines()[1] == "datasets : ['digits'], extra-info : arch-index=0"
    assert text.endswith(f"top1 = {accuracy:.2f}%]")
    api.show(0)
    assert f"top1 = {accuracy:.2f}%]" in capsys.readouterr().out


def test_what_the_official_package_cannot_do(api: Any) -> None:
    with pytest.raises(ValueError, match="Invalid dataset name : digits"):
        api.simulate_train_eval(0, "digits", hp="3")
    with pytest.raises(ValueError, match="digits not in"):
        api.statistics("digits", "3")
    with pytest.raises(AssertionError, match=r"invalid data path .*/284\.pickle"):
        api.get_more_info(284, "digits", hp="3")
    with pytest.raises(AssertionError, match="invalid data path"):
        api.find_best("digits", "valid", hp="3")
    with pytest.raises(KeyError):
        api.get_more_info(0, "digits", hp="12")


@pytest.mark.parametrize("space", ["tss", "sss"])
def test_our_api_over_the_table_answers_as_the_official_one_over_its_export(
    official: Any, assert_same_calls: Check, tmp_path: Path, space: str
) -> None:
    table = write_table(tmp_path / "made.arrow", digits(), space)
    archive = write_archive(table, tmp_path / "made-simple")
    pair = (official.create(str(archive), space, True, False), ours.create(table, space, verbose=False))
    for schedule in ("3", "6"):
        for arch in (0, 5, 11):
            assert_same_calls(pair, [
                *(
                    call("get_more_info", arch, "digits", iepoch=iepoch, hp=schedule, is_random=which)
                    for iepoch in (None, 0, 2, 5, 6)
                    for which in (True, False, 0, 1, 2)
                ),
                call("query_by_index", arch, hp=schedule),
                call("get_cost_info", arch, "digits", schedule),
                call("get_net_config", arch, "digits"),
                call("query_info_str_by_arch", arch, schedule),
                call("show", arch),
            ])  # fmt: skip


def test_a_table_with_the_official_records_can_be_simulated(opened: Callable[..., Any]) -> None:
    values = digits("cifar10-valid")
    api = opened(values | digits("cifar10"))
    accuracy, latency, seconds, charged = api.simulate_train_eval(11, "cifar10", hp="6")
    assert accuracy == of(values, "6", "valid", "accuracy")[ROW[11], 0, -1]
    assert latency == of(values, "6", "network", "latency")[ROW[11], 0, 0]
    assert seconds == charged == pytest.approx(
        6 * of(values, "6", "train", "seconds")[ROW[11], 0, 0] + of(values, "6", "valid", "seconds")[ROW[11], 0, 0]
    )  # fmt: skip
    assert api.statistics("cifar10", "6") == {1: 1}
    assert api.find_best("cifar10", "test", hp="6", enforce_all=False)[0] == 11
    assert api.get_net_config(11, "cifar10") == {
        "name": "infer.tiny", "C": None, "N": None, "arch_str": api.arch(11), "num_classes": 10
    }  # fmt: skip
    on_all = api.get_more_info(11, "cifar10", hp="6")
    assert (on_all["valid-accuracy"], "test-accuracy" in on_all) == (accuracy, True)


def test_further_costs_are_attributes_of_a_run(opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COSTS, "trained_as", "official index")
    trained_as = np.tile(np.array([0.0, 0, 11, 284]).reshape(-1, 1, 1), (1, 2, 1))
    api = opened({**digits(), Column("digits", "3", "network", "trained_as", SEEDS): trained_as})
    assert {seed: run.trained_as for seed, run in api.query_by_index(5, "digits", "3").items()} == {0: 0, 1: 0}
    assert api.query_by_index(11, "digits", "3")[1].trained_as == 11


def test_an_accuracy_without_a_loss_has_the_loss_nan(opened: Callable[..., Any]) -> None:
    values = without(digits(), "valid", "loss")
    of(values, "3", "train", "loss")[ROW[0], 0, 1] = np.nan  # diverged
    info = opened(values).get_more_info(0, "digits", iepoch=1, hp="3", is_random=0)
    assert math.isnan(info["train-loss"])
    assert math.isnan(info["valid-loss"])
    assert info["valid-accuracy"] == of(values, "3", "valid", "accuracy")[ROW[0], 0, 1]


def test_in_tss_times_and_latency_may_be_unknown(opened: Callable[..., Any]) -> None:
    values = without(digits(), "network", "latency")
    for split in ("train", "valid", "test"):
        values = without(values, split, "seconds")
    api = opened(values)
    info = api.get_more_info(0, "digits", hp="3")
    assert (info["train-all-time"], info["valid-all-time"], info["test-per-time"]) == (None, None, None)
    assert info["test-accuracy"] in of(values, "3", "test", "accuracy")[ROW[0]]
    assert api.get_latency(0, "digits", "3") is None


def test_an_epoch_that_was_not_measured_is_left_out(opened: Callable[..., Any]) -> None:
    values = digits()
    for quantity in ("accuracy", "loss"):
        of(values, "3", "valid", quantity)[ROW[0], :, 1] = np.nan
    api = opened(values)
    assert "valid-accuracy" not in api.get_more_info(0, "digits", iepoch=1, hp="3")
    assert "valid-accuracy" in api.get_more_info(0, "digits", iepoch=2, hp="3")


# Tables that official files cannot hold.


def shortened(split: str, quantity: str) -> Values:
    """A table whose seed 1 of architecture 5 lacks the last value of a column."""
    values = digits("cifar10-valid")
    of(values, "3", split, quantity)[ROW[5], 1, -1] = np.nan
    return values


def with_column(column: Column) -> Values:
    return {**digits("cifar10-valid"), column: np.ones((len(ROW), *column.shape))}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (shortened("train", "accuracy"), "seed 1: has no training accuracy after its last epoch, 3;"),
        (shortened("valid", "accuracy"), "seed 1: has no validation accuracy after its last epoch, 3;"),
        (shortened("test", "seconds"), "seed 1: 3 of 6 evaluation times were not measured; .* or none"),
        (shortened("network", "params"), r"schedule 3: the seeds \[0, 1\] of cifar10-valid disagree on params"),
        (shortened("network", "flops"), r"schedule 3: the seeds \[0, 1\] of cifar10-valid disagree on flop;"),
    ],
)
def test_an_architecture_that_the_official_package_could_not_read(values: Values, message: str, tmp_path: Path) -> None:
    export = NatsExport(write_table(tmp_path / "made.arrow", values))
    assert list(export.architecture(0)) == ["3", "6"]
    with pytest.raises(InputError, match=rf"made\.arrow: architecture 5, .*{message}"):
        export.architecture(5)


def test_in_sss_times_must_be_known(tmp_path: Path) -> None:
    for number, (split, what) in enumerate((("train", "3 of 3 training"), ("valid", "3 of 6 evaluation"))):
        table = write_table(tmp_path / f"{number}.arrow", without(digits(), split, "seconds"), "sss")
        with pytest.raises(InputError, match=f"{what} times were not measured; .* needs all of them$"):
            NatsExport(table).architecture(5)


@pytest.mark.parametrize(
    "column",
    [
        Column("cifar10", "3", "valtest", "accuracy", SEEDS, (3,)),
        Column("cifar10", "3", "test", "top5_accuracy", SEEDS, (3,)),
        Column("digits", "3", "train", "latency", SEEDS),
        Column("digits", "3", "other", "loss", SEEDS, (3,)),
    ],
)
def test_a_column_without_a_place_in_official_files(column: Column, tmp_path: Path) -> None:
    table = write_table(tmp_path / "made.arrow", with_column(column))
    with pytest.raises(InputError, match=rf"cannot hold {column.name}; "):
        NatsExport(table)


def test_a_table_of_means_has_no_runs(tmp_path: Path) -> None:
    column = Column("digits", "3", "valid", "accuracy", ("mean",), (3,))
    table = write_table(tmp_path / "made.arrow", with_column(column))
    with pytest.raises(InputError, match="separate training seeds"):
        NatsExport(table)
