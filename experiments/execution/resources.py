"""The resources of long computations: workers, devices and clusters."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from benchmarks.errors import InputError
from benchmarks.options import option


@dataclass(frozen=True)
class Resources:
    """The resources of a long computation."""

    workers: int
    """Number of simultaneous Ray tasks; 0 computes in this process, without Ray."""
    device: str = "cpu"
    """Device of each training: cpu or cuda."""
    gpus: float = 0.0
    """GPUs of each task; a fraction lets several tasks share one GPU."""
    address: str | None = None
    """Address of a running Ray cluster ('auto', 'HOST:PORT', 'ray://HOST:PORT'); None starts Ray on this machine."""


@dataclass(frozen=True)
class ResourceRequest:
    """The requested resources; `resolve` completes them for this machine."""

    workers: int | None = option(
        None, "simultaneous Ray tasks; 0 computes in this process, without Ray", low=0, metavar="N",
        unset="one per core or GPU",
    )  # fmt: skip
    ray_address: str | None = option(
        None, "address of a running Ray cluster", metavar="ADDRESS", unset="start Ray on this machine"
    )
    device: str | None = option(None, "device of the trainings, cpu or cuda", unset="cuda if there is a GPU")
    gpus_per_training: float | None = option(
        None, "GPUs of each training on cuda; below 1, trainings share a GPU", unset="1"
    )

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise InputError(f"--workers is 0 or more, got {self.workers}")
        if self.workers == 0 and self.ray_address:
            raise InputError("--workers is at least 1 with --ray-address, got 0")

    def on_cpus(self) -> Resources:
        """The resources of work that no GPU speeds up: one worker per core if no number is given."""
        workers = (os.cpu_count() or 1) if self.workers is None else self.workers
        return Resources(workers, address=self.ray_address)

    def resolve(self) -> Resources:
        """The resources, by default with one worker per core or GPU. This imports PyTorch.

        Raises:
            InputError: this machine has no such device, or too few GPUs.
        """
        from supernets.training.devices import gpu_count, usable_device

        device = usable_device(self.device)
        gpus = 1.0 if self.gpus_per_training is None else self.gpus_per_training
        if gpus <= 0:
            raise InputError(f"--gpus-per-training is above 0, got {gpus}")
        if not device.startswith("cuda"):
            return replace(self.on_cpus(), device=device)
        return self._on_gpus(device, gpus, gpu_count())

    def _on_gpus(self, device: str, gpus: float, available: int) -> Resources:
        workers = max(1, int(available / gpus)) if self.workers is None else self.workers
        if workers and device != "cuda":
            raise InputError(
                f"Ray assigns a GPU to each of {workers} workers: give --device cuda, or --workers 0 for {device}"
            )
        if not self.ray_address and workers * gpus > available:
            raise InputError(
                f"{workers} workers with {gpus:g} GPUs each need {workers * gpus:g}; this machine has {available}: "
                "give fewer --workers, or --gpus-per-training below 1, with which they share a GPU"
            )
        return Resources(workers, device, gpus, self.ray_address)
