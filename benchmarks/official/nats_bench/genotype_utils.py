"""The names that users import from `nats_bench.genotype_utils`."""

from benchmarks.official.nats_bench.structure import TopologyStructure, topology_str2structure

__all__ = ["TopologyStructure", "topology_str2structure"]
