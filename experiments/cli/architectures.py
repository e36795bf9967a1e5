"""One architecture on the terminal: its description, and its published network layer by layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from benchmarks.errors import InputError
from benchmarks.spaces import SPACES, Arch, Space, space_named
from supernets.candidate_network import CandidateConfig, NetworkConfig
from supernets.counting import cost_by_formula, cost_of, layer_costs
from supernets.networks import NETWORKS, candidate_config
from supernets.settings import PUBLISHED_SCALE, settings_of


def read_architecture(text: str, space_name: str | None = None) -> tuple[Space, Arch]:
    """Read an architecture: the official string of any space, or an official index.

    Args:
        space_name: space of an index (default: the first of SPACES); a string identifies its space itself.

    Raises:
        InputError: `text` is neither, or the index is out of range, or the string is one of another space.
    """
    if re.fullmatch(r"-?\d{1,18}", text):
        space = space_named(space_name or next(iter(SPACES)))
        return space, space.arch(int(text))
    refusals = []
    for space in SPACES.values():
        try:
            arch = space.from_string(text)
        except InputError as refusal:
            refusals.append(str(refusal))
            continue
        if space_name not in (None, space.name):
            raise InputError(f"{text!r} is a string of {space.name}, but --space is {space_name}: leave out --space")
        return space, arch
    raise InputError(f"an architecture is an official index or an official string. {'; '.join(refusals)}")


def network_config(
    space: Space, arch: Arch, width: int | None, depth: int | None, classes: int, in_channels: int
) -> CandidateConfig | None:
    """The published network of `arch`, or one of the given width C and depth N; None if the space has no networks.

    Raises:
        InputError: a number is not positive, or width or depth do not apply to the networks of the space.
    """
    for name, number in {"width": width, "depth": depth, "classes": classes, "in-channels": in_channels}.items():
        if number is not None and number < 1:
            raise InputError(f"--{name} is at least 1, got {number}")
    for name, size in (("width", width), ("depth", depth)):
        if size is not None and name not in settings_of(space.name).scale_options:
            raise InputError(f"--{name} does not apply to the networks of {space.name}")
    if space.name not in NETWORKS:
        return None
    scale = replace(PUBLISHED_SCALE, width=width or PUBLISHED_SCALE.width, depth=depth or PUBLISHED_SCALE.depth)
    return candidate_config(space.name, arch, classes, in_channels, scale)


def describe_architecture(
    space: Space, arch: Arch, network: CandidateConfig | None, image_size: int
) -> list[str | Table]:
    """Describe an architecture: index, string, properties, and the cost of its network, by layer if that is known.

    Args:
        image_size: height and width of the images in pixels.

    Raises:
        InputError: the image size is not positive.
    """
    if image_size < 1:
        raise InputError(f"--image-size is at least 1, got {image_size}")
    description = space.describe(arch)
    parts: list[str | Table] = [f"{space.name} {space.index(arch)}: {space.to_string(arch)}", *description.lines]
    if description.headers:
        table = Table(*description.headers)
        for row in description.rows:
            table.add_row(*row)
        parts.append(table)
    if network is None:
        return [*parts, f"{space.name} has no networks in supernets.networks, so costs are unknown"]
    if isinstance(network, NetworkConfig):
        return [*parts, _layers(network, (image_size, image_size))]
    cost = cost_of(network, (image_size, image_size))
    images = "×".join(map(str, (network.in_channels, image_size, image_size)))
    title = f"network for {images} images and {network.num_classes} classes"
    return [*parts, f"{title}: {cost.parameters:,} parameters, {cost.flops:,} multiply-accumulates"]


def show(parts: Sequence[str | Table]) -> None:
    """Print a description; long lines are not broken, so that they can be copied."""
    console = Console()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str), markup=False, highlight=False)


def _layers(network: NetworkConfig, image_size: tuple[int, int]) -> Table:
    images = "×".join(map(str, (network.in_channels, *image_size)))
    title = f"network for {images} images and {network.num_classes} classes"
    table = Table(title=title, title_justify="left")
    for header in ("module", "layer"):
        table.add_column(header, overflow="fold")
    for header in ("output", "parameters", "multiply-\naccumulates"):
        table.add_column(header, justify="right", overflow="fold")
    for part, name in zip(layer_costs(network, image_size), _layer_names(network), strict=True):
        shape = "×".join(map(str, part.shape))
        table.add_row(part.module, name, shape, f"{part.cost.parameters:,}", f"{part.cost.flops:,}")
    total = cost_by_formula(network, image_size)
    table.add_section()
    table.add_row("total", "", "", f"{total.parameters:,}", f"{total.flops:,}")
    return table


def _layer_names(network: NetworkConfig) -> list[str]:
    names, stage = ["3×3 convolution"], 1
    for layer in network.layers:
        names.append(f"stage {stage}: cell" if layer.stride == 1 else "reduction block")
        stage += layer.stride == 2
    return [*names, "normalisation, ReLU", "pooling, linear"]
