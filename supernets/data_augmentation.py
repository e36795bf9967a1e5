"""Varying and normalising batches of images, on the device where they lie.

Pixels stay as they were published until a batch is used. It is flipped and cropped first and normalised last, so that
the pixels that padding adds are black, as with torchvision's RandomHorizontalFlip, RandomCrop, ToTensor, Normalize in
this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional


class Normalisation(NamedTuple):
    """(pixel - mean) / std per channel, in the unit of the stored pixels: 0..255 where these are bytes."""

    mean: Tensor  # (channels, 1, 1)
    std: Tensor  # (channels, 1, 1)

    @classmethod
    def of(cls, mean: tuple[float, ...], std: tuple[float, ...]) -> Self:
        return cls(torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1))

    def __call__(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) of any type -> the same shape in float32."""
        return (images.float() - self.mean) / self.std

    def to(self, device: torch.device | str) -> Normalisation:
        return Normalisation(self.mean.to(device), self.std.to(device))


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied."""

    flip: bool = True  # horizontally, with probability 1/2
    padding: int = 4  # pixels of black on each side, of which a crop in the old size is taken; 0: no crop


class Variations(NamedTuple):
    """What was drawn for N images."""

    corners: Tensor  # (N, 2), int64: first row and column of the crop in the padded image, 0 .. 2 * padding
    flips: Tensor  # (N,), bool: mirrored before the crop

    def to(self, device: torch.device | str) -> Variations:
        return Variations(self.corners.to(device), self.flips.to(device))

    def select(self, part: slice) -> Variations:
        return Variations(self.corners[part], self.flips[part])


def draw_variations(augmentation: Augmentation, count: int, rng: torch.Generator) -> Variations:
    """For `count` images, on the device of `rng`."""
    corners = torch.randint(2 * augmentation.padding + 1, (count, 2), generator=rng, device=rng.device)
    probability = 0.5 if augmentation.flip else 0.0
    return Variations(corners, torch.rand(count, generator=rng, device=rng.device) < probability)


def pad(images: Tensor, padding: int) -> Tensor:
    """(N, channels, H, W) -> (N, channels, H + 2 padding, W + 2 padding), black around the images."""
    return functional.pad(images, (padding,) * 4)


def vary(padded: Tensor, padding: int, variations: Variations) -> Tensor:
    """(B, channels, H + 2 padding, W + 2 padding) -> the crops (B, channels, H, W), some of them mirrored.

    To mirror an image and then to crop it is to read the columns of a crop from right to left.
    """
    batch, channels, height, width = padded.shape
    device = padded.device
    rows = variations.corners[:, :1] + torch.arange(height - 2 * padding, device=device)  # (B, H)
    columns = variations.corners[:, 1:] + torch.arange(width - 2 * padding, device=device)  # (B, W)
    columns = torch.where(variations.flips[:, None], width - 1 - columns, columns)
    image = torch.arange(batch, device=device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=device).view(-1, 1, 1)
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def augment(images: Tensor, augmentation: Augmentation, rng: torch.Generator) -> Tensor:
    """(B, channels, H, W) -> a varied copy, not yet normalised."""
    variations = draw_variations(augmentation, len(images), rng).to(images.device)
    return vary(pad(images, augmentation.padding), augmentation.padding, variations)
