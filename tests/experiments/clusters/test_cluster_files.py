"""The files for SLURM, ray up, Docker and Kubernetes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from experiments.cli import run
from experiments.records.study import StudyRecords

CLUSTERS = Path(__file__).parents[3] / "experiments" / "clusters"
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
[[ "$*" == "show hostnames n[1-2]" ]] && printf '127.0.0.1\\nanother\\n'
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job on two nodes, both of which are this machine."""
    for name, script in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    facts = {"JOB_NODELIST": "n[1-2]", "JOB_ID": str(os.getpid()), "CPUS_ON_NODE": "1", "JOB_NUM_NODES": "2"}
    for name, value in facts.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    for variable in ("NAS_BENCH_HOME", "TORCH_HOME"):  # nothing is installed but the package
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("slurm")
def test_the_slurm_script_runs_a_command_on_all_nodes(tmp_path: Path) -> None:
    """Ray lives as long as the command, whose exit status is that of the job."""
    (tmp_path / "nodes.py").write_text(
        "import ray, sys, time\n"
        "ray.init(sys.argv[2], log_to_driver=False)\n"
        "while len(ray.nodes()) < 2: time.sleep(1)\n"
        "print(*sys.argv[1:])\n"
    )
    search = f"nas-run --algo random_search --space tss --runs 26 --out {tmp_path}/s"
    command = f'{search} "$@" && {sys.executable} {tmp_path}/nodes.py "$@" && exit 7'
    job = subprocess.run(
        [CLUSTERS / "slurm.sh", "bash", "-c", command, "command"], capture_output=True, text=True, timeout=120
    )
    address = f"127.0.0.1:{20000 + os.getpid() % 10000}"
    assert job.stdout.splitlines()[-1] == f"--ray-address {address} --workers 2", job.stderr
    assert job.returncode == 7
    assert len(StudyRecords(tmp_path / "s").finished()) == 2
    running = subprocess.run(["pgrep", "--full", address], capture_output=True, text=True)
    assert running.stdout == ""


def test_ray_accepts_the_configuration_for_aws() -> None:
    config = yaml.safe_load((CLUSTERS / "aws.yaml").read_text())
    validate_config(prepare_config(config))
    assert config["head_node_type"] in config["available_node_types"]


def test_the_manifest_gives_all_pods_one_image_and_the_records() -> None:
    claim, cluster = yaml.safe_load_all((CLUSTERS / "kuberay.yaml").read_text())
    spec = cluster["spec"]
    pods = [group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    containers = [container for pod in pods for container in pod["containers"]]
    assert {container["image"] for container in containers} == {"REGISTRY/nas-algos"}
    for pod, container in zip(pods, containers, strict=True):
        (volume,), (mount,) = pod["volumes"], container["volumeMounts"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert (volume["name"], mount["mountPath"]) == (mount["name"], "/runs")


def test_all_files_name_one_version_of_ray() -> None:
    found = [re.findall(r"2\.\d+\.\d+", file.read_text()) for file in sorted(CLUSTERS.iterdir())]
    assert len({version for versions in found for version in versions}) == 1
    assert [len(versions) for versions in found] == [1, 1, 1, 0]


@pytest.mark.parametrize("name", ["aws.yaml", "kuberay.yaml"])
def test_their_commands_are_accepted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown option at the end is the only one that the parser refuses."""
    (command,) = re.findall(r"nas-run ([^'\n]*)", (CLUSTERS / name).read_text())
    with pytest.raises(SystemExit):
        run.main([*shlex.split(command), "--nonsense"])
    assert "unrecognized arguments: --nonsense\n" in capsys.readouterr().err
