"""The contract of search spaces, and two base classes for spaces whose architectures are combinations of choices."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError

if TYPE_CHECKING:
    import ConfigSpace

Arch = tuple[int, ...]
"""An architecture: the index of a choice for each decision. Only a space itself deals with strings."""

MUTATIONS = 100
"""Number of invalid mutations after which a constrained space enumerates the valid neighbours instead."""


def uniform_int(rng: np.random.Generator, stop: int) -> int:
    """A uniform integer in 0..stop-1, ten times faster than `rng.integers` for one number (bias below stop / 2^53)."""
    return int(rng.random() * stop)


class Description(NamedTuple):
    """What a space says about one of its architectures, in addition to index and string."""

    lines: tuple[str, ...]
    headers: tuple[str, ...] = ()  # headers of a table; empty without a table
    rows: tuple[tuple[str, ...], ...] = ()


class Space(Protocol):
    """A search space, as a frozen value object. Invalid architectures raise InputError, a ValueError."""

    @property
    def name(self) -> str: ...

    @property
    def options(self) -> tuple[int, ...]:
        """The number of choices of each decision; they may differ."""

    def __len__(self) -> int:
        """The number of valid architectures."""

    def is_valid(self, arch: Arch) -> bool:
        """Whether `arch` is an architecture of the space; some combinations of choices may be invalid."""

    def sample(self, rng: np.random.Generator) -> Arch:
        """An architecture drawn uniformly from the valid ones."""

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A valid neighbour of `arch`: a uniformly drawn decision gets a different choice (Real et al. 2019)."""

    def mutate_official(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """The mutation of the scripts that made the published tables, with its bias; see the space's own file."""

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Every valid architecture that differs from `arch` in exactly one decision."""

    def to_string(self, arch: Arch) -> str:
        """The official string."""

    def from_string(self, string: str) -> Arch:
        """The exact inverse of `to_string`. InputError for any other string, naming the invalid part."""

    def index(self, arch: Arch) -> int:
        """The official index of `arch` in the published benchmark, which numbers the rows of its tables."""

    def arch(self, index: int) -> Arch:
        """The exact inverse of `index`."""

    def canonical(self, arch: Arch) -> str:
        """A string that is equal for architectures which compute the same function by construction."""

    def describe(self, arch: Arch) -> Description:
        """A description of `arch` that does not need its network."""

    @property
    def trait_rule(self) -> str:
        """A definition of the `traits` in sentences for a report; empty if there are none."""

    def traits(self, choices: NDArray[np.int64], scale: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
        """Properties of architectures to plot over the course of a search: name -> values, shape (n,).

        Args:
            choices: n architectures, shape (n, decisions).
            scale: the size of the searched networks, the fields of a supernets.settings.NetworkScale by name.
        """

    def config_space(self) -> ConfigSpace.ConfigurationSpace:
        """The space for tools that use ConfigSpace: a categorical hyperparameter per decision, with official names.

        Invalid combinations are not excluded: callers check their configurations with `is_valid`.
        """


@dataclass(frozen=True)
class ProductSpace(ABC):
    """A space in which every combination of choices is an architecture; decisions may have different choices.

    A subclass defines `name`, `decisions`, `choices`, `to_string` and `from_string`. The official index is the
    lexicographic order, last decision fastest, unless a subclass overrides `index` and `arch`.
    """

    def __post_init__(self) -> None:
        if len(self.choices) != len(self.decisions) or any(isinstance(names, str) for names in self.choices):
            raise InputError(
                f"choices of {self.name} must hold a tuple of names for each of its {len(self.decisions)} decisions, "
                f"got {self.choices!r}"
            )

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def decisions(self) -> tuple[str, ...]:
        """The official name of each decision."""

    @property
    @abstractmethod
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The official names of the choices of each decision."""

    @abstractmethod
    def to_string(self, arch: Arch) -> str: ...

    @abstractmethod
    def from_string(self, string: str) -> Arch: ...

    @cached_property
    def options(self) -> tuple[int, ...]:
        return tuple(map(len, self.choices))

    @cached_property
    def _option_counts(self) -> NDArray[np.float64]:
        return np.array(self.options, float)

    @cached_property
    def _ranges(self) -> tuple[range, ...]:
        return tuple(map(range, self.options))

    @cached_property
    def _contributions(self) -> tuple[dict[int, int], ...]:
        """What each choice adds to `position`: for each decision, choice -> number."""
        strides = [math.prod(self.options[decision + 1 :]) for decision in range(len(self.options))]
        return tuple(
            {choice: choice * stride for choice in range(options)}
            for options, stride in zip(self.options, strides, strict=True)
        )

    @cached_property
    def _changeable(self) -> tuple[int, ...]:
        """The decisions with more than one choice."""
        return tuple(decision for decision, options in enumerate(self.options) if options > 1)

    def __len__(self) -> int:
        return math.prod(self.options)

    def check(self, arch: Arch) -> None:
        """Raise an InputError that names the invalid part unless `arch` is an architecture of the space."""
        if len(arch) != len(self.options):
            raise InputError(
                f"an architecture of {self.name} has {len(self.options)} decisions, got {len(arch)}: {arch}"
            )
        for decision, (choice, options) in enumerate(zip(arch, self.options, strict=True)):
            if not 0 <= choice < options:
                raise InputError(
                    f"a choice of {self.decisions[decision]} in {self.name} is one of 0..{options - 1}, "
                    f"got {choice} in {arch}"
                )

    def is_valid(self, arch: Arch) -> bool:
        return len(arch) == len(self.options) and all(map(range.__contains__, self._ranges, arch))

    def sample(self, rng: np.random.Generator) -> Arch:
        return tuple((rng.random(len(self.options)) * self._option_counts).astype(np.int64).tolist())

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        decision = self._changeable[uniform_int(rng, len(self._changeable))]
        choice = uniform_int(rng, self.options[decision] - 1)
        choice += choice >= arch[decision]  # skips the current choice
        return (*arch[:decision], choice, *arch[decision + 1 :])

    def mutate_official(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """The same as `mutate`, since no published scripts define another rule for this space."""
        return self.mutate(arch, rng)

    def neighbours(self, arch: Arch) -> list[Arch]:
        return [
            (*arch[:decision], choice, *arch[decision + 1 :])
            for decision, options in enumerate(self.options)
            for choice in range(options)
            if choice != arch[decision]
        ]

    def position(self, arch: Arch) -> int:
        """The rank of `arch` among the architectures of the space in lexicographic order, last decision fastest.

        Raises:
            InputError: `arch` is not in the space.
        """
        if len(arch) != len(self.options):
            self.check(arch)  # raises
        try:
            return sum(map(dict.__getitem__, self._contributions, arch))
        except KeyError:
            self.check(arch)  # raises
            raise

    def at_position(self, position: int) -> Arch:
        """The exact inverse of `position`; InputError if out of range."""
        if not 0 <= position < len(self):
            raise InputError(f"{self.name} holds architectures 0..{len(self) - 1}, got {position}")
        return self._combination(position)

    def _combination(self, position: int) -> Arch:
        """The combination at a position of the whole product."""
        choices = []
        for options in reversed(self.options):
            position, choice = divmod(position, options)
            choices.append(choice)
        return tuple(reversed(choices))

    def index(self, arch: Arch) -> int:
        return self.position(arch)

    def arch(self, index: int) -> Arch:
        return self.at_position(index)

    def from_names(self, names: Sequence[str]) -> Arch:
        """The architecture whose choices have these official names; InputError names the invalid part."""
        if len(names) != len(self.decisions):
            raise InputError(
                f"an architecture of {self.name} has {len(self.decisions)} decisions, got {len(names)}: {list(names)}"
            )
        for decision, choices, name in zip(self.decisions, self.choices, names, strict=True):
            if name not in choices:
                raise InputError(f"{decision} of {self.name} is one of {', '.join(choices)}; got {name!r}")
        arch = tuple(choices.index(name) for choices, name in zip(self.choices, names, strict=True))
        self.check(arch)
        return arch

    def names(self, arch: Arch) -> tuple[str, ...]:
        """The official names of the choices of `arch`; InputError unless it is in the space."""
        self.check(arch)
        return tuple(choices[choice] for choices, choice in zip(self.choices, arch, strict=True))

    def canonical(self, arch: Arch) -> str:
        """The official string, as no two architectures compute the same function by construction."""
        return self.to_string(arch)

    def describe(self, arch: Arch) -> Description:
        """The choice of each decision."""
        return Description((), ("decision", "choice"), tuple(zip(self.decisions, self.names(arch), strict=True)))

    @property
    def trait_rule(self) -> str:
        return ""

    def traits(self, choices: NDArray[np.int64], scale: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
        """An empty mapping: the space defines no traits."""
        _ = choices, scale
        return {}

    def config_space(self) -> ConfigSpace.ConfigurationSpace:
        from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace  # slow to import, rarely needed

        space = ConfigurationSpace(name=self.name)
        space.add([CategoricalHyperparameter(*decision) for decision in zip(self.decisions, self.choices, strict=True)])
        return space


@dataclass(frozen=True)
class ConstrainedSpace(ProductSpace):
    """A space in which some combinations of choices are invalid: those that `allows` rejects.

    Samples and mutations are drawn from all combinations until one is allowed, which suits spaces that allow at least
    a few percent of them. `len`, `position` and `at_position`, and with them `index` and `arch`, number the allowed
    combinations in lexicographic order; the first use of any of them calls `allows` for all combinations. A space with
    more than a few million combinations should override these five, for instance with the rows of its published table.
    """

    @abstractmethod
    def allows(self, arch: Arch) -> bool:
        """Whether a combination, all of whose choices are in range, is an architecture."""

    @cached_property
    def _allowed(self) -> list[int]:
        """The positions of the allowed combinations in the product, ascending."""
        combinations = product(*map(range, self.options))
        return [position for position, arch in enumerate(combinations) if self.allows(arch)]

    def __len__(self) -> int:
        return len(self._allowed)

    def check(self, arch: Arch) -> None:
        super().check(arch)
        if not self.allows(arch):
            raise InputError(f"{arch} is a combination of choices that {self.name} does not allow")

    def is_valid(self, arch: Arch) -> bool:
        return super().is_valid(arch) and self.allows(arch)

    def sample(self, rng: np.random.Generator) -> Arch:
        while not self.allows(arch := super().sample(rng)):
            pass
        return arch

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A uniformly drawn decision gets a different choice; both are drawn again until the result is valid.

        An architecture without valid neighbours mutates into a random sample of the other architectures.
        """
        while True:
            for _ in range(MUTATIONS):
                if self.allows(other := super().mutate(arch, rng)):
                    return other
            if not self.neighbours(arch):
                return self._another(arch, rng)

    def _another(self, arch: Arch, rng: np.random.Generator) -> Arch:
        if len(self) == 1:
            raise InputError(f"{self.name} holds a single architecture, which cannot mutate: {arch}")
        while (other := self.sample(rng)) == arch:
            pass
        return other

    def neighbours(self, arch: Arch) -> list[Arch]:
        return [other for other in super().neighbours(arch) if self.allows(other)]

    def position(self, arch: Arch) -> int:
        self.check(arch)
        return bisect_left(self._allowed, super().position(arch))

    def at_position(self, position: int) -> Arch:
        if not 0 <= position < len(self):
            raise InputError(f"{self.name} holds architectures 0..{len(self) - 1}, got {position}")
        return self._combination(self._allowed[position])
