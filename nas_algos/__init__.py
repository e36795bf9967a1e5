"""Search algorithms: multi-trial algorithms behind one ask/tell contract, and weight-sharing methods."""

from nas_algos.config import Config, knob
from nas_algos.multi_trial import (
    ALGORITHMS,
    BOHB,
    Hyperband,
    LocalSearch,
    RandomSearch,
    RegularizedEA,
    Reinforce,
    algorithm_named,
)
from nas_algos.searcher import Searcher, Trial
from nas_algos.weight_sharing import METHODS, method_named

__all__ = [
    "ALGORITHMS",
    "BOHB",
    "METHODS",
    "Config",
    "Hyperband",
    "LocalSearch",
    "RandomSearch",
    "RegularizedEA",
    "Reinforce",
    "Searcher",
    "Trial",
    "algorithm_named",
    "knob",
    "method_named",
]
