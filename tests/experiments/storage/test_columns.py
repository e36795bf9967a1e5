"""NumPy arrays to Arrow columns and back, and Parquet files of older versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.storage.columns import codes, column, names_column, numbers
from experiments.storage.parquet import read_parquet


@pytest.mark.parametrize("kind", [bool, np.int8, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
def test_columns_equal_those_of_pyarrow(kind: Any, count: int) -> None:
    values = np.random.default_rng(0).integers(2, size=2 * count).astype(kind)[::2]
    assert column(values).equals(pa.array(values))
    table = pa.chunked_array([pa.array(values), pa.array(values)]).slice(count // 2)
    expected = np.concatenate([values, values])[count // 2 :]
    np.testing.assert_array_equal(numbers(table), expected)
    assert numbers(table).dtype == kind


def test_nan_is_no_null_and_null_becomes_nan() -> None:
    assert column(np.array([1.0, np.nan])).null_count == 0
    np.testing.assert_array_equal(numbers(pa.chunked_array([[1.5, None]])), [1.5, np.nan])


def test_names_are_a_dictionary_column() -> None:
    made = names_column(np.array([1, 0, 1]), ["näs", "b"])
    assert made.to_pylist() == ["b", "näs", "b"]
    assert made.type == pa.dictionary(pa.int8(), pa.string())
    other = names_column(np.array([0]), ["b"])
    numbered, names = codes(pa.chunked_array([made, other]))
    assert [names[code] for code in numbered] == ["b", "näs", "b", "b"]


def test_text_is_refused_as_numbers() -> None:
    with pytest.raises(TypeError, match="booleans or numbers"):
        column(np.array(["a"]))


def test_a_column_that_a_file_lacks_is_null_and_other_types_are_cast(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "unknown": ["x", "y"]}), tmp_path / "old.parquet")
    schema = pa.schema([("b", pa.float64()), ("a", pa.int32())])
    assert read_parquet(tmp_path / "old.parquet", schema).to_pylist() == [{"b": None, "a": 1}, {"b": None, "a": 2}]
