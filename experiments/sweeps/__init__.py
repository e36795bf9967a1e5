"""Sweeps: Ray Tune over the knobs of a search algorithm."""

from experiments.sweeps.evaluator import rungs_to
from experiments.sweeps.knobs import tuned_knobs
from experiments.sweeps.tune import Place, Sweep, evaluator_for, run_sweep, search_space, tune_searcher

__all__ = ["Place", "Sweep", "evaluator_for", "run_sweep", "rungs_to", "search_space", "tune_searcher", "tuned_knobs"]
