"""A benchmark from scratch: train the architectures of a space, merge the results into a table."""

from experiments.factory.directory import BuildDirectory, BuildHeader
from experiments.factory.images import Images

__all__ = ["BuildDirectory", "BuildHeader", "Images"]
