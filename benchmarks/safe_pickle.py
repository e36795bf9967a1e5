"""Reading pickles from outside without executing them.

The official benchmark files are pickles. A pickle is a program: it may name any importable object and call it. The
unpickler here resolves names through a literal allow-list and refuses every other one before anything is called; the
allowed objects only build containers and numbers. Files stay untrusted data.
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
    """A pickle asks for an object outside the allow-list."""


class DamagedFileError(InputError):
    """A file cannot be decoded: truncated, corrupted, or not of the expected format."""


class _Dtype:
    """Stands for `numpy.dtype` while unpickling: a plain number's kind, size and byte order, and nothing else."""

    def __init__(self, code: str, *_align_and_copy: bool) -> None:
        if code not in {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}:
            raise UnsafePickleError(f"a pickled numpy value must be a plain number, got dtype {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Scalar:
    """Stands for `numpy.core.multiarray.scalar`: the numpy scalar with these bytes.

    An object without attributes, because a pickle may set the attributes of a function it can name.
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
"""Every global that the official NATS-Bench files use: (module, name) -> what stands for it here."""


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
                f"the pickle asks for {module}.{name}, which benchmark files do not need; allowed are only {names}. "
                "Nothing was executed. Take the file from the official source."
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise UnsafePickleError(f"the pickle asks for the external object {pid!r}, which benchmark files do not need")


def load(stream: IO[bytes], source: str, allowed: Mapping[tuple[str, str], Any] = ALLOWED) -> Any:
    """The object pickled in `stream`; `source` names it in errors.

    Raises:
        UnsafePickleError: the pickle names an object outside `allowed`; nothing was executed.
        DamagedFileError: the stream is truncated, fails its checksum, or is not exactly one pickle.
        InputError: as raised by an object in `allowed`.
    """
    try:
        value = RestrictedUnpickler(stream, allowed).load()
        if stream.read(1):  # reading on to the end also checks the checksum of a compressed stream
            raise pickle.UnpicklingError("there is more in it after the pickle's end")
        return value
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{source}: {error}") from None
    except InputError:
        raise
    except (EOFError, OSError, pickle.UnpicklingError, ValueError, KeyError, IndexError, AttributeError, TypeError,
            RecursionError, MemoryError, OverflowError, ImportError) as error:  # fmt: skip
        # A damaged pickle can fail in any opcode, with any of these.
        raise DamagedFileError(
            f"{source}: not readable as a benchmark pickle ({type(error).__name__}: {error}). "
            "The file is truncated or damaged: fetch it again from the official source."
        ) from error


def load_bz2(path: Path) -> Any:
    """The object in the bz2-compressed pickle `path`; errors as `load`, and FileNotFoundError if it is absent."""
    with bz2.open(path, "rb") as stream:
        return load(stream, str(path))
