"""Benchmark tables: the file format, in-place writing, publishing, and the checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import benchmarks
from benchmarks.errors import TableError
from benchmarks.metrics import ACCURACY, METRICS, Metric
from benchmarks.ranges import OutOfRange
from benchmarks.spaces import SPACES
from benchmarks.table import (
    FORMAT,
    METADATA_KEY,
    BenchmarkTable,
    Column,
    RowWriter,
    TableInfo,
    Task,
    checksum_path,
    preallocate,
    publish,
    sha256,
)
from benchmarks.verify import Finding, verify_table

CURVE = Column("cifar10", "12", "valid", "accuracy", ("777", "888"), tuple(range(1, 13)))
TIMES = Column("cifar10", "12", "train", "seconds", ("777", "888"))
PARAMS = Column("cifar10", "12", "network", "params", ("777",))
COLUMNS = (CURVE, TIMES, PARAMS)
INFO = TableInfo(
    "made-up",
    "tss",
    {"cifar10": Task("cifar10-valid", "cifar10", "12", "200"), "other": Task("a", "b", "1", "2", METRICS["loss"])},
    {"source": "nowhere", "licence": "MIT", "note": 'quotes " and Ω'},
)
ROWS = np.array([3, 5, 900, 15_624], np.int32)


def values_of(row: int) -> dict[str, NDArray[np.float64]]:
    """What row `row` is filled with: 1000 * row + 0, 1, 2, ... in every column."""
    return {c.name: (1000 * row + np.arange(np.prod(c.shape), dtype=float)).reshape(1, *c.shape) for c in COLUMNS}


def write_row(path: Path, row: int) -> None:
    with RowWriter(path) as writer:
        writer.write(row, values_of(row))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table file of ROWS and COLUMNS, filled with the values of `values_of`, in percent range for the first row."""
    path = tmp_path / "made-up.arrow"
    preallocate(path, INFO, COLUMNS, ROWS)
    for row in range(len(ROWS)):
        write_row(path, row)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A complete, published table of sss with no defect."""
    size = len(SPACES["sss"])
    column = Column("cifar10", "12", "valid", "accuracy", ("777",), (12,))
    partial, path = tmp_path / "sound.arrow.partial", tmp_path / "sound.arrow"
    preallocate(partial, TableInfo("sound", "sss", {}, {}), [column], np.arange(size, dtype=np.int32))
    with RowWriter(partial) as writer:
        writer.write(0, {column.name: np.linspace(0, 100, size).reshape(-1, 1, 1)})
    publish(partial, path)
    return path


def defects(path: Path) -> list[str]:
    return [finding.text for finding in verify_table(BenchmarkTable.open(path)) if not finding.ok]


# The format.


def test_everything_written_is_read_back(path: Path) -> None:
    table = BenchmarkTable.open(str(path))
    assert table.info == INFO
    assert table.path == path
    assert list(table.columns.values()) == list(COLUMNS)
    assert list(table.columns) == [column.name for column in COLUMNS]
    assert len(table) == len(ROWS)
    np.testing.assert_array_equal(table.architectures, ROWS)
    for column in COLUMNS:
        assert table.values(column.name).shape == (len(ROWS), *column.shape)
        for row in range(len(ROWS)):
            np.testing.assert_array_equal(table.values(column.name)[row], values_of(row)[column.name][0])


def test_the_file_describes_itself_to_any_arrow_reader(path: Path) -> None:
    with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
        schema, batches = reader.schema, reader.num_record_batches
    assert batches == 1
    assert schema.names == ["architecture", *(column.name for column in COLUMNS)]
    assert str(schema.field(CURVE.name).type).startswith("fixed_size_list<")
    facts = json.loads(schema.field(CURVE.name).metadata[METADATA_KEY])
    assert facts["unit"] == "percent"
    assert facts["seeds"] == ["777", "888"]
    assert json.loads(schema.metadata[METADATA_KEY])["format"] == 1  # as long as nothing in the table needs a newer one


PSNR = Metric("PSNR", "dB", range=(0, None))


def test_tasks_without_a_test_and_metrics_of_any_kind_are_read_back(tmp_path: Path) -> None:
    tasks = {"d": Task("d", None, "12", "90", PSNR), "e": Task("e", "e", "12", "90", METRICS["mIoU"])}
    info = TableInfo("made-up", "tss", tasks, {})
    columns = (Column("d", "12", "valid", "PSNR", ("0",), (12,), PSNR), Column("e", "12", "valid", "mIoU", ("0",)))
    preallocate(tmp_path / "t.arrow", info, columns, ROWS)
    table = BenchmarkTable.open(tmp_path / "t.arrow")
    assert (table.info, tuple(table.columns.values())) == (info, columns)
    assert json.loads(info.to_json())["format"] == FORMAT == 2


@pytest.mark.parametrize("path", sorted((Path(benchmarks.__file__).parent / "tables").glob("*.arrow")), ids=str)
def test_old_tables_are_read_and_would_be_written_as_they_were(path: Path) -> None:
    with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
        schema = reader.schema
    table = BenchmarkTable.open(path)
    assert table.info.to_json().encode() == schema.metadata[METADATA_KEY]
    assert {task.metric for task in table.info.tasks.values()} == {ACCURACY}
    fields = [column.arrow_field() for column in table.columns.values()]
    assert [field.metadata for field in fields] == [schema.field(i).metadata for i in range(1, len(schema))]


def test_a_quantity_of_which_nothing_is_known_is_no_benchmark(tmp_path: Path) -> None:
    column = Column("d", "12", "valid", "PSNR", ("0",), (12,), PSNR)
    preallocate(tmp_path / "t.arrow", INFO, [column], ROWS)
    with pa.ipc.open_file(pa.memory_map(str(tmp_path / "t.arrow"))) as reader:
        batch = reader.get_batch(0)
    facts = json.loads(batch.schema.field(1).metadata[METADATA_KEY])
    del facts["own_metric"]
    field = batch.schema.field(1).with_metadata({METADATA_KEY: json.dumps(facts)})
    schema = batch.schema.set(1, field)
    with pa.OSFile(str(tmp_path / "u.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(batch.columns, schema=schema))
    with pytest.raises(TableError, match=r"not a benchmark table .*PSNR"):
        BenchmarkTable.open(tmp_path / "u.arrow")


def test_a_preallocated_table_is_all_zero(tmp_path: Path) -> None:
    preallocate(tmp_path / "t.arrow", INFO, COLUMNS, ROWS)
    table = BenchmarkTable.open(tmp_path / "t.arrow")
    assert all(not table.values(column.name).any() for column in COLUMNS)


def test_values_are_views_of_the_file_that_cannot_be_written(path: Path) -> None:
    table = BenchmarkTable.open(path)
    values = table.values(CURVE.name)
    assert not values.flags.owndata
    assert np.shares_memory(values, table.values(CURVE.name))
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        table.architectures[0] = 1


def test_unknown_columns_and_data_sets_are_refused_with_those_there_are(path: Path) -> None:
    table = BenchmarkTable.open(path)
    assert table.task("other").metric == METRICS["loss"]
    with pytest.raises(TableError, match="no column 'cifar10/200/valid/accuracy'; it has cifar10/12/valid/accuracy, "):
        table.values("cifar10/200/valid/accuracy")
    with pytest.raises(TableError, match="no data set 'CIFAR10'; it has cifar10, other"):
        table.task("CIFAR10")


# Writing in place.


WRITE_ROWS = """
import sys
import numpy as np
from pathlib import Path
from benchmarks.table import BenchmarkTable, RowWriter
path, *rows = sys.argv[1:]
columns = BenchmarkTable.open(path).columns
with RowWriter(Path(path)) as writer:
    for row in map(int, rows * 50):
        writer.write(row, {name: np.full((1, *column.shape), float(row)) for name, column in columns.items()})
"""


def test_two_processes_fill_different_rows_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.arrow"
    preallocate(path, INFO, COLUMNS, ROWS)
    processes = [subprocess.Popen([sys.executable, "-c", WRITE_ROWS, path, *rows]) for rows in (("0", "2"), ("1", "3"))]
    assert [process.wait() for process in processes] == [0, 0]
    table = BenchmarkTable.open(path)
    for column in COLUMNS:
        assert table.values(column.name).reshape(len(ROWS), -1).T.tolist() == [[0, 1, 2, 3]] * np.prod(column.shape)


def test_several_rows_can_be_written_together(path: Path) -> None:
    with RowWriter(path) as writer:
        writer.write(1, {c.name: np.full((2, *c.shape), 7.0) for c in COLUMNS})
    values = BenchmarkTable.open(path).values(CURVE.name)
    assert (values[1:3] == 7).all()
    np.testing.assert_array_equal(values[0], values_of(0)[CURVE.name][0])
    np.testing.assert_array_equal(values[3], values_of(3)[CURVE.name][0])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda values: {CURVE.name: values[CURVE.name]},
        lambda values: {**values, "more": values[CURVE.name]},
        lambda values: {**values, CURVE.name: values[CURVE.name][:, :1]},
    ],
    ids=["a column lacks", "an unknown column", "a seed lacks"],
)
def test_a_row_that_does_not_fit_is_refused(
    path: Path, spoil: Callable[[Mapping[str, NDArray[np.float64]]], Mapping[str, NDArray[np.float64]]]
) -> None:
    with RowWriter(path) as writer, pytest.raises(AssertionError):
        writer.write(0, spoil(values_of(0)))


def test_a_write_cut_short_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda _file, payload, _offset: len(payload) - 1)
    with RowWriter(path) as writer, pytest.raises(OSError, match="is the disk full"):
        writer.write(0, values_of(0))


def test_a_writer_leaves_no_file_open(path: Path) -> None:
    with RowWriter(path):
        assert path in open_files()
    for row in range(len(ROWS)):
        write_row(path, row)
    assert path not in open_files()


def open_files() -> set[Path]:
    """The files that this process has open."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing itself has one, too
            found.add(descriptor.readlink())
    return found


# Files that are no tables.


def test_an_absent_table_is_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        BenchmarkTable.open(tmp_path / "absent.arrow")


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"ARROW1\0\0" * 100, b"arch,accuracy\n", b"\0" * 5000])
def test_a_file_that_is_no_table_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.arrow"
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"file\.arrow is not a benchmark table .*nas-bench import PATH"):
        BenchmarkTable.open(path)


def test_a_directory_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is not a benchmark table"):
        BenchmarkTable.open(tmp_path)


def write_arrow(path: Path, schema: pa.Schema, arrays: list[pa.Array]) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        b"not json",
        b"[]",
        b"{}",
        json.dumps({"name": "x", "space": "tss", "tasks": [], "provenance": {}, "format": 1}).encode(),
        json.dumps({"name": "x", "space": "tss", "tasks": {"a": {}}, "provenance": {}, "format": 1}).encode(),
    ],
)
def test_an_arrow_file_without_our_metadata_is_no_table(metadata: bytes | None, tmp_path: Path) -> None:
    schema = pa.schema([pa.field("architecture", pa.int32())], metadata=metadata and {METADATA_KEY: metadata})
    write_arrow(tmp_path / "t.arrow", schema, [pa.array([1], pa.int32())])
    with pytest.raises(TableError, match="is not a benchmark table"):
        BenchmarkTable.open(tmp_path / "t.arrow")


def test_columns_that_are_not_what_their_metadata_says_are_refused(tmp_path: Path) -> None:
    narrow = pa.field(CURVE.name, pa.float64(), metadata=CURVE.arrow_field().metadata)
    schema = pa.schema([pa.field("architecture", pa.int32()), narrow], metadata={METADATA_KEY: INFO.to_json()})
    write_arrow(tmp_path / "t.arrow", schema, [pa.array([1], pa.int32()), pa.array([1.0])])
    with pytest.raises(TableError, match="is not a benchmark table"):
        BenchmarkTable.open(tmp_path / "t.arrow")


def test_every_truncation_of_a_table_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(0, len(whole), 53):
        path.write_bytes(whole[:length])
        with pytest.raises(TableError, match="is not a benchmark table"):
            BenchmarkTable.open(path)


def test_flipped_bits_give_a_readable_table_or_an_error_never_a_crash(path: Path) -> None:
    whole = path.read_bytes()
    refused = 0
    for position in range(0, 8 * len(whole), 37):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            table = BenchmarkTable.open(path)
        except TableError:
            refused += 1
            continue
        assert table.architectures.shape == (len(ROWS),)
        for name, column in table.columns.items():
            assert table.values(name).sum() is not None
            assert table.values(name).shape == (len(ROWS), *column.shape)
    assert refused > 50


def test_a_table_of_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    facts = {**json.loads(INFO.to_json()), "format": FORMAT + 1, "something": "new"}
    schema = pa.schema([pa.field("architecture", pa.int32())], metadata={METADATA_KEY: json.dumps(facts)})
    write_arrow(tmp_path / "t.arrow", schema, [pa.array([1], pa.int32())])
    with pytest.raises(TableError, match=rf"t\.arrow: table format {FORMAT + 1}, .* up to {FORMAT}: upgrade"):
        BenchmarkTable.open(tmp_path / "t.arrow")


# Publishing and checking.


def test_a_published_table_passes_sha256sum(sound: Path) -> None:
    assert checksum_path(sound).name == "sound.arrow.sha256"
    command = ["sha256sum", "--check", "--strict", checksum_path(sound).name]
    done = subprocess.run(command, cwd=sound.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "sound.arrow: OK\n")
    assert sorted(file.name for file in sound.parent.iterdir()) == ["sound.arrow", "sound.arrow.sha256"]


def test_publishing_replaces_an_older_table_and_its_checksum(sound: Path, path: Path) -> None:
    digest = sha256(path)
    publish(path, sound)
    assert sha256(sound) == digest == checksum_path(sound).read_text().split()[0]
    assert not path.exists()


def test_a_sound_table_has_no_defect(sound: Path) -> None:
    findings = list(verify_table(BenchmarkTable.open(sound)))
    assert findings == [
        Finding(True, "SHA-256 matches sound.arrow.sha256"),
        Finding(True, "32768 of 32768 architectures of sss"),
    ]


def test_a_flipped_byte_is_found(sound: Path) -> None:
    content = bytearray(sound.read_bytes())
    content[len(content) // 2] ^= 1
    sound.write_bytes(content)
    assert defects(sound) == ["SHA-256 differs from sound.arrow.sha256"]


@pytest.mark.parametrize("text", ["", "\n", "\xff"])
def test_an_unreadable_checksum_is_a_defect(text: str, sound: Path) -> None:
    checksum_path(sound).write_text(text, encoding="latin-1")
    assert defects(sound) == ["SHA-256 differs from sound.arrow.sha256"]


def test_a_table_without_checksum_says_that_its_bytes_were_not_checked(sound: Path) -> None:
    checksum_path(sound).unlink()
    first = next(verify_table(BenchmarkTable.open(sound)))
    assert first == Finding(True, "no checksum file sound.arrow.sha256: the bytes could not be checked")


def test_missing_measurements_and_architectures_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "partial.arrow"
    preallocate(path, INFO, COLUMNS, ROWS)
    with RowWriter(path) as writer:
        values = values_of(0)
        values[CURVE.name][0, 1, 3:] = np.nan
        writer.write(0, values)
    texts = [finding.text for finding in verify_table(BenchmarkTable.open(path)) if finding.ok]
    assert "4 of 15625 architectures of tss; missing: 0, 1, 2, 4, 6, ..." in texts
    assert f"{CURVE.name}: 9 of 96 values not measured" in texts
    assert len(texts) == 3  # the third says that there is no checksum


@pytest.mark.parametrize(("value", "low", "high"), [(100.01, 0, 100), (-0.5, 0, 100), (np.inf, 0, 100)])
def test_a_value_out_of_range_is_found(value: float, low: int, high: int, tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    preallocate(path, INFO, [CURVE, PARAMS], ROWS)
    with RowWriter(path) as writer:
        values = {column.name: np.zeros((1, *column.shape)) for column in (CURVE, PARAMS)}
        values[CURVE.name][0, 0, 5] = value
        writer.write(2, values)
    text = f"{CURVE.name}: 1 values outside {low}..{high} percent, first in architecture {ROWS[2]}"
    assert defects(path) == [text]


def test_training_that_costs_nothing_is_out_of_range_evaluation_is_not() -> None:
    values = np.array([[[np.nan, 1.0]], [[0.0, 2.0]], [[0.0, -1.0]]])
    texts = []
    for split in ("train", "valid"):
        wrong = OutOfRange(Column("cifar10", "12", split, "seconds", ("mean",), (1, 2)))
        wrong.add(np.array([3, 5, 8], np.int32), values)
        wrong.add(np.array([9], np.int32), values[1:2])
        texts.append(str(wrong))
    assert texts == [
        "cifar10/12/train/seconds: 4 values outside >0..inf seconds, first in architecture 5",
        "cifar10/12/valid/seconds: 1 values outside 0..inf seconds, first in architecture 8",
    ]


@pytest.mark.parametrize(
    ("quantity", "own", "message"),
    [
        ("accuracy", None, "2 values outside 0..100 percent"),
        ("SSIM", None, "2 values outside -1..1"),
        ("neg_loss", None, "1 values outside -inf..0"),
        ("loss", None, "1 values outside 0..inf nats"),
        ("params", None, "1 values outside 0..inf million parameters"),
        ("PSNR", Metric("PSNR", "dB", range=(0, 60)), "2 values outside 0..60 dB"),
    ],
)
def test_a_metric_has_its_own_range(quantity: str, own: Metric | None, message: str) -> None:
    wrong = OutOfRange(Column("d", "12", "valid", quantity, ("0",), (1, 2, 3), own))
    wrong.add(np.array([7], np.int32), np.array([[[-2.0, 0.0, np.nan]]]))
    wrong.add(np.array([8], np.int32), np.array([[[101.0, 0.0, np.nan]]]))
    assert message == str(wrong).partition(": ")[2].partition(", first")[0]


@pytest.mark.parametrize("indices", [[3, 3], [5, 3], [-1, 0], [0, 15_625]])
def test_indices_out_of_order_or_range_are_found(indices: list[int], tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    preallocate(path, INFO, [PARAMS], np.array(indices, np.int32))
    (defect,) = defects(path)
    assert "not ascending or out of range" in defect


def test_an_empty_table_can_be_checked(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    preallocate(path, INFO, [PARAMS], np.array([], np.int32))
    assert defects(path) == []
