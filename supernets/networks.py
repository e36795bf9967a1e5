"""The networks of each space: its stand-alone candidate network and its supernet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from benchmarks.errors import InputError, unknown_name
from benchmarks.spaces import Arch, SizeSpace, space_named
from supernets.candidate_network import CandidateConfig, NetworkConfig
from supernets.images.tasks import ImageTask
from supernets.ops import Norm
from supernets.settings import PUBLISHED_SCALE, NetworkScale
from supernets.size_supernet import SizeSupernetConfig
from supernets.supernet import Supernet
from supernets.topology_supernet import TopologySupernetConfig


class SupernetConfig(Protocol):
    """All that a supernet depends on, except its weights; a frozen value object."""

    def build(self, rng: torch.Generator) -> Supernet:
        """The supernet with fresh weights drawn from `rng`."""


@dataclass(frozen=True)
class SpaceNetworks:
    """The constructors of the networks of one space. Each reads its own fields of the scale."""

    candidate: Callable[[Arch, NetworkScale, int, int], CandidateConfig]
    """Called with (architecture, scale, classes, colour channels of the images); returns its stand-alone network."""
    supernet: Callable[[NetworkScale, int, int, Norm], SupernetConfig] | None = None
    """Called with (scale, classes, colour channels, normalisation of the searched layers); None without a supernet."""


def _topology_candidate(arch: Arch, scale: NetworkScale, num_classes: int, in_channels: int) -> NetworkConfig:
    return NetworkConfig.tiny(arch, scale.width, scale.depth, num_classes, in_channels)


def _topology_supernet(scale: NetworkScale, num_classes: int, in_channels: int, norm: Norm) -> TopologySupernetConfig:
    return TopologySupernetConfig(scale.width, scale.depth, num_classes, in_channels, norm)


def _size_candidate(arch: Arch, scale: NetworkScale, num_classes: int, in_channels: int) -> NetworkConfig:
    SizeSpace().check(arch)
    return NetworkConfig.dynamic_shape(tuple(scale.channels[choice] for choice in arch), num_classes, in_channels)


def _size_supernet(scale: NetworkScale, num_classes: int, in_channels: int, norm: Norm) -> SizeSupernetConfig:
    return SizeSupernetConfig(scale.channels, num_classes, in_channels, norm)


NETWORKS: dict[str, SpaceNetworks] = {
    "tss": SpaceNetworks(_topology_candidate, _topology_supernet),
    "sss": SpaceNetworks(_size_candidate, _size_supernet),
}
"""Space -> its networks."""


def supernet_config(space_name: str, scale: NetworkScale, task: ImageTask, norm: Norm) -> SupernetConfig:
    """The supernet of a space for the images of a task.

    Args:
        norm: the normalisation of the searched layers.

    Raises:
        InputError: the space has no supernet, or no supernet of this scale.
    """
    networks = NETWORKS.get(space_name)
    if networks is None or networks.supernet is None:
        known = [name for name, networks in NETWORKS.items() if networks.supernet]
        raise InputError(unknown_name("space with a supernet", space_name, known))
    return networks.supernet(scale, task.num_classes, task.image_shape[0], norm)


def candidate_config(
    space_name: str,
    arch: Arch | str,
    num_classes: int = 10,
    in_channels: int = 3,
    scale: NetworkScale = PUBLISHED_SCALE,
) -> CandidateConfig:
    """The stand-alone network of an architecture, given as choices or as the official string.

    Raises:
        InputError: the space has no candidate networks, or `arch` is not in it.
    """
    if space_name not in NETWORKS:
        raise InputError(unknown_name("space with candidate networks", space_name, list(NETWORKS)))
    if isinstance(arch, str):
        arch = space_named(space_name).from_string(arch)
    return NETWORKS[space_name].candidate(arch, scale, num_classes, in_channels)


def candidate_network(
    space_name: str, arch: Arch | str, rng: torch.Generator, num_classes: int = 10, in_channels: int = 3
) -> nn.Module:
    """The published network of an architecture, with fresh weights; raises what `candidate_config` raises."""
    return candidate_config(space_name, arch, num_classes, in_channels).build(rng)
