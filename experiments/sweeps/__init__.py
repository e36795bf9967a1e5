"""Sweeps: Ray Tune over the knobs of a search algorithm."""

from benchmarks.lazy_names import lazy_names

_MODULES = {
    "rungs_to": "evaluator",
    "tuned_knobs": "knobs",
    "Sweep": "tune",
    "evaluator_for": "tune",
    "run_sweep": "tune",
    "search_space": "tune",
    "tune_searcher": "tune",
}
__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
