"""Where compiled training is faster than PyTorch, on demand: pytest tests/performance/test_native.py -s."""

from __future__ import annotations

import pytest

from benchmarks.spaces.sss import SIZE_CELL
from supernets.candidate_network import NetworkConfig
from supernets.images.tasks import DigitsConfig, digits_task
from supernets.settings import TrainConfig
from supernets.training.devices import single_threaded
from supernets.training.native.network import serves
from supernets.training.timing import time_per_image


@pytest.mark.parametrize(
    ("canvas", "batch", "width", "least"),
    [
        (10, 16, 8, 3.0),
        (10, 16, 32, 1.2),
        (10, 64, 16, 1.1),  # from here on about as large as `serves` lets networks be
        (16, 32, 16, 1.1),
        (32, 8, 16, 1.1),
    ],
)
def test_small_networks_train_faster_than_in_pytorch(
    canvas: int, batch: int, width: int, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds per image of a training step of the cell of the size space, on one thread."""
    task, config = digits_task(DigitsConfig(canvas=canvas)), TrainConfig(batch_size=batch, channels_last=True)
    network = NetworkConfig.tiny(SIZE_CELL, width, depth=1, in_channels=1)
    assert serves([network], task, batch, "cpu")
    with single_threaded():
        compiled = time_per_image(network, task, config, repeats=15)
        monkeypatch.setattr("supernets.training.trainees.serves", lambda *_where: False)
        pytorch = time_per_image(network, task, config, repeats=15)
    ratios = [one / other for one, other in zip(pytorch, compiled, strict=True)]
    what = f"{canvas}x{canvas}, batch {batch}, C = {width}"
    print(f"{what}: {ratios[0]:.2f} times in training, {ratios[1]:.2f} in evaluation")
    assert ratios[0] >= least
