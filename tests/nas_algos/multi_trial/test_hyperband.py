"""Hyperband: brackets, promotions and what it reduces to, by hand and against hpbandster's own bracket sizes."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Arch
from nas_algos.multi_trial.hyperband import Hyperband, HyperbandConfig
from nas_algos.multi_trial.random_search import RandomSearch, RandomSearchConfig
from nas_algos.searcher import Searcher, Trial

NAN = float("nan")
CYCLE = [*[1] * 9, *[4] * 3, 12, *[4] * 3, 12, *[12] * 3]  # epochs of one cycle for eta 3 and 12 epochs, one worker


def hyperband(space: str = "tss", seed: int = 0, epochs: int = 12, **options: Any) -> Hyperband:
    config = HyperbandConfig(**options)
    return Hyperband(SPACES[space], config, Fidelity("12", epochs), np.random.default_rng(seed))


def play(searcher: Searcher, trials: int, score: Callable[[Trial], float]) -> list[Trial]:
    """One trial open at a time."""
    asked = []
    for _ in range(trials):
        asked.append(searcher.ask())
        searcher.tell(asked[-1], Outcome(score(asked[-1]), 1.0))
    return asked


def total(trial: Trial) -> float:
    return float(sum(trial.arch))


def test_a_cycle_is_twenty_evaluations_in_three_brackets() -> None:
    trials = play(hyperband(), 60, total)
    assert [trial.fidelity for trial in trials] == [Fidelity("12", epochs) for epochs in 3 * CYCLE]


@pytest.mark.parametrize(
    ("epochs", "eta", "min_epochs", "rungs"),
    [
        (12, 3, 1, (1, 4, 12)),  # hpbandster's 4/3, 4 and 12, rounded down
        (12, 3, 2, (4, 12)),
        (12, 3, 4, (4, 12)),
        (12, 3, 12, (12,)),
        (200, 3, 12, (22, 66, 200)),
        (8, 2, 1, (1, 2, 4, 8)),
        (81, 3, 1, (1, 3, 9, 27, 81)),
        (1, 3, 1, (1,)),
    ],
)
def test_rungs_are_the_highest_fidelity_over_powers_of_eta(
    epochs: int, eta: int, min_epochs: int, rungs: tuple[int, ...]
) -> None:
    searcher = hyperband(epochs=epochs, eta=eta, min_epochs=min_epochs)
    assert searcher.fidelities == tuple(Fidelity("12", epoch) for epoch in rungs)


def test_bracket_sizes_for_eta_two_by_hand() -> None:
    epochs = [trial.fidelity.epoch for trial in play(hyperband(epochs=8, eta=2), 33, total)]
    assert epochs == [
        *[1] * 8, *[2] * 4, *[4] * 2, 8,
        *[2] * 4, *[4] * 2, 8,
        *[4] * 4, *[8] * 2,
        *[8] * 4,
        1,
    ]  # fmt: skip


@pytest.mark.parametrize(("epochs", "eta", "min_epochs"), [(12, 3, 1), (8, 2, 1), (200, 3, 12), (64, 4, 1), (27, 3, 1)])
def test_bracket_sizes_equal_hpbandster(epochs: int, eta: int, min_epochs: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hpbandster's imports are older than their deprecations
        from hpbandster import optimizers
    searcher = hyperband(epochs=epochs, eta=eta, min_epochs=min_epochs)
    rungs = len(searcher.fidelities)
    budgets = epochs * float(eta) ** -np.arange(rungs - 1, -1, -1)
    generator = SimpleNamespace(get_config=None)
    master = SimpleNamespace(max_SH_iter=rungs, eta=eta, budgets=budgets, config_generator=generator)
    for number in range(2 * rungs):
        theirs = optimizers.BOHB.get_next_iteration(master, number, {})
        for size, budget in zip(theirs.num_configs, theirs.budgets, strict=True):
            trials = play(searcher, size, total)
            assert {trial.fidelity.epoch for trial in trials} == {int(budget)}


def test_the_best_are_promoted_best_first() -> None:
    searcher = hyperband()
    trials = [searcher.ask() for _ in range(9)]
    scores = [5.0, 90.0, 20.0, 70.0, 10.0, 80.0, 30.0, 40.0, 60.0]
    for trial, score in zip(trials, scores, strict=True):
        searcher.tell(trial, Outcome(score, 1.0))
    second = [searcher.ask() for _ in range(3)]
    assert [trial.arch for trial in second] == [trials[1].arch, trials[5].arch, trials[3].arch]
    assert {trial.fidelity.epoch for trial in second} == {4}
    for trial, score in zip(second, [50.0, 40.0, 60.0], strict=True):  # the order changes at the higher fidelity
        searcher.tell(trial, Outcome(score, 1.0))
    assert searcher.ask() == Trial(13, trials[3].arch, Fidelity("12", 12))


def test_the_older_of_equal_scores_is_promoted_in_whatever_order_they_are_told() -> None:
    for order in range(10):
        searcher = hyperband()
        trials = [searcher.ask() for _ in range(9)]
        told = list(zip(trials, [50.0, 60.0, 70.0, 60.0, 50.0, 60.0, 50.0, 60.0, 50.0], strict=True))
        random.Random(order).shuffle(told)
        for trial, score in told:
            searcher.tell(trial, Outcome(score, 1.0))
        promoted = [searcher.ask().arch for _ in range(3)]
        assert promoted == [trials[2].arch, trials[1].arch, trials[3].arch]


def test_a_rung_waits_for_its_last_result_and_the_next_bracket_is_begun() -> None:
    searcher = hyperband()
    trials = [searcher.ask() for _ in range(9)]
    for trial in trials[:8]:
        searcher.tell(trial, Outcome(total(trial), 1.0))
    assert [searcher.ask().fidelity.epoch for _ in range(7)] == [4, 4, 4, 12, 12, 12, 1]
    searcher.tell(trials[8], Outcome(100.0, 1.0))
    nineteenth = searcher.ask()  # the oldest bracket that can go on comes first
    assert (nineteenth.arch, nineteenth.fidelity.epoch) == (trials[8].arch, 4)


def test_many_workers_ask_the_same_share_of_each_fidelity() -> None:
    searcher, open_trials, epochs = hyperband(), [], []
    for number in range(800):
        open_trials.append(searcher.ask())
        epochs.append(open_trials[-1].fidelity.epoch)
        if len(open_trials) == 30:
            trial = open_trials.pop(number * 17 % 30)
            searcher.tell(trial, Outcome(total(trial), 1.0))
    shares = [epochs.count(level) / len(epochs) for level in (1, 4, 12)]
    assert shares == pytest.approx([9 / 20, 6 / 20, 5 / 20], abs=0.02)


@pytest.mark.parametrize(
    ("survivors", "epochs", "promoted"),
    [(0, [4, 4, 4], []), (1, [4, 12, 4], [8, 8]), (2, [4, 4, 12], [7, 8]), (9, [4, 4, 4], [0, 1, 2])],
)
def test_failed_evaluations_are_not_promoted(survivors: int, epochs: list[int], promoted: list[int]) -> None:
    """Fewer survivors than places make a smaller rung; none end the bracket."""
    searcher = hyperband()
    first = play(searcher, 9, lambda trial: 50.0 if trial.id > 9 - survivors else NAN)
    following = play(searcher, 3, total)
    assert [trial.fidelity.epoch for trial in following] == epochs
    assert [trial.arch for trial in following[: len(promoted)]] == [first[number].arch for number in promoted]


def test_all_failing_is_an_endless_row_of_first_rungs() -> None:
    searcher = hyperband()
    epochs = [trial.fidelity.epoch for trial in play(searcher, 45, lambda _trial: NAN)]
    assert searcher.brackets == {}
    assert epochs == 3 * [*[1] * 9, *[4] * 3, *[12] * 3]


def test_finished_brackets_are_forgotten() -> None:
    searcher = hyperband()
    play(searcher, 200, total)
    assert (searcher.brackets, searcher.bracket_of, searcher.started) == ({}, {}, 30)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("eta", [2, 3])
def test_one_rung_is_random_search(space: str, eta: int) -> None:
    top = Fidelity("12", 12)
    reference = RandomSearch(SPACES[space], RandomSearchConfig(), top, np.random.default_rng(8))
    assert play(hyperband(space, 8, eta=eta, min_epochs=12), 100, total) == play(reference, 100, total)


@pytest.mark.parametrize("space", SPACES)
def test_each_final_is_the_best_of_its_bracket_if_scores_do_not_depend_on_epochs(space: str) -> None:
    trials = play(hyperband(space, 8), 100, total)
    for start in range(0, 100, 20):
        for first, last in pairwise([start, start + 13, start + 17]):
            bracket = trials[first:last]
            assert total(bracket[-1]) == max(map(total, bracket))


def test_fresh_architectures_are_the_draws_of_the_rng() -> None:
    rng, fresh = np.random.default_rng(8), [*range(9), *range(13, 16), *range(17, 20)]
    trials = play(hyperband(seed=8), 20, total)
    expected: list[Arch] = [SPACES["tss"].sample(rng) for _ in fresh]
    assert [trials[number].arch for number in fresh] == expected


def test_a_lowest_rung_above_the_highest_is_refused() -> None:
    with pytest.raises(InputError, match="min_epochs must be at most the 12 epochs of the search, got 13"):
        hyperband(min_epochs=13)
