"""Studies: the search loop, plans and jobs; on a table, by training, by weight sharing."""

from experiments.studies.presets import PRESETS, STUDIES
from experiments.studies.runner import run_study
from experiments.studies.search_loop import Clock, RunResult, search
from experiments.studies.table_study import Study
from experiments.studies.training_study import TrainedStudy, run_trained_study
from experiments.studies.weight_sharing_study import SharedStudy, run_shared_study

__all__ = [
    "PRESETS",
    "STUDIES",
    "Clock",
    "RunResult",
    "SharedStudy",
    "Study",
    "TrainedStudy",
    "run_shared_study",
    "run_study",
    "run_trained_study",
    "search",
]
