"""A benchmark from scratch: train the architectures of a space, merge the results into a table."""

from experiments.factory.directory import Benchmark, BuildDirectory
from experiments.factory.images import Images

__all__ = ["Benchmark", "BuildDirectory", "Images"]
