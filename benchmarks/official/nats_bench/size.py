"""The API of the size space."""

from __future__ import annotations

from benchmarks.official.nats_bench.api import NATSBenchAPI
from benchmarks.official.nats_bench.text import SIZE_SHOWN


class NATSsize(NATSBenchAPI):
    """The size space: 32,768 architectures, schedules '01', '12' and '90'."""

    _space = "sss"
    _search_space_name = "size"
    _base_name = "NATS-sss-v1_0-50262"
    _full_train_epochs = 90
    _shown = SIZE_SHOWN
