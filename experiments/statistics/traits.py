"""Traits of the architectures in records: properties defined by a space, to plot over the course of a search."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from benchmarks.spaces import Space
from experiments.records.runs import Floats
from supernets.settings import NetworkScale


def traits(space: Space, scale: NetworkScale, architecture: NDArray[np.int32]) -> dict[str, Floats]:
    """The space's traits of official indices: name -> values in the shape of `architecture`.

    Args:
        scale: the size of the supernet.
    """
    indices, place = np.unique(architecture, return_inverse=True)
    choices = np.array([space.arch(int(index)) for index in indices])  # (different architectures, decisions)
    found = space.traits(choices, asdict(scale))
    return {name: values[place].reshape(architecture.shape) for name, values in found.items()}


def trait_ranges(space: Space, scale: NetworkScale) -> dict[str, tuple[float, float]]:
    """The smallest and largest value of each trait over the combinations with the same choice in every decision.

    Decisions with fewer choices use their last choice.
    """
    last = np.array(space.options) - 1
    uniform = np.minimum(np.arange(max(space.options))[:, None], last)  # (most options, decisions)
    found = space.traits(uniform, asdict(scale))
    return {name: (float(values.min()), float(values.max())) for name, values in found.items()}
