"""The query API of the PyPI package `nats_bench` 1.8: same names, arguments, results, error types and printed text.

Dong, Liu, Musial, Gabrys: "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021,
https://arxiv.org/abs/2009.00437. Write `from benchmarks.official.nats_bench import create` for
`from nats_bench import create`; or, for code that is not to be edited, once at the start

    sys.modules["nats_bench"] = benchmarks.official.nats_bench

which replaces `nats_bench` and its modules `api_size`, `api_topology`, `api_utils` and `genotype_utils`. The API reads
official files and BenchmarkTables. Files are treated as data: a pickle that asks for anything but containers and
numbers raises UnsafePickleError, and nothing is executed. Archives with trained weights (`-full`) therefore cannot be
read; every query works without weights.

Surprising behaviour that is kept from the official package:

- Seeds and `random()` are drawn from Python's global `random` module, in the official order, so that a script gives the
  same numbers after `random.seed(s)`. This API is the only place of the project that does so.
- `simulate_train_eval` on 'cifar10' uses accuracy and times of 'cifar10-valid', but the latency of 'cifar10'.
- `simulate_train_eval` returns valtest accuracy if there is no validation accuracy (schedule '200' of the topology
  space before its last epoch), and then draws a second seed for the time of a validation pass. Since valtest contains
  the test set, this implementation issues a UserWarning.
- `find_best` in fast mode reads every architecture, unless `enforce_all=False`: in the official package, fast mode
  would not find anything otherwise.
- The summary of the size space prints the test line of 'cifar10-valid'; that of the topology space does not.
- `arch2infos_dict`, `evaluated_indexes` and `avaliable_hps` grow in fast mode as architectures are queried.

Intended differences, each in a case where the official package crashes or answers a different question:

- `show(-1)` prints all evaluated architectures, as documented (official: KeyError).
- NumPy integers are accepted as architectures and as seeds (official: unknown architecture, ValueError).
- `find_best` and `query_info_str_by_arch` also accept `hp` as an integer, like the other methods (official: KeyError,
  ValueError).
- `find_best` returns (-1, None) if no architecture meets the constraints, also if `verbose` (official: ValueError).
- `get_unique_str` of an unknown architecture raises ValueError (official: the string of the last architecture).
- `reload()` looks for its default archive in $HOME/.torch if TORCH_HOME is not set, as the constructor does, and then
  in `archive_dir` (official: KeyError).
- `get_latency`, `simulate_train_eval`, and `find_best` without limits do not fail if the seeds disagree on FLOPs or
  parameters and the decisive seed 888 is missing (official: ValueError, as it computes all costs first).
- Size-space queries of runs without recorded times return None, as in the topology space (official: TypeError).
- A path may be a pathlib.Path (official: ValueError), or a table (`.arrow`), in fast mode or not.
- The message for a missing file names it without a doubled extension; a damaged file raises DamagedFileError, a
  ValueError (official: one of many types).
- `avaliable_hps` is sorted (official: in the order of a set); error messages are worded differently.
- Files are read from the file system only: there is no `api_utils.reset_file_system('google')`.
- `genotype_utils.TopologyStructure` has no `gen_all` (official: NameError).
"""

from benchmarks.official.nats_bench import api_size, api_topology, api_utils, genotype_utils
from benchmarks.official.nats_bench.creation import (
    NATS_BENCH_SSS_NAMEs,
    NATS_BENCH_TSS_NAMEs,
    create,
    search_space_info,
    version,
)
from benchmarks.official.nats_bench.files import pickle_load, pickle_save
from benchmarks.official.nats_bench.results import ArchResults
from benchmarks.official.nats_bench.size import NATSsize
from benchmarks.official.nats_bench.topology import NATStopology
from benchmarks.official.nats_bench.trial import ResultsCount

__all__ = [
    "ArchResults",
    "NATS_BENCH_SSS_NAMEs",
    "NATS_BENCH_TSS_NAMEs",
    "NATSsize",
    "NATStopology",
    "ResultsCount",
    "api_size",
    "api_topology",
    "api_utils",
    "create",
    "genotype_utils",
    "pickle_load",
    "pickle_save",
    "search_space_info",
    "version",
]
