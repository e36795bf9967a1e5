"""What commands print: numbers carry the name, the unit and the direction of the metric they are measured in."""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.metrics import ACCURACY, METRICS
from benchmarks.outcomes import Fidelity
from experiments.cli.console import show_confirmation, show_one_shot, show_ranking
from experiments.records.budgets import Budget
from experiments.records.domains import Range
from experiments.records.headers import SweepSettings, TableIdentity, TableSettings, WeightSharingSettings
from experiments.records.sweep import Configuration, Evaluation
from experiments.statistics.weight_sharing import OneShotRanking
from experiments.sweeps.confirmation import Confirmed
from supernets.images.facts import ImageFacts
from supernets.settings import NetworkScale

LOSS = METRICS["loss"]
COMMON: dict[str, Any] = {
    "space": "tss", "algorithms": {}, "datasets": ("digits",), "runs": 1, "seed": 0, "metrics": {"digits": LOSS},
    "report_fidelity": {"digits": Fidelity("200", 200)},
}  # fmt: skip
ON_TABLE = TableSettings(
    table=TableIdentity(name="losses"), budgets={"digits": Budget(9)}, cost_model="nats", seed_policy="mean",
    fidelity={"digits": Fidelity("12", 12)}, **COMMON,
)  # fmt: skip
IMAGES = ImageFacts(dataset="digits", split="s", fingerprint="f", counts={}, image_shape=(1, 8, 8), num_classes=10)
SHARED = WeightSharingSettings(images=IMAGES, scale=NetworkScale(), threads=1, **COMMON)


def sweep_of(study: Any) -> SweepSettings:
    return SweepSettings(
        algorithm="regularized_ea", tuned={"sample_size": Range(1, 9, whole=True, log=False)}, unit="runs",
        rungs=(1, 3), objective="final_validation", search="random", scheduler="asha", study=study,
    )  # fmt: skip


def cells(text: str, name: str) -> list[str]:
    """The cells of the row that begins with `name`."""
    (row,) = (line for line in text.splitlines() if line.strip("│┃ ").startswith(name))
    return [cell.strip() for cell in row.replace("┃", "│").strip("│").split("│")]


def test_one_shot_rankings_have_the_unit_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    one = OneShotRanking(0, np.arange(3, dtype=np.int32), np.array([40.0, 50, 60]), np.array([-3.0, -2, -1]))
    show_one_shot({("gdas", "digits"): [one]}, LOSS)
    text = capsys.readouterr().out
    assert "accuracy with shared weights and loss after training" in " ".join(text.split())
    assert cells(text, "algorithm")[4:] == ["shared (%)", "trained (nats)"]
    assert cells(text, "gdas")[4:] == ["50.00", "2.0000"]


@pytest.mark.parametrize(("study", "heading", "best"), [(ON_TABLE, "(nats)", "0.2500"), (SHARED, "(%)", "-0.25")])
def test_rankings_have_the_unit_of_the_objective(
    study: Any, heading: str, best: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = Configuration({"sample_size": 3}, "finished", Evaluation({"sample_size": 3}, {3: -0.25}, 1.0))
    show_ranking([tried], sweep_of(study))
    text = capsys.readouterr().out
    assert f"objective {heading}" in " ".join(text.split())
    assert cells(text, "3") == ["3", "", best]


def test_confirmations_have_the_unit_of_each_score(capsys: pytest.CaptureFixture[str]) -> None:
    scores = np.array([-0.5, -0.25])
    confirmed = {name: Confirmed(Path(), scores, np.full(2, nan), scores) for name in ("best", "default")}
    show_confirmation(confirmed, {"validation": 0.04, "test": nan}, sweep_of(SHARED))
    text = capsys.readouterr().out
    assert cells(text, "configuration")[1:] == [f"validation ({ACCURACY.unit})", "test (nats)"]
    assert cells(text, "best")[1:] == ["-0.38 ± 0.12", ""]
    show_confirmation(confirmed, {"validation": 0.04}, sweep_of(ON_TABLE))
    text = capsys.readouterr().out
    assert cells(text, "configuration")[1:] == ["validation (nats)"]
    assert cells(text, "default")[1:] == ["0.3750 ± 0.1250"]
