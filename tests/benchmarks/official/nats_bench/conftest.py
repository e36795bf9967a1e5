"""Official sample files, official-layout records made here, and the comparison of two API objects."""

from __future__ import annotations

import io
import json
import math
import random
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.convert.nats import NatsFiles
from benchmarks.official import nats_bench as ours
from benchmarks.table import BenchmarkTable, RowWriter, preallocate
from tests.conftest import SHARED

ARCHIVES = {"tss": "NATS-tss-v1_0-3ffb9-simple", "sss": "NATS-sss-v1_0-50262-simple"}
SAMPLES = (0, 11, 284)
Step = Callable[[Any], Any]
Run = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a caller can notice of one call."""

    value: Any
    error: type[BaseException] | None
    printed: str
    warned: bool
    next_draw: float
    """The next number of the global `random`: equal only if both made the same draws."""


def outcome(step: Step, api: Any) -> Outcome:
    """Call `step` on `api` after `random.seed(20)`; time stamps in the printed text are blanked."""
    printed, value, error = io.StringIO(), None, None
    random.seed(20)
    with redirect_stdout(printed), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = step(api)
        except Exception as raised:
            error = type(raised)
    text = re.sub(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]", "[time]", printed.getvalue())
    warned = any(issubclass(warning.category, UserWarning) for warning in caught)
    return Outcome(value, error, text, warned, random.random())


def assert_same(first: Any, second: Any, path: str = "value") -> None:
    """Equal types of containers, equal keys, floats within 1e-9; result objects by their official dicts."""
    if hasattr(first, "state_dict"):
        assert type(first).__name__ == type(second).__name__, path
        first, second = first.state_dict(), second.state_dict()
    if isinstance(first, Mapping):
        assert set(first) == set(second), path
        for key in first:
            assert_same(first[key], second[key], f"{path}[{key!r}]")
    elif isinstance(first, list | tuple):
        assert type(first) is type(second), path
        assert len(first) == len(second), path
        for position, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same(one, other, f"{path}[{position}]")
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype, path
        np.testing.assert_array_equal(first, second)
    elif isinstance(first, float):
        assert math.isclose(first, second, rel_tol=1e-9), f"{path}: {first!r} is not {second!r}"
    else:
        assert type(first) is type(second), f"{path}: {first!r} is not {second!r}"
        assert first == second, path


@pytest.fixture(scope="session")
def assert_same_calls() -> Callable[[tuple[Any, Any], list[Step]], None]:
    """Runs the same steps on both objects of a pair and compares all that can be noticed after each."""

    def check(pair: tuple[Any, Any], steps: list[Step]) -> None:
        for step in steps:
            expected, got = outcome(step, pair[0]), outcome(step, pair[1])
            assert got.error == expected.error, step
            assert_same(expected.value, got.value, f"{step}")
            assert got.printed == expected.printed, step
            assert got.next_draw == expected.next_draw, f"{step}: other draws from the global random"
            assert got.warned or not expected.warned, f"{step}: the official call warns"

    return check


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[Step, Any], Outcome]:
    return outcome


@pytest.fixture(scope="session")
def assert_equal() -> Callable[[Any, Any], None]:
    return assert_same


@pytest.fixture(scope="session")
def official() -> Any:
    """The genuine package."""
    return pytest.importorskip("nats_bench", reason="the differential test needs the PyPI package nats_bench 1.8")


@pytest.fixture(scope="session")
def archives() -> dict[str, str]:
    """Space -> directory with the official files of the architectures SAMPLES."""
    found = {space: str(SHARED / "nats_bench" / name) for space, name in ARCHIVES.items()}
    if not all(Path(path).is_dir() for path in found.values()):
        pytest.skip(f"needs the official sample files in {SHARED}")
    return found


@pytest.fixture(scope="session")
def golden() -> dict[str, dict[str, Any]]:
    """'<space>/<index>/<schedule>/<record>' -> numbers that nats_bench 1.8 gave."""
    path = SHARED / "nats_golden_values.json"
    if not path.exists():
        pytest.skip(f"needs {path}")
    records: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return records


@pytest.fixture(scope="session")
def sample_dicts(archives: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Space -> content of a monolithic file with the architectures SAMPLES."""
    return {
        space: {
            "meta_archs": ours.pickle_load(f"{path}/meta.pickle.pbz2")["meta_archs"],
            "arch2infos": {index: ours.pickle_load(f"{path}/{index:06d}.pickle.pbz2") for index in reversed(SAMPLES)},
            "evaluated_indexes": list(SAMPLES),
        }
        for space, path in archives.items()
    }


@pytest.fixture(scope="session")
def fast_pairs(official: Any, archives: dict[str, str]) -> dict[str, tuple[Any, Any]]:
    """Space -> (official, ours) in fast mode, announcing every call."""
    return {
        space: (official.create(path, space, True), ours.create(path, space, True)) for space, path in archives.items()
    }


@pytest.fixture(scope="session")
def whole_pairs(official: Any, sample_dicts: dict[str, dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """Space -> (official, ours) made of a dict, without fast mode."""
    return {
        space: (official.create(content, space), ours.create(content, space)) for space, content in sample_dicts.items()
    }


@pytest.fixture(scope="session")
def tables(archives: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, BenchmarkTable]:
    """Space -> table of the official sample files."""
    folder = tmp_path_factory.mktemp("tables")
    return {space: table_of(Path(path), folder / f"{space}.arrow") for space, path in archives.items()}


@pytest.fixture(scope="session")
def make_table() -> Callable[[Path, Path], BenchmarkTable]:
    return table_of


def table_of(archive: Path, path: Path) -> BenchmarkTable:
    """The table of an unpacked archive."""
    source = NatsFiles.open_directory(archive)
    preallocate(path, source.info, source.columns, source.architectures)
    with RowWriter(path) as writer:
        for block in source.blocks():
            for row, values in source.read(block):
                writer.write(row, values)
    return BenchmarkTable.open(path)


# Records in the official layout, made here.

EPOCHS = 3
EVALUATED = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}


def made_run(record: str, seed: int, accuracy: float) -> Run:
    """A run whose accuracy at epoch e is `accuracy` + e in every set, whose loss is 1 / (e + 1) and whose epochs take
    4 s of training and 1 s of evaluation."""
    keys = [f"{name}@{epoch}" for name in EVALUATED[record] for epoch in range(EPOCHS)]
    return {
        "name": record,
        "train_acc1es": {epoch: accuracy + epoch for epoch in range(EPOCHS)},
        "train_acc5es": None,
        "train_losses": {epoch: 1 / (epoch + 1) for epoch in range(EPOCHS)},
        "train_times": OrderedDict.fromkeys(range(EPOCHS), 4.0),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": "made", "class_num": 10},
        "params": np.float64(0.5),
        "flop": 20.0,
        "seed": f"{seed:04d}",
        "epochs": EPOCHS,
        "latency": [np.float64(0.01)],
        "eval_names": list(EVALUATED[record]),
        "eval_acc1es": {key: accuracy + int(key.split("@")[1]) for key in keys},
        "eval_times": dict.fromkeys(keys, 1.0),
        "eval_losses": {key: 1 / (int(key.split("@")[1]) + 1) for key in keys},
        "net_state_dict": None,
    }


def made_content(accuracies: tuple[float, ...] = (50.0, 70.0, 60.0)) -> dict[str, Any]:
    """A monolithic content: architecture i has accuracy `accuracies[i]` with seed 777 and 2 more with seed 888."""
    arch2infos = {}
    for index, accuracy in enumerate(accuracies):
        runs = {
            (record, seed): made_run(record, seed, accuracy + 2 * (seed == 888))
            for record in EVALUATED
            for seed in (888, 777)
        }
        seeds = {record: [777, 888] for record in EVALUATED}
        facts = {"arch_index": index, "arch_str": f"arch-{index}", "all_results": runs, "dataset_seed": seeds}
        arch2infos[index] = OrderedDict({"12": {**facts, "clear_net_done": True}})
    names = [f"arch-{index}" for index in range(len(accuracies))]
    return {"meta_archs": names, "arch2infos": arch2infos, "evaluated_indexes": list(arch2infos)}


@pytest.fixture
def content() -> dict[str, Any]:
    """The content of a monolithic file of three made architectures, 'arch-0' to 'arch-2', three epochs each."""
    return made_content()


@pytest.fixture
def archive(content: dict[str, Any], tmp_path: Path) -> Path:
    """The same as an unpacked archive; the second file has the short name that the official reader accepts too."""
    ours.pickle_save({**content, "arch2infos": None}, tmp_path / "meta.pickle")
    for index, name in enumerate(("000000", "1", "000002")):
        ours.pickle_save(content["arch2infos"][index], tmp_path / f"{name}.pickle")
    return tmp_path


@pytest.fixture
def no_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """TORCH_HOME unset and HOME an empty folder."""
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return monkeypatch
