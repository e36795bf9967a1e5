"""Studies: the search loop, plans and jobs; on a table, by training, by weight sharing."""

from experiments.studies.presets import PRESETS, STUDIES
from experiments.studies.runner import run_study
from experiments.studies.search_loop import Clock, RunResult, search
from experiments.studies.table_study import TableStudy
from experiments.studies.training_study import TrainingStudy, run_training_study
from experiments.studies.weight_sharing_study import WeightSharingStudy, run_weight_sharing_study

__all__ = [
    "PRESETS",
    "STUDIES",
    "Clock",
    "RunResult",
    "TableStudy",
    "TrainingStudy",
    "WeightSharingStudy",
    "run_study",
    "run_training_study",
    "run_weight_sharing_study",
    "search",
]
