"""The description of a set of images in records and tables. This module needs no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """The images on which networks were trained."""

    dataset: str
    split: str
    """The split of the images: 'official', or 'own-seed-S' if it was drawn from the seed S."""
    fingerprint: str
    """SHA-256 of all images and labels."""
    counts: Mapping[str, int]
    """Number of images of each split."""
    image_shape: tuple[int, ...]
    """(channels, height, width)."""
    num_classes: int
