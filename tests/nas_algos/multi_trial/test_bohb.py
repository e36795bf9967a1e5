"""BOHB: the model held numerically to hpbandster 0.7.4 and statsmodels, and what surrounds it by hand."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Arch, Space
from nas_algos.multi_trial.bohb import BOHB, KDE, BOHBConfig, Results
from nas_algos.multi_trial.hyperband import Hyperband, HyperbandConfig
from nas_algos.searcher import Searcher, Trial
from tests.made_up_space import MIXED

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # imports that are older than their deprecations
    from hpbandster.optimizers.config_generators import bohb as hpbandster_bohb
    from statsmodels.nonparametric.api import KDEMultivariate

TOP = Fidelity("12", 12)
# hpbandster calls ConfigSpace and statsmodels by names deprecated since; a warning raised as an error would be
# swallowed by its bare `except:` and turn the proposal into a random one.
old_names = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(params=list(SPACES))
def space(request: pytest.FixtureRequest) -> Space:
    return SPACES[request.param]


def bohb(space: Space, seed: int = 0, **options: Any) -> BOHB:
    return BOHB(space, BOHBConfig(**options), TOP, np.random.default_rng(seed))


def play(searcher: Searcher, trials: int, score: Callable[[Trial], float]) -> list[Trial]:
    """One trial open at a time."""
    asked = []
    for _ in range(trials):
        asked.append(searcher.ask())
        searcher.tell(asked[-1], Outcome(score(asked[-1]), 1.0))
    return asked


def feed(searcher: BOHB, archs: list[Arch], scores: list[float], epochs: int) -> None:
    """Results of one fidelity, as told; the brackets are put aside."""
    for arch, score in zip(archs, scores, strict=True):
        trial = Trial(searcher.next_id, arch, Fidelity("12", epochs))
        searcher.next_id += 1
        searcher._open[trial.id] = trial
        searcher.bracket_of[trial.id] = 0
        searcher.brackets = {0: SimpleNamespace(record=lambda *_: False)}  # type: ignore[dict-item]
        searcher.tell(trial, Outcome(score, 1.0))


def total(trial: Trial) -> float:
    return float(sum(trial.arch))


class TheirBOHB:
    """hpbandster's own generator, fed and read in our terms."""

    def __init__(self, space: Space, min_bandwidth: float = 0.3, top_n_percent: int = 15, num_samples: int = 4) -> None:
        self.configspace: Any = space.config_space()
        self.generator = hpbandster_bohb.BOHB(
            self.configspace,
            num_samples=num_samples,
            random_fraction=0.0,
            min_bandwidth=min_bandwidth,
            top_n_percent=top_n_percent,
        )

    def feed(self, archs: list[Arch], scores: list[float], epochs: int) -> None:
        names = list(self.configspace)
        for arch, score in zip(archs, scores, strict=True):
            choices = (self.configspace[name].choices[choice] for name, choice in zip(names, arch, strict=True))
            kwargs = {"config": dict(zip(names, choices, strict=True)), "budget": float(epochs)}
            job = SimpleNamespace(
                id=(0, 0, 0), kwargs=kwargs, result={"loss": 100.0 - score}, exception=None, timestamps={}
            )
            with np.errstate(all="ignore"):
                self.generator.new_result(job)

    def model(self, epochs: int) -> tuple[Any, Any]:
        models = self.generator.kde_models[float(epochs)]
        return models["good"], models["bad"]

    def ratio(self, epochs: int, archs: list[Arch]) -> NDArray[np.float64]:
        good, bad = self.model(epochs)
        with np.errstate(all="ignore"):
            return np.array([max(1e-32, bad.pdf(list(arch))) / max(good.pdf(list(arch)), 1e-32) for arch in archs])

    def choose(self, candidates: list[Arch], monkeypatch: pytest.MonkeyPatch) -> Arch | None:
        """What `get_config` picks when its own draws come out as these candidates; None if it gives up."""
        row_then_choices = iter([number for candidate in candidates for number in (0, *candidate)])
        with monkeypatch.context() as patch, np.errstate(all="ignore"):
            patch.setattr(np.random, "rand", lambda: math.inf)  # no choice of a good row is kept
            patch.setattr(np.random, "randint", lambda *_: next(row_then_choices))
            config, info = self.generator.get_config(12.0)
        if not info["model_based_pick"]:
            return None
        return tuple(self.configspace[name].choices.index(config[name]) for name in self.configspace)


def ratio(searcher: BOHB, epochs: int, archs: list[Arch]) -> NDArray[np.float64]:
    good, bad = searcher.model(epochs)
    points = np.array(archs).T
    with np.errstate(all="ignore"):
        return np.fmax(bad.pdf(points), 1e-32) / np.maximum(good.pdf(points), 1e-32)


def results(space: Space, n: int, seed: int) -> tuple[list[Arch], list[float]]:
    """Random architectures with distinct scores that favour high choices."""
    rng = np.random.default_rng(seed)
    archs = [space.sample(rng) for _ in range(n)]
    return archs, [float(sum(arch)) + 0.5 * rng.random() for arch in archs]


def models(searcher: BOHB) -> dict[int, tuple[KDE, KDE]]:
    """Epochs -> (good, bad), wherever there are enough results."""
    enough = {epochs: min(searcher._split(len(found.losses))) for epochs, found in searcher.results.items()}
    return {epochs: searcher.model(epochs) for epochs, least in enough.items() if least > len(searcher.space.options)}


def set_model(searcher: BOHB, good: KDE, bad: KDE) -> None:
    searcher.results = {12: Results.empty(len(good.data), max(searcher.space.options))}
    searcher.results[12].model = good, bad
    searcher.modelled = 12


def watch_candidates(searcher: BOHB, monkeypatch: pytest.MonkeyPatch) -> list[KDE]:
    """The good densities that candidates are drawn from, from now on."""
    used: list[KDE] = []
    candidates = searcher._candidates

    def watched(good: KDE) -> NDArray[np.int64]:
        used.append(good)
        return candidates(good)

    monkeypatch.setattr(searcher, "_candidates", watched)
    return used


# The density estimate


@old_names
@pytest.mark.parametrize("n", [6, 7, 30])
@pytest.mark.parametrize("levels", [1, 2, 5, 8])
@pytest.mark.parametrize("min_bandwidth", [1e-6, 0.3])
def test_bandwidths_and_densities_equal_statsmodels(n: int, levels: int, min_bandwidth: float) -> None:
    """Also where a column has one level (division by zero) and where a bandwidth is above 1 (negative kernels)."""
    rng = np.random.default_rng(n * levels)
    data = rng.integers(levels, size=(5, n)) * (7 // max(levels - 1, 1))
    data[0] = 3  # a decision with one level, always
    ours = KDE.fit(data, 8, min_bandwidth)
    points = np.concatenate([data, rng.integers(8, size=(5, 200))], axis=1)
    points[0, ::3] = 3
    with np.errstate(all="ignore"):
        theirs = KDEMultivariate(data=data.T, var_type="uuuuu", bw="normal_reference")
        theirs.bw = np.clip(theirs.bw, min_bandwidth, None)
        expected = np.array([theirs.pdf(point) for point in points.T])
        densities = ours.pdf(points)
    np.testing.assert_allclose(ours.bandwidth, theirs.bw, rtol=1e-9)
    np.testing.assert_allclose(densities, expected, rtol=1e-9, atol=1e-15)
    assert not np.isfinite(densities).all()


def test_a_density_by_hand() -> None:
    """Column 0 holds 0, 1, 1, 2: std sqrt(1/2), three levels; column 1 holds 0, 0, 0, 4: std sqrt(3), two levels."""
    kde = KDE.fit(np.array([[0, 1, 1, 2], [0, 0, 0, 4]]), 5, 0.01)
    factor = 1.06 * 4 ** (-1 / 6)
    a, b = factor * math.sqrt(0.5), factor * math.sqrt(3)
    np.testing.assert_allclose(kde.bandwidth, [a, b])
    rows = [(1 - a) * (1 - b), (a / 2) * (1 - b), (a / 2) * (1 - b), (a / 2) * b]
    unseen = [(a / 2) * b] * 4  # choice 3 in both: like any other that differs
    np.testing.assert_allclose(kde.pdf(np.array([[0, 3], [0, 3]])), [np.mean(rows), np.mean(unseen)])


def test_with_all_levels_present_and_bandwidths_below_one_a_density_sums_to_one() -> None:
    data = np.array([[0, 1, 2, 0, 1, 2, 1, 1], [2, 1, 0, 1, 1, 1, 1, 0]])
    kde = KDE.fit(data, 3, 0.3)
    everything = np.stack(np.meshgrid(range(3), range(3))).reshape(2, -1)
    assert kde.pdf(everything).sum() == pytest.approx(1.0)


# The model against hpbandster's own generator


@old_names
@pytest.mark.parametrize("n", [11, 12, 13, 14, 15, 16, 40, 60, 101])
@pytest.mark.parametrize("options", [{}, {"top_n_percent": 40, "min_bandwidth": 1e-3}, {"top_n_percent": 90}])
def test_the_model_equals_hpbandster(space: Space, n: int, options: dict[str, Any]) -> None:
    archs, scores = results(space, n, seed=n)
    ours, theirs = bohb(space, **options), TheirBOHB(space, **options)
    feed(ours, archs, scores, 4)
    theirs.feed(archs, scores, 4)
    assert list(models(ours)) == list(theirs.generator.kde_models)
    if not models(ours):
        return
    for mine, other in zip(ours.model(4), theirs.model(4), strict=True):
        np.testing.assert_array_equal(mine.data.T, other.data)
        np.testing.assert_allclose(mine.bandwidth, other.bw, rtol=1e-9)
    rng = np.random.default_rng(0)
    points = [*archs[:50], *(space.sample(rng) for _ in range(200))]
    np.testing.assert_allclose(ratio(ours, 4, points), theirs.ratio(4, points), rtol=1e-9)


@old_names
@pytest.mark.parametrize("seed", range(3))
def test_a_whole_search_has_the_models_of_hpbandster(space: Space, seed: int) -> None:
    """Results of all fidelities in the order of a search: lower ones are not even stored once a higher model exists."""
    ours, theirs = bohb(space, seed), TheirBOHB(space)
    noise = np.random.default_rng(seed)
    for _ in range(120):
        trial = ours.ask()
        score = total(trial) + trial.fidelity.epoch + noise.random()
        ours.tell(trial, Outcome(score, 1.0))
        theirs.feed([trial.arch], [score], trial.fidelity.epoch)
        assert list(models(ours)) == list(theirs.generator.kde_models)
    assert list(models(ours)) == [1, 4, 12]
    for epochs in (1, 4, 12):
        stored = [list(row) for row in theirs.generator.configs[float(epochs)]]
        assert sorted(ours.results[epochs].choices.T.tolist()) == sorted(stored)
        for mine, other in zip(ours.model(epochs), theirs.model(epochs), strict=True):
            np.testing.assert_array_equal(mine.data.T, other.data)
            np.testing.assert_allclose(mine.bandwidth, other.bw, rtol=1e-9)
    rng = np.random.default_rng(0)
    points = [space.sample(rng) for _ in range(200)]
    np.testing.assert_allclose(ratio(ours, 12, points), theirs.ratio(12, points), rtol=1e-9)


@old_names
@pytest.mark.parametrize("name", SPACES)
def test_the_choice_among_candidates_equals_hpbandster(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over models with few levels, so that densities are finite, infinite, negative and NaN; and all choices occur."""
    space, rng = SPACES[name], np.random.default_rng(0)
    d, options = len(space.options), max(space.options)
    kinds: dict[str, int] = {}
    for number in range(150):
        levels = rng.integers(1, 4, size=(2, d, 1))
        data = rng.integers(options, size=(2, d, 1)) + rng.integers(levels, size=(2, d, 3 * d))
        good, bad = (KDE.fit(side % options, options, 0.3) for side in data)
        ours, theirs = bohb(space, seed=number), TheirBOHB(space)
        set_model(ours, good, bad)
        with np.errstate(all="ignore"):
            densities = {
                side: KDEMultivariate(data=kde.data.T, var_type="u" * d, bw=kde.bandwidth)
                for side, kde in (("good", good), ("bad", bad))
            }
        theirs.generator.kde_models = {12.0: densities}
        near = np.concatenate([good.data, bad.data], axis=1)  # (d, rows): mixed columns, so all kinds of density occur
        candidates = np.take_along_axis(near, rng.integers(near.shape[1], size=(d, 4)), axis=1)
        monkeypatch.setattr(ours, "_candidates", lambda _good, candidates=candidates: candidates)
        expected = theirs.choose([tuple(column) for column in candidates.T.tolist()], monkeypatch)
        chosen = ours.sample()
        if expected is None:  # a uniform draw, after the one of the random fraction
            reference = np.random.default_rng(number)
            reference.random()
            expected = space.sample(reference)
            kind = "none"
        else:
            value = ratio(ours, 12, [expected])[0]
            kind = "finite" if math.isfinite(value) else "no bad result has it"
        kinds[kind] = kinds.get(kind, 0) + 1
        assert chosen == expected
    assert min(kinds.get(kind, 0) for kind in ("none", "finite", "no bad result has it")) >= 5


@old_names
def test_a_nan_bad_density_counts_as_the_smallest_as_in_hpbandster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bandwidths above 1 make kernels negative; with a one-level decision, infinities of both signs are summed.

    So the good density decides between two such candidates, and the first is not taken unseen.
    """
    space, d = SPACES["sss"], 5
    bad_data, good_data = np.zeros((d, 8), int), np.zeros((d, 8), int)
    bad_data[1, ::2] = 7
    good_data[0] = 2
    good_data[np.arange(d), np.arange(d)] = 1
    bad, good = KDE.fit(bad_data, 8, 0.3), KDE.fit(good_data, 8, 0.3)
    first, second = candidates = np.array([[1, 0, 0, 0, 0], [2, 0, 0, 0, 0]])
    with np.errstate(invalid="ignore"):
        assert np.isnan(bad.pdf(candidates.T)).all()
    assert good.pdf(first[:, None])[0] < good.pdf(second[:, None])[0] < math.inf
    ours, theirs = bohb(space), TheirBOHB(space, num_samples=2)
    set_model(ours, good, bad)
    theirs.generator.kde_models = {
        12.0: {
            name: KDEMultivariate(data=kde.data.T, var_type="u" * d, bw=kde.bandwidth)
            for name, kde in (("good", good), ("bad", bad))
        }
    }
    monkeypatch.setattr(ours, "_candidates", lambda _good: candidates.T)
    assert ours.sample() == theirs.choose([tuple(row) for row in candidates.tolist()], monkeypatch) == tuple(second)


# What surrounds the model


@pytest.mark.parametrize(("name", "first"), [("tss", 14), ("sss", 12)])
def test_the_first_model_needs_twice_one_more_result_than_decisions(name: str, first: int) -> None:
    searcher = bohb(SPACES[name])
    archs, scores = results(SPACES[name], first, seed=0)
    feed(searcher, archs[:-1], scores[:-1], 1)
    assert models(searcher) == {}
    assert searcher.modelled == 0
    feed(searcher, archs[-1:], scores[-1:], 1)
    good, bad = searcher.model(1)
    assert good.data.shape[1] == bad.data.shape[1] == first // 2
    ranked = [archs[number] for number in np.argsort(scores)[::-1]]
    assert [tuple(column) for column in good.data.T.tolist()] == ranked[: first // 2]
    assert [tuple(column) for column in bad.data.T.tolist()] == ranked[first // 2 :]


@pytest.mark.parametrize(("n", "good", "bad"), [(14, 7, 7), (15, 7, 8), (20, 7, 13), (60, 9, 51), (101, 15, 85)])
def test_fifteen_percent_are_good_and_eighty_five_bad(n: int, good: int, bad: int) -> None:
    """At least 7 each (tss); of 101 results the worst is in neither: 15 * 101 // 100 + 85 * 101 // 100 = 100."""
    searcher = bohb(SPACES["tss"])
    feed(searcher, *results(SPACES["tss"], n, seed=n), epochs=1)
    assert tuple(kde.data.shape[1] for kde in searcher.model(1)) == (good, bad)


@pytest.mark.parametrize("percent", [1, 15, 50, 99])
def test_running_sums_fit_the_same_densities_as_all_data_at_once(space: Space, percent: int) -> None:
    """Exactly, although architectures move between good, bad and neither with each result."""
    searcher = bohb(space, top_n_percent=percent)
    archs, scores = results(space, 60, seed=percent)
    for arch, score in zip(archs, scores, strict=True):
        feed(searcher, [arch], [float(round(score))], 1)
        for kde in (side for model in models(searcher).values() for side in model):
            afresh = KDE.fit(kde.data, max(space.options), 0.3)
            assert (kde.bandwidth, kde.different) == (afresh.bandwidth, afresh.different)


def test_of_equal_scores_the_first_told_are_good() -> None:
    searcher = bohb(SPACES["tss"])
    archs, _ = results(SPACES["tss"], 40, seed=1)
    feed(searcher, archs, [50.0] * 40, 1)
    assert [tuple(column) for column in searcher.model(1)[0].data.T.tolist()] == archs[:7]


def test_results_below_the_highest_model_are_ignored_and_the_highest_model_is_sampled(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = bohb(space)
    feed(searcher, *results(space, 20, seed=1), epochs=4)
    before = searcher.model(4)
    feed(searcher, *results(space, 20, seed=2), epochs=1)
    assert list(searcher.results) == list(models(searcher)) == [4]
    assert searcher.model(4) is before
    feed(searcher, *results(space, 11, seed=3), epochs=12)
    assert searcher.modelled == 4, "too few at the top: the lower model still leads"
    feed(searcher, *results(space, 9, seed=4), epochs=12)
    assert list(models(searcher)) == [4, 12]
    assert searcher.modelled == 12
    used = watch_candidates(searcher, monkeypatch)
    searcher.sample()
    assert used == [searcher.model(12)[0]]


def test_failed_evaluations_are_not_modelled(space: Space) -> None:
    archs, scores = results(space, 30, seed=1)
    clean, mixed = bohb(space), bohb(space)
    feed(clean, archs[::2], scores[::2], 1)
    feed(mixed, archs, [score if number % 2 == 0 else math.nan for number, score in enumerate(scores)], 1)
    assert mixed.results[1].losses == clean.results[1].losses
    for one, two in zip(mixed.model(1), clean.model(1), strict=True):
        np.testing.assert_array_equal(one.data, two.data)


def test_candidates_keep_a_good_choice_with_probability_one_minus_h(space: Space) -> None:
    """Else any choice is drawn, the same included: it stays with 1 - h + h / options."""
    d, options = len(space.options), max(space.options)
    bandwidth = np.linspace(0.1, 1.3, d)  # above 1: never kept
    row = np.arange(d)[:, None] % options
    candidates = bohb(space, num_samples=20000)._candidates(KDE(row, bandwidth, bandwidth))
    keep = np.clip(1 - bandwidth, 0, 1)
    for decision in range(d):
        chance = np.full(options, (1 - keep[decision]) / options)
        chance[row[decision, 0]] += keep[decision]
        counts = np.bincount(candidates[decision], minlength=options)
        assert stats.chisquare(counts, 20000 * chance).pvalue > 1e-3


def test_candidates_start_from_uniformly_drawn_good_rows_whole() -> None:
    data = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [3, 2, 1, 0], [0, 0, 1, 1], [4, 4, 4, 4], [3, 1, 2, 0]])
    nothing = np.zeros(6)
    candidates = bohb(SPACES["tss"], num_samples=8000)._candidates(KDE(data, nothing, nothing))
    rows = {tuple(row): 0 for row in data.T.tolist()}
    for candidate in candidates.T.tolist():
        rows[tuple(candidate)] += 1
    assert stats.chisquare(list(rows.values())).pvalue > 1e-3


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_random_fraction_is_drawn_uniformly(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    searcher = bohb(SPACES["tss"], random_fraction=share)
    feed(searcher, *results(SPACES["tss"], 20, seed=0), epochs=1)
    modelled = watch_candidates(searcher, monkeypatch)
    for _ in range(2000):
        searcher.sample()
    assert len(modelled) == (2000 * (1 - share) if share in (0, 1) else pytest.approx(2000 * (1 - share), rel=0.05))


def test_all_random_is_hyperband(space: Space) -> None:
    """The same trials with the same seed, if Hyperband throws away one draw per fresh architecture while BOHB has a
    model: BOHB spends it on deciding whether to use the model (as hpbandster does).
    """
    searcher = bohb(space, seed=8, random_fraction=1.0)

    class ThrowsAway(Hyperband):
        def sample(self) -> Arch:
            if searcher.modelled:
                self.rng.random()
            return super().sample()

    reference = ThrowsAway(space, HyperbandConfig(), TOP, np.random.default_rng(8))
    plain = Hyperband(space, HyperbandConfig(), TOP, np.random.default_rng(8))
    until_model = 20 + 3  # 9 results at epoch 1 in the first cycle, the 12th (sss) or 14th (tss) in the second
    for number in range(100):
        trials = [one.ask() for one in (reference, searcher, plain)]
        assert trials[0] == trials[1]
        assert number >= until_model or trials[1] == trials[2]
        for one, trial in zip((reference, searcher, plain), trials, strict=True):
            one.tell(trial, Outcome(total(trial), 1.0))
    assert searcher.modelled


def test_the_schedule_of_fidelities_is_that_of_hyperband(space: Space) -> None:
    hyperband = Hyperband(space, HyperbandConfig(), TOP, np.random.default_rng(1))
    schedules = [
        [trial.fidelity for trial in play(searcher, 100, total)] for searcher in (bohb(space, seed=0), hyperband)
    ]
    assert schedules[0] == schedules[1]


def test_proposals_lie_where_the_good_are_dense_and_the_bad_are_not(space: Space) -> None:
    """Good: seven in eight choose 2, in every decision. Bad: so too in decision 0, anything in the others."""
    d, options = len(space.options), max(space.options)
    rng = np.random.default_rng(0)
    choices = np.where(rng.random((2, d, 80)) < 7 / 8, 2, rng.integers(options, size=(2, d, 80)))
    choices[1, 1:] = rng.integers(options, size=(d - 1, 80))
    h = np.full(d, 0.3)
    searcher = bohb(space, num_samples=64)
    set_model(searcher, *(KDE(side, h, h / (options - 1)) for side in choices))
    share = (np.array([searcher.sample() for _ in range(300)]) == 2).mean(axis=0)
    assert share[1:].min() > 0.9
    assert share[0] < 0.2


def test_candidates_of_a_constrained_space_are_drawn_until_enough_are_valid() -> None:
    """Nothing of the good row is kept: every valid architecture is as likely as any other."""
    never = np.full(6, 1.5)
    row = np.array(MIXED.arch(0))[:, None]
    candidates = bohb(MIXED, num_samples=20000)._candidates(KDE(row, never, never))
    assert candidates.shape == (6, 20000)
    counts = np.bincount([MIXED.index(arch) for arch in zip(*candidates.tolist(), strict=True)], minlength=len(MIXED))
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_model_whose_candidates_are_all_invalid_gives_a_uniform_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = bohb(MIXED)
    feed(searcher, *results(MIXED, 40, seed=0), epochs=1)
    monkeypatch.setattr(type(MIXED), "is_valid", lambda *_: False)
    watched = watch_candidates(searcher, monkeypatch)
    assert {MIXED.allows(searcher.sample()) for _ in range(10)} == {True}
    assert len(watched) == 10


@old_names
def test_the_model_of_ragged_decisions_equals_statsmodels() -> None:
    archs, scores = results(MIXED, 60, seed=3)
    ours, theirs = bohb(MIXED), TheirBOHB(MIXED)
    feed(ours, archs, scores, 4)
    theirs.feed(archs, scores, 4)
    np.testing.assert_allclose(ratio(ours, 4, archs), theirs.ratio(4, archs), rtol=1e-9)
