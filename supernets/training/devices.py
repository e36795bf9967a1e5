"""The devices and threads that networks run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from benchmarks.errors import InputError


@contextmanager
def threads(count: int) -> Iterator[None]:
    """A context in which PyTorch computes on `count` threads of this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def single_threaded() -> AbstractContextManager[None]:
    """A context with one thread: small networks gain nothing from more, and several trainings run at once."""
    return threads(1)


def gpu_count() -> int:
    """The number of GPUs that PyTorch can use on this machine."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def usable_device(name: str | None = None) -> str:
    """`name`, or if it is None, 'cuda' on a machine with a GPU and 'cpu' elsewhere.

    Raises:
        InputError: this machine has no such device.
    """
    count = gpu_count()
    known = ["cpu", *(["cuda"] if count else []), *(f"cuda:{number}" for number in range(count))]
    if name is None:
        return "cuda" if count else "cpu"
    if name not in known:
        raise InputError(f"the device is cpu or cuda, on this machine one of {', '.join(known)}; got {name!r}")
    return name


def gpu_name(device: torch.device | str) -> str | None:
    """The model of a GPU; None for a CPU."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else None


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished all work submitted to it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
