"""Calls as Ray tasks, on this machine or on a cluster."""

from __future__ import annotations

import logging
import math
import os
import socket
import tempfile
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic

import numpy as np
import ray

from benchmarks.errors import InputError
from benchmarks.table import sha256
from experiments.execution.calls import Beat, Calls, Key, Result
from experiments.execution.resources import Resources
from experiments.storage.provenance import versions

RETRIES = 3
"""Number of further attempts at a task whose node or process was lost."""
MOMENT = 0.1
"""Seconds between two checks of running tasks, and between two beats of a task."""


def check_versions(expected: Mapping[str, str], libraries: Sequence[str]) -> None:
    """Raise InputError if this node has other versions than expected."""
    installed = _versions(tuple(libraries))
    if different := [name for name in expected if installed[name] != expected[name]]:
        actual, wanted = ({name: found[name] for name in different} for found in (installed, expected))
        raise InputError(
            f"the node {socket.gethostname()} has {actual}, but the node that records has {wanted}: install the same "
            "versions on all nodes"
        )


@lru_cache
def _versions(libraries: tuple[str, ...]) -> Mapping[str, str]:
    """The installed versions, looked up once per process."""
    return versions(*libraries)


def _result_of(done: Any, key: Hashable) -> Any:
    """The result of a task that has ended.

    Raises:
        InputError: its process was lost in every attempt. An exception of the task is raised here, too.
    """
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise InputError(
            f"{key} was lost {RETRIES + 1} times with its process ({type(error).__name__}: is there enough memory?). "
            "Finished work is kept: repeat the command to resume"
        ) from error


@dataclass(frozen=True)
class Shipped:
    """A file for all nodes of a cluster; a node without the file keeps a copy among its temporary files."""

    path: Path
    digest: str
    """SHA-256 of its content."""
    content: Any
    """Reference to its bytes in Ray's object store, from which a node fetches them if needed."""

    @classmethod
    def of(cls, path: Path) -> Shipped:
        """Put a file of this node into the object store."""
        return cls(path.absolute(), sha256(path), ray.put(np.fromfile(path, np.uint8)))

    def local_path(self) -> Path:
        """The path of the file on this node, which gets a copy if it has none."""
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
    """The SHA-256 of a file, computed once per process as long as the file does not change."""
    del changed
    return sha256(path)


class RayTasks(Generic[Key, Result]):
    """Calls of one function as Ray tasks; a task whose node or process is lost is repeated elsewhere.

    Args:
        resources: the number of workers limits the running tasks. A Ray on this machine enforces the limit by its
            number of CPUs, so that twice as many tasks are submitted to it.
    """

    def __init__(self, calls: Calls[Key, Result], resources: Resources) -> None:
        self.at_once = resources.workers if resources.address else 2 * resources.workers
        self._running: dict[Any, Key] = {}
        files = [Shipped.of(path) if resources.address else path for path in calls.files]
        self._shared = [ray.put(value) for value in (*calls.shared, *files)]
        self._board: Any = None
        if calls.beats:
            self._board = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=RETRIES)(_Board).remote()
        function, libraries, expected = calls.function, calls.libraries, versions(*calls.libraries)

        def call(board: Any, key: Key, *shared: Any) -> Result:
            check_versions(expected, libraries)
            given = (value.local_path() if isinstance(value, Shipped) else value for value in shared)
            return function(*given, key, *(() if board is None else (_beat(board, key),)))

        remote = ray.remote(num_cpus=calls.cpus, num_gpus=resources.gpus, max_retries=RETRIES)(call)
        self._task = remote.options(name=function.__name__)  # the name of its process

    @classmethod
    @contextmanager
    def open(cls, calls: Calls[Key, Result], resources: Resources) -> Iterator[RayTasks[Key, Result]]:
        """Connect to Ray until the context ends; InputError if no cluster answers."""
        workers = resources.workers
        with connected(workers * calls.cpus, resources.address, gpus=workers * resources.gpus):
            yield cls(calls, resources)

    @property
    def under_way(self) -> int:
        """Number of tasks whose results have not been returned yet."""
        return len(self._running)

    def begin(self, key: Key) -> None:
        """Submit a task."""
        self._running[self._task.remote(self._board, key, *self._shared)] = key

    def finished(self) -> list[tuple[Key, Result]]:
        """Wait for a task, at most a `MOMENT` if calls have beats, and return its result; raises its exception."""
        ready, _ = ray.wait(list(self._running), num_returns=1, timeout=None if self._board is None else MOMENT)
        return [(key := self._running.pop(done), _result_of(done, key)) for done in ready]

    def beats(self) -> Mapping[Key, float]:
        """The latest beat of each task since the last call of this method."""
        newest: dict[Key, float] = {} if self._board is None else ray.get(self._board.read.remote())
        return newest


def _beat(board: Any, key: Hashable) -> Beat:
    """A function that posts the progress of a call on the board, at most once per `MOMENT`."""
    reported = time.monotonic()

    def beat(value: float) -> None:
        nonlocal reported
        if time.monotonic() - reported > MOMENT:
            reported = time.monotonic()
            board.note.remote(key, value)

    return beat


class _Board:
    """An actor that collects the progress of running calls."""

    def __init__(self) -> None:
        self._newest: dict[Hashable, float] = {}

    def note(self, key: Hashable, value: float) -> None:
        self._newest[key] = value

    def read(self) -> dict[Hashable, float]:
        """The values posted since the last call of this method."""
        newest, self._newest = self._newest, {}
        return newest


@contextmanager
def connected(cpus: int, address: str | None, gpus: float = 0) -> Iterator[None]:
    """Connect to the cluster at `address`, or start Ray on this machine, and disconnect at the end.

    Args:
        cpus, gpus: the resources of a Ray started on this machine.

    Raises:
        InputError: no cluster answers at `address`.
    """
    _connect(cpus, address, gpus)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(cpus: int, address: str | None, gpus: float) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # leaves CUDA_VISIBLE_DEVICES unchanged
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
