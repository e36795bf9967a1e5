"""The multi-trial search algorithms, by name: CLI name = module = key here."""

from benchmarks.errors import InputError
from benchmarks.spaces.base import unknown_name
from nas_algos.multi_trial.bohb import BOHB
from nas_algos.multi_trial.hyperband import Hyperband
from nas_algos.multi_trial.local_search import LocalSearch
from nas_algos.multi_trial.random_search import RandomSearch
from nas_algos.multi_trial.regularized_ea import RegularizedEA
from nas_algos.multi_trial.reinforce import Reinforce
from nas_algos.searcher import Searcher

__all__ = [
    "ALGORITHMS",
    "BOHB",
    "Hyperband",
    "LocalSearch",
    "RandomSearch",
    "RegularizedEA",
    "Reinforce",
    "algorithm_named",
]

ALGORITHMS: dict[str, type[Searcher]] = {
    "random_search": RandomSearch,
    "regularized_ea": RegularizedEA,
    "reinforce": Reinforce,
    "hyperband": Hyperband,
    "bohb": BOHB,
    "local_search": LocalSearch,
}


def algorithm_named(name: str) -> type[Searcher]:
    """The search algorithm called `name`; hyphens may stand for underscores. InputError lists the names there are."""
    key = name.replace("-", "_")
    if key not in ALGORITHMS:
        raise InputError(unknown_name("algorithm", name, list(ALGORITHMS)))
    return ALGORITHMS[key]
