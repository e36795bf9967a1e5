"""Compiles the C++ code of this package for this processor when it is first needed."""

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
    """The compiled functions of network.cpp; None, with a warning, if they cannot be compiled.

    The library is kept in the user's cache directory. If that cannot be used, every process compiles it anew.
    """
    compiler = _compiler()
    if not compiler:
        reason = f"no C++ compiler ({', '.join(_compiler_names())})"
    else:
        try:
            try:
                return _declared(ctypes.CDLL(str(_compiled(compiler, user_cache_path("nas-algos")))))
            except OSError:  # the cache is not writable, or damaged
                with tempfile.TemporaryDirectory() as folder:
                    return _declared(ctypes.CDLL(str(_compiled(compiler, Path(folder)))))
        except subprocess.CalledProcessError as error:
            reason = f"{shlex.join(compiler)} failed: {error.stderr.strip()}"
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = f"{shlex.join(compiler)} produced no library that can be loaded: {error}"
    _log.warning("PyTorch trains small networks, which takes several times longer than compiled code: %s", reason)
    return None


def compiler_version() -> str | None:
    """The first line of the compiler's --version; None if there is no compiler, or it prints none."""
    compiler = _compiler()
    try:
        return next(iter(_run(compiler, "--version").splitlines()), None) if compiler else None
    except (OSError, subprocess.SubprocessError):
        return None


def _compiler_names() -> list[str]:
    """The commands to try as compilers: $CXX, possibly with options, or else the usual names."""
    named = os.environ.get("CXX")
    return [named] if named else ["c++", "g++", "clang++"]


def _compiler() -> list[str]:
    """The first compiler that is installed, as the parts of a command; empty if there is none."""
    for name in _compiler_names():
        program, *options = shlex.split(name) or [""]
        if path := shutil.which(program):
            return [path, *options]
    return []


def _run(command: list[str], *options: str) -> str:
    """Run a command; returns its standard output."""
    process = subprocess.run(
        [*command, *options], capture_output=True, text=True, errors="replace", check=True, timeout=600
    )
    return process.stdout


def _compiled(compiler: list[str], directory: Path) -> Path:
    """The path of the library in `directory`, built by `compiler` if it is not there."""
    inputs = (
        SOURCE.read_text(), *compiler, _run(compiler, "--version"), *_FLAGS, platform.machine(), _processor_features()
    )  # fmt: skip
    name = hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:16]
    path = directory / f"native-{name}.so"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as folder:
            temporary = Path(folder) / path.name
            _run(compiler, *_FLAGS, str(SOURCE), "-o", str(temporary))
            temporary.replace(path)
    return path


def _processor_features() -> str:
    """The processor properties that -march=native depends on: different machines may share one cache directory."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    keys = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(keys)}))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """`library` after the argument and return types of its functions are declared."""
    pointer, integer, long, real = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_float
    images: list[Any] = [pointer, pointer, pointer, long, integer]
    sums: list[Any] = [ctypes.POINTER(ctypes.c_double), ctypes.POINTER(long)]
    library.create.argtypes = [integer, integer, integer, pointer, integer, pointer, long, long]
    library.create.restype = pointer
    library.destroy.argtypes, library.destroy.restype = [pointer], None
    for name in ("parameters", "gradients", "statistics"):
        function = getattr(library, name)  # not library[name], which returns a new object at every use
        function.argtypes, function.restype = [pointer], ctypes.POINTER(real)
    library.train.argtypes, library.train.restype = [*images, real, real, integer, real, *sums], None
    library.evaluate.argtypes, library.evaluate.restype = [*images, *sums], None
    return library
