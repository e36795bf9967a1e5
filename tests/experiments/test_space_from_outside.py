"""A space registered from outside is searched, trained, built and reported like those of the packages."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from benchmarks.spaces import SPACES, Arch
from benchmarks.table import BenchmarkTable
from experiments.cli import bench, report, run
from experiments.records.study import StudyRecords
from experiments.reports.drawings import DRAWINGS, Drawing
from supernets.networks import NETWORKS, SpaceNetworks
from supernets.ops import Norm
from supernets.randomness import drawing_from
from supernets.settings import NetworkScale
from supernets.supernet import Choice, OperationSupernet, Supernet
from tests.made_up_space import MIXED


@dataclass(frozen=True)
class BlockConfig:
    """Depth convolutions of some width; nothing like the networks of NATS-Bench."""

    width: int
    depth: int
    bias: bool
    num_classes: int
    in_channels: int

    def build(self, rng: torch.Generator) -> nn.Module:
        with drawing_from(rng):
            return BlockNetwork(self)


class BlockNetwork(nn.Module):
    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        inputs = (config.in_channels, *[config.width] * (config.depth - 1))
        layers = (nn.Conv2d(c, config.width, 3, padding=1, bias=config.bias) for c in inputs)
        self.layers = nn.Sequential(*(nn.Sequential(layer, nn.ReLU()) for layer in layers))
        self.classifier = nn.Linear(config.width, config.num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(images).mean(dim=(2, 3))
        return features, self.classifier(features)


def block_config(arch: Arch, scale: NetworkScale, num_classes: int, in_channels: int) -> BlockConfig:
    _ = scale
    MIXED.check(arch)
    return BlockConfig(2 + arch[2], 1 + arch[4] % 2, bool(arch[5]), num_classes, in_channels)


@dataclass(frozen=True)
class MixtureConfig:
    """A supernet whose cells are mixtures of convolutions, one per number of channels."""

    num_classes: int
    in_channels: int

    def build(self, rng: torch.Generator) -> Supernet:
        with drawing_from(rng):
            return Mixture(self)


class Mixture(OperationSupernet):
    space = MIXED
    search_cells = 2

    def __init__(self, config: MixtureConfig) -> None:
        super().__init__()
        inputs = (config.in_channels, 4)
        self.cells = nn.ModuleList(nn.ModuleList(nn.Conv2d(c, 4, 3, padding=1) for _ in range(3)) for c in inputs)
        self.classifier = nn.Linear(4, config.num_classes)

    def forward(
        self, images: Tensor, weights: Tensor, computed: Tensor | None = None, path_scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        _ = computed, path_scale
        x = images
        for cell, of_cell in zip(self.cells, weights.expand(self.search_cells, *weights.shape[-2:]), strict=True):
            assert isinstance(cell, nn.ModuleList)
            x = torch.stack([w * operation(x) for w, operation in zip(of_cell[2, :3], cell, strict=True)]).sum(0).relu()
        features = x.mean(dim=(2, 3))
        return features, self.classifier(features)

    def path(self, arch: Arch) -> Choice:
        return (torch.eye(max(MIXED.options))[list(arch)],)


def mixture_config(scale: NetworkScale, num_classes: int, in_channels: int, norm: Norm) -> MixtureConfig:
    _ = scale, norm
    return MixtureConfig(num_classes, in_channels)


def draw_mixed(axes: Axes, arch: Arch) -> None:
    axes.bar(range(len(arch)), arch, tick_label=MIXED.names(arch))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The space in the registry of every layer; an empty working directory."""
    monkeypatch.setitem(SPACES, MIXED.name, MIXED)
    monkeypatch.setitem(NETWORKS, MIXED.name, SpaceNetworks(block_config, mixture_config))
    monkeypatch.setitem(DRAWINGS, MIXED.name, Drawing(2.0, draw_mixed))
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def measurements(registered: None) -> Path:
    """A score for every architecture, in a CSV."""
    rng = np.random.default_rng(0)
    rows = [f"{MIXED.to_string(MIXED.arch(i))},{50 + 3 * sum(MIXED.arch(i)) + rng.random():.3f},2.0,{60 + i % 7}"
            for i in range(len(MIXED))]  # fmt: skip
    path = Path("toy.csv")
    path.write_text("\n".join(["arch,toy_valid_accuracy_12,toy_train_seconds_12,toy_test_accuracy_12", *rows]) + "\n")
    return path


def answers(out: str) -> list[Arch]:
    """The architectures of all trials in a directory, which must be of the space."""
    trials: Any = StudyRecords(Path(out)).trials()
    return [MIXED.arch(index) for index in trials["architecture"].to_pylist()]


def test_its_table_is_searched_and_the_report_shows_what_was_found(measurements: Path) -> None:
    argv = ["--algo", "bohb", "--space", "mixed", "--table", str(measurements), "--runs", "2", "--budget", "200"]
    options = ["--cost-model", "train_only", "--seed-policy", "mean", "--min-epochs", "12"]
    assert run.main([*argv, *options, "--out", "s"]) == 0
    assert len(answers("s")) >= 2 * 50
    assert report.main(["s"]) == 0
    text = Path("s/report/report.md").read_text()
    assert "## What was found" in text


def test_its_architectures_are_trained_during_a_search(registered: None) -> None:
    argv = ["--algo", "regularized_ea", "--population-size", "2", "--space", "mixed", "--evaluate", "train"]
    assert run.main([*argv, "--schedule", "1", "--budget", "0.3", "--runs", "1", "--out", "t"]) == 0
    assert answers("t")


def test_a_benchmark_of_it_is_built_and_merged(registered: None, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["build", "--space", "mixed", "--schedule", "1", "--range", "3:7", "--workers", "0", "--out", "b"]
    assert bench.main(argv) == 0
    assert bench.main(["calibrate", "b"]) == 0
    assert bench.main(["merge", "b", "--out", "b.arrow"]) == 0
    table = BenchmarkTable.open(Path("b.arrow"))
    assert table.info.space == "mixed"
    assert table.architectures.tolist() == [3, 4, 5, 6]
    capsys.readouterr()


def test_methods_of_its_kind_of_supernet_share_weights(registered: None, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--space", "mixed", "--epochs", "2", "--batch-size", "256", "--runs", "1"]
    assert run.main(["--algo", "random_nas", "darts_v1", *options, "--out", "w", "--report"]) == 0
    assert len(answers("w")) == 2 * 2
    text = Path("w/report/report.md").read_text()
    assert "random_nas: mixed" in text
    assert list(Path("w/report").glob("cell_darts_v1*.png"))
    capsys.readouterr()
    assert run.main(["--algo", "tas", *options, "--out", "x"]) == 2
    assert "choose another method or another space" in capsys.readouterr().err


def test_show_knows_its_strings_draws_it_and_adds_up_its_network(
    registered: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arch = MIXED.arch(10)
    assert bench.main(["show", MIXED.to_string(arch), "--out", "m.png"]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"mixed 10: {MIXED.to_string(arch)}\n")
    assert "│ extent" in output
    assert "parameters" in output
    assert Path("m.png").exists()
    assert bench.main(["show", "10", "--space", "mixed", "--depth", "2"]) == 2
    assert "--depth does not apply to the networks of mixed" in capsys.readouterr().err


def test_without_network_and_drawing_it_is_searched_and_shown_as_a_string(
    measurements: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(NETWORKS, "mixed")
    monkeypatch.delitem(DRAWINGS, "mixed")
    argv = ["--algo", "local_search", "--space", "mixed", "--table", str(measurements), "--runs", "3"]
    options = ["--cost-model", "train_only", "--seed-policy", "mean", "--budget", "400"]
    assert run.main([*argv, *options, "--out", "s", "--report"]) == 0
    with Path("s/report/found.csv").open() as stream:
        found = [row["string"] for row in csv.DictReader(stream)]
    assert found
    text = Path("s/report/report.md").read_text()
    assert all(string in text and MIXED.is_valid(MIXED.from_string(string)) for string in found)
    assert not Path("s/report/found_cells.png").exists()
    capsys.readouterr()
    assert bench.main(["show", "10", "--space", "mixed"]) == 0
    assert "mixed has no networks in supernets.networks, so costs are unknown" in capsys.readouterr().out
    for command, message in (
        (["show", "10", "--space", "mixed", "--out", "m.png"], "unknown space with a drawing 'mixed'"),
        (["build", "--space", "mixed", "--schedule", "1", "--workers", "0", "--out", "b"],
         "unknown space with candidate networks 'mixed'"),
    ):  # fmt: skip
        assert bench.main(command) == 2
        assert message in capsys.readouterr().err
    assert not Path("b").exists()
