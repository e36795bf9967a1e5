"""The one contract of every multi-trial search algorithm: ask for a trial, tell its outcome.

The tell rules, held for every searcher on every space by `tests/nas_algos/test_contract.py`:

1. Any number of asked trials may be open at once, and outcomes may be told in any order.
2. Telling a trial that was never asked, or was told already, raises ValueError and changes nothing.
3. A failed evaluation is told as an Outcome whose score is NaN; it is never hidden and never mistaken for a good score.
4. The same seed and the same sequence of asks and tells give the same trials, in any process.
5. `state_dict` is complete, random state included: a search that was saved and loaded goes on as if it had not been.
"""

from __future__ import annotations

import copy
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from benchmarks.errors import InputError
from benchmarks.oracle import Fidelity, Outcome
from benchmarks.spaces import Arch, Space

T = TypeVar("T", bound=float | int | str)


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation a searcher asks for."""

    id: int
    """1, 2, 3, ... in the order of asking."""
    arch: Arch
    fidelity: Fidelity


def knob(
    default: T, help: str, *, symbol: str = "", unit: str = "", low: float | None = None, high: float | None = None,
    log: bool = False,
) -> T:  # fmt: skip
    """A field of an algorithm's config: its meaning, the paper's symbol, the unit, and the closed range it may take.

    `log` says that tuning it makes sense on a logarithmic scale.
    """
    metadata = {"help": help, "symbol": symbol, "unit": unit, "low": low, "high": high, "log": log}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """The options of one algorithm; every field is a `knob`. InputError on construction if one is out of range."""

    def __post_init__(self) -> None:
        kinds = get_type_hints(type(self))
        for option in fields(self):
            value, kind = getattr(self, option.name), kinds[option.name]
            if get_origin(kind) is Literal:
                if value not in get_args(kind):
                    raise InputError(f"{option.name} must be one of {', '.join(get_args(kind))}, got {value!r}")
                continue
            if kind is bool and not isinstance(value, bool):
                raise InputError(f"{option.name} must be true or false, got {value!r}")
            low, high = option.metadata["low"], option.metadata["high"]
            inside = (low is None or value >= low) and (high is None or value <= high)  # never of NaN
            if not inside or not math.isfinite(value):
                raise InputError(f"{option.name} must be in {describe_range(option)}, got {value}")
            if kind is int and value != int(value):
                raise InputError(f"{option.name} must be a whole number in {describe_range(option)}, got {value}")


def check_knobs(config: type[Config]) -> None:
    """InputError unless a Config is a dataclass of knobs, each of them int, float, bool or a Literal of strings."""
    told = f"the Config {config.__qualname__}"
    if inspect.get_annotations(config).keys() - config.__dataclass_fields__.keys():
        raise InputError(f"{told} is no dataclass: put @dataclass(frozen=True) before it")
    kinds = get_type_hints(config)
    for option in fields(config):
        kind = kinds[option.name]
        if "help" not in option.metadata:
            raise InputError(f"{option.name} of {told} is no knob: write {option.name} = knob(DEFAULT, 'what it is')")
        if kind not in (int, float, bool) and not all(isinstance(value, str) for value in get_args(kind) or [kind]):
            raise InputError(f"{option.name} of {told} is {kind}; a knob is int, float, bool, or a Literal of strings")


def describe_range(option: Field[Any]) -> str:
    """'[1, 100]', '[0, inf)' for a knob's closed range."""
    low, high = option.metadata["low"], option.metadata["high"]
    left = "(-inf" if low is None else f"[{low:g}"
    right = "inf)" if high is None else f"{high:g}]"
    return f"{left}, {right}"


def default_of(option: Field[Any]) -> Any:
    """A knob's default."""
    assert option.default is not MISSING, "every knob has a default"
    return option.default


class Searcher(ABC):
    """Base of the search algorithms. A subclass says what to evaluate next, and what it learns from a result.

    Args:
        space: where to search.
        config: the algorithm's own Config.
        fidelity: the highest fidelity; single-fidelity algorithms evaluate every architecture there.
        rng: the only source of randomness.
    """

    Config: type[Config]
    _FIXED = frozenset({"space", "config", "fidelity", "rng"})  # given at construction; everything else is state

    def __init__(self, space: Space, config: Any, fidelity: Fidelity, rng: np.random.Generator) -> None:
        self.space, self.fidelity, self.rng = space, fidelity, rng
        self.config = config
        self.next_id = 1  # of the trial that `ask` returns next
        self._open: dict[int, Trial] = {}

    @abstractmethod
    def propose(self) -> tuple[Arch, Fidelity]:
        """The next architecture to evaluate, and how far to train it."""

    @abstractmethod
    def learn(self, trial: Trial, outcome: Outcome) -> None:
        """Take in the outcome of one trial."""

    @property
    def fidelities(self) -> tuple[Fidelity, ...]:
        """Every fidelity the searcher may ask for, ascending."""
        return (self.fidelity,)

    def ask(self) -> Trial:
        """The next trial. Never waits: a searcher always has an architecture to try.

        Raises:
            InputError: `propose` returns something else than it says.
        """
        match self.propose():
            case (tuple() as arch, Fidelity() as fidelity):
                pass
            case other:
                told = f"{type(self).__name__}.propose returns an architecture, a tuple of choices, and a Fidelity"
                raise InputError(f"{told}; got {other!r}")
        trial = Trial(self.next_id, arch, fidelity)
        self._open[trial.id] = trial
        self.next_id += 1
        return trial

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Report the outcome of an open trial; ValueError if it was never asked or was told already."""
        if self._open.get(trial.id) != trial:
            if trial.id in self._open:
                raise ValueError(f"trial {trial.id} was asked as {self._open[trial.id]}, got {trial}")
            was = "told already" if 1 <= trial.id < self.next_id else "never asked"
            raise ValueError(f"trial {trial.id} was {was}; open trials: {sorted(self._open) or 'none'}")
        del self._open[trial.id]
        self.learn(trial, outcome)

    def state_dict(self) -> dict[str, Any]:
        """The complete state as plain picklable data, random state included."""
        state = {name: value for name, value in vars(self).items() if name not in self._FIXED}
        return {"of": self._identity(), "rng": self.rng.bit_generator.state, **copy.deepcopy(state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a searcher built with the same arguments; ValueError if of another one."""
        if state.get("of") != self._identity():
            raise ValueError(f"expected a state of {self._identity()}, got one of {state.get('of')}")
        self.rng.bit_generator.state = state["rng"]
        vars(self).update(copy.deepcopy({name: value for name, value in state.items() if name not in ("of", "rng")}))

    def _identity(self) -> dict[str, Any]:
        arguments = {"space": self.space.name, "config": asdict(self.config), "fidelity": asdict(self.fidelity)}
        return {"algorithm": type(self).__name__, **arguments}
