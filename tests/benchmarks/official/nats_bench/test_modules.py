"""The modules of the package: code written for the official one runs on them unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.official.nats_bench.structure import TopologyStructure, topology_str2structure
from benchmarks.spaces import SPACES
from benchmarks.spaces.tss import OPERATIONS

genotype_utils = pytest.importorskip("nats_bench.genotype_utils", reason="the official package is not installed")
SPACE = SPACES["tss"]

OFFICIAL_CODE = """
import sys
import benchmarks.official.nats_bench
sys.modules["nats_bench"] = benchmarks.official.nats_bench

import nats_bench
from nats_bench import NATSsize as PublicSize, NATStopology as PublicTopology, create
from nats_bench.api_size import ALL_BASE_NAMES as sss_base_names, NATSsize
from nats_bench.api_topology import ALL_BASE_NAMES as tss_base_names, NATStopology
from nats_bench.api_utils import ArchResults, NASBenchMetaAPI, pickle_load, remap_dataset_set_names, time_string
from nats_bench.genotype_utils import TopologyStructure, topology_str2structure

assert NATStopology is PublicTopology is nats_bench.api_topology.NATStopology and NATSsize is PublicSize
assert nats_bench.api_utils.remap_dataset_set_names("cifar10", "valid") == ("cifar10-valid", "x-valid")
root = sys.argv[1]
apis = {
    "tss": NATStopology(f"{root}/{tss_base_names[-1]}-simple", True, False),
    "sss": NATSsize(f"{root}/{sss_base_names[-1]}-simple", True, False),
}
for name, api in apis.items():
    assert isinstance(api, NASBenchMetaAPI)
    assert type(create(api.archive_dir, name, True, False)) is type(api)
    for index in (0, 11, 284):
        for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
            info, cost = api.get_more_info(index, dataset), api.get_cost_info(index, dataset, hp="12")
            full = api.get_cost_info(index, dataset, hp=api.full_epochs_in_paper)
            assert abs(cost["flops"] - full["flops"]) <= 1e-4 * full["flops"], (name, index, dataset)
            assert 0 < api.simulate_train_eval(index, dataset=dataset, hp="12")[0] < 100
            assert api.get_net_config(index, dataset)["num_classes"] in (10, 100, 120)
        api.show(index)
    best, accuracy = api.find_best(dataset="cifar100", metric_on_set="valid", hp="12", enforce_all=False)
    assert best in (0, 11, 284) and 0 < accuracy < 100
    try:
        api.get_more_info(100000, "cifar10")
    except ValueError:
        pass
    else:
        raise SystemExit("an unknown architecture was found")
trial = apis["tss"].query_by_index(284, dataname="cifar10", hp=200)[777]
assert trial.get_train()["accuracy"] == trial.train_acc1es[199]
assert isinstance(apis["tss"].query_by_index(11, hp="12"), ArchResults)
cells = {topology_str2structure(apis["tss"][i]).to_unique_str(consider_zero=True) for i in range(len(apis["tss"]))}
assert len(cells) == 6466, len(cells)
print("all ran at", time_string())
"""


def test_code_for_the_official_package_runs_on_its_alias(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "official.py").write_text(OFFICIAL_CODE)
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, tmp_path / "official.py", shared_data / "nats_bench"],
        capture_output=True, text=True, env={"PYTHONPATH": str(root), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all ran at [" in done.stdout


def test_the_thin_modules_have_the_official_names() -> None:
    import nats_bench

    from benchmarks.official import nats_bench as ours

    assert set(nats_bench.api_topology.ALL_BASE_NAMES) == set(ours.api_topology.ALL_BASE_NAMES)
    assert set(nats_bench.api_size.ALL_BASE_NAMES) == set(ours.api_size.ALL_BASE_NAMES)
    for module in (ours.api_size, ours.api_topology, ours.api_utils, ours.genotype_utils):
        official = getattr(nats_bench, module.__name__.rpartition(".")[2])
        assert set(module.__all__) <= set(dir(official)), module.__name__


@pytest.mark.parametrize("index", range(0, 15_625, 311))
def test_a_structure_is_the_official_one(index: int) -> None:
    string = SPACE.to_string(SPACE.arch(index))
    ours, theirs = topology_str2structure(string), genotype_utils.topology_str2structure(string)
    assert ours.nodes == theirs.nodes
    assert (ours.node_num, ours.node_N, len(ours)) == (theirs.node_num, theirs.node_N, len(theirs))
    assert ours.tostr() == theirs.tostr() == string
    assert repr(ours) == repr(theirs)
    assert ours.check_valid() == theirs.check_valid()
    assert [ours[0], ours.node(2)] == [theirs[0], theirs.node(2)]
    for zero in (False, True, None):
        assert ours.to_unique_str(zero) == theirs.to_unique_str(zero)
    for removed in ("none", "skip_connect", None):
        assert ours.tolist(removed) == theirs.tolist(removed)
    assert ours.check_valid_op(OPERATIONS[1:]) == theirs.check_valid_op(OPERATIONS[1:])
    assert topology_str2structure(ours) is ours


@pytest.mark.parametrize("string", ["|a~0|", "|b~0|+|a~1|", "|b~0|+|c~1|a~0|+|a~2|"])
def test_missing_edges_are_filled_in_officially(string: str) -> None:
    full = TopologyStructure.str2fullstructure(string, "x")
    assert full.nodes == genotype_utils.TopologyStructure.str2fullstructure(string, "x").nodes


@pytest.mark.parametrize(
    "call",
    [
        lambda of: of.str2structure("|a~0|+|a~0~1|"),
        lambda of: of.str2structure(""),
        lambda of: of.str2structure(7),
        lambda of: of.str2structure("|a~1|"),
        lambda of: of.str2fullstructure(None),
        lambda of: of("|a~0|"),
        lambda of: of([["a", 0]]),
        lambda of: of([(("a", 0),), ()]),
        lambda of: of([(("a", 0),)]).node(0),
    ],
)
def test_what_the_official_structure_refuses_is_refused(call: Any) -> None:
    for kind in (TopologyStructure, genotype_utils.TopologyStructure):
        with pytest.raises(AssertionError):
            call(kind)
