"""The query API of the PyPI package `nats_bench` 1.8: same names, arguments, results, error types and printed text.

Dong, Liu, Musial, Gabrys: "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021,
https://arxiv.org/abs/2009.00437. Write `from benchmarks.official.nats_bench import create` for
`from nats_bench import create`; or, for code that is not to be edited, once at the start

    sys.modules["nats_bench"] = benchmarks.official.nats_bench

after which `nats_bench` and its modules `api_size`, `api_topology`, `api_utils` and `genotype_utils` are these. The API
reads the official files, and BenchmarkTables besides. Files are data: a pickle that asks for anything but containers
and numbers raises UnsafePickleError and nothing runs. So the archives with trained weights (`-full`) cannot be read;
without weights every query works.

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
- `reload()` looks for its default archive in $HOME/.torch if TORCH_HOME is not set, as the constructor does, and then
  in `archive_dir` (official: KeyError).
- `get_latency`, `simulate_train_eval`, and `find_best` without limits do not fail where the seeds disagree on FLOPs or
  parameters and seed 888, which decides, is missing (official: ValueError, as it computes all costs first).
- Size-space queries of runs without recorded times give None, as in the topology space (official: TypeError).
- A path may be a pathlib.Path (official: ValueError), or a table (`.arrow`), in fast mode or not.
- A missing file is named as it is, without a doubled extension; a damaged one raises DamagedFileError, a ValueError
  (official: one of many types).
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
