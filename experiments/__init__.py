"""The edge: files, clocks, processes, Ray and stdout. Runs searches and turns their records into reports.

The public names are imported when they are first used: some bring PyTorch, Ray or matplotlib with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.anytime import Reached, mean_over_time, median_needed, reach
    from experiments.batches import batches_of, rungs_to
    from experiments.build import Benchmark, BuildDirectory
    from experiments.factory import Images, Resources
    from experiments.importing import import_benchmark
    from experiments.inference import (
        a12,
        compare_all,
        compare_over_datasets,
        expected_ranks,
        holm,
        mann_whitney,
        rank_datasets,
    )
    from experiments.presets import PRESETS, STUDIES
    from experiments.recorded_runs import RecordedTrials, Runs
    from experiments.records import StudyHeader, StudyRecords
    from experiments.report import write_report
    from experiments.resampling import resample
    from experiments.run import Clock, RunResult, search
    from experiments.shared_study import SharedStudy, run_shared_study
    from experiments.statistics import Aggregate, aggregate, answers, bootstrap_interval, final, incumbents, regret
    from experiments.study import Study
    from experiments.study_runner import run_study
    from experiments.sweep import Place, Sweep, run_sweep, search_space, tune_searcher
    from experiments.tables import find_table, table_named
    from experiments.trained_study import TrainedStudy, run_trained_study
    from experiments.tuning import tuned_knobs

__all__ = [
    "PRESETS",
    "STUDIES",
    "Aggregate",
    "Benchmark",
    "BuildDirectory",
    "Clock",
    "Images",
    "Place",
    "Reached",
    "RecordedTrials",
    "Resources",
    "RunResult",
    "Runs",
    "SharedStudy",
    "Study",
    "StudyHeader",
    "StudyRecords",
    "Sweep",
    "TrainedStudy",
    "a12",
    "aggregate",
    "answers",
    "batches_of",
    "bootstrap_interval",
    "compare_all",
    "compare_over_datasets",
    "expected_ranks",
    "final",
    "find_table",
    "holm",
    "import_benchmark",
    "incumbents",
    "mann_whitney",
    "mean_over_time",
    "median_needed",
    "rank_datasets",
    "reach",
    "regret",
    "resample",
    "run_shared_study",
    "run_study",
    "run_sweep",
    "run_trained_study",
    "rungs_to",
    "search",
    "search_space",
    "table_named",
    "tune_searcher",
    "tuned_knobs",
    "write_report",
]
_PLACES = {
    "anytime": ("Reached", "mean_over_time", "median_needed", "reach"),
    "batches": ("batches_of", "rungs_to"),
    "build": ("Benchmark", "BuildDirectory"),
    "factory": ("Images", "Resources"),
    "importing": ("import_benchmark",),
    "inference": (
        "a12",
        "compare_all",
        "compare_over_datasets",
        "expected_ranks",
        "holm",
        "mann_whitney",
        "rank_datasets",
    ),
    "presets": ("PRESETS", "STUDIES"),
    "recorded_runs": ("RecordedTrials", "Runs"),
    "records": ("StudyHeader", "StudyRecords"),
    "report": ("write_report",),
    "resampling": ("resample",),
    "run": ("Clock", "RunResult", "search"),
    "shared_study": ("SharedStudy", "run_shared_study"),
    "statistics": ("Aggregate", "aggregate", "answers", "bootstrap_interval", "final", "incumbents", "regret"),
    "study": ("Study",),
    "study_runner": ("run_study",),
    "sweep": ("Place", "Sweep", "run_sweep", "search_space", "tune_searcher"),
    "tables": ("find_table", "table_named"),
    "trained_study": ("TrainedStudy", "run_trained_study"),
    "tuning": ("tuned_knobs",),
}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
