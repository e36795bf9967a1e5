from .atomic import write_atomically as write_atomically
from .directories import RecordError as RecordError
from .sharded_log import ShardedLog as ShardedLog
