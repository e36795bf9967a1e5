"""Studies: the search loop, plans and jobs; on a table, by training, by weight sharing."""

from benchmarks.lazy_names import lazy_names

_MODULES = {
    "PRESETS": "presets",
    "STUDIES": "presets",
    "run_study": "runner",
    "Clock": "search_loop",
    "RunResult": "search_loop",
    "search": "search_loop",
    "Study": "study",
    "TableStudy": "table_study",
    "TrainingStudy": "training_study",
    "WeightSharingStudy": "weight_sharing_study",
}
__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
