"""Traits of architectures: properties of a space whose course over a search is worth a curve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.spaces import Space
from benchmarks.spaces.tss import OPERATIONS
from experiments.records.runs import Floats
from supernets.settings import NetworkScale


def traits(space: Space, scale: NetworkScale, architecture: NDArray[np.int32]) -> dict[str, Floats]:
    """What is telling about architectures of a space: name -> numbers in the shape of `architecture`, official indices.

    Args:
        scale: size of the supernet.
    """
    indices, place = np.unique(architecture, return_inverse=True)
    choices = np.array([space.arch(int(index)) for index in indices])  # (different architectures, decisions)
    of_space = _TRAITS.get(space.name)
    found = of_space(choices, scale) if of_space else {}
    return {name: values[place].reshape(architecture.shape) for name, values in found.items()}


def _edges(choices: NDArray[np.int64], scale: NetworkScale) -> dict[str, Floats]:
    """Operations whose number tells of a collapse."""
    _ = scale
    counted = ("skip_connect", "none")
    return {f"{name} edges": (choices == OPERATIONS.index(name)).sum(axis=1).astype(float) for name in counted}


def _channels(choices: NDArray[np.int64], scale: NetworkScale) -> dict[str, Floats]:
    return {"mean channels": np.array(scale.channels, float)[choices].mean(axis=1)}


_TRAITS: dict[str, Callable[[NDArray[np.int64], NetworkScale], dict[str, Floats]]] = {
    "tss": _edges,
    "sss": _channels,
}
