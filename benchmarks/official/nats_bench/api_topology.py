"""The names that users import from `nats_bench.api_topology`."""

from benchmarks.official.nats_bench.results import ArchResults
from benchmarks.official.nats_bench.structure import topology_str2structure
from benchmarks.official.nats_bench.topology import NATStopology

__all__ = ["ALL_BASE_NAMES", "ArchResults", "NATStopology", "topology_str2structure"]

ALL_BASE_NAMES = ["NATS-tss-v1_0-3ffb9"]
"""Official names of the benchmark's files, oldest version first, without '-simple' or '.pickle.pbz2'."""
