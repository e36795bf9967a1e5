"""What produced a result: versions and commit."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from pathlib import Path


def version(distribution: str = "nas-algos") -> str:
    """The installed version of a distribution, 'unknown' if it is not installed."""
    try:
        return distribution_version(distribution)
    except PackageNotFoundError:
        return "unknown"


def versions(*more: str) -> dict[str, str]:
    """Versions of everything that can change a number of a multi-trial study, and of the distributions `more`."""
    names = ("nas-algos", "numpy", "pyarrow", *more)
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def processor() -> str:
    """The model of this machine's processor, as its operating system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def git_commit() -> str:
    """Commit of the source tree this runs from, '+changes' appended if files differ from it; 'none' outside a tree."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return "none"
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "none"


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
