"""The initial contents of a NATS-Bench API object, independent of how the measurements are stored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.official.nats_bench.files import read_meta
from benchmarks.official.nats_bench.results import ArchResults

Schedules = MutableMapping[str, ArchResults]
"""{schedule: all runs of one architecture under it}."""


@dataclass(frozen=True)
class Contents:
    """The strings of all architectures and the results that are known without reading another file."""

    meta_archs: list[str]
    """Architecture strings by official index."""
    arch2infos: MutableMapping[int, Schedules] = field(default_factory=OrderedDict)
    """{index: {schedule: results}}."""
    evaluated_indexes: set[int] = field(default_factory=set)
    hps: set[str] = field(default_factory=set)
    """The schedules of `arch2infos`."""


def schedules_from_dicts(archresults: dict[str, dict[str, Any]]) -> Schedules:
    """The results of one architecture, built from its official dicts {schedule: archresult}."""
    return OrderedDict((hp, ArchResults.create_from_state_dict(results)) for hp, results in archresults.items())


def from_dict(content: dict[str, Any]) -> Contents:
    """The contents of a monolithic file, given as a dict.

    Raises:
        ValueError: one of the three keys is missing.
        AttributeError: the content is that of a meta file (the official type).
    """
    for key in ("meta_archs", "arch2infos", "evaluated_indexes"):
        if key not in content:
            raise ValueError(f"Can not find key[{key}] in the dict; it has {list(content)}")
    if content["arch2infos"] is None:
        raise AttributeError("'arch2infos' is None: this is a meta file. Give its directory and fast_mode=True")
    arch2infos = OrderedDict(
        (index, schedules_from_dicts(archresults)) for index, archresults in sorted(content["arch2infos"].items())
    )
    hps = {hp for schedules in arch2infos.values() for hp in schedules}
    return Contents(list(content["meta_archs"]), arch2infos, set(content["evaluated_indexes"]), hps)


def from_archive(archive_dir: str) -> Contents:
    """The contents of an unpacked archive: only strings, as the file of an architecture is read when it is queried."""
    return Contents(read_meta(archive_dir))
