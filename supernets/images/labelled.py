"""Images with their labels: a whole split, and one batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from benchmarks.errors import InputError
from supernets.images.files import ImageArrays
from supernets.images.splits import Indices


class Batch(NamedTuple):
    """The images and labels of one training step or of one step of an evaluation.

    For K networks trained side by side, the images have K times the channels and the labels one column per network.
    """

    images: Tensor  # (B, channels, H, W), or (B, K channels, H, W)
    labels: Tensor  # (B,) or (B, K), int64


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """The images of one split."""

    images: Tensor  # (N, channels, height, width): uint8 in 0..255, or float32
    labels: Tensor  # (N,), int64

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1] or self.labels.dtype != torch.int64:
            raise InputError(
                "expected images of shape (N, channels, height, width) and labels of shape (N,) and type int64, "
                f"got {tuple(self.images.shape)} and {tuple(self.labels.shape)} of {self.labels.dtype}"
            )

    @classmethod
    def from_arrays(cls, arrays: ImageArrays) -> Self:
        return cls(torch.from_numpy(arrays.images), torch.from_numpy(arrays.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all images as they are stored, in order; the last batch may be short."""
        for start in range(0, len(self), size):
            yield Batch(self.images[start : start + size], self.labels[start : start + size])

    def head(self, count: int) -> LabelledImages:
        """The first `count` images, or all if there are fewer."""
        return LabelledImages(self.images[:count], self.labels[:count])

    def select(self, indices: Indices) -> LabelledImages:
        chosen = torch.from_numpy(indices).to(self.labels.device)
        return LabelledImages(self.images[chosen], self.labels[chosen])

    def to(self, device: torch.device | str) -> LabelledImages:
        return LabelledImages(self.images.to(device), self.labels.to(device))
