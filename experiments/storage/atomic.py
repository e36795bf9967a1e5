"""Atomic writing of files, which appear completely or not at all even if the writing process is killed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def write_atomically(path: Path, content: bytes | pa.Buffer) -> None:
    """Create or replace `path`; readers see the previous file until the new one is completely on disk."""
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
