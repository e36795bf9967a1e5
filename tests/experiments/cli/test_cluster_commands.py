"""Every command that takes --ray-address, on a cluster of two nodes that runs already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from benchmarks.table import BenchmarkTable
from experiments.cli import bench, run, sweep
from experiments.factory.directory import BuildDirectory
from experiments.records.study import StudyRecords
from experiments.records.sweep import SweepRecords
from experiments.storage.provenance import versions

TINY = ["--space", "tss", "--width", "2", "--depth", "1"]
SHARED = [*TINY, "--batch-size", "200"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """With one CPU each, so that two tasks at a time take both."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def there(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options; nothing is installed but the package."""
    for variable in ("NAS_BENCH_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.chdir(tmp_path)
    return ["--workers", "2", "--ray-address", address]


def test_a_sweep_and_its_confirmation(
    there: list[str], tss_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]
) -> None:
    what = ["--algo", "regularized_ea", "--space", "tss", "--table", str(tss_table.path), "--budget", "500"]
    how = ["--tune", "sample_size=2:20", "--trials", "3", "--runs", "3", "--out", "s"]
    assert sweep.main([*what, *how, *there]) == 0
    assert "these runs do not show that the best configuration differs" in capsys.readouterr().out, "3 runs cannot tell"
    records = SweepRecords(Path("s"))
    assert {row.status for row in records.configurations()} <= {"complete", "stopped"}
    for study in (records.path / "confirmation").iterdir():
        assert set(StudyRecords(study).trials()["run"].to_pylist()) == {0, 1, 2}


def test_a_sweep_of_weight_sharing(there: list[str]) -> None:
    """At 1 epoch and at 3, of which the first is the beginning."""
    how = ["--tune", "tau_max=1:20", "--trials", "2", "--epochs", "3", "--confirm-runs", "1", "--out", "s"]
    assert sweep.main(["--algo", "gdas", *SHARED, *how, *there]) == 0
    records = SweepRecords(Path("s"))
    objectives = [row.evaluation.objectives for row in records.configurations() if row.evaluation]
    assert len(objectives) == 2
    assert {frozenset(found) for found in objectives} <= {frozenset({1}), frozenset({1, 3})}
    assert any(3 in found for found in objectives)
    for study in (records.path / "confirmation").iterdir():
        assert StudyRecords(study).epochs()["epoch"].to_pylist() == [1, 2, 3]


def test_a_node_with_other_versions_is_refused(
    there: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiments.execution.ray_tasks.versions", lambda *names: {**versions(*names), "numpy": "1.0"})
    assert run.main(["--algo", "random_search", "--space", "tss", "--runs", "2", "--out", "s", *there]) == 2
    said = capsys.readouterr().err
    assert f"has {{'numpy': '{versions()['numpy']}'}}, but the node that records has {{'numpy': '1.0'}}" in said
    assert "Traceback" not in said


def test_a_sweep_refuses_a_node_with_other_versions(
    there: list[str], tss_table: BenchmarkTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiments.sweeps.tune.versions", lambda *names: {**versions(*names), "numpy": "1.0"})
    what = ["--algo", "regularized_ea", "--space", "tss", "--table", str(tss_table.path), "--budget", "500"]
    assert sweep.main([*what, "--tune", "sample_size=2:20", "--trials", "1", "--runs", "1", "--out", "s", *there]) == 2
    assert "no configuration could be evaluated: see error.txt under s/ray" in capsys.readouterr().err
    (error,) = Path("s/ray").rglob("error.txt")
    assert "install the same versions on all nodes" in error.read_text()


def test_weight_sharing(there: list[str]) -> None:
    assert run.main(["--algo", "gdas", *SHARED, "--epochs", "2", "--runs", "2", "--out", "s", *there]) == 0
    assert StudyRecords(Path("s")).epochs()["epoch"].to_pylist() == [1, 2, 1, 2]


def test_a_benchmark_and_a_search_that_trains(there: list[str]) -> None:
    build = ["build", *SHARED, "--dataset", "digits", "--schedule", "1", "--seeds", "0", "--range", "0:4", "--out", "b"]
    assert bench.main([*build, *there]) == 0
    assert len(BuildDirectory(Path("b")).trainings.keys()) == 4
    search = ["--algo", "random_search", *TINY, "--evaluate", "train", "--recipe-batch-size", "200", "--schedule", "1"]
    assert run.main([*search, "--budget", "2", "--out", "s", *there]) == 0
    assert StudyRecords(Path("s")).trials().num_rows >= 2
