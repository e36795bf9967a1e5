"""Safe reading of untrusted pickles.

The official benchmark files are pickles. A pickle is a program: it can name any importable object and call it. The
unpickler of this module resolves names through a literal allow-list and rejects every other name before anything is
called; the allowed objects only build containers and numbers.
"""

from __future__ import annotations

import bz2
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.errors import InputError


class UnsafePickleError(InputError):
    """A pickle names an object outside the allow-list."""


class DamagedFileError(InputError):
    """A file cannot be decoded: it is truncated, corrupted, or does not have the expected format."""


class _Dtype:
    """Replaces `numpy.dtype` while unpickling: the kind, size and byte order of a plain number, and nothing else."""

    def __init__(self, code: str, *_align_and_copy: bool) -> None:
        if code not in {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}:
            raise UnsafePickleError(f"a pickled numpy value must be a plain number, got dtype {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Scalar:
    """Replaces `numpy.core.multiarray.scalar`: builds a NumPy scalar from its bytes.

    It is an object without attributes, because a pickle could set attributes of a function that it can name.
    """

    __slots__ = ()

    def __call__(self, dtype: _Dtype, payload: bytes) -> Any:
        if not isinstance(dtype, _Dtype) or not isinstance(payload, bytes):
            raise UnsafePickleError("a pickled numpy scalar must be given as a plain dtype and its bytes")
        return np.frombuffer(payload, dtype.dtype, count=1)[0]


ALLOWED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "scalar"): _Scalar(),
    ("numpy._core.multiarray", "scalar"): _Scalar(),
}
"""Every global that the official NATS-Bench files use: (module, name) -> its safe replacement."""


class RestrictedUnpickler(pickle.Unpickler):
    """Unpickles with the allow-list `allowed` in place of the import system."""

    def __init__(self, stream: IO[bytes], allowed: Mapping[tuple[str, str], Any] = ALLOWED) -> None:
        super().__init__(stream)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._allowed[module, name]
        except KeyError:
            names = ", ".join(f"{m}.{n}" for m, n in self._allowed)
            raise UnsafePickleError(
                f"the pickle names {module}.{name}, which benchmark files do not need; allowed are only {names}. "
                "Nothing was executed. Take the file from the official source."
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise UnsafePickleError(f"the pickle names the external object {pid!r}, which benchmark files do not need")


def load(stream: IO[bytes], source: str, allowed: Mapping[tuple[str, str], Any] = ALLOWED) -> Any:
    """The object pickled in `stream`; `source` names it in errors.

    Raises:
        UnsafePickleError: the pickle names an object outside `allowed`; nothing was executed.
        DamagedFileError: the stream is truncated, fails its checksum, or is not exactly one pickle.
        InputError: as raised by an object in `allowed`.
    """
    try:
        value = RestrictedUnpickler(stream, allowed).load()
        if stream.read(1):  # reading to the end also verifies the checksum of a compressed stream
            raise pickle.UnpicklingError("there is further data after the end of the pickle")
        return value
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{source}: {error}") from None
    except InputError:
        raise
    except (EOFError, OSError, pickle.UnpicklingError, ValueError, KeyError, IndexError, AttributeError, TypeError,
            RecursionError, MemoryError, OverflowError, ImportError) as error:  # fmt: skip
        # A damaged pickle can fail in any opcode, with any of these errors.
        raise DamagedFileError(
            f"{source}: not readable as a benchmark pickle ({type(error).__name__}: {error}). "
            "The file is truncated or damaged: download it again from the official source."
        ) from error


def load_bz2(path: Path) -> Any:
    """The object in the bz2-compressed pickle `path`; raises what `load` raises, or FileNotFoundError."""
    with bz2.open(path, "rb") as stream:
        return load(stream, str(path))
