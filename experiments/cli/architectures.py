"""One architecture on the terminal: what it is, and its published network layer by layer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.errors import InputError
from benchmarks.spaces import Arch, Space, space_named
from benchmarks.spaces.tss import EDGES, OPERATIONS, live_edges
from supernets.candidate_network import SIZE_CELL, NetworkConfig
from supernets.counting import cost_by_formula, layer_costs
from supernets.networks import candidate_config


def read_architecture(text: str, space_name: str | None = None) -> tuple[Space, Arch]:
    """The space and the architecture that `text` means: an official string of tss or sss, or an official index.

    Args:
        space_name: of an index (default: tss); a string tells its own space.

    Raises:
        InputError: `text` is none of them, an index out of range, or a string of another space than `space_name`.
    """
    if re.fullmatch(r"-?\d{1,18}", text):
        space = space_named(space_name or "tss")
        return space, space.arch(int(text))
    if not re.search("[|:]", text):
        raise InputError(
            "an architecture is an official string such as '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|' (tss) or "
            f"'8:16:24:32:40' (sss), or an official index; got {text!r}"
        )
    own = "tss" if "|" in text else "sss"
    if space_name not in (None, own):
        raise InputError(f"{text!r} is a string of {own}, but --space is {space_name}: leave out --space")
    return space_named(own), space_named(own).from_string(text)


def network_config(
    space: Space, arch: Arch, width: int | None, depth: int | None, classes: int, in_channels: int
) -> NetworkConfig:
    """The published network of `arch`, in tss of another width C or depth N where they are given.

    Raises:
        InputError: a number is not positive, or sss is given a width or depth.
    """
    for name, number in {"width": width, "depth": depth, "classes": classes, "in-channels": in_channels}.items():
        if number is not None and number < 1:
            raise InputError(f"--{name} is at least 1, got {number}")
    sizes = {name: size for name, size in (("width", width), ("depth", depth)) if size is not None}
    if space.name == "tss":
        return NetworkConfig.tiny(arch, num_classes=classes, in_channels=in_channels, **sizes)
    if sizes:
        options = " and ".join(f"--{name}" for name in sizes)
        raise InputError(f"{options} is for tss: the channels of an sss network are its architecture")
    return candidate_config(space.name, arch, classes, in_channels)


def describe_architecture(space: Space, arch: Arch, network: NetworkConfig, image_size: int) -> list[str | Table]:
    """Index, strings, which edges matter (tss), and shapes and costs of the layers of `network`, for `show`.

    Args:
        image_size: height and width of the images in pixels.

    Raises:
        InputError: the images have no pixels.
    """
    if image_size < 1:
        raise InputError(f"--image-size is at least 1, got {image_size}")
    parts: list[str | Table] = [f"{space.name} {space.index(arch)}: {space.to_string(arch)}"]
    if space.name == "tss":
        seen = "" if any(live_edges(arch)) else "not "
        parts += [f"canonical form: {space.canonical(arch)}", f"the output is {seen}connected to the input"]
        parts.append(_edges(arch))
    else:
        tss = space_named("tss")
        parts.append(f"cell of every sss network: {tss.to_string(SIZE_CELL)} (tss {tss.index(SIZE_CELL)})")
    return [*parts, _layers(network, (image_size, image_size))]


def show(parts: Sequence[str | Table]) -> None:
    """Print a description; long lines stay whole, to be copied."""
    console = Console()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str), markup=False, highlight=False)


def _edges(cell: Arch) -> Table:
    table = Table("edge", "operation", "matters")
    for (target, source), choice, live in zip(EDGES, cell, live_edges(cell), strict=True):
        operation = OPERATIONS[choice]
        dead = "no: no connection" if operation == "none" else "no: on no path from input to output"
        table.add_row(f"{target}<-{source}", operation, "yes" if live else dead)
    return table


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
