from .exporting import export_benchmark as export_benchmark
from .importing import import_benchmark as import_benchmark
from .store import find_table as find_table, table_named as table_named
