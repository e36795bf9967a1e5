"""The search loop: ask, evaluate, charge seconds, tell, until the budget is spent.

The time of a search is the sum of the seconds charged for its evaluations; it never depends on the load of the host.
With W simulated workers, W trials are open at once, and an event queue tells their outcomes in the order in which they
finish. A budget counts either these seconds or the evaluations themselves; seconds are recorded in both cases.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import Arch
from experiments.records.budgets import Budget
from nas_algos.searcher import Searcher, Trial

if TYPE_CHECKING:
    from benchmarks.oracle import Oracle  # imports PyArrow, which lists of options do not need

Crossing = Literal["keep", "drop"]
IncumbentRule = Literal["highest_fidelity", "any_fidelity"]


@dataclass(frozen=True)
class Clock:
    """The rules by which a search is charged for its evaluations and ends."""

    budget: Budget
    """Simulated seconds, or evaluations. A trial starts only while less than this is spent."""
    crossing: Crossing = "keep"
    """Treatment of an evaluation that finishes after a budget of seconds: `keep` (as the NATS-Bench scripts) or `drop`
    (as the NAS-Bench-201 scripts: the search ends before it). No evaluation crosses a budget of evaluations."""
    cache: bool = False
    """Whether a repeated query (same architecture and fidelity) takes no time and returns the first outcome again. The
    published protocols charge it again. It counts as an evaluation. A search with a budget of seconds ends when as many
    consecutive queries as the space has architectures were repetitions."""
    workers: int = 1
    """Simulated workers that evaluate at the same time."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"simulated workers are at least 1, got {self.workers}")
        if self.crossing == "drop" and self.budget.unit != "seconds":
            raise InputError("dropping the evaluation that crosses the budget only applies to a budget of seconds")

    def may_begin(self, now: float, started: int, repeats: int, size: int) -> bool:
        """Whether the search may start another evaluation.

        Args:
            now: seconds on the clock.
            started: number of evaluations started so far.
            repeats: number of consecutive evaluations up to now that repeated earlier ones at no cost.
            size: number of architectures of the space.
        """
        endless = self.budget.unit == "seconds" and repeats >= size
        return self.budget.spent(now, started) < self.budget.amount and not endless


@dataclass
class RunResult:
    """All trials of one search in the order of telling, and the host seconds spent in the searcher itself."""

    trials: list[Trial] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)
    """Seconds on the search's clock when the searcher was told of each trial."""
    incumbent: list[bool] = field(default_factory=list)
    """Whether each trial became the run's incumbent."""
    search_seconds: float = 0.0


class Incumbent:
    """The incumbent of a run: the first of the trials with the best score so far.

    `highest_fidelity`: only scores of the same fidelity are compared, and the highest fidelity seen takes precedence.
    `any_fidelity`: scores of all fidelities are compared with each other, as the NATS-Bench scripts do for BOHB.
    """

    def __init__(self, rule: IncumbentRule) -> None:
        self._rule = rule
        self._best: tuple[int, float] = (-1, -math.inf)

    def update(self, fidelity: Fidelity, outcome: Outcome) -> bool:
        """Process an outcome; return whether its trial becomes the incumbent. A failed evaluation never does."""
        level = fidelity.epoch if self._rule == "highest_fidelity" else 0
        if outcome.failed or (level, outcome.score) <= self._best:
            return False
        self._best = (level, outcome.score)
        return True


class Events(Protocol):
    """The running evaluations of one search: those that have started but not ended on its clock."""

    def begin(self, trial: Trial, now: float) -> bool:
        """Start an evaluation at `now`; return whether it repeats an earlier one and is therefore free."""

    def next(self) -> tuple[float, Trial, Outcome]:
        """Remove the evaluation that ends first (of several, the one started first); (end, trial, outcome)."""


class _LookUps:
    """Evaluations that are looked up in a table, so that every outcome is known in advance."""

    def __init__(self, oracle: Oracle, rng: np.random.Generator, cache: bool) -> None:
        self._oracle, self._rng, self._cache = oracle, rng, cache
        self._running: list[tuple[float, int, Trial, Outcome]] = []  # (simulated finish, order of asking, ...)
        self._known: dict[tuple[Arch, Fidelity], tuple[float, float]] = {}  # cached query -> (simulated finish, score)

    def begin(self, trial: Trial, now: float) -> bool:
        query = (trial.arch, trial.fidelity)
        repeated = query in self._known
        if repeated:
            first_finish, score = self._known[query]
            finish, outcome = max(now, first_finish), Outcome(score, 0.0)  # not known before it is measured
        else:
            outcome = self._oracle.query(trial.arch, trial.fidelity, self._rng)
            finish = now + outcome.seconds
            if self._cache:
                self._known[query] = finish, outcome.score
        heapq.heappush(self._running, (finish, trial.id, trial, outcome))
        return repeated

    def next(self) -> tuple[float, Trial, Outcome]:
        finish, _, trial, outcome = heapq.heappop(self._running)
        return finish, trial, outcome


def run(
    searcher: Searcher,
    oracle: Oracle,
    clock: Clock,
    rng: np.random.Generator,
    incumbent_rule: IncumbentRule = "highest_fidelity",
) -> RunResult:
    """Run one complete search on a table.

    Args:
        rng: the generator of the oracle, which draws training seeds; the searcher has its own.

    Raises:
        TableError: the budget is in seconds and the table has no times.
    """
    if clock.budget.unit == "seconds":
        for fidelity in searcher.fidelities:
            oracle.costs.require_times(fidelity.schedule)
    return search(searcher, _LookUps(oracle, rng, clock.cache), clock, incumbent_rule)


def search(searcher: Searcher, events: Events, clock: Clock, incumbent_rule: IncumbentRule) -> RunResult:
    """Run one complete search with any source of evaluations."""
    result, incumbent = RunResult(), Incumbent(incumbent_rule)
    size = len(searcher.space)
    now, started, running, repeats = 0.0, 0, 0, 0
    while True:
        while running < clock.workers and clock.may_begin(now, started, repeats, size):
            begin = perf_counter()
            trial = searcher.ask()
            result.search_seconds += perf_counter() - begin
            repeats = repeats + 1 if events.begin(trial, now) else 0
            started += 1
            running += 1
        if not running:
            return result
        now, trial, outcome = events.next()
        running -= 1
        if clock.crossing == "drop" and now > clock.budget.amount:
            return result
        begin = perf_counter()
        searcher.tell(trial, outcome)
        result.search_seconds += perf_counter() - begin
        result.trials.append(trial)
        result.outcomes.append(outcome)
        result.elapsed.append(now)
        result.incumbent.append(incumbent.update(trial.fidelity, outcome))
