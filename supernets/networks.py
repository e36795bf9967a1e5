"""The networks of each space: its stand-alone candidate network and its supernet."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.errors import InputError, unknown_name
from benchmarks.spaces import Arch, SizeSpace, space_named
from nas_algos.weight_sharing.method import MethodConfig
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.images.tasks import ImageTask
from supernets.ops import Norm
from supernets.settings import PUBLISHED_SCALE, NetworkScale
from supernets.size_supernet import SizeSupernet, SizeSupernetConfig
from supernets.topology_supernet import TopologySupernet, TopologySupernetConfig


def supernet_config(
    space_name: str, scale: NetworkScale, task: ImageTask, config: MethodConfig
) -> TopologySupernetConfig | SizeSupernetConfig:
    """The supernet of a space for the images of a task; each space reads its own fields of `scale`.

    Raises:
        InputError: there is none of this scale.
    """
    norm = Norm(config.affine, config.track_running_stats)
    colours = task.image_shape[0]
    if space_name == "sss":
        return SizeSupernetConfig(scale.channels, task.num_classes, colours, norm)
    return TopologySupernetConfig(scale.width, scale.depth, task.num_classes, colours, norm)


def supernet(config: TopologySupernetConfig | SizeSupernetConfig, rng: torch.Generator) -> nn.Module:
    return SizeSupernet(config, rng) if isinstance(config, SizeSupernetConfig) else TopologySupernet(config, rng)


def candidate_config(
    space_name: str,
    arch: Arch | str,
    num_classes: int = 10,
    in_channels: int = 3,
    scale: NetworkScale = PUBLISHED_SCALE,
) -> NetworkConfig:
    """The network of an architecture of `tss` or `sss`, given as choices or as the official string.

    Raises:
        InputError: the space has no such networks, or `arch` is not in it.
    """
    if space_name not in ("tss", "sss"):
        raise InputError(unknown_name("space of candidate networks", space_name, ["tss", "sss"]))
    if isinstance(arch, str):
        arch = space_named(space_name).from_string(arch)
    if space_name == "tss":
        return NetworkConfig.tiny(arch, scale.width, scale.depth, num_classes, in_channels)
    SizeSpace().check(arch)
    return NetworkConfig.dynamic_shape(tuple(scale.channels[choice] for choice in arch), num_classes, in_channels)


def candidate_network(
    space_name: str, arch: Arch | str, rng: torch.Generator, num_classes: int = 10, in_channels: int = 3
) -> CandidateNetwork:
    """The published network of an architecture, with fresh weights; errors as `candidate_config`."""
    return CandidateNetwork(candidate_config(space_name, arch, num_classes, in_channels), rng)
