"""Progress reports of long computations."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float, float], None]
"""Called with (task, done, total) after each step of a task; `total` is infinite if it is unknown."""
