"""Search steps against the same mathematics written straightforwardly, on demand: pytest tests/performance -s.

Leave the machine alone meanwhile. Each measurement has a process of its own, since memory is its peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("supernet_steps.py")


def measured(method: str, kind: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), method, kind], check=True, capture_output=True, text=True, cwd=SCRIPT.parents[2],
        env={"PYTHONPATH": str(SCRIPT.parents[2])},
    )  # fmt: skip
    numbers: dict[str, float] = json.loads(done.stdout)
    return numbers


@pytest.mark.parametrize(
    ("method", "faster", "memory"),
    [
        ("darts_v1", 2.0, 0.7),
        ("darts_v2", 2.0, 0.7),
        ("setn", 1.3, 0.7),
        ("gdas", 1.3, 1.0),
        ("enas", 1.3, 1.0),
        ("random_nas", 1.3, 1.0),
        ("tas", 1.0, 1.1),
        ("mask_gumbel", 1.0, 1.1),
        ("mask_rl", 1.0, 1.1),
    ],
)
def test_a_search_step_is_faster_and_smaller_than_written_plainly(method: str, faster: float, memory: float) -> None:
    """Seconds of a step of weights and architecture, and the memory it adds: C = 16, N = 5, batch 64, 32x32."""
    plain, ours = (measured(method, kind) for kind in ("plain", "ours"))
    speed, share = plain["seconds"] / ours["seconds"], ours["megabytes"] / plain["megabytes"]
    print(
        f"{method}: {ours['seconds']:.2f} s and {ours['megabytes']:.0f} MB; plain {plain['seconds']:.2f} s and "
        f"{plain['megabytes']:.0f} MB: {speed:.2f} times as fast, {share:.2f} of the memory"
    )
    assert speed >= faster
    assert share <= memory
