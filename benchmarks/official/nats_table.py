"""A BenchmarkTable in the layout of the official NATS-Bench files.

`archresults` gives one architecture as the official files do; `from_table` gives the same to the query API, each run
rebuilt when it is first asked for. The table holds every number of the official files; what they hold besides is the
same for all architectures and written down here (source: the released v1_0 files).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.convert.nats import SET_NAMES
from benchmarks.official.nats_results import ArchResults
from benchmarks.official.nats_sources import Contents
from benchmarks.official.nats_trial import ResultsCount, epoch_keys
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable, Column

CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
SIZE_GENOTYPE = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
"""The one cell of the size space."""
KEPT = 64
"""Architectures of a table that stay in memory as official objects; one with all 200-epoch curves takes about 3 MB."""

K = TypeVar("K")
V = TypeVar("V")


def archresults(table: BenchmarkTable, index: int) -> OrderedDict[str, dict[str, Any]]:
    """{schedule: archresult} of the architecture with the official index `index`, as in its official file.

    Raises:
        KeyError: the table has no such architecture.
    """
    return _Reader(table).archresults(index)
