"""Converters: every number of an official file is in the table, bit for bit, and nothing else is accepted."""

from __future__ import annotations

import bz2
import hashlib
import math
import pickle
import re
import tarfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.convert import Source, SourceError, open_source, read_checked
from benchmarks.convert.nats import NatsFiles
from benchmarks.convert.nats_records import RecordReader
from benchmarks.errors import InputError
from benchmarks.metrics import METRICS
from benchmarks.nats_layout import nats_columns
from benchmarks.oracle import Oracle, SeedPolicy
from benchmarks.outcomes import Fidelity
from benchmarks.safe_pickle import DamagedFileError, UnsafePickleError
from benchmarks.spaces import SPACES
from benchmarks.table import BenchmarkTable, Task
from benchmarks.verify import verify_release

Results = OrderedDict[str, dict[str, Any]]
"""Schedule -> official record of one architecture."""

SPLITS = {
    "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": {"x-valid": "valid", "x-test": "test", "ori-test": "valtest"},
    "ImageNet16-120": {"x-valid": "valid", "x-test": "test", "ori-test": "valtest"},
}
SAMPLES = (0, 11, 284)


def made_results(space: str, index: int) -> Results:
    """Random numbers in the official layout: the first schedule of the space, with all its trainings."""
    rng = np.random.default_rng(index)
    schedule = {"tss": "12", "sss": "01"}[space]
    epochs, seeds = range(int(schedule)), {"tss": (111,), "sss": (777,)}[space]
    trainings = {}
    for record, splits in SPLITS.items():
        for seed in (777, 111) if (space, record) == ("tss", "cifar10-valid") else seeds:
            evaluations = [f"{name}@{epoch}" for name in splits for epoch in epochs]
            times = {name: rng.random() for name in splits}
            trainings[record, seed] = {
                "name": record,
                **{key: {epoch: rng.random() for epoch in epochs} for key in ("train_acc1es", "train_acc5es")},
                "train_losses": {epoch: rng.random() for epoch in epochs},
                "train_times": OrderedDict.fromkeys(epochs, rng.random()),
                "params": np.float64(rng.random()),
                "flop": rng.random(),
                "latency": [np.float64(rng.random())],
                "epochs": len(epochs),
                "seed": f"{seed:04d}",
                "eval_names": list(splits),
                **{key: {name: rng.random() for name in evaluations} for key in ("eval_acc1es", "eval_losses")},
                "eval_times": {name: times[name.partition("@")[0]] for name in evaluations},
                "net_state_dict": None,
            }
    string = SPACES[space].to_string(SPACES[space].arch(index))
    return OrderedDict({schedule: {"arch_index": index, "arch_str": string, "all_results": trainings}})


def write_pickle(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bz2.compress(pickle.dumps(content, 4), compresslevel=1))
    return path


def write_release(folder: Path, results: dict[int, Any]) -> Path:
    """A '-simple' directory of the given architectures, without meta file."""
    for index, result in results.items():
        write_pickle(folder / f"{index:06d}.pickle.pbz2", result)
    return folder


@cache
def official_strings(space: str) -> tuple[str, ...]:
    return tuple(SPACES[space].to_string(SPACES[space].arch(index)) for index in range(len(SPACES[space])))


def monolith(space: str, results: dict[int, Any]) -> dict[str, Any]:
    """The content of a monolithic file."""
    strings = list(official_strings(space))
    infos = {"meta_archs": strings, "total_archs": len(strings)}
    return {**infos, "arch2infos": results, "evaluated_indexes": set(results)}


def opened(path: Path) -> Source:
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return open_source(path, scratch, lambda *_: None)


def read_all(path: Path) -> None:
    source = opened(path)
    for block in source.blocks():
        for _ in source.read(block):
            pass


def official_numbers(results: Results) -> Iterator[tuple[str, str, int | None, float]]:
    """(column, seed, epoch, number) of every number in an official record; epoch None: the same at every epoch."""
    for schedule, result in results.items():
        for (record, seed), training in result["all_results"].items():
            prefix = f"{record}/{schedule}"
            yield f"{prefix}/network/params", str(seed), None, training["params"]
            yield f"{prefix}/network/flops", str(seed), None, training["flop"]
            for latency in training["latency"]:
                yield f"{prefix}/network/latency", str(seed), None, latency
            for key, quantity in (("acc1es", "accuracy"), ("acc5es", "top5_accuracy"), ("losses", "loss")):
                for epoch, number in (training[f"train_{key}"] or {}).items():
                    yield f"{prefix}/train/{quantity}", str(seed), epoch, number
            for number in training["train_times"].values():
                yield f"{prefix}/train/seconds", str(seed), None, number
            for key, quantity in (("acc1es", "accuracy"), ("losses", "loss"), ("times", "seconds")):
                for name, number in training[f"eval_{key}"].items():
                    split, epoch = name.split("@")
                    where = None if quantity == "seconds" else int(epoch)
                    yield f"{prefix}/{SPLITS[record][split]}/{quantity}", str(seed), where, number


def assert_holds_exactly(table: BenchmarkTable, results: dict[int, Results]) -> int:
    """The table holds every number of the records, bit for bit, and no other; returns how many."""
    assert table.architectures.tolist() == sorted(results)
    values = {name: table.values(name) for name in table.columns}
    filled, numbers = set(), 0
    for row, index in enumerate(sorted(results)):
        for name, seed, epoch, number in official_numbers(results[index]):
            column = table.columns[name]
            place = column.seeds.index(seed), 0 if epoch is None else column.epochs.index(epoch + 1)
            assert (column.epochs == ()) == (epoch is None)
            assert float(number).hex() == float(values[name][row][place]).hex(), (index, name, seed, epoch)
            filled.add((row, name, *place))
            numbers += 1
    assert sum(np.count_nonzero(~np.isnan(array)) for array in values.values()) == len(filled)
    return numbers


def assert_same_content(first: BenchmarkTable, second: BenchmarkTable) -> None:
    assert list(first.columns.values()) == list(second.columns.values())
    assert (first.info.space, first.info.tasks) == (second.info.space, second.info.tasks)
    np.testing.assert_array_equal(first.architectures, second.architectures)
    for name in first.columns:
        assert first.values(name).tobytes() == second.values(name).tobytes(), name


@pytest.fixture(scope="session")
def sample_results(releases: dict[str, Path]) -> dict[str, dict[int, Results]]:
    """Space -> index -> the official record, read without this project's code."""
    found: dict[str, dict[int, Results]] = {}
    for space, folder in releases.items():
        found[space] = {}
        for index in SAMPLES:
            with bz2.open(folder / f"{index:06d}.pickle.pbz2") as stream:
                found[space][index] = pickle.load(stream)
    return found


both_spaces = pytest.mark.parametrize("space", ["tss", "sss"])


# The same numbers as in the official files.


@pytest.mark.parametrize(("space", "least"), [("tss", 40_000), ("sss", 15_000)])
def test_every_number_of_the_official_files_is_in_the_table(
    sample_tables: dict[str, BenchmarkTable], sample_results: dict[str, dict[int, Results]], space: str, least: int
) -> None:
    assert assert_holds_exactly(sample_tables[space], sample_results[space]) > least


@both_spaces
def test_every_number_of_made_files_is_in_the_table(
    space: str, tmp_path: Path, table_of: Callable[[Source, Path], BenchmarkTable]
) -> None:
    results = {index: made_results(space, index) for index in (2, 40, 15_000)}
    source = opened(write_release(tmp_path / "release", results))
    assert assert_holds_exactly(table_of(source, tmp_path / "t.arrow"), results) > 100


def test_golden_numbers_of_the_official_api_are_in_the_tables(
    sample_tables: dict[str, BenchmarkTable], golden: dict[str, dict[str, Any]]
) -> None:
    assert len(golden) == 60
    compared = 0
    for key, record in golden.items():
        space, index, schedule, dataset = key.split("/")
        table = sample_tables[space]
        row = table.architectures.tolist().index(int(index))

        def mean(split: str, quantity: str, epoch: int) -> float:
            column = table.columns[f"{dataset}/{schedule}/{split}/{quantity}"]  # noqa: B023
            at = column.epochs.index(epoch) if column.epochs else 0
            return float(np.nanmean(table.values(column.name)[row, :, at]))  # noqa: B023

        for cost in ("flops", "params", "latency"):
            assert mean("network", cost, 0) == pytest.approx(record["cost"][cost], rel=1e-9)
        for field, epoch in (("avg", int(schedule)), ("avg_iepoch0", 1), ("avg_iepoch3", 4)):
            for name, number in record.get(field, {}).items():
                split, quantity = name.split("-", 1)
                if split == "train" and quantity == "all-time":
                    assert epoch * mean(split, "seconds", epoch) == pytest.approx(number, rel=1e-9), key
                elif quantity in ("loss", "accuracy"):
                    assert mean(split, quantity, epoch) == pytest.approx(number, rel=1e-9), (key, field, name)
                elif quantity == "per-time":
                    assert mean(split, "seconds", epoch) == pytest.approx(number, rel=1e-9), (key, field, name)
                compared += 1
    assert compared > 1_000


def test_columns_are_those_of_the_released_files() -> None:
    columns = {space: {column.name: column for column in nats_columns(space)} for space in ("tss", "sss")}
    assert columns["tss"]["cifar10-valid/12/valid/accuracy"].seeds == ("111", "777")
    assert columns["tss"]["cifar10-valid/200/valid/accuracy"].epochs == tuple(range(1, 201))
    assert columns["tss"]["cifar100/200/valid/accuracy"].epochs == (200,)
    assert columns["tss"]["cifar10-valid/200/test/accuracy"].epochs == (200,)
    assert columns["tss"]["cifar10/200/test/accuracy"].epochs == tuple(range(1, 201))
    assert "cifar10/200/valid/accuracy" not in columns["tss"]
    assert "cifar10/200/train/top5_accuracy" not in columns["tss"]
    assert columns["sss"]["cifar100/90/valid/accuracy"].epochs == tuple(range(1, 91))
    assert columns["sss"]["cifar100/12/valid/accuracy"].seeds == ("777", "888", "999")


def test_architectures_trained_with_fewer_seeds_leave_the_others_unmeasured(
    tmp_path: Path, table_of: Callable[[Source, Path], BenchmarkTable]
) -> None:
    results = made_results("tss", 5)
    del results["12"]["all_results"]["cifar10-valid", 111]
    table = table_of(opened(write_release(tmp_path / "release", {5: results})), tmp_path / "t.arrow")
    assert assert_holds_exactly(table, {5: results})
    assert np.isnan(table.values("cifar10-valid/12/valid/accuracy")[0, 0]).all()


# The same content in other containers.


@both_spaces
@pytest.mark.parametrize("prefix", ["NATS-simple/", "", "./some/where/"])
def test_a_tar_is_read_like_the_directory_it_holds(
    space: str,
    prefix: str,
    releases: dict[str, Path],
    sample_tables: dict[str, BenchmarkTable],
    tmp_path: Path,
    table_of: Callable[[Source, Path], BenchmarkTable],
) -> None:
    path = tmp_path / f"{releases[space].name}.tar"
    with tarfile.open(path, "w") as archive:
        for file in sorted(releases[space].iterdir(), reverse=True):
            archive.add(file, prefix + file.name)
    table = table_of(opened(path), tmp_path / "t.arrow")
    assert_same_content(table, sample_tables[space])
    assert table.info.name == releases[space].name.removesuffix("-simple")
    assert table.info.provenance["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {file.name for file in tmp_path.iterdir()} == {"scratch", "t.arrow", path.name}


@both_spaces
@pytest.mark.parametrize("container", [OrderedDict, dict])
@pytest.mark.parametrize("order", [(0, 11, 284), (284, 0, 11)])
def test_a_monolith_is_read_like_the_directory_of_the_same_records(
    space: str,
    container: type[dict[str, Any]],
    order: tuple[int, ...],
    sample_results: dict[str, dict[int, Results]],
    sample_tables: dict[str, BenchmarkTable],
    tmp_path: Path,
    table_of: Callable[[Source, Path], BenchmarkTable],
) -> None:
    results = {index: container(sample_results[space][index]) for index in order}
    path = write_pickle(tmp_path / "all.pickle.pbz2", monolith(space, results))
    table = table_of(opened(path), tmp_path / "t.arrow")
    assert_same_content(table, sample_tables[space])
    assert table.info.name == "all"


def test_a_monolith_of_made_records_keeps_every_number(
    tmp_path: Path, table_of: Callable[[Source, Path], BenchmarkTable]
) -> None:
    results = {index: made_results("sss", index) for index in (7, 3, 100)}
    path = write_pickle(tmp_path / "all.pickle.pbz2", monolith("sss", results))
    assert assert_holds_exactly(table_of(opened(path), tmp_path / "t.arrow"), results)


def test_a_monolith_with_an_official_name_must_have_its_md5_sum(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "made.pickle.pbz2", monolith("sss", {3: made_results("sss", 3)}))
    tail = hashlib.md5(path.read_bytes()).hexdigest()[-5:]
    right = path.rename(tmp_path / f"NATS-sss-v1_0-{tail}.pickle.pbz2")
    assert opened(right).info.name == f"NATS-sss-v1_0-{tail}"
    wrong = right.rename(tmp_path / "NATS-sss-v1_0-50262.pickle.pbz2")
    with pytest.raises(SourceError, match=f"md5 sum ends with {tail}, the official name promises 50262"):
        opened(wrong)


def test_reading_a_monolith_reports_bytes_up_to_its_size(tmp_path: Path) -> None:
    results = {index: made_results("sss", index) for index in range(40)}
    path = write_pickle(tmp_path / "all.pickle.pbz2", monolith("sss", results))
    told: list[tuple[int, int]] = []
    (tmp_path / "scratch").mkdir()
    open_source(path, tmp_path / "scratch", lambda done, total: told.append((done, total)))
    assert len(told) == len(results)
    assert told == sorted(told)
    assert {total for _, total in told} == {path.stat().st_size}
    assert told[-1][0] <= path.stat().st_size


@both_spaces
def test_the_meta_file_must_list_the_official_order(space: str, tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release", {5: made_results(space, 5)})
    meta = monolith(space, {})
    write_pickle(folder / "meta.pickle.pbz2", meta)
    assert len(opened(folder).architectures) == 1
    meta["meta_archs"][3:5] = reversed(meta["meta_archs"][3:5])
    write_pickle(folder / "meta.pickle.pbz2", meta)
    with pytest.raises(SourceError, match=r"does not list .* in official order"):
        opened(folder)


# Official files that are not what they should be.


def spoil_index(results: Results) -> Any:
    results["12"]["arch_index"] += 1
    return results


def spoil_times(results: Results) -> Any:
    results["12"]["all_results"]["cifar100", 111]["train_times"][4] *= 1.01
    return results


def spoil_evaluation_times(results: Results) -> Any:
    results["12"]["all_results"]["cifar100", 111]["eval_times"]["x-valid@4"] *= 1.01
    return results


def add_seed(results: Results) -> Any:
    trainings = results["12"]["all_results"]
    trainings["cifar100", 4] = trainings["cifar100", 111]
    return results


def add_epoch(results: Results) -> Any:
    results["12"]["all_results"]["cifar10", 111]["eval_acc1es"]["ori-test@12"] = 3.0
    return results


def add_split(results: Results) -> Any:
    results["12"]["all_results"]["cifar10", 111]["eval_losses"]["x-valid@3"] = 3.0
    return results


def add_split_times(results: Results) -> Any:
    results["12"]["all_results"]["cifar10", 111]["eval_times"]["x-valid@3"] = 3.0
    return results


def add_latency(results: Results) -> Any:
    results["12"]["all_results"]["cifar10", 111]["latency"].append(0.5)
    return results


def drop_losses(results: Results) -> Any:
    del results["12"]["all_results"]["cifar10", 111]["train_losses"]
    return results


def add_text(results: Results) -> Any:
    results["12"]["all_results"]["cifar10", 111]["flop"] = "many"
    return results


def add_schedule(results: Results) -> Any:
    results["300"] = results["12"]
    return results


def drop_trainings(results: Results) -> Any:
    results["12"]["all_results"].clear()
    return results


SPOILT: list[tuple[Callable[[Results], Any], str]] = [
    (spoil_index, "the file says 41 is"),
    (spoil_times, "cifar100, schedule 12, seed 111: times differ between epochs"),
    (spoil_evaluation_times, "cifar100, schedule 12, seed 111: times differ between epochs"),
    (add_seed, "cifar100, schedule 12, seed 4: no such training"),
    (add_epoch, "cifar10, schedule 12, seed 111: 1 of 73 values are at epochs or splits not in the released"),
    (add_split, "1 of 73 values"),
    (add_split_times, "1 of 73 values"),
    (add_latency, "2 latencies"),
    (drop_losses, "KeyError: 'train_losses'"),
    (add_text, "ValueError: .*many"),
    (add_schedule, "schedule 300, seed .*: no such training"),
    (drop_trainings, "holds no training"),
    (lambda _: OrderedDict(), "holds no training|not the indices in its records"),
    (lambda _: [1, 2], "not an official NATS-Bench record|not official records"),
    (lambda _: {"12": None}, "not an official NATS-Bench record|not the indices in its records"),
    (lambda _: made_results("sss", 40), "belongs to another space"),
    (lambda _: made_results("tss", 50), "the file says 50 is|not the indices in its records"),
]


@pytest.mark.parametrize(
    ("spoil", "message"), SPOILT, ids=[f"{spoil.__name__}-{i}" for i, (spoil, _) in enumerate(SPOILT)]
)
@pytest.mark.parametrize("kind", ["files", "monolith", "monolith of dicts"])
def test_a_record_outside_the_layout_is_refused(
    spoil: Callable[[Results], Any], message: str, kind: str, tmp_path: Path
) -> None:
    results = {3: made_results("tss", 3), 40: spoil(made_results("tss", 40))}
    if kind == "monolith of dicts" and isinstance(results[40], OrderedDict):
        results = {index: dict(result) for index, result in results.items()}
    path = tmp_path / "all.pickle.pbz2"
    if kind == "files":
        path = write_release(tmp_path / "release", results)
    else:
        write_pickle(path, {"meta_archs": [], "arch2infos": results})
    with pytest.raises(SourceError, match=message):
        read_all(path)


def test_curves_without_an_epoch_leave_it_unmeasured() -> None:
    results = made_results("tss", 40)
    del results["12"]["all_results"]["cifar10", 111]["train_losses"][4]
    values = RecordReader(SPACES["tss"]).row(results, 40, "made")["cifar10/12/train/loss"]
    assert np.flatnonzero(np.isnan(values)).tolist() == [4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no 'arch2infos'"),
        ([], "no 'arch2infos'"),
        ({"arch2infos": None}, "no 'arch2infos'"),
        ({"arch2infos": {}}, "holds no architectures"),
        ({"arch2infos": {3: None}}, "not official records"),
        ({"arch2infos": {3: OrderedDict({"12": {}})}}, "not official records"),
        ({"arch2infos": {3: OrderedDict({"12": {"all_results": {}}})}}, "arch_index"),
        ({"arch2infos": {3: {"12": {"all_results": {}, "arch_index": "x", "arch_str": "y"}}}}, "not official records"),
        ({"arch2infos": {3: {"12": {"all_results": {}, "arch_index": 3, "arch_str": "y"}}}}, "no space has"),
        ({"arch2infos": {4: made_results("sss", 3)}}, "not the indices in its records"),
        ({"arch2infos": {3: made_results("sss", 3), 4: made_results("sss", 3)}}, "not the indices in its records"),
        ({"arch2infos": {3: made_results("sss", 3)}}, "does not list .* in official order"),
    ],
)
def test_a_monolith_of_another_structure_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "all.pickle.pbz2", content)
    with pytest.raises(InputError, match=message):
        read_all(path)


def test_one_architectures_file_is_not_taken_for_a_monolith(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no 'arch2infos'"):
        opened(write_pickle(tmp_path / "000003.pickle.pbz2", made_results("sss", 3)))


def test_an_architecture_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release", {3: made_results("sss", 3), 4: made_results("sss", 4)})
    write_pickle(folder / "3.pickle.pbz2", made_results("sss", 3))
    with pytest.raises(SourceError, match="holds architecture 3 twice"):
        opened(folder)


def test_an_index_outside_the_space_is_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release", {3: made_results("tss", 3)})
    write_pickle(folder / "015625.pickle.pbz2", made_results("tss", 3))
    with pytest.raises(InputError, match="15625"):
        read_all(folder)


@pytest.mark.parametrize("keep", [0, 100, 1500, -600, -1])
def test_a_truncated_tar_is_refused_or_holds_fewer_architectures(keep: int, tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release", {index: made_results("sss", index) for index in (3, 4)})
    path = tmp_path / "release.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(folder, "release")
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"BZh") + keep] if keep > 0 else whole[:keep])
    if keep == -1 or keep == -600:  # only the padding behind the last file is cut
        assert len(opened(path).architectures) == 2
        return
    with pytest.raises((SourceError, DamagedFileError)):
        read_all(path)


def test_a_tar_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    results = {index: made_results("sss", index) for index in (3, 4, 5)}
    folder, path = write_release(tmp_path / "release", results), tmp_path / "release.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(folder, "release")
    with tarfile.open(path) as archive:
        *_, last = members = archive.getmembers()
    end = last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    whole = path.read_bytes()
    for cut in (*(member.offset for member in members[1:]), end, end + 512, end + 1023):
        path.write_bytes(whole[:cut])
        with pytest.raises(SourceError, match=r"truncated or damaged, download it again|holds no file like"):
            opened(path)
    path.write_bytes(whole[: end + 1024])
    assert len(opened(path).architectures) == 3
    path.write_bytes(whole[: members[-1].offset] + b"garbage!" * 128)
    with pytest.raises(SourceError, match="no end-of-archive marker after its last member"):
        opened(path)


def test_links_and_devices_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    target = write_pickle(tmp_path / "000003.pickle.pbz2", made_results("sss", 3))
    path = tmp_path / "release.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("000003.pickle.pbz2")
        link.type, link.linkname = tarfile.SYMTYPE, str(target)
        archive.addfile(link)
    with pytest.raises(DamagedFileError):
        opened(path)


@pytest.mark.parametrize("name", ["release.zip", "release", "000003.pickle", "table.parquet"])
def test_an_unknown_format_is_refused_with_those_there_are(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(SourceError, match=r"not a known benchmark format; .*\.pickle\.pbz2, or a \.csv"):
        opened(tmp_path / name)


def test_nothing_at_a_path_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent: no such file or directory"):
        opened(tmp_path / "absent")


@pytest.mark.parametrize("name", ["NATS-tss-v1_0-3ffb9-simple", "NATS-tss-v1_0-3ffb9"])
def test_a_directory_names_its_table_even_when_it_is_given_as_a_dot(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_release(tmp_path / name, {3: made_results("tss", 3)})
    monkeypatch.chdir(folder)
    names = [NatsFiles.open_directory(path).info.name for path in (Path(), Path(f"../{name}"), folder)]
    assert names == ["NATS-tss-v1_0-3ffb9"] * 3


# Checking without importing.


def test_verifying_a_release_finds_every_bad_record(tmp_path: Path) -> None:
    results: dict[int, Any] = {index: made_results("sss", index) for index in range(6)}
    results[1] = OrderedDict()
    folder = write_release(tmp_path / "release", results)
    for index in (3, 4):
        file = folder / f"{index:06d}.pickle.pbz2"
        file.write_bytes(file.read_bytes()[:-30])
    findings = list(verify_release(folder, tmp_path))
    assert [finding.ok for finding in findings] == [True, True, False, False, False]
    assert [f"{index:06d}" in finding.text for index, finding in zip((1, 3, 4), findings[2:], strict=True)] == [
        True
    ] * 3


IMPOSSIBLE = [
    ("train_acc1es", {3: 100.5}, "cifar10/12/train/accuracy: 1 values outside 0..100 percent"),
    ("eval_acc1es", {"ori-test@2": -0.1, "ori-test@4": 101}, "cifar10/12/test/accuracy: 2 values outside 0..100"),
    ("eval_losses", {"ori-test@2": -0.1}, "cifar10/12/test/loss: 1 values outside 0..inf nats"),
    ("train_times", dict.fromkeys(range(12), 0.0), "cifar10/12/train/seconds: 1 values outside >0..inf seconds"),
    ("train_times", dict.fromkeys(range(12), -3.0), "cifar10/12/train/seconds: 1 values outside >0..inf seconds"),
    ("flop", -1.0, "cifar10/12/network/flops: 1 values outside 0..inf million multiply-accumulates"),
    ("params", -1.0, "cifar10/12/network/params: 1 values outside 0..inf million parameters"),
    ("latency", [-1.0], "cifar10/12/network/latency: 1 values outside 0..inf seconds per batch"),
]


@pytest.mark.parametrize(("key", "change", "message"), IMPOSSIBLE)
def test_impossible_numbers_are_refused_by_imports_and_found_by_verify(
    key: str, change: Any, message: str, tmp_path: Path
) -> None:
    results = {index: made_results("tss", index) for index in (3, 40, 41)}
    for index in (40, 41):
        training = results[index]["12"]["all_results"]["cifar10", 111]
        training[key] = {**training[key], **change} if isinstance(change, dict) else change
    folder = write_release(tmp_path / "release", results)
    source = opened(folder)
    with pytest.raises(SourceError, match=f"release: {message}.*, first in architecture 40: correct the file"):
        list(read_checked(source, range(3)))
    (defect,) = (finding.text for finding in verify_release(folder, tmp_path) if not finding.ok)
    name, count, text = re.split(r" (\d) ", message, maxsplit=1)
    assert defect.startswith(f"{name} {2 * int(count)} {text}")
    assert defect.endswith("first in architecture 40")


@pytest.mark.parametrize(("line", "column"), [("-1,2,3", "valid/accuracy"), ("1,0,3", "train/seconds")])
def test_impossible_numbers_of_a_csv_are_refused_and_counted_once(line: str, column: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", HEADER, "8:8:8:8:24,3,24,5", f"8:8:8:8:16,{line}", f"8:8:8:8:32,{line}")
    with pytest.raises(SourceError, match=rf"t\.csv: cifar10/12/{column}: 2 values .*, first in architecture 1: "):
        list(read_checked(opened(path), range(3)))
    assert [finding.ok for finding in verify_release(path, tmp_path)] == [True, True, False]


def test_verifying_an_unreadable_file_gives_one_defect(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("arch,cifar10\n8:8:8:8:8,3\n")
    (finding,) = verify_release(path, tmp_path)
    assert not finding.ok
    assert "'cifar10' is not named" in finding.text


# CSV.


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


HEADER = "arch,cifar10_valid_accuracy_12,cifar10_train_seconds_12,cifar10_test_accuracy_90"


def test_a_csv_becomes_a_table_in_official_order(
    tmp_path: Path, table_of: Callable[[Source, Path], BenchmarkTable]
) -> None:
    path = write_csv(tmp_path / "sizes.csv", HEADER, "8:8:8:8:24,3.5,24,5", "8:8:8:8:8,4.5,,6", "8:8:8:8:16,1,36,")
    table = table_of(opened(path), tmp_path / "t.arrow")
    assert (table.info.name, table.info.space, list(table.info.tasks)) == ("sizes", "sss", ["cifar10"])
    assert table.architectures.tolist() == [0, 1, 2]
    assert table.values("cifar10/12/valid/accuracy").ravel().tolist() == [4.5, 1, 3.5]
    np.testing.assert_array_equal(table.values("cifar10/12/train/seconds").ravel(), [math.nan, 3, 2])
    np.testing.assert_array_equal(table.values("cifar10/90/test/accuracy").ravel(), [6, math.nan, 5])
    assert table.columns["cifar10/12/valid/accuracy"].seeds == ("mean",)
    assert table.columns["cifar10/90/test/accuracy"].epochs == (90,)


def test_the_real_csv_holds_the_published_numbers(published_table: BenchmarkTable) -> None:
    table = published_table
    assert (len(table), table.info.space) == (15_625, "tss")
    first = {name: float(table.values(name)[0, 0, 0]) for name in table.columns}
    assert first["cifar10/12/valid/accuracy"] == 63.364
    assert first["cifar100/200/test/accuracy"] == 52.913333
    assert first["ImageNet16-120/200/test/accuracy"] == 26.633333
    assert 12 * first["cifar10/12/train/seconds"] == pytest.approx(86.653116, rel=1e-12)
    best = {dataset: table.values(f"{dataset}/200/test/accuracy").ravel() for dataset in table.info.tasks}
    assert {dataset: int(values.argmax()) for dataset, values in best.items()} == {
        "cifar10": 6111,
        "cifar100": 9930,
        "ImageNet16-120": 857,
    }
    assert [round(float(values.max()), 3) for values in best.values()] == [94.373, 73.513, 47.311]
    assert table.values("cifar10/12/valid/accuracy").max() == 84.892


def test_the_real_csv_agrees_with_the_official_samples(
    published_table: BenchmarkTable, sample_tables: dict[str, BenchmarkTable]
) -> None:
    space, policy, fidelity = SPACES["tss"], SeedPolicy("mean"), Fidelity("12", 12)
    for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
        published, official = (
            Oracle(table, dataset, cost_model="train_only", seed_policy=policy)
            for table in (published_table, sample_tables["tss"])
        )
        for index in SAMPLES:
            arch = space.arch(index)
            assert published.query(arch, fidelity) == pytest.approx(official.query(arch, fidelity), rel=1e-5)
            assert published.final_report(arch).test == pytest.approx(official.final_report(arch).test, rel=1e-5)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "not a readable CSV"),
        ([HEADER, ""], "has no rows"),
        (["cifar10_valid_accuracy_12", "3"], r"needs a column 'arch' .* has \['cifar10_valid_accuracy_12'\]"),
        ([HEADER, "8:8:8:8:8,1,2"], "not a readable CSV"),
        ([HEADER, "8:8:8:8,1,2,3"], "no space has the architecture '8:8:8:8'"),
        ([HEADER, "5,1,2,3"], "no space has the architecture 5; spaces: tss, sss"),
        ([HEADER, "8:8:8:8:8,1,2,3", "8:8:8:8:9,1,2,3"], "line 3: layer-4 .* got '9'"),
        ([HEADER, "8:8:8:8:8,1,2,3", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,1,2,3"], "line 3: .*'\\|none~0"),
        ([HEADER, "8:8:8:8:8,1,2,3", ",1,2,3"], "line 3: "),
        ([HEADER, "8:8:8:8:8,1,2,3", "8:8:8:8:8,1,2,3"], "an architecture occurs twice"),
        ([f"arch_index,{HEADER}", "0,8:8:8:8:8,1,2,3", "2,8:8:8:8:16,1,2,3"], "line 3: .* index 1, the file says 2"),
        ([f"arch_index,{HEADER}", "x,8:8:8:8:8,1,2,3"], "line 2: .* index 0, the file says x"),
        ([f"{HEADER},notes", "8:8:8:8:8,1,2,3,4"], "column 'notes' is not named"),
        ([f"{HEADER},cifar10_valid_accuracy_0", "8:8:8:8:8,1,2,3,4"], "is not named"),
        ([f"{HEADER},cifar10_valid_acuracy_12", "8:8:8:8:8,1,2,3,4"], "unknown quantity 'acuracy': .*'accuracy'"),
        ([HEADER, "8:8:8:8:8,1,2,3", "8:8:8:8:16,many,2,3"], "'cifar10_valid_accuracy_12' has cells that are not num"),
        ([HEADER, "8:8:8:8:8,true,2,3"], "not numbers"),
        ([HEADER, "8:8:8:8:8,2020-01-01,2,3"], "not numbers"),
        ([f"{HEADER},arch", "8:8:8:8:8,1,2,3,8:8:8:8:8"], "several columns are called arch"),
        (["arch,imagenet16_120_test_loss_9,ImageNet16-120_test_loss_9", "8:8:8:8:8,1,2"], "means the same"),
        (["arch,cifar10_test_accuracy_12", "8:8:8:8:8,1"], "no data set can be searched, .* has a validation column"),
        (["arch,a_valid_seconds_12,b_train_accuracy_12", "8:8:8:8:8,1,2"], "no data set can be searched"),
    ],
)
def test_a_bad_csv_is_refused_by_naming_what_is_bad(lines: list[str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(SourceError, match=message):
        opened(path).info  # noqa: B018


@pytest.mark.parametrize(
    ("columns", "task"),
    [
        ("d_valid_accuracy_12,d_test_accuracy_90", Task("d", "d", "12", "90")),
        ("d_valid_accuracy_90,d_valid_accuracy_12", Task("d", None, "12", "90")),
        ("d_valid_SSIM_9,d_test_SSIM_9", Task("d", "d", "9", "9", METRICS["SSIM"])),
        ("d_valid_neg_loss_9,d_test_l1_loss_9", Task("d", None, "9", "9", METRICS["neg_loss"])),
        ("d_valid_loss_12,d_valid_top5_accuracy_9", Task("d", None, "9", "9", METRICS["top5_accuracy"])),
        ("d_valid_loss_12,d_valid_accuracy_12,d_test_loss_90", Task("d", None, "12", "12")),
    ],
)
def test_the_columns_of_a_csv_name_the_metric_and_whether_there_is_a_test(
    columns: str, task: Task, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "t.csv", f"arch,{columns}", "8:8:8:8:8" + ",0" * (1 + columns.count(",")))
    assert opened(path).info.tasks == {"d": task}


def test_the_real_validation_only_csv_has_the_published_optima(
    shared_data: Path, tmp_path: Path, table_of: Callable[[Source, Path], BenchmarkTable]
) -> None:
    path = shared_data / "nats_sss_valid90.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    table = table_of(opened(path), tmp_path / "t.arrow")
    assert (len(table), table.info.space) == (32_768, "sss")
    oracles = {dataset: Oracle(table, dataset, seed_policy="mean") for dataset in table.info.tasks}
    optima = {dataset: oracle.optimum for dataset, oracle in oracles.items()}
    assert {dataset: (best, round(score, 3)) for dataset, (best, score) in optima.items()} == {
        "cifar10": (SPACES["sss"].index(SPACES["sss"].from_string("64:64:64:64:64")), 90.712),
        "cifar100": (31_615, 70.92),
        "ImageNet16-120": (24_511, 46.733),
    }
    assert not any(oracle.has_test or oracle.costs.is_timed("90") for oracle in oracles.values())


@pytest.mark.parametrize("content", [b"\xff\xfearch\n1\n", b"\0\0\0", b"arch\xff,b\n1,2\n", b"arch\n\xff\n", b"\n\n"])
def test_bytes_that_are_no_text_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(SourceError, match=r"bad\.csv"):
        opened(tmp_path / "bad.csv").info  # noqa: B018


# Hostile files.


@pytest.mark.parametrize("kind", ["first file", "later file", "meta", "tar", "monolith", "inside a monolith"])
def test_a_hostile_file_is_refused_unexecuted(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(marker), "w")

    results: dict[int, Any] = {index: made_results("sss", index) for index in (3, 4)}
    if kind == "inside a monolith":
        results[4]["01"]["all_results"]["cifar10", 777]["latency"] = Hostile()
        path = write_pickle(tmp_path / "all.pickle.pbz2", monolith("sss", results))
    elif kind == "monolith":
        path = write_pickle(tmp_path / "all.pickle.pbz2", Hostile())
    else:
        results[{"first file": 3, "tar": 3, "later file": 4}.get(kind, 5)] = Hostile()
        path = write_release(tmp_path / "release", results)
        if kind == "meta":
            (path / "000005.pickle.pbz2").rename(path / "meta.pickle.pbz2")
        if kind == "tar":
            with tarfile.open(tmp_path / "release.tar", "w") as archive:
                archive.add(path, "release")
            path = tmp_path / "release.tar"
    with pytest.raises(UnsafePickleError, match="Nothing was executed"):
        read_all(path)
    assert not marker.exists()
