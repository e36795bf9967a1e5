"""Provenance of results: versions, source commit and hardware."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version as distribution_version
from pathlib import Path

import experiments

SOURCE_TREE = Path(experiments.__file__).parents[1]
"""The directory that holds the packages."""


def version(distribution: str = "nas-algos") -> str:
    """The installed version of a distribution; 'unknown' if it is not installed."""
    try:
        return distribution_version(distribution)
    except PackageNotFoundError:
        return "unknown"


def versions(*more: str) -> dict[str, str]:
    """The versions of all distributions that can change the numbers of a multi-trial study, and of those in `more`."""
    names = ("nas-algos", "numpy", "pyarrow", *more)
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def processor() -> str:
    """The processor model of this machine, as reported by the operating system."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def git_commit() -> str:
    """The commit of the running source tree, with '+changes' if tracked files differ; 'none' without a git tree."""
    if not (SOURCE_TREE / ".git").exists():
        return "none"
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "none"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(SOURCE_TREE), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
