"""C++ code of this package, compiled for this processor when it is first needed."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

SOURCE = Path(__file__).with_name("network.cpp")
_FLAGS = ("-O3", "-march=native", "-std=c++2a", "-shared", "-fPIC")
_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The functions of network.cpp; None, with a warning, where they cannot be compiled.

    They are kept in the user's cache directory, or compiled anew in every process where that cannot be used.
    """
    compiler = _compiler()
    if not compiler:
        reason = f"no C++ compiler ({', '.join(_names())})"
    else:
        try:
            try:
                return _declared(ctypes.CDLL(str(_compiled(compiler, user_cache_path("nas-algos")))))
            except OSError:  # not to be written, or damaged
                with tempfile.TemporaryDirectory() as folder:
                    return _declared(ctypes.CDLL(str(_compiled(compiler, Path(folder)))))
        except subprocess.CalledProcessError as error:
            reason = f"{shlex.join(compiler)} failed: {error.stderr.strip()}"
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = f"{shlex.join(compiler)} gave nothing that can be loaded: {error}"
    _log.warning("small networks are trained by PyTorch, which takes several times longer: %s", reason)
    return None


def compiler_version() -> str | None:
    """What the compiler says of itself; None where there is none, or it says nothing."""
    compiler = _compiler()
    try:
        return next(iter(_said(compiler, "--version").splitlines()), None) if compiler else None
    except (OSError, subprocess.SubprocessError):
        return None


def _names() -> list[str]:
    """The commands that may be compilers: $CXX, which may have options, or else the usual ones."""
    named = os.environ.get("CXX")
    return [named] if named else ["c++", "g++", "clang++"]


def _compiler() -> list[str]:
    """The first of them that there is, as the parts of a command; empty if there is none."""
    for name in _names():
        program, *options = shlex.split(name) or [""]
        if path := shutil.which(program):
            return [path, *options]
    return []


def _said(command: list[str], *options: str) -> str:
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, errors="replace", check=True, timeout=600
    )
    return done.stdout


def _compiled(compiler: list[str], directory: Path) -> Path:
    """The library in `directory`, made by `compiler` if it is not there."""
    made_of = (
        SOURCE.read_text(), *compiler, _said(compiler, "--version"), *_FLAGS, platform.machine(), _processor_features()
    )  # fmt: skip
    name = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    made = directory / f"native-{name}.so"
    if not made.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as folder:
            fresh = Path(folder) / made.name
            _said(compiler, *_FLAGS, str(SOURCE), "-o", str(fresh))
            fresh.replace(made)
    return made


def _processor_features() -> str:
    """What -march=native depends on, as far as the system tells: unequal machines may share a cache."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    told = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(told)}))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, with the types of its functions."""
    pointer, integer, long, real = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_float
    images: list[Any] = [pointer, pointer, pointer, long, integer]
    sums: list[Any] = [ctypes.POINTER(ctypes.c_double), ctypes.POINTER(long)]
    library.create.argtypes = [integer, integer, integer, pointer, integer, pointer, long, long]
    library.create.restype = pointer
    library.destroy.argtypes, library.destroy.restype = [pointer], None
    for name in ("parameters", "gradients", "statistics"):
        function = getattr(library, name)  # not library[name], which is another object at every use
        function.argtypes, function.restype = [pointer], ctypes.POINTER(real)
    library.train.argtypes, library.train.restype = [*images, real, real, integer, real, *sums], None
    library.evaluate.argtypes, library.evaluate.restype = [*images, *sums], None
    return library
