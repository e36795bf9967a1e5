"""Drawing and ranking valid architectures; decisions may have different numbers of choices."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from benchmarks.errors import InputError
from benchmarks.spaces import Arch, Space

Drawn = TypeVar("Drawn")
LIMIT = 100_000
"""Number of draws after which the search for a valid architecture gives up."""


def valid_draw(space: Space, draw: Callable[[], Drawn], arch_of: Callable[[Drawn], Arch]) -> Drawn:
    """The first draw whose architecture is valid; InputError if none of LIMIT draws is."""
    for _ in range(LIMIT):
        drawn = draw()
        if space.is_valid(arch_of(drawn)):
            return drawn
    raise InputError(f"none of {LIMIT:,} drawn combinations of choices is a valid architecture of {space.name}")


def uniform_arch(space: Space, rng: torch.Generator) -> Arch:
    """An architecture drawn uniformly from the valid ones."""

    def draw() -> Arch:
        return tuple(int(torch.randint(options, (), generator=rng)) for options in space.options)

    return valid_draw(space, draw, lambda arch: arch)


def likeliest(space: Space, log_p: Sequence[Sequence[float]], count: int) -> list[Arch]:
    """The `count` most likely valid architectures, or all if there are fewer, descending.

    Args:
        log_p: for each decision, the log-probabilities of its options. Equally likely architectures come in
            lexicographic order.
    """
    found: list[Arch] = []
    for arch in _descending(log_p):
        if len(found) == count:
            break
        if space.is_valid(arch):
            found.append(arch)
    return found


def _descending(log_p: Sequence[Sequence[float]]) -> Iterator[Arch]:
    """Yield all combinations of options by descending sum of `log_p`, without computing all sums first."""
    best_first = [[k for _, k in sorted((-p, k) for k, p in enumerate(row))] for row in log_p]

    def entry(ranks: Arch) -> tuple[float, Arch, Arch]:
        arch = tuple(order[rank] for order, rank in zip(best_first, ranks, strict=True))
        return -math.fsum(row[k] for row, k in zip(log_p, arch, strict=True)), arch, ranks

    start = (0,) * len(log_p)
    frontier, seen = [entry(start)], {start}
    while frontier:
        _, arch, ranks = heapq.heappop(frontier)
        yield arch
        for i, row in enumerate(log_p):  # a combination comes after those in which one rank is better by one
            worse = (*ranks[:i], ranks[i] + 1, *ranks[i + 1 :])
            if worse[i] < len(row) and worse not in seen:
                seen.add(worse)
                heapq.heappush(frontier, entry(worse))
