from .presets import PRESETS as PRESETS, STUDIES as STUDIES
from .runner import run_study as run_study
from .search_loop import Clock as Clock, RunResult as RunResult, search as search
from .study import Study as Study
from .table_study import TableStudy as TableStudy
from .training_study import TrainingStudy as TrainingStudy
from .weight_sharing_study import WeightSharingStudy as WeightSharingStudy
