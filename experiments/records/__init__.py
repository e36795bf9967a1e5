"""The only writer and reader of results: studies, runs, sweeps."""

from benchmarks.lazy_names import lazy_names

_MODULES = {
    "Budget": "budgets",
    "RecordedTrials": "runs",
    "Runs": "runs",
    "StudyHeader": "headers",
    "StudyRecords": "study",
    "SweepHeader": "headers",
    "SweepRecords": "sweep",
}
__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
