"""The names that users import from `nats_bench.api_utils`."""

import os

from benchmarks.official.nats_bench.api import NATSBenchAPI as NASBenchMetaAPI, remap_dataset_set_names
from benchmarks.official.nats_bench.archive import now as time_string
from benchmarks.official.nats_bench.files import (
    EXTENSION as PICKLE_EXT,
    pickle_load,
    pickle_save,
    torch_home as get_torch_home,
)
from benchmarks.official.nats_bench.results import ArchResults
from benchmarks.official.nats_bench.trial import ResultsCount

__all__ = [
    "PICKLE_EXT",
    "ArchResults",
    "NASBenchMetaAPI",
    "ResultsCount",
    "get_torch_home",
    "nats_is_dir",
    "nats_is_file",
    "pickle_load",
    "pickle_save",
    "remap_dataset_set_names",
    "time_string",
]

nats_is_dir, nats_is_file = os.path.isdir, os.path.isfile
