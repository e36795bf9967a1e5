"""What the project's own benchmarks on digits are made of."""

from __future__ import annotations

from supernets.settings import NetworkScale, TrainConfig

SCALES = {
    "tss": NetworkScale(width=8, depth=2),
    "sss": NetworkScale(channels=(2, 4, 6, 8, 10, 12, 14, 16)),
}
"""Space -> the size of its networks on the digits: published networks are made for larger images."""

RECIPE = TrainConfig(batch_size=16, learning_rate=0.05, channels_last=True, test_every_epoch=False)
"""How they are trained; batches are small, so that few images give many steps."""
