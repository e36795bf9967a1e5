from .evaluator import rungs_to as rungs_to
from .knobs import tuned_knobs as tuned_knobs
from .tune import (
    Sweep as Sweep,
    evaluator_for as evaluator_for,
    run_sweep as run_sweep,
    search_space as search_space,
    tune_searcher as tune_searcher,
)
