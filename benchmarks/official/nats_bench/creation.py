"""The official entry points `create`, `version` and `search_space_info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.official.nats_bench.size import NATSsize
from benchmarks.official.nats_bench.topology import NATStopology
from benchmarks.spaces.sss import CHANNELS
from benchmarks.spaces.tss import OPERATIONS
from benchmarks.table import BenchmarkTable

NATS_BENCH_SSS_NAMEs = ("sss", "size")
NATS_BENCH_TSS_NAMEs = ("tss", "topology")


def version() -> str:
    """The version of the official package that this API reproduces."""
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
        fast_mode: read each architecture's file when it is first queried. Tables always work this way.
        verbose: announce every call on stdout.

    Raises:
        ValueError: unknown search space, no such path, a directory without fast mode or a file with it, a dict that
            lacks a key, architectures that occur twice.
        FileNotFoundError: the directory has no meta file.
        AttributeError: the file is the meta file of a directory.
        TableError: the table is damaged, or belongs to another benchmark.
        UnsafePickleError, DamagedFileError: see `pickle_load`.
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
        f"no space {(main_tag, aux_tag)}; choose ('nats-bench', 'tss' or 'sss') or ('nas-bench-201', None)"
    )
