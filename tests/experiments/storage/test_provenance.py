"""Provenance: records name the commit of the tree that made them."""

from __future__ import annotations

import subprocess

import pytest

from experiments.storage import provenance


def test_the_commit_is_that_of_the_tree_of_the_packages() -> None:
    assert (provenance.SOURCE_TREE / "experiments" / "storage" / "provenance.py").exists()
    if not (provenance.SOURCE_TREE / ".git").exists():
        pytest.skip("these packages run outside a git tree")
    command = ["git", "-C", str(provenance.SOURCE_TREE), "rev-parse", "HEAD"]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert provenance.git_commit().removesuffix("+changes") == commit


def test_versions_name_what_changes_numbers() -> None:
    assert provenance.versions("torch").keys() == {"python", "nas-algos", "numpy", "pyarrow", "torch"}
    assert provenance.version("no-such-distribution") == "unknown"
