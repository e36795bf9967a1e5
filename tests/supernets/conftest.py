"""PyTorch on one thread: the networks here are small, and other tests run beside these."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def in_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks, too, are trained by PyTorch."""
    monkeypatch.setattr("supernets.training.trainees.serves", lambda *_where: False)
