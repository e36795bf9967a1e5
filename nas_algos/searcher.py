"""The one contract of every multi-trial search algorithm: ask for a trial, tell its outcome.

The tell rules, held for every searcher on every space by `tests/nas_algos/test_contract.py`:

1. Any number of asked trials may be open at once, and outcomes may be told in any order.
2. Telling a trial that was never asked, or was told already, raises ValueError and changes nothing.
3. A failed evaluation is told as an Outcome whose score is NaN; it is never hidden and never mistaken for a good score.
4. The same seed and the same sequence of asks and tells give the same trials, in any process.
5. `state_dict` is complete, random state included: a search that was saved and loaded continues like one that was not.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch, Space
from nas_algos.config import Config


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation a searcher asks for."""

    id: int
    """1, 2, 3, ... in the order of asking."""
    arch: Arch
    fidelity: Fidelity


class Searcher(ABC):
    """Base class of the search algorithms. A subclass says what to evaluate next and what to learn from a result.

    Args:
        space: the space to search.
        config: the algorithm's own Config.
        fidelity: the highest fidelity; single-fidelity algorithms evaluate every architecture at it.
        rng: the only source of randomness.
    """

    Config: type[Config]
    _FIXED = frozenset({"space", "config", "fidelity", "rng"})  # given at construction; everything else is state

    def __init__(self, space: Space, config: Any, fidelity: Fidelity, rng: np.random.Generator) -> None:
        self.space, self.fidelity, self.rng = space, fidelity, rng
        self.config = config
        self.next_id = 1  # id of the next trial that `ask` returns
        self._open: dict[int, Trial] = {}

    @abstractmethod
    def propose(self) -> tuple[Arch, Fidelity]:
        """The next architecture to evaluate, valid in the space, and the fidelity at which to evaluate it."""

    @abstractmethod
    def learn(self, trial: Trial, outcome: Outcome) -> None:
        """Learn from the outcome of one trial, which may have failed."""

    @property
    def fidelities(self) -> tuple[Fidelity, ...]:
        """Every fidelity the searcher may ask for, ascending."""
        return (self.fidelity,)

    def ask(self) -> Trial:
        """The next trial. This never waits: a searcher always has an architecture to try.

        Raises:
            InputError: `propose` returned something other than an architecture and a fidelity.
        """
        match self.propose():
            case (tuple() as arch, Fidelity() as fidelity):
                pass
            case other:
                expected = f"{type(self).__name__}.propose returns an architecture, a tuple of choices, and a Fidelity"
                raise InputError(f"{expected}; got {other!r}")
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
        """Resume from the `state_dict` of a searcher built with the same arguments; ValueError for any other state."""
        if state.get("of") != self._identity():
            raise ValueError(f"expected a state of {self._identity()}, got one of {state.get('of')}")
        self.rng.bit_generator.state = state["rng"]
        vars(self).update(copy.deepcopy({name: value for name, value in state.items() if name not in ("of", "rng")}))

    def _identity(self) -> dict[str, Any]:
        arguments = {"space": self.space.name, "config": asdict(self.config), "fidelity": asdict(self.fidelity)}
        return {"algorithm": type(self).__name__, **arguments}
