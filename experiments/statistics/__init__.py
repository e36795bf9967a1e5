"""Pure functions from records to numbers."""

from benchmarks.lazy_names import lazy_names

_MODULES = {
    "Aggregate": "aggregates",
    "aggregate": "aggregates",
    "answers": "aggregates",
    "bootstrap_interval": "aggregates",
    "final": "aggregates",
    "incumbents": "aggregates",
    "regret": "aggregates",
    "Reached": "anytime",
    "mean_over_time": "anytime",
    "median_needed": "anytime",
    "reach": "anytime",
    "a12": "inference",
    "compare_all": "inference",
    "compare_over_datasets": "inference",
    "expected_ranks": "inference",
    "holm": "inference",
    "mann_whitney": "inference",
    "rank_datasets": "inference",
    "resample": "resampling",
}
__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
