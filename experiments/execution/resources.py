"""What long computations run on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """What long computations run on."""

    workers: int
    """Ray tasks at a time; 0 computes in this process, without Ray."""
    device: str = "cpu"
    """Device of each training: cpu or cuda."""
    gpus: float = 0.0
    """GPUs of each task; a fraction lets several tasks share one GPU."""
    address: str | None = None
    """Address of a running Ray cluster ('auto', 'HOST:PORT', 'ray://HOST:PORT'); None starts Ray on this machine."""
