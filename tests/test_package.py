"""What an installation holds."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "nas_algos", "supernets", "experiments")


def shipped() -> set[str]:
    """The files of the wheel, as paths from the root of the repository."""
    return {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}


def test_the_wheel_holds_every_module_and_marks_the_packages_as_typed() -> None:
    modules = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    stubs = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.pyi")}
    assert {path for path in shipped() if path.endswith((".py", ".pyi"))} == modules | stubs
    assert {path for path in shipped() if path.endswith("py.typed")} == {f"{package}/py.typed" for package in PACKAGES}


def test_the_wheel_holds_what_the_modules_read() -> None:
    tables = {f"benchmarks/tables/{name}-digits.arrow{end}" for name in ("tss", "sss") for end in ("", ".sha256")}
    assert {*tables, "experiments/reports/page.css", "supernets/training/native/network.cpp"} <= shipped()


def test_the_wheel_leaves_out_pictures_and_cluster_files() -> None:
    assert not {path for path in shipped() if path.endswith(".png") or path.startswith("experiments/clusters/")}


def test_the_classifiers_name_the_versions_of_python_that_the_workflow_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: 3."
    versions = [name.removeprefix(prefix) for name in project["classifiers"] if name.startswith(prefix)]
    assert versions == ["11", "12", "13"]
    assert project["requires-python"] == ">=3.11"


def test_the_workflow_runs_the_checks_on_every_supported_python() -> None:
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_a_commit_is_checked_as_the_workflow_checks() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    tools = [" ".join(hook["entry"].split()[:2]) for hook in repository["hooks"]]
    assert tools == ["ruff check", "ruff format", "mypy"]
    assert {tool.split()[0] for tool in tools} <= set((ROOT / ".ci/run").read_text().split())


def test_the_citation_names_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}, "what the schema requires"
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert f"version = {{{project['version']}}}" in (ROOT / "README.md").read_text()
    assert f"## [{project['version']}] - {citation['date-released']}" in (ROOT / ".github/CHANGELOG.md").read_text()


@pytest.mark.parametrize("command", ["run", "report", "sweep", "bench"])
def test_every_command_also_runs_as_a_module(command: str) -> None:
    module = [sys.executable, "-m", f"experiments.cli.{command}", "--help"]
    shown = subprocess.run(module, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert shown.lower().startswith(f"usage: nas-{command}")
