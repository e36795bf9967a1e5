"""The contract of `nas_algos/searcher.py`, held by every algorithm (and its main variants) on every space."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import random
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.errors import InputError
from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Space
from nas_algos.multi_trial import ALGORITHMS
from nas_algos.searcher import Searcher, Trial
from tests.made_up_space import MIXED

TOP = Fidelity("12", 12)
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ALGORITHMS),
    ("regularized_ea", {"mutation": "official", "population_size": 3}),
    ("hyperband", {"min_epochs": 12}),
    ("bohb", {"random_fraction": 0.5, "eta": 2}),
    ("local_search", {"accept": "first", "initial_samples": 5}),
]
Build = Callable[[int], Searcher]
Score = Callable[[Trial], float]


EVERY_SPACE: dict[str, Space] = {**SPACES, MIXED.name: MIXED}


@pytest.fixture(params=list(EVERY_SPACE))
def space(request: pytest.FixtureRequest) -> Space:
    return EVERY_SPACE[request.param]


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join([variant[0], *map(str, variant[1].values())]))
def build(request: pytest.FixtureRequest, space: Space) -> Build:
    """Makes the algorithm with an rng of the given seed."""
    name, options = request.param
    algorithm = ALGORITHMS[name]
    return lambda seed: algorithm(space, algorithm.Config(**options), TOP, np.random.default_rng(seed))


def smooth(trial: Trial) -> float:
    """A score with many levels, ties among permuted architectures, and better at more epochs."""
    return 50.0 + sum((choice * 3) % 7 for choice in trial.arch) + trial.fidelity.epoch


def fails_often(trial: Trial) -> float:
    return float("nan") if (trial.id * 7) % 5 < 2 else smooth(trial)


def fails_always(trial: Trial) -> float:
    del trial
    return float("nan")


class Workers:
    """Keeps `size` trials open and tells one of them, drawn at random, per step."""

    def __init__(self, size: int = 40) -> None:
        self.size, self.rng = size, random.Random(5)
        self.open: list[Trial] = []

    def play(self, searcher: Searcher, steps: int, score: Score = smooth) -> list[Trial]:
        """The trials asked, in order."""
        asked = []
        for _ in range(steps):
            while len(self.open) < self.size:
                asked.append(searcher.ask())
                self.open.append(asked[-1])
            trial = self.open.pop(self.rng.randrange(len(self.open)))
            searcher.tell(trial, Outcome(score(trial), 1.0))
        return asked


def plain(value: Any) -> Any:
    """Nested state as values that `==` compares exactly."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | deque):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    return value


def assert_refused(searcher: Searcher, trial: Trial, reason: str) -> None:
    before = plain(searcher.state_dict())
    with pytest.raises(ValueError, match=reason):
        searcher.tell(trial, Outcome(99.0, 1.0))
    assert plain(searcher.state_dict()) == before


@pytest.mark.parametrize("score", [smooth, fails_often, fails_always])
@pytest.mark.parametrize("workers", [1, 40])
def test_every_trial_is_valid_whatever_the_outcomes(build: Build, space: Space, workers: int, score: Score) -> None:
    searcher = build(0)
    trials = Workers(workers).play(searcher, 130, score)
    assert [trial.id for trial in trials] == list(range(1, 130 + workers))
    for trial in trials:
        assert {type(choice) for choice in trial.arch} == {int}
        assert space.is_valid(trial.arch)
        assert space.arch(space.index(trial.arch)) == trial.arch
        assert trial.fidelity in searcher.fidelities


def test_fidelities_ascend_to_the_one_of_the_search(build: Build) -> None:
    fidelities = build(0).fidelities
    assert fidelities[-1] == TOP
    assert {fidelity.schedule for fidelity in fidelities} == {"12"}
    epochs = [fidelity.epoch for fidelity in fidelities]
    assert epochs == sorted(set(epochs))


def test_forty_open_trials_may_be_told_in_any_order(build: Build) -> None:
    searcher = build(0)
    trials = [searcher.ask() for _ in range(40)]
    random.Random(1).shuffle(trials)
    for trial in trials:
        searcher.tell(trial, Outcome(smooth(trial), 1.0))
    assert searcher.ask().id == 41


def test_a_trial_never_asked_is_refused(build: Build) -> None:
    searcher = build(0)
    assert_refused(searcher, Trial(1, (0,) * len(searcher.space.options), TOP), "trial 1 was never asked")
    trial = searcher.ask()
    for unknown in (-1, 0, 2, 1000):
        assert_refused(searcher, dataclasses.replace(trial, id=unknown), f"trial {unknown} was never asked")


def test_a_trial_told_already_is_refused(build: Build) -> None:
    searcher = build(0)
    trials = Workers(3).play(searcher, 30)
    told = next(trial for trial in trials if trial.id not in searcher._open)
    assert_refused(searcher, told, f"trial {told.id} was told already")


def test_a_tampered_trial_is_refused_and_the_true_one_is_still_open(build: Build) -> None:
    searcher = build(0)
    trial = searcher.ask()
    other = searcher.space.neighbours(trial.arch)[0]
    assert_refused(searcher, dataclasses.replace(trial, arch=other), f"trial {trial.id} was asked as")
    longer = Fidelity("200", trial.fidelity.epoch)
    assert_refused(searcher, dataclasses.replace(trial, fidelity=longer), f"trial {trial.id} was asked as")
    searcher.tell(copy.deepcopy(trial), Outcome(50.0, 1.0))


@pytest.mark.parametrize("score", [smooth, fails_often])
@pytest.mark.parametrize("workers", [1, 40])
def test_same_seed_same_trials(build: Build, workers: int, score: Score) -> None:
    one, two, other = (Workers(workers).play(build(seed), 90, score) for seed in (3, 3, 4))
    assert one == two
    assert one != other


@pytest.mark.parametrize("workers", [1, 40])
def test_a_saved_search_goes_on_as_if_it_had_not_been(build: Build, workers: int) -> None:
    straight, crew = build(3), Workers(workers)
    crew.play(straight, 123, fails_often)
    bytes_on_disk = pickle.dumps((straight.state_dict(), crew))
    expected = crew.play(straight, 123, fails_often)

    resumed = build(99)
    state, crew = pickle.loads(bytes_on_disk)
    resumed.load_state_dict(state)
    assert crew.play(resumed, 123, fails_often) == expected
    assert plain(resumed.state_dict()) == plain(straight.state_dict())


def test_a_state_is_a_snapshot(build: Build) -> None:
    """Neither the saved nor the loaded searcher writes into it."""
    searcher, crew = build(3), Workers()
    crew.play(searcher, 100)
    state = searcher.state_dict()
    before = plain(copy.deepcopy(state))
    resumed = build(99)
    resumed.load_state_dict(state)
    crews = copy.deepcopy(crew)
    crew.play(searcher, 100)
    crews.play(resumed, 100)
    assert plain(state) == before


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("other", ALGORITHMS)
def test_the_state_of_another_algorithm_is_refused(space: Space, name: str, other: str) -> None:
    if name == other:
        return
    ours, theirs = (
        algorithm(space, algorithm.Config(), TOP, np.random.default_rng(0))
        for algorithm in (ALGORITHMS[name], ALGORITHMS[other])
    )
    Workers().play(ours, 20)
    Workers().play(theirs, 20)
    before = plain(ours.state_dict())
    with pytest.raises(ValueError, match=f"expected a state of .*{type(ours).__name__}"):
        ours.load_state_dict(theirs.state_dict())
    assert plain(ours.state_dict()) == before


def test_a_state_of_other_options_is_refused() -> None:
    space, algorithm = SPACES["tss"], ALGORITHMS["regularized_ea"]
    small = algorithm(space, algorithm.Config(population_size=4), TOP, np.random.default_rng(0))  # type: ignore[call-arg]
    large = algorithm(space, algorithm.Config(), TOP, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"'population_size': 10.*'population_size': 4"):
        large.load_state_dict(small.state_dict())


@pytest.mark.parametrize("proposed", [([0] * 6, Fidelity("12", 12)), ((0,) * 6, 12), (0,) * 6, None], ids=str)
def test_a_proposal_of_something_else_is_refused(proposed: Any, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an algorithm of one's own may get wrong."""
    algorithm = ALGORITHMS["random_search"]
    searcher = algorithm(space, algorithm.Config(), Fidelity("12", 12), np.random.default_rng(0))
    monkeypatch.setattr(searcher, "propose", lambda: proposed)
    with pytest.raises(
        InputError, match=r"RandomSearch.propose returns an architecture, a tuple of choices, and a Fid"
    ):
        searcher.ask()
    assert searcher.state_dict()["next_id"] == 1


def test_global_random_state_is_never_touched(build: Build) -> None:
    before = random.getstate(), plain(np.random.get_state())  # noqa: NPY002
    searcher, crew = build(0), Workers()
    crew.play(searcher, 100)
    searcher.load_state_dict(searcher.state_dict())
    crew.play(searcher, 100)
    assert (random.getstate(), plain(np.random.get_state())) == before  # noqa: NPY002


def test_searchers_side_by_side_do_not_touch_each_other(build: Build) -> None:
    alone = Workers(3).play(build(3), 100)
    one, two = build(3), build(3)
    crews = Workers(3), Workers(3)
    together = [crew.play(searcher, 1) for _ in range(100) for crew, searcher in zip(crews, (one, two), strict=True)]
    assert [trial for trials in together[::2] for trial in trials] == alone
    assert [trial for trials in together[1::2] for trial in trials] == alone


SCRIPT = """
import numpy as np
from benchmarks.oracle import Fidelity, Outcome
from benchmarks.spaces import SPACES
from nas_algos.multi_trial import ALGORITHMS
from tests.made_up_space import MIXED
for name, algorithm in ALGORITHMS.items():
    for space in [*SPACES.values(), MIXED]:
        searcher = algorithm(space, algorithm.Config(), Fidelity("12", 12), np.random.default_rng(7))
        for _ in range(40):
            trials = [searcher.ask() for _ in range(3)]
            print(name, trials)
            for trial in trials[::-1]:
                searcher.tell(trial, Outcome(50.0 + sum(trial.arch), 1.0))
"""


def test_another_process_with_another_hash_seed_gives_the_same_trials() -> None:
    def output(hash_seed: str) -> str:
        environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", SCRIPT]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = output("1")
    assert first.count("Trial(") == 3 * 40 * len(ALGORITHMS) * len(EVERY_SPACE)
    assert first == output("2")
