"""What every search space offers, and the spaces that are a plain product of choices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from benchmarks.errors import InputError

if TYPE_CHECKING:
    import ConfigSpace

Arch = tuple[int, ...]
"""An architecture: one choice index per decision. Strings appear only inside a space's own file."""


def uniform_int(rng: np.random.Generator, stop: int) -> int:
    """A uniform integer in 0..stop-1; ten times faster than `rng.integers` for one number (bias below stop / 2^53)."""
    return int(rng.random() * stop)


class Space(Protocol):
    """A search space; a frozen value object. Errors on bad architectures are InputError, a ValueError."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, int]:
        """(decisions, options per decision)."""

    def __len__(self) -> int:
        """How many architectures the space holds."""

    def sample(self, rng: np.random.Generator) -> Arch:
        """An architecture drawn uniformly."""

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A uniformly drawn neighbour: exactly one decision changes, never a no-op (Real et al. 2019, section 2)."""

    def mutate_official(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """The mutation of the scripts that made the published tables, with its bias; see the space's own file."""

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Every architecture that differs from `arch` in exactly one decision."""

    def to_string(self, arch: Arch) -> str:
        """The official string."""

    def from_string(self, string: str) -> Arch:
        """The exact inverse of `to_string`; an InputError names the bad part."""

    def index(self, arch: Arch) -> int:
        """The official index of `arch` in the published benchmark."""

    def arch(self, index: int) -> Arch:
        """The exact inverse of `index`."""

    def canonical(self, arch: Arch) -> str:
        """A string that is equal for architectures which compute the same function by construction."""

    def config_space(self) -> ConfigSpace.ConfigurationSpace:
        """The space for ConfigSpace-based tools: one categorical per decision, its values the official names."""


@dataclass(frozen=True)
class ProductSpace(ABC):
    """A space of `decisions` choices that all have the same `options`: Arch is in {0..len(options)-1}^decisions."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def decisions(self) -> tuple[str, ...]:
        """The official name of each decision."""

    @property
    @abstractmethod
    def options(self) -> tuple[str, ...]:
        """The official name of each choice."""

    @abstractmethod
    def to_string(self, arch: Arch) -> str: ...

    @abstractmethod
    def from_string(self, string: str) -> Arch: ...

    @cached_property
    def shape(self) -> tuple[int, int]:
        return len(self.decisions), len(self.options)

    def __len__(self) -> int:
        decisions, options = self.shape
        return int(options**decisions)

    def sample(self, rng: np.random.Generator) -> Arch:
        decisions, options = self.shape
        return tuple((rng.random(decisions) * options).astype(np.int64).tolist())

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        decisions, options = self.shape
        position = uniform_int(rng, decisions)
        choice = uniform_int(rng, options - 1)
        choice += choice >= arch[position]  # skips the present choice
        return (*arch[:position], choice, *arch[position + 1 :])

    def neighbours(self, arch: Arch) -> list[Arch]:
        decisions, options = self.shape
        return [
            (*arch[:position], choice, *arch[position + 1 :])
            for position in range(decisions)
            for choice in range(options)
            if choice != arch[position]
        ]

    def position(self, arch: Arch) -> int:
        """Where `arch` stands in the lexicographic product, last decision fastest.

        Raises:
            InputError: `arch` has the wrong length or a choice out of range.
        """
        decisions, options = self.shape
        if len(arch) != decisions:
            raise InputError(f"an architecture of {self.name} has {decisions} decisions, got {len(arch)}: {arch}")
        position = 0
        for choice in arch:
            if not 0 <= choice < options:
                raise InputError(f"a choice in {self.name} is one of 0..{options - 1}, got {choice} in {arch}")
            position = position * options + choice
        return position

    def at_position(self, position: int) -> Arch:
        """The exact inverse of `position`; InputError if out of range."""
        decisions, options = self.shape
        if not 0 <= position < len(self):
            raise InputError(f"{self.name} holds architectures 0..{len(self) - 1}, got {position}")
        choices = []
        for _ in range(decisions):
            position, choice = divmod(position, options)
            choices.append(choice)
        return tuple(reversed(choices))

    def config_space(self) -> ConfigSpace.ConfigurationSpace:
        from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace  # slow to import, rarely needed

        space = ConfigurationSpace(name=self.name)
        space.add([CategoricalHyperparameter(name, self.options) for name in self.decisions])
        return space
