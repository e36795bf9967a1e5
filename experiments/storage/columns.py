"""Conversion of NumPy arrays to Arrow columns and back.

PyArrow's own conversions import pandas if it is installed, which takes longer than a short study. These functions copy
buffers instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_TYPES = {
    "b": pa.bool_(), "i1": pa.int8(), "i4": pa.int32(), "i8": pa.int64(), "f4": pa.float32(), "f8": pa.float64(),
}  # fmt: skip


def column(values: NDArray[Any]) -> pa.Array:
    """A column without nulls; NaN stays NaN. TypeError for a type other than bool, int8/32/64 and float32/64."""
    kind = values.dtype.kind if values.dtype == bool else values.dtype.str[1:]
    if kind not in _TYPES:
        raise TypeError(f"a column holds booleans or numbers, got {values.dtype}")
    packed = np.packbits(values, bitorder="little") if kind == "b" else np.ascontiguousarray(values)
    return pa.Array.from_buffers(_TYPES[kind], len(values), [None, pa.py_buffer(packed)])


def names_column(codes: NDArray[np.integer[Any]], names: Sequence[str]) -> pa.DictionaryArray:
    """A dictionary column: `names[code]` for each code, int8 indices."""
    texts = [name.encode() for name in names]
    offsets = np.array([0, *accumulate(map(len, texts))], np.int32)
    dictionary = pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))
    return pa.DictionaryArray.from_arrays(column(codes.astype(np.int8)), dictionary)


def numbers(values: pa.ChunkedArray) -> NDArray[Any]:
    """The values of a column of booleans or numbers; nulls become NaN."""
    if values.null_count:
        return np.asarray(values.to_numpy())
    parts = [_numbers(chunk) for chunk in values.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, _dtype(values.type)), *parts])


def codes(values: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """(code of every row, names by code) of a dictionary column."""
    array = values.combine_chunks()  # this unifies the dictionaries of the chunks
    return _numbers(array.indices).astype(np.int64), array.dictionary.to_pylist()


def _numbers(values: pa.Array) -> NDArray[Any]:
    if not len(values):
        return np.empty(0, _dtype(values.type))
    stop = values.offset + len(values)
    buffer = values.buffers()[1]
    if pa.types.is_boolean(values.type):
        bits = np.unpackbits(np.frombuffer(buffer, np.uint8), count=stop, bitorder="little")
        return bits[values.offset :].astype(bool)
    return np.frombuffer(buffer, _dtype(values.type), count=stop)[values.offset :]


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return dtype
