"""Random generators as arguments for `torch.nn`, whose layers draw their first weights from the global generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawing_from(rng: torch.Generator) -> Iterator[None]:
    """A context in which PyTorch's global CPU generator draws from `rng`; on exit its own state is restored.

    Layers built inside keep PyTorch's default distributions, and equal those built after `torch.manual_seed(s)` if
    `rng` is `torch.Generator().manual_seed(s)`. The global generator belongs to the whole process: do not build
    networks in two threads at once. `rng` and the layers live on the CPU; move a network after it is built.
    """
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(rng.get_state())
        yield
        rng.set_state(torch.get_rng_state())
