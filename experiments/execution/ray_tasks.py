"""Studies on Ray: one task per job, or per training. Nothing else of the multi-trial path imports Ray."""

from __future__ import annotations

import logging
import math
import os
import socket
import tempfile
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import ray

from benchmarks.errors import InputError
from benchmarks.table import sha256
from experiments.storage.provenance import versions

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

RETRIES = 3
"""Of a task whose node or process was lost."""
TORCH = ("torch",)
"""What trains, in `task_of`."""
MOMENT = 0.1
"""Seconds between two looks at what is under way."""


def task_of(function: Callable[..., Any], libraries: Sequence[str] = (), cpus: int = 1, gpus: float = 0.0) -> Any:
    """A function as a Ray task, which is called again elsewhere when its process or node is lost.

    Args:
        libraries: that can change its results, beside those of `versions`. The task raises InputError on a node that
            has others than this one, which the records name.
    """
    expected = versions(*libraries)

    @wraps(function)  # by whose name Ray shows the task
    def checked(*arguments: Any) -> Any:
        check_versions(expected, libraries)
        return function(*arguments)

    return ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(checked)


def check_versions(expected: Mapping[str, str], libraries: Sequence[str]) -> None:
    """InputError if `versions` of this node are not the expected ones."""
    here = _versions(tuple(libraries))
    if different := [name for name in expected if here[name] != expected[name]]:
        has, should = ({name: found[name] for name in different} for found in (here, expected))
        raise InputError(
            f"the node {socket.gethostname()} has {has}, and the one that records has {should}: install the same "
            "versions on all nodes"
        )


@lru_cache
def _versions(libraries: tuple[str, ...]) -> Mapping[str, str]:
    """Looked up once per process."""
    return versions(*libraries)


def result_of(done: Any, what: str) -> Any:
    """Of a task that has ended. Raises what it raised; InputError if its process was lost again and again."""
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise InputError(
            f"{what} was lost {RETRIES + 1} times with its process ({type(error).__name__}: is there enough memory?). "
            "What is finished is kept: the same command goes on"
        ) from error


@dataclass(frozen=True)
class Shipped:
    """A file for all nodes of a cluster. Those that do not have it keep a copy among their temporary files."""

    path: Path
    digest: str
    """SHA-256 of its content."""
    content: Any
    """Reference to its bytes in Ray's object store, which a node fetches when it asks for them."""

    @classmethod
    def of(cls, path: Path) -> Shipped:
        """A file of this node."""
        return cls(path.absolute(), sha256(path), ray.put(np.fromfile(path, np.uint8)))

    def here(self) -> Path:
        """Where this node has it."""
        copy = Path(tempfile.gettempdir()) / f"nas-algos-{os.getuid()}" / f"{self.digest}{self.path.suffix}"
        for path in (self.path, copy):
            if path.is_file() and _digest(path, path.stat().st_mtime_ns) == self.digest:
                return path
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        partial = copy.with_name(f"{copy.name}.{os.getpid()}")  # other processes of the node may write it, too
        ray.get(self.content).tofile(partial)
        os.replace(partial, copy)
        return copy


@lru_cache(maxsize=8)
def _digest(path: Path, changed: int) -> str:
    """SHA-256, computed once per process as long as the file does not change."""
    del changed
    return sha256(path)


class RayTasks(Generic[Key, Result]):
    """Calls of one function, whose processes report now and then how many seconds they have spent on it.

    Args:
        function: called as function(*shared, key, beat); `beat` takes the seconds.
        gpus, cpus: of each call.
    """

    def __init__(self, function: Callable[..., Result], shared: tuple[Any, ...], gpus: float, cpus: int = 1) -> None:
        self._task = task_of(_call, TORCH, cpus, gpus)
        self._function = function
        self._shared = [ray.put(value) for value in shared]
        self._board: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=RETRIES)(_Board).remote()
        self._running: dict[Any, Key] = {}

    def begin(self, key: Key) -> None:
        self._running[self._task.remote(self._function, self._board, key, *self._shared)] = key

    def finished(self) -> list[tuple[Key, Result]]:
        """One that has finished, if there is one within a MOMENT. Raises what it raised."""
        ready, _ = ray.wait(list(self._running), num_returns=1, timeout=MOMENT)
        return [(key := self._running.pop(done), result_of(done, str(key))) for done in ready]

    def seconds(self) -> Mapping[Key, float]:
        """What was reported since the last call."""
        newest: dict[Key, float] = ray.get(self._board.read.remote())
        return newest


def _call(function: Callable[..., Result], board: Any, key: Hashable, *shared: Any) -> Result:
    reported = time.monotonic()

    def beat(seconds: float) -> None:
        nonlocal reported
        if time.monotonic() - reported > MOMENT:
            reported = time.monotonic()
            board.note.remote(key, seconds)

    return function(*shared, key, beat)


class _Board:
    """Where running calls note their seconds."""

    def __init__(self) -> None:
        self._newest: dict[Hashable, float] = {}

    def note(self, key: Hashable, seconds: float) -> None:
        self._newest[key] = seconds

    def read(self) -> dict[Hashable, float]:
        """What is new since the last time."""
        newest, self._newest = self._newest, {}
        return newest


@contextmanager
def connected(cpus: int, address: str | None, gpus: float = 0) -> Iterator[None]:
    """Ray inside: the cluster at `address`, or one of this machine.

    Args:
        cpus, gpus: that a local Ray hands out to its tasks.

    Raises:
        InputError: no cluster answers there.
    """
    _connect(cpus, address, gpus)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(cpus: int, address: str | None, gpus: float) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what a task without a GPU sees does not change
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init("local", num_cpus=cpus, num_gpus=math.ceil(gpus), include_dashboard=False, **quiet)
        return
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if port.isdecimal():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, **quiet)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r} ({error}). Give --ray-address auto on a node of the cluster, or "
            "HOST:PORT as 'ray start' printed it; a cluster with token authentication needs RAY_AUTH_MODE=token"
        ) from error
