"""The edge: files, clocks, processes, Ray and stdout. Runs searches and turns their records into reports.

The public names are imported when they are first used: some bring PyTorch, Ray or matplotlib with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.importing import import_benchmark
    from experiments.presets import PRESETS, STUDIES
    from experiments.records import StudyHeader, StudyRecords
    from experiments.report import write_report
    from experiments.run import Clock, RunResult, search
    from experiments.shared_study import SharedStudy, run_shared_study
    from experiments.study import Study
    from experiments.study_runner import run_study
    from experiments.sweep import Sweep, run_sweep, search_space, tune_searcher
    from experiments.tables import find_table, table_named
    from experiments.trained_study import TrainedStudy, run_trained_study

__all__ = [
    "PRESETS",
    "STUDIES",
    "Clock",
    "RunResult",
    "SharedStudy",
    "Study",
    "StudyHeader",
    "StudyRecords",
    "Sweep",
    "TrainedStudy",
    "find_table",
    "import_benchmark",
    "run_shared_study",
    "run_study",
    "run_sweep",
    "run_trained_study",
    "search",
    "search_space",
    "table_named",
    "tune_searcher",
    "write_report",
]
_PLACES = {
    "importing": ("import_benchmark",),
    "presets": ("PRESETS", "STUDIES"),
    "records": ("StudyHeader", "StudyRecords"),
    "report": ("write_report",),
    "run": ("Clock", "RunResult", "search"),
    "shared_study": ("SharedStudy", "run_shared_study"),
    "study": ("Study",),
    "study_runner": ("run_study",),
    "sweep": ("Sweep", "run_sweep", "search_space", "tune_searcher"),
    "tables": ("find_table", "table_named"),
    "trained_study": ("TrainedStudy", "run_trained_study"),
}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
