"""NATSArchive: loads the architectures and results of a NATS-Bench API object into memory."""

from __future__ import annotations

import copy
import os
import random
import time
import warnings
from abc import ABC
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.official.nats_bench.files import EXTENSION, pickle_load, read_architecture, torch_home
from benchmarks.official.nats_bench.results import ArchResults
from benchmarks.official.nats_bench.sources import Contents, Schedules, from_archive, from_dict, schedules_from_dicts
from benchmarks.official.nats_bench.table import from_table
from benchmarks.table import BenchmarkTable


def now() -> str:
    """The current UTC time as printed at the start of a line."""
    return time.strftime("[%Y-%m-%d %X]", time.gmtime())


class NATSArchive(ABC):
    """Holds the string of every architecture, and holds or loads the results of those that were evaluated."""

    _space: ClassVar[str]
    """Name of the space in `benchmarks.spaces`."""
    _search_space_name: ClassVar[str]
    """Official name of the space."""
    _base_name: ClassVar[str]
    _full_train_epochs: ClassVar[int]

    def __init__(
        self,
        file_path_or_dict: str | Path | dict[str, Any] | BenchmarkTable | None = None,
        fast_mode: bool = False,
        verbose: bool = True,
    ) -> None:
        """See `nats_bench.create`."""
        self.verbose = verbose
        self.filename: str | None = None
        self._fast_mode = fast_mode
        self._archive_dir: str | None = None
        self.reset_time()
        contents = self._opened(file_path_or_dict)
        self.meta_archs = contents.meta_archs
        self.arch2infos_dict = contents.arch2infos
        self.evaluated_indexes = contents.evaluated_indexes
        self._avaliable_hps = contents.hps
        self.archstr2index = {arch: index for index, arch in enumerate(self.meta_archs)}
        if len(self.archstr2index) < len(self.meta_archs):
            twice = [arch for arch, times in Counter(self.meta_archs).items() if times > 1]
            raise ValueError(f"architecture strings must be unique, but these occur more than once: {twice[:3]}")
        if self.verbose:
            print(
                f"{now()} Create NATS-Bench ({self._search_space_name}) done with "
                f"{len(self.evaluated_indexes)}/{len(self.meta_archs)} architectures avaliable."
            )

    def _opened(self, source: Any) -> Contents:
        if source is None:
            source = self._default_source()
        if isinstance(source, str | Path):
            return self._opened_path(str(source))
        if isinstance(source, BenchmarkTable):
            self.filename = source.path.name
            return from_table(source, self._space)
        if isinstance(source, dict):
            return from_dict(copy.deepcopy(source))
        if self._archive_dir is not None:
            return from_archive(self._archive_dir)
        raise ValueError(f"file_path_or_dict [{type(source)}] must be a dict, a table or the path of benchmark data")

    def _default_source(self) -> str | None:
        """The monolithic file under `torch_home`; in fast mode None, and the archive there becomes `archive_dir`."""
        base = os.path.join(torch_home(), self._base_name)
        path = None if self._fast_mode else f"{base}.{EXTENSION}"
        if self._fast_mode:
            self._archive_dir = f"{base}-simple"
        print(
            f"{now()} Try to use the default NATS-Bench ({self._search_space_name}) path from "
            f"fast_mode={self._fast_mode} and path={path}."
        )
        return path

    def _opened_path(self, path: str) -> Contents:
        if self.verbose:
            print(
                f"{now()} Try to create the NATS-Bench ({self._search_space_name}) api from {path} "
                f"with fast_mode={self._fast_mode}"
            )
        if not os.path.exists(path):
            raise ValueError(f"{path} is neither a file or a dir.")
        self.filename = os.path.basename(path)
        if path.endswith(".arrow"):
            return from_table(BenchmarkTable.open(path), self._space)
        if bool(self._fast_mode) != os.path.isdir(path):
            kind = "directory" if self._fast_mode else "file"
            raise ValueError(f"fast_mode={self._fast_mode} must feed the path for {kind} : {path}")
        if not self._fast_mode:
            return from_dict(pickle_load(path))
        self._archive_dir = path
        return from_archive(path)

    def __len__(self) -> int:
        return len(self.meta_archs)

    def __getitem__(self, index: int) -> str:
        return self.meta_archs[index]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.evaluated_indexes)}/{len(self.meta_archs)} architectures, "
            f"fast_mode={self.fast_mode}, file={self.filename})"
        )

    @property
    def avaliable_hps(self) -> list[str]:
        """The schedules read so far (the misspelling is official)."""
        return sorted(self._avaliable_hps)

    @property
    def used_time(self) -> float:
        """Seconds charged by `simulate_train_eval` since the last `reset_time`."""
        return self._used_time

    @property
    def search_space_name(self) -> str:
        return self._search_space_name

    @property
    def fast_mode(self) -> bool:
        return self._fast_mode

    @property
    def archive_dir(self) -> str | None:
        return self._archive_dir

    @property
    def full_train_epochs(self) -> int:
        return self._full_train_epochs

    @property
    def full_epochs_in_paper(self) -> int:
        return self._full_train_epochs

    @property
    def is_topology(self) -> bool:
        return self._search_space_name == "topology"

    @property
    def is_size(self) -> bool:
        return self._search_space_name == "size"

    def reset_archive_dir(self, archive_dir: str | None) -> None:
        self._archive_dir = archive_dir

    def reset_fast_mode(self, fast_mode: bool) -> None:
        self._fast_mode = fast_mode

    def reset_time(self) -> None:
        self._used_time: float = 0

    def arch(self, index: int) -> str:
        """The string of an architecture; ValueError if `index` is out of range."""
        if self.verbose:
            print(f"Call the arch function with index={index}")
        if index < 0 or index >= len(self.meta_archs):
            raise ValueError(f"invalid index : {index}; there are the architectures 0..{len(self.meta_archs) - 1}")
        return self.meta_archs[index]

    def random(self) -> int:
        """An index drawn by Python's global `random`."""
        return random.randint(0, len(self.meta_archs) - 1)

    def query_index_by_arch(self, arch: Any) -> int:
        """The index of an architecture, -1 if unknown; ValueError if `arch` is an index out of range."""
        if self.verbose:
            print(f"{now()} Call query_index_by_arch with arch={arch}")
        if isinstance(arch, np.integer):
            arch = int(arch)
        if isinstance(arch, int):
            if not 0 <= arch < len(self):
                raise ValueError(f"Invalid architecture index {arch}; there are the architectures 0..{len(self) - 1}")
            return arch
        if not isinstance(arch, str):
            arch = arch.tostr() if hasattr(arch, "tostr") else None
        return self.archstr2index.get(arch, -1)

    def reload(self, archive_root: str | None = None, index: int | None = None) -> None:
        """Read architecture `index` (None: all) again, from the archive `archive_root`.

        By default, `archive_root` is the default archive with weights, or `archive_dir` if that is missing.

        Raises:
            ValueError: no archive was found, or `index` is out of range.
            AssertionError, UnsafePickleError, DamagedFileError: see `read_architecture`.
        """
        if self.verbose:
            print(f"{now()} Call clear_params with archive_root={archive_root} and index={index}")
        if archive_root is None:
            archive_root = os.path.join(torch_home(), f"{self._base_name}-full")
            if not os.path.isdir(archive_root):
                warnings.warn(f"there is no {archive_root}; using archive_dir instead", stacklevel=2)
                archive_root = self.archive_dir
        if archive_root is None or not os.path.isdir(archive_root):
            raise ValueError(f"Invalid archive_root : {archive_root}; it must be the directory of an unpacked archive")
        for idx in range(len(self)) if index is None else [index]:
            if not 0 <= idx < len(self.meta_archs):
                raise ValueError(f"invalid index of {idx}; there are the architectures 0..{len(self) - 1}")
            schedules = schedules_from_dicts(read_architecture(archive_root, idx))
            self.arch2infos_dict[idx] = schedules
            self.evaluated_indexes.add(idx)
            self._avaliable_hps.update(schedules)

    def _prepare_info(self, index: int) -> None:
        """Read the architecture from `archive_dir` in fast mode, unless it is already in memory."""
        if index in self.arch2infos_dict:
            if index not in self.evaluated_indexes:
                raise ValueError(f"architecture {index} has results, but evaluated_indexes does not name it")
            if self.verbose:
                print(f"{now()} Call _prepare_info with index={index} skip because it is in arch2infos_dict")
        elif not self.fast_mode:
            if self.verbose:
                print(f"{now()} Call _prepare_info with index={index} skip because it is notthe fast mode.")
        elif self.archive_dir is None:
            raise ValueError(f"fast_mode={self.fast_mode} needs an archive_dir, got {self.archive_dir}")
        else:
            self.reload(self.archive_dir, index)

    def _schedules(self, index: int) -> Schedules:
        """All results of an architecture; ValueError if there are none."""
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            raise ValueError(f"Did not find {index} from arch2infos_dict: this architecture has no results here")
        return self.arch2infos_dict[index]

    def _results(self, index: int, hp: Any) -> ArchResults:
        """The results under one schedule; ValueError if the architecture has none."""
        schedules = self._schedules(index)
        return schedules[checked_schedule(schedules, index, hp)]


def checked_schedule(schedules: Schedules, index: int, hp: Any) -> str:
    """`hp` as a key of `schedules`; ValueError if there is none."""
    if str(hp) not in schedules:
        raise ValueError(f"The {index}-th architecture only has hyper-parameters of {list(schedules)} instead of {hp}.")
    return str(hp)
