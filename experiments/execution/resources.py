"""Resources that trainings run on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """What the trainings run on."""

    workers: int  # Ray tasks at a time; 0: this process, without Ray
    device: str = "cpu"
    gpus: float = 0.0  # of each training; several may share one GPU
    address: str | None = None  # of a running Ray cluster; None starts Ray on this machine
