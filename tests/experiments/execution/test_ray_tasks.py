"""Ray tasks: records do not depend on the number of nodes, on what they have, or on which of them are lost."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from benchmarks.errors import InputError
from benchmarks.table import BenchmarkTable
from experiments.execution.calls import Calls
from experiments.execution.ray_tasks import RayTasks, Shipped
from experiments.execution.resources import Resources
from experiments.records.budgets import Budget
from experiments.studies.jobs import RUNS_PER_JOB
from experiments.studies.runner import run_study
from experiments.studies.table_study import TableStudy
from nas_algos.multi_trial import ALGORITHMS


@pytest.fixture
def study(tss_table: BenchmarkTable) -> TableStudy:
    return TableStudy(
        table=tss_table.path,
        algorithms={name: ALGORITHMS[name].Config() for name in ("bohb", "regularized_ea")},
        budgets={"made-up": Budget(4000.0)},
        runs=6 * RUNS_PER_JOB,
        seed=1,
        cost_model="nats",
        seed_policy="sampled",
    )


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Three nodes of one CPU each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (directory / "trials").iterdir()}


def test_a_lost_node_loses_no_run(study: TableStudy, cluster: Cluster, tmp_path: Path) -> None:
    left = list(cluster.worker_nodes)

    def lose_a_node(what: str, done: int, total: int) -> None:
        if 0 < done < total and len(left) == 2:
            cluster.remove_node(left.pop(), allow_graceful=False)

    run_study(study, tmp_path / "cluster", Resources(3, address=cluster.address), lose_a_node)
    assert len(left) == 1, "one was lost in the middle"
    run_study(study, tmp_path / "here", Resources(0), lambda *_: None)
    assert content(tmp_path / "cluster") == content(tmp_path / "here")
    assert len(content(tmp_path / "here")) == 12


def test_a_node_without_the_table_gets_a_copy(
    study: TableStudy, tss_table: BenchmarkTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    expected = tss_table.path.read_bytes()
    there = tmp_path / "table.arrow"
    there.write_bytes(expected)
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        table = Shipped.of(there)
        assert table.local_path() == there
        there.write_bytes(b"another table of the same name")
        copy = table.local_path()
        assert copy != there
        assert copy.read_bytes() == expected
        there.unlink()
        assert table.local_path() == copy
        assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    finally:
        ray.shutdown()


def test_tasks_beat_start_again_when_their_process_dies_and_raise_what_was_raised(tmp_path: Path) -> None:
    def work(folder: Path, key: str, beat: Callable[[float], None]) -> str:
        if key == "wrong":
            raise InputError("no such images")
        if key == "dies" and not (folder / key).exists():
            (folder / key).touch()
            os._exit(1)
        for tenths in range(8):
            beat(tenths / 10)
            time.sleep(0.1)
        return f"{key} in the end"

    results, reported = dict[str, str](), dict[str, list[float]]()
    calls: Calls[str, str] = Calls(function=work, shared=(tmp_path,), beats=True)
    with RayTasks.open(calls, Resources(2)) as tasks:
        for key in ("dies", "lives"):
            tasks.begin(key)
        while len(results) < 2:
            results.update(tasks.finished())
            for key, seconds in tasks.beats().items():
                reported.setdefault(key, []).append(seconds)
        tasks.begin("wrong")
        with pytest.raises(InputError, match=r"^no such images$"):
            _ = [tasks.finished() for _ in range(600)]  # a minute at most
    assert results == {key: f"{key} in the end" for key in ("dies", "lives")}
    for seconds in reported.values():
        assert seconds == sorted(set(seconds)), "what is not new is not repeated"
        assert 0 < seconds[-1] <= 0.7
    assert len(reported["lives"]) > 1
