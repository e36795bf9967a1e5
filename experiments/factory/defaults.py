"""Images, networks and recipes of a data set: the published ones, or for digits those designed for small images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.errors import InputError
from experiments.factory.digits import RECIPE
from experiments.factory.images import Images
from supernets.settings import PUBLISHED_SCALE, NetworkScale, Recipe, settings_of


@dataclass(frozen=True)
class TrainingOptions:
    """Explicit options of trainings, field -> value; they replace the usual ones of the data set."""

    images: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Images` other than the data set."""
    scale: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `NetworkScale`."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Recipe`."""

    def images_of(self, dataset: str) -> Images:
        """Where the images of a data set are, and how they are split."""
        return Images(dataset, **self.images)

    def scale_of(self, space: str, dataset: str) -> NetworkScale:
        """The size of the networks of a space for a data set.

        Raises:
            InputError: an option does not apply to the networks of the space.
        """
        settings = settings_of(space)
        for name in self.scale:
            if name not in settings.scale_options:
                raise InputError(f"--{name} does not apply to the networks of {space}")
        return replace(settings.digits_scale if dataset == "digits" else PUBLISHED_SCALE, **self.scale)

    def recipe_of(self, dataset: str) -> Recipe:
        """The recipe for a data set."""
        return replace(RECIPE if dataset == "digits" else Recipe(), **self.recipe)
