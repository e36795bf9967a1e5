"""Opening the benchmark, and the functions of the module, beside the genuine `nats_bench` 1.8."""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest

from benchmarks.official import nats_bench as ours

SPACES = ("tss", "sss")
Pair = tuple[Any, Any]
Check = Callable[[Pair, list[Any]], None]
call = methodcaller


def opened(path: Any, space: Any, *options: Any) -> Callable[[Any], str]:
    """A step on a module instead of an API object: what the new object says of itself, or the error."""

    def step(module: Any) -> str:
        api = module.create(path, space, *options)
        return f"{api!r} {api.filename} {api.archive_dir} {api.evaluated_indexes} {sorted(api.avaliable_hps)}"

    return step


def test_constructor_arguments(official: Any, assert_same_calls: Check, content: dict[str, Any], archive: Path) -> None:
    ours.pickle_save(content, archive / "whole.pickle")
    whole, meta = str(archive / "whole.pickle.pbz2"), str(archive / "meta.pickle.pbz2")
    (archive / "empty").mkdir()
    twice = {**content, "meta_archs": ["arch-0", "arch-0"]}
    lacking = [{key: value for key, value in content.items() if key != left_out} for left_out in content]
    steps = [
        *(opened(path, space) for path in (whole, content) for space in ("tss", "topology", "sss", "size")),
        *(opened(content, space) for space in ("", None, "nats", ["tss"])),
        *(opened(broken, "tss", False, verbose) for broken in (twice, {}, *lacking) for verbose in (True, False)),
        *(
            opened(path, "tss", fast, True)
            for path in (whole, str(archive), content, "/nowhere", "")
            for fast in (0, 1)
        ),
        *(opened(path, "tss", fast) for path in (3, b"x", [content]) for fast in (False, True)),
        opened(str(archive / "empty"), "tss", True),
        opened(str(archive) + os.sep, "sss", True),
        opened(meta, "tss"),
    ]
    assert_same_calls((official, ours), steps)


def test_default_places(
    official: Any, assert_same_calls: Check, content: dict[str, Any], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [opened(None, space, fast, verbose) for space in SPACES for fast in (0, 1) for verbose in (True, False)]
    home = archive / "home"
    for folder in (home, home / ".torch"):
        folder.mkdir()
        ours.pickle_save(content, folder / "NATS-tss-v1_0-3ffb9.pickle")
        (folder / "NATS-tss-v1_0-3ffb9-simple").symlink_to(archive)
    monkeypatch.setenv("TORCH_HOME", str(home))
    assert_same_calls((official, ours), steps)
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("HOME", str(home))
    assert_same_calls((official, ours), steps)
    monkeypatch.delenv("HOME")
    assert_same_calls((official, ours), steps)


def test_module_functions(official: Any, assert_same_calls: Check, tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None], "b": ("x", {1, 2}), 3: b"bytes"}
    steps = [
        call("version"),
        *(
            call("search_space_info", main, aux)
            for main in ("nats-bench", "nas-bench-201", "x", None)
            for aux in ("tss", "topology", "sss", "size", None, "x")
        ),
        call("pickle_save", value, tmp_path / "saved"),
        call("pickle_load", tmp_path / "saved"),
        call("pickle_load", str(tmp_path / "saved.pbz2")),
        call("pickle_save", value, str(tmp_path / "other"), ext=".x", protocol=5),
        call("pickle_load", str(tmp_path / "other"), ext=".x"),
        call("pickle_load", tmp_path / "other"),
    ]
    assert_same_calls((official, ours), steps)
