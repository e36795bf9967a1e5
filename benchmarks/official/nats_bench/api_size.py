"""The names that users import from `nats_bench.api_size`."""

from benchmarks.official.nats_bench.results import ArchResults
from benchmarks.official.nats_bench.size import NATSsize

__all__ = ["ALL_BASE_NAMES", "ArchResults", "NATSsize"]

ALL_BASE_NAMES = ["NATS-sss-v1_0-50262"]
"""Official names of the benchmark's files, oldest version first, without '-simple' or '.pickle.pbz2'."""
