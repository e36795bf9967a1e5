"""Augmentation and normalisation of batches of images, on the device that holds them.

Images are stored as published. Each batch is flipped and cropped first and normalised last, so that padding adds black
pixels, as with torchvision's RandomHorizontalFlip, RandomCrop, ToTensor, Normalize in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional


class Normalisation(NamedTuple):
    """(pixel - mean) / std per channel, in the unit of the stored pixels: 0..255 if they are bytes."""

    mean: Tensor  # (channels, 1, 1)
    std: Tensor  # (channels, 1, 1)

    @classmethod
    def of(cls, mean: tuple[float, ...], std: tuple[float, ...]) -> Self:
        return cls(torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1))

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise images (B, channels, H, W) of any type; the result has the same shape in float32."""
        return (images.float() - self.mean) / self.std

    def to(self, device: torch.device | str) -> Normalisation:
        return Normalisation(self.mean.to(device), self.std.to(device))


@dataclass(frozen=True)
class Augmentation:
    """The random augmentation of training images."""

    flip: bool = True  # mirror horizontally with probability 1/2
    padding: int = 4  # pixels of black added on each side before a random crop to the original size; 0: no crop
    noise: float = 0.0  # standard deviation of normal noise on every pixel, in the unit of the stored pixels


class Variations(NamedTuple):
    """The random draws of an augmentation for N images."""

    corners: Tensor  # (N, 2), int64: first row and column of the crop in the padded image, 0 .. 2 * padding
    flips: Tensor  # (N,), bool: whether the image is mirrored before the crop
    noise: Tensor  # (N, channels, H, W), float32, added after the crop; (N, 0) without noise

    def to(self, device: torch.device | str) -> Variations:
        return Variations(*(drawn.to(device) for drawn in self))


def draw_variations(augmentation: Augmentation, shape: Sequence[int], rng: torch.Generator) -> Variations:
    """Draw the variations of images of `shape` (N, channels, H, W), on the device of `rng`."""
    count, device = shape[0], rng.device
    corners = torch.randint(2 * augmentation.padding + 1, (count, 2), generator=rng, device=device)
    flips = torch.rand(count, generator=rng, device=device) < (0.5 if augmentation.flip else 0.0)
    if not augmentation.noise:
        return Variations(corners, flips, torch.empty(count, 0, device=device))
    return Variations(corners, flips, augmentation.noise * torch.randn(*shape, generator=rng, device=device))


def pad(images: Tensor, padding: int) -> Tensor:
    """Pad images (N, channels, H, W) with black to (N, channels, H + 2 padding, W + 2 padding)."""
    return functional.pad(images, (padding,) * 4)


def vary(padded: Tensor, padding: int, variations: Variations) -> Tensor:
    """Apply drawn variations to images (B, channels, H + 2 padding, W + 2 padding); the result is (B, channels, H, W).

    Mirroring an image before the crop is done by reading the columns of the crop from right to left.
    """
    batch, channels, height, width = padded.shape
    device = padded.device
    rows = variations.corners[:, :1] + torch.arange(height - 2 * padding, device=device)  # (B, H)
    columns = variations.corners[:, 1:] + torch.arange(width - 2 * padding, device=device)  # (B, W)
    columns = torch.where(variations.flips[:, None], width - 1 - columns, columns)
    image = torch.arange(batch, device=device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=device).view(-1, 1, 1)
    crops = padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
    return crops + variations.noise if variations.noise.numel() else crops


def augment(images: Tensor, augmentation: Augmentation, rng: torch.Generator) -> Tensor:
    """A randomly varied copy of images (B, channels, H, W), not yet normalised."""
    variations = draw_variations(augmentation, images.shape, rng).to(images.device)
    return vary(pad(images, augmentation.padding), augmentation.padding, variations)
