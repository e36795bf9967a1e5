"""Restricted unpickling: nothing in a file is executed, and a bad file fails with one of two errors."""

from __future__ import annotations

import bz2
import copyreg
import io
import os
import pickle
import struct
import subprocess
import sys
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from benchmarks import safe_pickle
from benchmarks.errors import InputError
from benchmarks.safe_pickle import DamagedFileError, UnsafePickleError

RECORD = OrderedDict(
    {
        "12": {
            "arch_index": 3,
            "all_results": {("cifar10-valid", 777): {"train_times": OrderedDict({0: 7.5}), "params": np.float64(0.1)}},
            "dataset_seed": {"cifar10-valid": [777]},
            "latency": [np.float64(0.0139), None, True, -1, 2**70, b"raw", "Ω", {1, 2}],
        }
    }
)
"""An object of every kind that official files hold, and a few kinds more."""

reproducible = settings(derandomize=True, deadline=None)


def load(payload: bytes) -> Any:
    return safe_pickle.load(io.BytesIO(payload), "file.pickle")


class Calls:
    """Pickles as the call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments, self.state


def named(module: str, name: str, arguments: bytes = b")") -> bytes:
    """A pickle that calls `module.name` with the pickled tuple `arguments`."""
    return b"\x80\x04" + pickle.dumps(module)[2:-1] + pickle.dumps(name)[2:-1] + b"\x93" + arguments + b"R."


# Hostile files.


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [os.system, eval, exec, subprocess.call, __import__, getattr, open, print])
def test_calling_anything_outside_the_list_is_refused(protocol: int, function: Any, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    command: Any = {
        os.system: f"touch {marker}",
        subprocess.call: ["touch", str(marker)],
        open: (str(marker), "w"),
    }.get(function, f"open({str(marker)!r}, 'w')")
    arguments = command if isinstance(command, tuple) else (command,)
    payload = pickle.dumps({"12": Calls(function, *arguments)}, protocol)
    with pytest.raises(UnsafePickleError, match=r"file\.pickle: .*Nothing was executed"):
        load(payload)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("collections", "OrderedDict.__init__"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("collections", "abc"),
        ("collections", "namedtuple"),
        ("numpy", "load"),
        ("numpy", "dtype.__class__"),
        ("numpy", "core.multiarray.scalar"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar.__call__"),
        ("benchmarks.safe_pickle", "ALLOWED"),
        ("builtins", "dict"),
        ("", ""),
    ],
)
def test_neither_neighbours_nor_attributes_of_allowed_names_are_reachable(module: str, name: str) -> None:
    with pytest.raises(UnsafePickleError, match="which benchmark files do not need"):
        load(named(module, name))


@pytest.mark.parametrize("opcode", [b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00"])
def test_extension_registry_codes_are_refused(opcode: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg._inverted_registry, 1, ("os", "getcwd"))  # type: ignore[attr-defined]
    with pytest.raises(UnsafePickleError, match=r"os\.getcwd"):
        load(b"\x80\x04" + opcode + b")R.")


@pytest.mark.parametrize("code", [b"Psome-id\n.", b"\x80\x04K\x07Q."])
def test_persistent_ids_are_refused(code: bytes) -> None:
    with pytest.raises(UnsafePickleError, match="external object"):
        load(code)


@pytest.mark.parametrize("dtype", ["O", "O8", "V8", "S4", "U4", "M8", "m8", "c16", "f16", "i3", "f8,f8", "", None, 5])
def test_only_plain_numbers_are_allowed_as_numpy_types(dtype: Any) -> None:
    with pytest.raises(UnsafePickleError, match="must be a plain number"):
        load(named("numpy", "dtype", pickle.dumps((dtype, False, True))[2:-1]))


def test_a_scalar_made_of_objects_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    inner = pickle.dumps(Calls(os.system, f"touch {marker}"))
    scalar = np.dtype("O").type  # numpy unpickles the bytes of an object scalar
    assert scalar is np.object_
    function = np.array(1.0)[()].__reduce__()[0]
    with pytest.raises(UnsafePickleError):
        load(pickle.dumps(Calls(function, np.dtype("O"), inner)))
    assert not marker.exists()


@pytest.mark.parametrize("arguments", [(1.5, b"12345678"), ("f8", b"12345678"), (None, None)])
def test_a_scalar_needs_a_plain_type_and_bytes(arguments: tuple[Any, Any]) -> None:
    with pytest.raises(UnsafePickleError, match="plain dtype and its bytes"):
        load(named("numpy.core.multiarray", "scalar", pickle.dumps(arguments)[2:-1]))


@pytest.mark.parametrize("name", ["scalar", "dtype", "OrderedDict"])
@pytest.mark.parametrize(
    "state", [{"changed": 1}, (None, {"changed": 1}), (None, {"__defaults__": (1, 2)}), (None, {"__init__": 1})]
)
def test_a_file_cannot_change_what_stands_for_an_allowed_name(name: str, state: Any) -> None:
    module = {"scalar": "numpy._core.multiarray", "dtype": "numpy", "OrderedDict": "collections"}[name]
    payload = named(module, name)[:-3] + pickle.dumps(state)[2:-1] + b"b."  # BUILD sets the state of an object
    with pytest.raises(DamagedFileError):
        load(payload)
    assert load(pickle.dumps(RECORD)) == RECORD
    assert not hasattr(safe_pickle.ALLOWED[module, name], "changed")


def test_endless_nesting_fails_as_a_damaged_file() -> None:
    """Two equal keys, which have to be compared, nested deeper than any Python compares: 3.13 stops at 10,000."""
    nested = b")" + b"\x85" * 20_000  # ((((),),),)
    with pytest.raises(DamagedFileError, match="RecursionError"):
        load(b"\x80\x04}(" + nested + b"N" + nested + b"Nu.")


def test_an_error_of_an_allowed_object_comes_through_unchanged() -> None:
    class OtherError(InputError):
        pass

    def refuse() -> None:
        raise OtherError("not this one")

    with pytest.raises(OtherError, match=r"^not this one$"):
        safe_pickle.load(io.BytesIO(named("a", "b")), "file", {("a", "b"): refuse})


# Damaged files.


def is_intact(path: Path) -> bool:
    """Whether `path` loads as RECORD; any outcome but that and the two errors fails the test."""
    with suppress(DamagedFileError, UnsafePickleError):
        assert safe_pickle.load_bz2(path) == RECORD
        return True
    return False


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path, whole = tmp_path / "record.pickle.pbz2", bz2.compress(pickle.dumps(RECORD, 4))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert not is_intact(path), length
    path.write_bytes(whole)
    assert is_intact(path)


def test_no_flipped_bit_changes_what_is_loaded(tmp_path: Path) -> None:
    path, whole = tmp_path / "record.pickle.pbz2", bz2.compress(pickle.dumps(RECORD, 4))
    unnoticed = 0
    for position in range(0, 8 * len(whole), 3):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        unnoticed += is_intact(path)
    assert unnoticed <= 16  # the block size in the header and the padding at the end carry nothing


def test_flipped_bits_of_an_official_file_are_noticed(shared_data: Path, tmp_path: Path) -> None:
    official = shared_data / "nats_bench" / "NATS-sss-v1_0-50262-simple" / "000011.pickle.pbz2"
    whole, path = official.read_bytes(), tmp_path / "000011.pickle.pbz2"
    for position in range(100, len(whole) - 1, 1_499):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises((DamagedFileError, UnsafePickleError)):
            safe_pickle.load_bz2(path)


def test_bytes_behind_the_pickle_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "two.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps(RECORD) + pickle.dumps(RECORD)))
    with pytest.raises(DamagedFileError, match="further data after"):
        safe_pickle.load_bz2(path)


@pytest.mark.parametrize("content", [b"", b"BZh9", b"not bz2 at all", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"\0" * 100])
def test_a_file_that_is_no_bz2_pickle_is_damaged(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.pickle.pbz2"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="download it again"):
        safe_pickle.load_bz2(path)


@pytest.mark.parametrize("content", [b"", b".", b"hello", b"\x80\x04", b"\x80\xff.", b"\x80\x04K\x01", b"}}}", b"0."])
def test_text_that_is_no_pickle_is_damaged(content: bytes) -> None:
    with pytest.raises(DamagedFileError, match=r"file\.pickle: not readable as a benchmark pickle"):
        load(content)


def test_an_absent_file_is_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        safe_pickle.load_bz2(tmp_path / "absent.pickle.pbz2")


@reproducible
@given(st.binary(max_size=200))
def test_random_bytes_load_or_fail_as_input_errors(payload: bytes) -> None:
    _loads_or_refuses(payload)


@reproducible
@given(st.lists(st.sampled_from([bytes([code]) for code in b").]}N(aesul\x85\x86\x87\x88RbQ0123\x93\x94\x8f\x90\x91"])))
def test_random_programs_load_or_fail_as_input_errors(opcodes: list[bytes]) -> None:
    names = pickle.dumps("collections")[2:-1] + pickle.dumps("OrderedDict")[2:-1] + b"\x93"
    _loads_or_refuses(b"\x80\x04" + names + b"".join(opcodes) + b".")


def _loads_or_refuses(payload: bytes) -> None:
    with suppress(DamagedFileError, UnsafePickleError):
        load(payload)


# Good files.


@pytest.mark.parametrize("protocol", [4, 5])
def test_official_kinds_of_objects_load_equal(protocol: int) -> None:
    loaded = load(pickle.dumps(RECORD, protocol))
    assert loaded == RECORD
    assert type(loaded) is OrderedDict
    assert type(loaded["12"]["latency"][0]) is np.float64


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
@pytest.mark.parametrize("code", ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
def test_numpy_scalars_of_old_and_new_releases_load_equal(module: str, code: str) -> None:
    scalar = np.array([1.25 if code[0] == "f" else 1], code)[0]
    payload = pickle.dumps(scalar, 4)
    current = b"numpy._core.multiarray"
    assert current in payload
    renamed = module.encode()
    payload = payload.replace(b"\x8c" + bytes([len(current)]) + current, b"\x8c" + bytes([len(renamed)]) + renamed)
    payload = payload[:2] + payload[11:]  # without the frame, whose length has changed
    loaded = load(payload)
    assert loaded == scalar
    assert loaded.dtype == scalar.dtype


def test_big_endian_scalars_load_equal() -> None:
    for value in (0.0139359758611311, -1e300):
        state = b"(K\x03\x8c\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        dtype = b"\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x89\x88\x87R" + state
        content = b"C\x08" + struct.pack(">d", value)
        payload = b"\x80\x04\x8c\x16numpy._core.multiarray\x8c\x06scalar\x93" + dtype + content + b"\x86R."
        assert load(payload) == value == pickle.loads(payload)


def test_official_files_load_as_the_unrestricted_unpickler_loads_them(shared_data: Path) -> None:
    files = sorted((shared_data / "nats_bench").glob("*/*.pickle.pbz2"))
    assert len(files) == 8
    for path in files:
        with bz2.open(path) as stream:
            assert safe_pickle.load_bz2(path) == pickle.load(stream)


def test_the_allowed_names_are_these_four() -> None:
    assert sorted(".".join(name) for name in safe_pickle.ALLOWED) == [
        "collections.OrderedDict",
        "numpy._core.multiarray.scalar",
        "numpy.core.multiarray.scalar",
        "numpy.dtype",
    ]


def test_reading_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    with pytest.raises(UnsafePickleError):
        load(named("antigravity", "fly"))
    assert "antigravity" not in sys.modules
