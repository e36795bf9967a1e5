"""The multi-trial search algorithms by name, which is their CLI name, their module and their key in ALGORITHMS."""

from hashlib import sha256
from importlib import import_module
from inspect import isabstract
from pathlib import Path

from benchmarks.errors import InputError, unknown_name
from nas_algos.config import Config, check_knobs
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
    """The search algorithm called `name` (hyphens may stand for underscores), or the class that MODULE:CLASS names.

    Raises:
        InputError: the name is unknown (the message lists the known ones), or the class is no Searcher with a Config.
    """
    if ":" in name:
        return _own_algorithm(name)
    key = name.replace("-", "_")
    if key not in ALGORITHMS:
        raise InputError(unknown_name("algorithm", name, list(ALGORITHMS)))
    return ALGORITHMS[key]


def code_of(name: str) -> str | None:
    """SHA-256 of the file that MODULE:CLASS names; None for other names, and if the module has no file."""
    if ":" not in name:
        return None
    path = getattr(import_module(name.partition(":")[0]), "__file__", None)
    return sha256(Path(path).read_bytes()).hexdigest() if path else None


def _own_algorithm(name: str) -> type[Searcher]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:  # the user's code, which may raise anything
        raise InputError(f"cannot import {attribute} from {module} ({type(error).__name__}: {error})") from error
    config = getattr(found, "Config", None)
    if not (isinstance(found, type) and issubclass(found, Searcher) and isinstance(config, type)):
        raise InputError(f"{name} must be a subclass of nas_algos.Searcher with a Config, got {found!r}")
    if isabstract(found):
        raise InputError(f"{name} does not define {', '.join(sorted(found.__abstractmethods__))}")
    if not issubclass(config, Config):
        raise InputError(f"the Config of {name} must be a subclass of nas_algos.Config, got {config!r}")
    check_knobs(config)
    return found
