"""Default networks and recipes of a data set: the published ones, or for digits those designed for small images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.errors import InputError
from experiments.factory.digits import RECIPE
from supernets.settings import PUBLISHED_SCALE, NetworkScale, Recipe, settings_of


def scale_for(space: str, dataset: str, options: Mapping[str, Any]) -> NetworkScale:
    """The default scale of the networks of a space for a data set, overridden by `options`.

    Raises:
        InputError: an option does not apply to the networks of the space.
    """
    settings = settings_of(space)
    for name in options:
        if name not in settings.scale_options:
            raise InputError(f"--{name} does not apply to the networks of {space}")
    return replace(settings.digits_scale if dataset == "digits" else PUBLISHED_SCALE, **options)


def recipe_for(dataset: str, options: Mapping[str, Any]) -> Recipe:
    """The default recipe for a data set, overridden by `options`."""
    return replace(RECIPE if dataset == "digits" else Recipe(), **options)
