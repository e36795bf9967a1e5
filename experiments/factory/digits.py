"""The recipe of the project's own benchmarks on digits."""

from __future__ import annotations

from supernets.settings import Recipe

RECIPE = Recipe(batch_size=16, learning_rate=0.05, channels_last=True, test_every_epoch=False)
"""The training recipe; batches are small, so that few images give many steps."""
