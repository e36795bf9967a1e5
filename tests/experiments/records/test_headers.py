"""Headers: what a study or a sweep ran, written to JSON and read back, also from files of earlier formats."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from benchmarks.metrics import ACCURACY, Metric
from benchmarks.outcomes import Fidelity
from experiments.records.budgets import Budget
from experiments.records.domains import Choice, Range
from experiments.records.headers import (
    FORMAT,
    MultiTrialSettings,
    Optimum,
    StudyHeader,
    SweepHeader,
    SweepSettings,
    TableIdentity,
    TableSettings,
    TrainingSettings,
    WeightSharingSettings,
)
from experiments.records.study import StudyRecords
from experiments.storage.directories import RecordError
from supernets.images.facts import ImageFacts
from supernets.settings import NetworkScale, Recipe

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)
IMAGES = ImageFacts(
    dataset="digits", split="own-seed-0", fingerprint="24c7", counts={"train": 600, "valid": 597, "test": 600},
    image_shape=(1, 10, 10), num_classes=10,
)  # fmt: skip
OLD_IMAGES = {
    "dataset": "digits", "split": "own-seed-0", "fingerprint": "24c7",
    "images": {"train": 600, "valid": 597, "test": 600}, "image_shape": [1, 10, 10], "num_classes": 10,
}  # fmt: skip
OLD_SCALE = {"width": 8, "depth": 2, "channels": list(CHANNELS)}
TABLE = {"name": "tss-digits", "provenance": {"source": "trained from scratch"}}
RECIPE = {"batch_size": 16, "learning_rate": 0.05, "nesterov": True}
OLD_CLOCK = {
    "budgets": {"digits": 20000}, "preset": None, "cost_model": "nats", "seed_policy": "sampled", "crossing": "keep",
    "cache": False, "simulated_workers": 1, "incumbent": "highest_fidelity",
    "fidelity": {"digits": {"schedule": "12", "epoch": 12}},
}  # fmt: skip
OLD_COMMON = {
    "algorithms": {"regularized_ea": {"population_size": 10}}, "datasets": ["digits"], "runs": 2, "seed": 0,
    "report_fidelity": {"digits": {"schedule": "200", "epoch": 200}},
}  # fmt: skip
OLD_SETTINGS: dict[str, dict[str, Any]] = {
    "table": {"space": "tss", "table": TABLE, **OLD_COMMON, **OLD_CLOCK},
    "training": {
        "space": "tss",
        "trained": {
            "space": "tss", **OLD_IMAGES, "scale": OLD_SCALE, "recipe": RECIPE, "canonical": False, "format": 1,
        },
        **OLD_COMMON, **OLD_CLOCK,
    },
    "weight_sharing": {"space": "tss", "shared": {**OLD_IMAGES, "scale": OLD_SCALE}, **OLD_COMMON, "threads": 1},
}  # fmt: skip
COMMON: dict[str, Any] = {
    "space": "tss", "algorithms": {"regularized_ea": {"population_size": 10}}, "datasets": ("digits",), "runs": 2,
    "seed": 0, "report_fidelity": {"digits": Fidelity("200", 200)},
}  # fmt: skip
MULTI_TRIAL: dict[str, Any] = {
    **COMMON, "budgets": {"digits": Budget(20000)}, "cost_model": "nats", "seed_policy": "sampled",
    "fidelity": {"digits": Fidelity("12", 12)},
}  # fmt: skip
NETWORKS: dict[str, Any] = {"images": IMAGES, "scale": NetworkScale(8, 2, CHANNELS)}
SETTINGS = {
    "table": TableSettings(table=TableIdentity(**TABLE), **MULTI_TRIAL),
    "training": TrainingSettings(recipe=Recipe(batch_size=16, learning_rate=0.05), **NETWORKS, **MULTI_TRIAL),
    "weight_sharing": WeightSharingSettings(threads=1, **NETWORKS, **COMMON),
}
OPTIMUM = Optimum(6111, 94.5, math.nan, 87.0, 12.9, 15625)


def old_study(settings: dict[str, Any]) -> dict[str, Any]:
    """study.json as format 1 had it."""
    optimum = {
        "architecture": 6111, "test": 94.5, "validation": None, "mean_test": 87.0, "std_test": 12.9,
        "architectures": 15625,
    }  # fmt: skip
    return {
        "settings": settings, "optima": {"digits": optimum}, "versions": {"numpy": "2.0"}, "git_commit": "abc",
        "resumed_with": [{"git_commit": "def", "versions": {"numpy": "2.1"}}], "format": 1,
    }  # fmt: skip


def written(path: Path, facts: Any) -> Path:
    path.write_text(json.dumps(facts))
    return path


def test_budgets_and_metrics_of_any_kind_are_read_back(tmp_path: Path) -> None:
    own = Metric("PSNR", "dB", range=(0.0, None))
    settings = msgspec.structs.replace(
        SETTINGS["table"],
        datasets=("digits", "other"),
        budgets=dict.fromkeys(("digits", "other"), Budget(300, "evaluations")),
        metrics={"other": own},
        untested=("other",),
    )
    optimum = Optimum(3, math.nan, 41.5, architectures=7, mean_validation=30.0, std_validation=2.0)
    path = tmp_path / "study.json"
    path.write_text(StudyHeader(settings, {"other": optimum}, {}, "abc").to_json())
    read = StudyHeader.read(path)
    assert read.settings == settings
    assert repr(read.optima["other"]) == repr(optimum)
    assert [read.settings.metric(dataset) for dataset in ("digits", "other")] == [ACCURACY, own]


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_header_reads_what_it_wrote(kind: str, tmp_path: Path) -> None:
    header = StudyHeader(SETTINGS[kind], {"digits": OPTIMUM}, {"numpy": "2.0"}, "abc")
    path = tmp_path / "study.json"
    path.write_text(header.to_json())
    read = StudyHeader.read(path)
    assert (read.settings, read.versions, read.git_commit, read.format) == (SETTINGS[kind], {"numpy": "2.0"}, "abc", 2)
    assert repr(read.optima["digits"]) == repr(OPTIMUM), "NaN survives, which equals nothing"
    assert json.loads(path.read_text())["settings"]["kind"] == kind
    assert json.loads(path.read_text())["optima"]["digits"]["validation"] is None


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_study_of_format_1_is_read_as_the_present_one(kind: str, tmp_path: Path) -> None:
    read = StudyHeader.read(written(tmp_path / "study.json", old_study(OLD_SETTINGS[kind])))
    assert read.settings == SETTINGS[kind]
    assert (read.git_commit, read.format, read.resumed_with[0]["git_commit"]) == ("abc", FORMAT, "def")
    assert read.optima["digits"].test == 94.5
    assert math.isnan(read.optima["digits"].validation)


@pytest.mark.parametrize("kind", ["training", "weight_sharing"])
def test_settings_that_an_earlier_version_did_not_write_have_their_defaults(kind: str, tmp_path: Path) -> None:
    header = StudyHeader(SETTINGS[kind], {}, {}, "abc")
    facts = json.loads(header.to_json())
    del facts["settings"]["scale"]["channels"]
    read = StudyHeader.read(written(tmp_path / "study.json", facts))
    assert (read.identity, read.digest) == (header.identity, header.digest)


def test_weight_sharing_beside_a_table_keeps_it(tmp_path: Path) -> None:
    settings = {"space": "tss", "table": TABLE, **OLD_SETTINGS["weight_sharing"]}
    read = StudyHeader.read(written(tmp_path / "study.json", old_study(settings)))
    assert isinstance(read.settings, WeightSharingSettings)
    assert read.settings.table == TableIdentity(**TABLE)


def test_algorithms_of_the_user_s_own_keep_their_code(tmp_path: Path) -> None:
    settings = {**OLD_SETTINGS["table"], "code": {"mine:Own": "5ha"}}
    read = StudyHeader.read(written(tmp_path / "study.json", old_study(settings)))
    assert isinstance(read.settings, MultiTrialSettings)
    assert read.settings.code == {"mine:Own": "5ha"}


def test_old_records_know_less_of_the_optimum(tmp_path: Path) -> None:
    facts = old_study(OLD_SETTINGS["table"])
    facts["optima"]["digits"] = {"architecture": 6111, "test": 94.5, "validation": 91.0}
    optimum = StudyHeader.read(written(tmp_path / "study.json", facts)).optima["digits"]
    assert (optimum.validation, optimum.architectures) == (91.0, 0)
    assert math.isnan(optimum.mean_test)


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_directory_of_format_1_is_resumed_by_the_same_settings(kind: str, tmp_path: Path) -> None:
    written(tmp_path / "study.json", old_study(OLD_SETTINGS[kind]))
    records = StudyRecords(tmp_path)
    header = StudyHeader(SETTINGS[kind], {}, {"numpy": "2.0"}, "abc")
    records.begin(header)
    other = StudyHeader(structs.replace(SETTINGS[kind], seed=3), {}, {"numpy": "2.0"}, "abc")
    with pytest.raises(RecordError, match="another study: seed is 0, but 3 was requested"):
        records.begin(other)


def test_a_study_of_another_kind_is_another_study(tmp_path: Path) -> None:
    written(tmp_path / "study.json", old_study(OLD_SETTINGS["table"]))
    with pytest.raises(RecordError, match="another study: kind is 'table', but 'weight_sharing'"):
        StudyRecords(tmp_path).begin(StudyHeader(SETTINGS["weight_sharing"], {}, {}, "abc"))


def test_a_sweep_of_format_1_is_read_as_the_present_one(tmp_path: Path) -> None:
    tuned = {
        "population_size": {"low": 5, "high": 50, "whole": True, "log": True},
        "mutation": {"values": ["uniform", "official"]},
    }
    settings = {
        "algorithm": "regularized_ea", "tuned": tuned, "unit": "runs", "rungs": [1, 3, 9], "search": "random",
        "objective": "final_validation", "scheduler": "asha", "study": OLD_SETTINGS["table"],
    }  # fmt: skip
    facts = {"settings": settings, "versions": {"ray": "2"}, "git_commit": "abc", "resumed_with": [], "format": 1}
    read = SweepHeader.read(written(tmp_path / "sweep.json", facts))
    assert read.settings == SweepSettings(
        algorithm="regularized_ea",
        tuned={"population_size": Range(5, 50, whole=True, log=True), "mutation": Choice(("uniform", "official"))},
        unit="runs",
        rungs=(1, 3, 9),
        objective="final_validation",
        search="random",
        scheduler="asha",
        study=SETTINGS["table"],
    )
    (tmp_path / "sweep.json").write_text(read.to_json())
    assert SweepHeader.read(tmp_path / "sweep.json") == read


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"\xff", "malformed"),
        (b"[" * 100_000, "recursion|depth"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `format`"),
        (b'{"format": 2, "settings": {"kind": "unheard"}}', "Invalid value 'unheard' - at `\\$.settings.kind`"),
        (b'{"format": 1, "settings": 3}', "int"),
        (b'{"format": 3}', "format 3; this version reads formats up to 2"),
    ],
)
def test_a_damaged_header_is_named_with_the_reason(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=rf"study\.json .*{reason}"):
        StudyHeader.read(path)


def test_a_setting_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    facts = old_study({**OLD_SETTINGS["table"], "runs": "many"})
    with pytest.raises(RecordError, match=r"Expected `int`, got `str` - at `\$\.settings\.runs`"):
        StudyHeader.read(written(tmp_path / "study.json", facts))
    settings = {**OLD_SETTINGS["weight_sharing"], "shared": {**OLD_IMAGES, "scale": {**OLD_SCALE, "width": 0}}}
    with pytest.raises(RecordError, match="width, depth and channel counts of a network are at least 1"):
        StudyHeader.read(written(tmp_path / "study.json", old_study(settings)))


def test_other_settings_have_another_digest() -> None:
    digests = {StudyHeader(settings, {}, {}, "").digest for settings in SETTINGS.values()}
    digests |= {StudyHeader(structs.replace(SETTINGS["table"], runs=3), {}, {}, "").digest}
    assert len(digests) == 4
    assert StudyHeader(SETTINGS["table"], {}, {"numpy": "2"}, "def").digest in digests
