"""Progress of long commands: what whoever starts one may watch."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float, float], None]
"""Called with (task, done, total), as often as something of a task is done; `total` is infinite where it is unknown."""
