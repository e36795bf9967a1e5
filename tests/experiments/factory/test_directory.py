"""Directories of builds: headers of earlier versions are read, and other code and hardware is noted once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import InputError
from experiments.factory.directory import BuildDirectory, BuildHeader, Maker
from supernets.settings import NetworkScale, TrainConfig

EARLIEST: dict[str, Any] = {
    "space": "sss",
    "dataset": "digits",
    "split": "own-seed-0",
    "fingerprint": "24c734c0",
    "images": {"train": 600, "valid": 597, "test": 600},
    "image_shape": [1, 10, 10],
    "num_classes": 10,
    "scale": {"width": 16, "depth": 5, "channels": [2, 4, 6, 8, 10, 12, 14, 16]},
    "recipe": {"batch_size": 16, "learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0005,
               "evaluation_batch_size": 256, "mixed_precision": False, "channels_last": True,
               "test_every_epoch": False},
    "canonical": False,
    "made_with": [{"versions": {"torch": "2.8"}, "git_commit": "abc", "hardware": "a processor"}],
    "format": 1,
}  # fmt: skip
"""A build.json that does not name the compiler."""


@pytest.fixture
def build(tmp_path: Path) -> BuildDirectory:
    (tmp_path / "build.json").write_text(json.dumps(EARLIEST))
    return BuildDirectory(tmp_path)


def test_an_earlier_header_is_read_as_typed_values(build: BuildDirectory) -> None:
    header = build.header()
    assert header.scale == NetworkScale(channels=(2, 4, 6, 8, 10, 12, 14, 16))
    assert header.recipe_of("7") == TrainConfig(
        epochs=7, batch_size=16, learning_rate=0.05, channels_last=True, test_every_epoch=False
    )
    assert header.made_with == (Maker({"torch": "2.8"}, "abc", "a processor", None),)
    assert header.identity == {key: value for key, value in EARLIEST.items() if key != "made_with"}


def test_a_written_header_is_read_back(build: BuildDirectory) -> None:
    header = build.header()
    build.write_header(header)
    assert build.header() == header
    assert json.loads(build.header_path.read_text())["recipe"] == EARLIEST["recipe"]


def test_a_setting_that_an_earlier_header_lacks_has_its_default(build: BuildDirectory) -> None:
    scale = {"width": 16, "channels": EARLIEST["scale"]["channels"]}
    build.header_path.write_text(json.dumps({**EARLIEST, "scale": scale}))
    assert build.header().identity["scale"] == EARLIEST["scale"]


def test_other_makers_are_noted_once(build: BuildDirectory) -> None:
    first = build.header()
    other = Maker({"torch": "2.9"}, "def", "another processor", "c++ 14")
    for header in (replace(first, made_with=(other,)), replace(first, made_with=(other,)), first):
        build.begin(header)
    assert build.header().made_with == (*first.made_with, other)


def test_another_build_is_refused(build: BuildDirectory) -> None:
    other: BuildHeader = replace(build.header(), num_classes=9)
    with pytest.raises(InputError, match="holds another build: num_classes is 10, but 9 was requested"):
        build.begin(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has build format 2; this version reads up to 1"),
        ({"scale": {"width": "wide"}}, "is damaged"),
        ({"space": None}, "is damaged"),
    ],
)
def test_an_unreadable_header_is_refused(change: dict[str, Any], message: str, build: BuildDirectory) -> None:
    build.header_path.write_text(json.dumps({**EARLIEST, **change}))
    with pytest.raises(InputError, match=message):
        build.header()


def test_a_header_that_is_no_json_is_refused(build: BuildDirectory) -> None:
    build.header_path.write_bytes(b"{\xff")
    with pytest.raises(InputError, match="is damaged"):
        build.header()
