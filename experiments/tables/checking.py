"""Checks of tables and of official files that are not imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.verify import Finding, verify_release, verify_table
from experiments.tables.importing import scratch_directory
from experiments.tables.store import home, is_table, table_named


def findings(wanted: str) -> Iterator[Finding]:
    """Check a table, or a benchmark file without importing it; yield what is sound and what is not.

    Args:
        wanted: name of a table, a table file, or a benchmark file.

    Raises:
        MissingTableError: there is neither a table nor a file of that name.
    """
    if Path(wanted).exists() and not is_table(wanted):
        with scratch_directory(home()) as scratch:
            yield from verify_release(Path(wanted), scratch)
    else:
        yield from verify_table(table_named(wanted))
