from .errors import InputError as InputError, TableError as TableError
from .metrics import METRICS as METRICS, Metric as Metric
from .oracle import Oracle as Oracle, SeedPolicy as SeedPolicy
from .outcomes import Fidelity as Fidelity, FinalReport as FinalReport, Outcome as Outcome
from .spaces import (
    SPACES as SPACES,
    Arch as Arch,
    ProductSpace as ProductSpace,
    SizeSpace as SizeSpace,
    Space as Space,
    TopologySpace as TopologySpace,
    space_named as space_named,
)
from .table import (
    BenchmarkTable as BenchmarkTable,
    Column as Column,
    TableInfo as TableInfo,
    Task as Task,
)
