"""The log: nothing written is lost or counted twice, wherever its writer was killed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.errors import InputError
from experiments.storage.sharded_log import Row, ShardedLog

SCHEMA = pa.schema([("architecture", pa.int32()), ("seed", pa.int64()), ("curve", pa.list_(pa.float64()))])


def log(folder: Path) -> ShardedLog:
    return ShardedLog(folder, SCHEMA, key_columns=2, rows_per_shard=4)


def row(number: int) -> Row:
    return (number, 7, [number / 3, float("nan")])


def write(folder: Path, *numbers: int) -> None:
    with log(folder).writer() as writer:
        for number in numbers:
            writer.append([row(number)])


def content(folder: Path) -> list[tuple[int, float]]:
    return [(line["architecture"], line["curve"][0]) for line in log(folder).table().to_pylist()]


def wanted(*numbers: int) -> list[tuple[int, float]]:
    return [(number, number / 3) for number in numbers]


def test_rows_come_back_exactly_sorted_by_key(tmp_path: Path) -> None:
    write(tmp_path, 3, 1, 2)
    assert content(tmp_path) == wanted(1, 2, 3)
    assert log(tmp_path).table().schema == SCHEMA
    assert log(tmp_path).keys() == {(1, 7), (2, 7), (3, 7)}


def test_an_absent_log_is_empty(tmp_path: Path) -> None:
    assert content(tmp_path / "none") == []
    assert log(tmp_path / "none").keys() == set()


def test_a_full_journal_becomes_a_shard(tmp_path: Path) -> None:
    write(tmp_path, *range(9))
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == ["000000.parquet", "000001.parquet"]
    assert len((tmp_path / "journal.jsonl").read_text().splitlines()) == 1
    assert content(tmp_path) == wanted(*range(9))
    assert log(tmp_path).keys() == {(number, 7) for number in range(9)}


def test_a_sealed_log_goes_on_in_the_next_shard(tmp_path: Path) -> None:
    for first in (0, 3, 6):
        with log(tmp_path).writer() as writer:
            writer.append([row(first), row(first + 1)])
            writer.seal()
            writer.append([row(first + 2)])
    assert content(tmp_path) == wanted(*range(9))


def test_every_cut_of_the_journal_loses_at_most_what_was_being_written(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, 2)
    journal = tmp_path / "journal.jsonl"
    whole = journal.read_bytes()
    for length in range(len(whole)):
        journal.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n")
        assert content(tmp_path) == wanted(*range(complete))
        write(tmp_path, 5)
        assert content(tmp_path) == wanted(*range(complete), 5)


def test_rows_written_together_are_cut_together(tmp_path: Path) -> None:
    with log(tmp_path).writer() as writer:
        writer.append([row(0)])
        writer.append([row(1), row(2)])
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-2])
    assert content(tmp_path) == wanted(0)


def test_a_kill_between_sealing_and_emptying_the_journal_counts_rows_once(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, 2)
    journal = (tmp_path / "journal.jsonl").read_bytes()
    with log(tmp_path).writer() as writer:
        writer.seal()
    (tmp_path / "journal.jsonl").write_bytes(journal)
    assert content(tmp_path) == wanted(0, 1, 2)
    write(tmp_path, 3, 4, 5, 6)
    assert content(tmp_path) == wanted(*range(7))
    assert sum(len(pq.read_table(path)) for path in tmp_path.glob("*.parquet")) == 7


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    with log(tmp_path).writer(), pytest.raises(InputError, match="another process is writing"), log(tmp_path).writer():
        pass
    write(tmp_path, 1)
    assert content(tmp_path) == wanted(1)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    write(tmp_path, *range(4))
    (tmp_path / "000000.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"000000\.parquet is damaged"):
        log(tmp_path).table()
