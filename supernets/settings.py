"""Scales, recipes and schedules: plain data classes that need no PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from benchmarks.errors import InputError
from benchmarks.options import option
from benchmarks.spaces.sss import CHANNELS


@dataclass(frozen=True)
class NetworkScale:
    """The size of the networks of a space; the defaults are the published ones. Each space reads its own fields."""

    width: int = option(16, "channels of the first stage, doubled at each reduction", symbol="C", low=1)
    depth: int = option(5, "cells per stage", symbol="N", low=1)
    channels: tuple[int, ...] = option(CHANNELS, "the eight channel counts that a layer chooses from", low=1)

    def __post_init__(self) -> None:
        if len(self.channels) != len(CHANNELS):
            raise InputError(f"each layer of sss chooses among {len(CHANNELS)} channel counts, got {self.channels}")
        if min(self.width, self.depth, *self.channels) < 1:
            raise InputError(f"width, depth and channel counts of a network are at least 1, got {self}")


PUBLISHED_SCALE = NetworkScale()


@dataclass(frozen=True)
class Recipe:
    """A training recipe for any number of epochs; the defaults are the published recipe."""

    batch_size: int = option(256, "images per training step", low=1)
    learning_rate: float = option(0.1, "learning rate of the first epoch; it falls to 0 by a cosine", symbol="lr(0)")
    momentum: float = option(0.9, "momentum of SGD", low=0)
    nesterov: bool = option(True, "Nesterov momentum")
    weight_decay: float = option(5e-4, "weight decay of all parameters", low=0)
    evaluation_batch_size: int = option(256, "images per evaluation batch", low=1)
    mixed_precision: bool = option(
        False, "bfloat16 where PyTorch deems it safe: faster on recent GPUs, slower on most CPUs"
    )
    channels_last: bool = option(
        False, "channels-last images and weights: faster on CPUs, and on GPUs in mixed precision"
    )
    test_every_epoch: bool = option(True, "evaluate on the test images after every epoch, not only after the last")

    def __post_init__(self) -> None:
        if min(self.batch_size, self.evaluation_batch_size) < 1 or self.learning_rate <= 0:
            raise InputError(f"batch sizes are at least 1 and the learning rate is above 0, got {self}")
        if min(self.momentum, self.weight_decay) < 0 or (self.nesterov and not self.momentum):
            raise InputError(f"momentum (above 0 if nesterov) and weight decay are at least 0, got {self}")

    def lasting(self, epochs: int) -> TrainConfig:
        """A training of `epochs` epochs with this recipe."""
        return TrainConfig(epochs=epochs, **{field.name: getattr(self, field.name) for field in fields(Recipe)})


@dataclass(frozen=True)
class TrainConfig(Recipe):
    """A recipe and a number of epochs; the defaults are the published training of 12 epochs."""

    epochs: int = option(12, "length of the training", symbol="E", unit="epochs", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs < 1:
            raise InputError(f"training needs at least 1 epoch, got {self}")


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """The learning rate lr(e) of epoch e = 0 .. E - 1."""
    return config.learning_rate * (1 + math.cos(math.pi * epoch / config.epochs)) / 2


@dataclass(frozen=True)
class SpaceSettings:
    """The scales and training recipes of a space, available without PyTorch."""

    scale_options: tuple[str, ...] = ()
    """The fields of NetworkScale that the networks of the space read."""
    schedules: Mapping[str, TrainConfig] = field(default_factory=dict)
    """The published recipes, by the name of their schedule in the tables."""
    digits_scale: NetworkScale = PUBLISHED_SCALE
    """The scale of the networks on digits; the published networks are designed for larger images."""


SPACE_SETTINGS: dict[str, SpaceSettings] = {
    "tss": SpaceSettings(
        ("width", "depth"),
        {"12": TrainConfig(epochs=12), "200": TrainConfig(epochs=200)},
        NetworkScale(width=8, depth=2),
    ),
    "sss": SpaceSettings(
        ("channels",),
        {"01": TrainConfig(epochs=1), "12": TrainConfig(epochs=12), "90": TrainConfig(epochs=90)},
        NetworkScale(channels=(2, 4, 6, 8, 10, 12, 14, 16)),
    ),
}


def applies_to(scale_option: str) -> str:
    """A note for command-line help: ' (tss)' for a field of NetworkScale that only the networks of tss read."""
    return (
        f" ({', '.join(name for name, settings in SPACE_SETTINGS.items() if scale_option in settings.scale_options)})"
    )


def settings_of(space_name: str) -> SpaceSettings:
    """The settings of a space, or the default settings if it has none of its own."""
    return SPACE_SETTINGS.get(space_name, SpaceSettings())
