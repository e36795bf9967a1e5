"""The weight-sharing search methods by their CLI name. Only looking up a name imports PyTorch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.errors import InputError, unknown_name

if TYPE_CHECKING:
    from nas_algos.weight_sharing.method import Method

METHODS = {
    "darts_v1": "darts.DartsV1",
    "darts_v2": "darts.DartsV2",
    "gdas": "gdas.GDAS",
    "setn": "setn.SETN",
    "enas": "enas.ENAS",
    "random_nas": "random_nas.RandomNAS",
    "tas": "tas.TAS",
    "mask_gumbel": "mask_gumbel.MaskGumbel",
    "mask_rl": "mask_rl.MaskRL",
}
"""Name of the method -> its module in this package and its class."""
PHASES = ("weights", "architecture", "controller", "derivation")
"""The phases of a search whose seconds are recorded."""


def method_named(name: str) -> type[Method]:
    """The method called `name` (hyphens may stand for underscores); InputError for an unknown name, with a list."""
    key = name.replace("-", "_")
    if key not in METHODS:
        raise InputError(unknown_name("weight-sharing method", name, list(METHODS)))
    module, _, attribute = METHODS[key].partition(".")
    method: type[Method] = getattr(import_module(f"{__package__}.{module}"), attribute)
    return method
