"""The query API of the PyPI package `nats_bench` 1.8: same names, arguments, results, error types and printed text.

Dong, Liu, Musial, Gabrys: "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021,
https://arxiv.org/abs/2009.00437. Write `from benchmarks.official.nats_bench import create` for
`from nats_bench import create`. It reads the official files, and BenchmarkTables besides. Files are data: a pickle that
asks for anything but containers and numbers raises UnsafePickleError and nothing runs. So the archives with trained
weights (`-full`) cannot be read; without weights every query works.

Kept as in the official package, although surprising:

- Seeds and `random()` are drawn from Python's global `random` module, in the official order, so that a script gives the
  same numbers after `random.seed(s)`. This API is the one place of the project that does so.
- `simulate_train_eval` on 'cifar10' takes accuracy and times of 'cifar10-valid', but the latency of 'cifar10'.
- `simulate_train_eval` gives valtest accuracy where there is no validation accuracy (schedule '200' of the topology
  space before its last epoch), and then draws a second seed for the time of a validation pass. As valtest contains the
  test set, a UserWarning says so here.
- `find_best` in fast mode reads every architecture, unless `enforce_all=False`: in the official package this is how
  fast mode finds anything at all.
- The summary of the size space prints the test line of 'cifar10-valid', that of the topology space does not.
- `arch2infos_dict`, `evaluated_indexes` and `avaliable_hps` grow in fast mode as architectures are queried.

Different on purpose, each where the official package crashes or answers for something that was not asked:

- `show(-1)` prints all evaluated architectures, as documented (official: KeyError).
- numpy integers are integers, as an architecture or as a seed (official: unknown architecture, ValueError).
- `find_best` and `query_info_str_by_arch` take `hp` as an integer too, like the other methods (official: KeyError,
  ValueError).
- `find_best` gives (-1, None) where no architecture meets the constraints, also if `verbose` (official: ValueError).
- `get_unique_str` of an unknown architecture raises ValueError (official: the string of the last architecture).
- `reload()` looks for its default archive in $HOME/.torch if TORCH_HOME is not set, as the constructor does, and goes
  on to `archive_dir` (official: KeyError).
- `get_latency`, `simulate_train_eval`, and `find_best` without limits do not fail where the seeds disagree on FLOPs or
  parameters and seed 888, which decides, is missing (official: ValueError, as it computes all costs first).
- Size-space queries of runs without recorded times give None, as in the topology space (official: TypeError).
- A path may be a pathlib.Path (official: ValueError), or a table (`.arrow`), in fast mode or not.
- A missing file is named as it is, without a doubled extension; a damaged one raises DamagedFileError, a ValueError
  (official: one of many types).
- `avaliable_hps` is sorted (official: in the order of a set); error messages are worded differently.
- Files are read from the file system only: there is no `api_utils.reset_file_system('google')`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.official.nats_bench.api import NATSBenchAPI
from benchmarks.official.nats_bench.files import pickle_load, pickle_save
from benchmarks.official.nats_bench.results import ArchResults
from benchmarks.official.nats_bench.text import SIZE_SHOWN, TOPOLOGY_SHOWN
from benchmarks.official.nats_bench.trial import ResultsCount
from benchmarks.spaces.sss import CHANNELS
from benchmarks.spaces.tss import OPERATIONS, TopologySpace
from benchmarks.table import BenchmarkTable

__all__ = [
    "ArchResults",
    "NATSsize",
    "NATStopology",
    "ResultsCount",
    "create",
    "pickle_load",
    "pickle_save",
    "search_space_info",
    "version",
]

NATS_BENCH_SSS_NAMEs = ("sss", "size")
NATS_BENCH_TSS_NAMEs = ("tss", "topology")


def version() -> str:
    """The version of the official package whose behaviour this is."""
    return "v1.8"


def create(
    file_path_or_dict: str | Path | dict[str, Any] | BenchmarkTable | None,
    search_space: str,
    fast_mode: bool = False,
    verbose: bool = True,
) -> NATStopology | NATSsize:
    """Open NATS-Bench.

    Args:
        file_path_or_dict: the monolithic `.pickle.pbz2`, its content as a dict, in fast mode the directory of an
            unpacked `-simple` archive, or a table (`.arrow` or BenchmarkTable). None: the official name under
            $TORCH_HOME or $HOME/.torch.
        search_space: 'tss' or 'topology', 'sss' or 'size'.
        fast_mode: read each architecture's file when it is first queried. Tables always work so.
        verbose: announce every call on stdout.

    Raises:
        ValueError: unknown search space, no such path, a directory without fast mode or a file with it, a dict that
            lacks a key, architectures that occur twice.
        FileNotFoundError: the directory has no meta file.
        AttributeError: the file is the meta file of a directory.
        TableError: the table is damaged, or of another benchmark.
        UnsafePickleError, DamagedFileError: as `pickle_load`.
    """
    if search_space in NATS_BENCH_TSS_NAMEs:
        return NATStopology(file_path_or_dict, fast_mode, verbose)
    if search_space in NATS_BENCH_SSS_NAMEs:
        return NATSsize(file_path_or_dict, fast_mode, verbose)
    names = NATS_BENCH_TSS_NAMEs + NATS_BENCH_SSS_NAMEs
    raise ValueError(f"invalid search space : {search_space}; choose from {', '.join(names)}")


def search_space_info(main_tag: str, aux_tag: str | None) -> dict[str, Any]:
    """The choices of a space: ('nats-bench', 'tss' or 'sss') or ('nas-bench-201', None); ValueError otherwise."""
    if main_tag == "nats-bench" and aux_tag in NATS_BENCH_SSS_NAMEs:
        return {"candidates": list(CHANNELS), "num_layers": 5}
    if (main_tag == "nats-bench" and aux_tag in NATS_BENCH_TSS_NAMEs) or (main_tag, aux_tag) == ("nas-bench-201", None):
        return {"op_names": list(OPERATIONS), "num_nodes": 4}
    raise ValueError(
        f"no space {(main_tag, aux_tag)}; there are ('nats-bench', 'tss' or 'sss'), ('nas-bench-201', None)"
    )


class NATSsize(NATSBenchAPI):
    """The size space: 32,768 architectures, schedules '01', '12' and '90'."""

    _space = "sss"
    _search_space_name = "size"
    _base_name = "NATS-sss-v1_0-50262"
    _full_train_epochs = 90
    _shown = SIZE_SHOWN


class NATStopology(NATSBenchAPI):
    """The topology space: 15,625 architectures, schedules '12' and '200'."""

    _space = "tss"
    _search_space_name = "topology"
    _base_name = "NATS-tss-v1_0-3ffb9"
    _full_train_epochs = 200
    _shown = TOPOLOGY_SHOWN

    def get_unique_str(self, arch: Any) -> str:
        """The same string for architectures that are the same function; ValueError if `arch` is unknown."""
        index = self.query_index_by_arch(arch)
        if index == -1:
            raise ValueError(f"unknown architecture {arch!r}: expected an index or an official string")
        space = TopologySpace()
        return space.canonical(space.from_string(self.meta_archs[index]))

    @staticmethod
    def str2lists(arch_str: str) -> list[tuple[tuple[str, int], ...]]:
        """For each node but the first its (operation, source node) pairs.

        Raises:
            AssertionError: an edge is not 'operation~source' (the official type).
            ValueError: a source is no integer.
        """
        nodes = []
        for node in arch_str.split("+"):
            edges = [edge.split("~") for edge in node.split("|") if edge]
            for edge in edges:
                if len(edge) != 2:
                    raise AssertionError(f"expected 'operation~source', got {'~'.join(edge)!r} in {arch_str!r}")
            nodes.append(tuple((operation, int(source)) for operation, source in edges))
        return nodes

    @staticmethod
    def str2matrix(arch_str: str, search_space: list[str] | tuple[str, ...] = OPERATIONS) -> NDArray[np.float64]:
        """(nodes, nodes) matrix with the number in `search_space` of the operation from node j to node i at [i, j].

        Errors as `str2lists`, and ValueError for an operation that is not in `search_space`.
        """
        nodes = NATStopology.str2lists(arch_str)
        matrix = np.zeros((len(nodes) + 1, len(nodes) + 1))
        for target, edges in enumerate(nodes, start=1):
            for operation, source in edges:
                if operation not in search_space:
                    raise ValueError(f"this op ({operation}) is not in {search_space}")
                matrix[target, source] = search_space.index(operation)
        return matrix
