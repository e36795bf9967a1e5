"""Storage: atomic files, resumable directories, sharded logs and provenance."""

from experiments.storage.atomic import write_atomically
from experiments.storage.directories import RecordError
from experiments.storage.sharded_log import ShardedLog

__all__ = ["RecordError", "ShardedLog", "write_atomically"]
