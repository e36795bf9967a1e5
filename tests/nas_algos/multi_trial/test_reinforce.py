"""REINFORCE: baseline, gradient, Adam and sampling, by hand, by finite differences and against torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.outcomes import Fidelity, Outcome
from benchmarks.spaces import SPACES, Arch
from nas_algos.multi_trial.reinforce import Reinforce, ReinforceConfig, softmax
from tests.made_up_space import MIXED

TOP = Fidelity("12", 12)


def reinforce(space: str = "tss", seed: int = 0, **options: Any) -> Reinforce:
    return Reinforce(SPACES[space], ReinforceConfig(**options), TOP, np.random.default_rng(seed))


def tell_score(searcher: Reinforce, score: float) -> Arch:
    trial = searcher.ask()
    searcher.tell(trial, Outcome(score, 1.0))
    return trial.arch


def test_the_initial_logits_are_small_normal_numbers_of_the_rng() -> None:
    searcher = reinforce("sss", seed=3)
    np.testing.assert_array_equal(searcher.theta, 1e-3 * np.random.default_rng(3).standard_normal((5, 8)))
    np.testing.assert_array_equal(searcher.policy, softmax(searcher.theta))


def test_the_first_update_is_exactly_zero() -> None:
    """The baseline equals the first reward, so the advantage is 0 to the last bit."""
    for score in np.random.default_rng(0).uniform(0, 100, 100).tolist():
        searcher = reinforce()
        before = searcher.theta.copy()
        tell_score(searcher, score)
        np.testing.assert_array_equal(searcher.theta, before)


@pytest.mark.parametrize(("second", "sign"), [(80.0, 1.0), (20.0, -1.0)])
def test_the_second_update_by_hand(second: float, sign: float) -> None:
    """The second step of Adam, the first gradient being 0: m_hat = 0.1 g / (1 - 0.9^2), v_hat = 0.001 g^2 /
    (1 - 0.999^2), so every logit moves by 0.01 * (0.1 / 0.19) / sqrt(0.001 / 0.001999) = 0.0074413, up for what was
    chosen if the reward is above the baseline, down for the rest; the baseline is (0.09 * 50 + 0.1 r) / 0.19.
    """
    searcher = reinforce(init_scale=0.0)
    tell_score(searcher, 50.0)
    arch = tell_score(searcher, second)
    assert searcher.baseline == pytest.approx((4.5 + 0.1 * second) / 0.19, rel=1e-12)
    expected = np.full((6, 5), -0.0074413 * sign)
    expected[np.arange(6), arch] *= -1
    np.testing.assert_allclose(searcher.theta, expected, rtol=1e-5)


def test_the_gradients_seen_by_adam_at_a_uniform_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """(r - b)(p - onehot) with p = 1/5 and r - b = 80 - 12.5 / 0.19."""
    gradients: list[NDArray[np.float64]] = []
    searcher = reinforce(init_scale=0.0)
    monkeypatch.setattr(searcher, "_adam", gradients.append)
    tell_score(searcher, 50.0)
    arch = tell_score(searcher, 80.0)
    advantage = 80 - 12.5 / 0.19
    expected = np.full((6, 5), 0.2 * advantage)
    expected[np.arange(6), arch] = -0.8 * advantage
    np.testing.assert_allclose(gradients[1], expected, rtol=1e-12)


def test_the_gradient_is_that_of_minus_advantage_times_log_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    gradients: list[NDArray[np.float64]] = []
    searcher = reinforce("sss", init_scale=1.0)
    monkeypatch.setattr(searcher, "_adam", gradients.append)
    for score in (50.0, 71.0, 63.0):
        theta = searcher.theta
        arch = np.array(tell_score(searcher, score))
        advantage = score - searcher.baseline

        def loss(logits: NDArray[np.float64], arch: Any = arch, advantage: float = advantage) -> float:
            return -advantage * float(np.log(softmax(logits)[np.arange(5), arch]).sum())

        step = 1e-6 * np.eye(theta.size).reshape(-1, *theta.shape)
        numeric = np.array([(loss(theta + e) - loss(theta - e)) / 2e-6 for e in step]).reshape(theta.shape)
        np.testing.assert_allclose(gradients[-1], numeric, rtol=1e-6, atol=1e-6)


def test_the_baseline_is_the_bias_corrected_moving_average() -> None:
    """After n rewards: sum of 0.9^(n-i) r_i over the sum of 0.9^(n-i)."""
    searcher, rewards = reinforce(), [50.0, 80.0, 20.0, 61.0, 61.0]
    for n in range(1, 6):
        tell_score(searcher, rewards[n - 1])
        weights = 0.9 ** np.arange(n)[::-1]
        assert searcher.baseline == pytest.approx(np.average(rewards[:n], weights=weights), rel=1e-12)


@pytest.mark.parametrize("space", SPACES)
def test_fifty_steps_equal_the_official_update_in_torch(space: str) -> None:
    """Categorical log-probabilities, torch's Adam, and the baseline as numerator and denominator."""
    searcher = reinforce(space, seed=1, learning_rate=0.05, init_scale=0.5)
    theta = torch.tensor(searcher.theta, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.05, betas=(0.9, 0.999))
    numerator = denominator = 0.0
    for number in range(50):
        trial = searcher.ask()
        reward = 50.0 + 3 * sum(trial.arch) - number % 7
        searcher.tell(trial, Outcome(reward, 1.0))
        numerator, denominator = 0.9 * numerator + 0.1 * reward, 0.9 * denominator + 0.1
        distribution = torch.distributions.Categorical(logits=theta)
        advantage = 0.0 if number == 0 else reward - numerator / denominator
        loss = (-distribution.log_prob(torch.tensor(trial.arch)) * advantage).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        np.testing.assert_allclose(searcher.theta, theta.detach().numpy(), rtol=1e-9, atol=1e-9)


def test_policy_rows_sum_to_one_and_follow_the_logits() -> None:
    searcher = reinforce("sss", learning_rate=0.3)
    for number in range(100):
        tell_score(searcher, float(number * 37 % 100))
        np.testing.assert_allclose(searcher.policy.sum(axis=1), 1.0, rtol=1e-12)
        np.testing.assert_array_equal(searcher.policy, softmax(searcher.theta))
        assert (searcher.policy > 0).all()


def test_softmax_by_hand_and_without_overflow() -> None:
    np.testing.assert_allclose(softmax(np.log([[1.0, 2.0, 5.0]])), [[1 / 8, 2 / 8, 5 / 8]])
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [-2000.0, 0.0]])), [[0.5, 0.5], [0.0, 1.0]])


@pytest.mark.parametrize("space", SPACES)
def test_architectures_are_drawn_from_the_policy(space: str) -> None:
    searcher = reinforce(space, seed=5, init_scale=1.0)
    archs = np.array([searcher.ask().arch for _ in range(10000)])
    for decision, row in enumerate(searcher.policy):
        counts = np.bincount(archs[:, decision], minlength=len(row))
        assert stats.chisquare(counts, 10000 * row).pvalue > 1e-3


def test_decisions_are_drawn_independently() -> None:
    searcher = reinforce(init_scale=1.0)
    archs = np.array([searcher.ask().arch for _ in range(10000)])
    pairs = np.bincount(archs[:, 0] * 5 + archs[:, 1], minlength=25)
    assert stats.chisquare(pairs, 10000 * np.outer(searcher.policy[0], searcher.policy[1]).ravel()).pvalue > 1e-3


def test_a_late_outcome_moves_the_present_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """With several trials open, the gradient is taken where theta is when the outcome is told."""
    searcher = reinforce(init_scale=0.0, learning_rate=1.0)
    early = searcher.ask()
    tell_score(searcher, 50.0)
    tell_score(searcher, 90.0)
    expected = searcher.policy.copy()
    gradients: list[NDArray[np.float64]] = []
    monkeypatch.setattr(searcher, "_adam", gradients.append)
    searcher.tell(early, Outcome(70.0, 1.0))
    expected[np.arange(6), early.arch] -= 1.0
    np.testing.assert_allclose(gradients[0], (70.0 - searcher.baseline) * expected, rtol=1e-12)


def test_a_failed_evaluation_gives_no_update() -> None:
    searcher = reinforce()
    for score in (50.0, 60.0):
        tell_score(searcher, score)
    before = searcher.theta.copy(), searcher.baseline, searcher.baseline_weight, searcher.step
    tell_score(searcher, float("nan"))
    np.testing.assert_array_equal(searcher.theta, before[0])
    assert (searcher.baseline, searcher.baseline_weight, searcher.step) == before[1:]


def test_equal_rewards_leave_the_policy_alone() -> None:
    searcher = reinforce()
    before = searcher.theta.copy()
    for _ in range(20):
        tell_score(searcher, 73.25)
    np.testing.assert_array_equal(searcher.theta, before)


@pytest.mark.parametrize("space", SPACES)
def test_the_policy_comes_to_prefer_the_optimum_of_a_separable_score(space: str) -> None:
    searcher = reinforce(space, learning_rate=0.05)
    for _ in range(1500):
        trial = searcher.ask()
        searcher.tell(trial, Outcome(10.0 * sum(choice == 2 for choice in trial.arch), 1.0))
    assert (searcher.policy.argmax(axis=1) == 2).all()
    assert searcher.policy[:, 2].min() > 0.9


def test_logits_of_choices_that_a_decision_lacks_stay_minus_infinity() -> None:
    searcher = Reinforce(MIXED, ReinforceConfig(learning_rate=0.3), TOP, np.random.default_rng(0))
    exists = np.arange(5) < np.array(MIXED.options)[:, None]
    for number in range(200):
        tell_score(searcher, float(number * 37 % 100))
        assert (searcher.theta[~exists] == -np.inf).all()
        assert np.isfinite(searcher.theta[exists]).all()
        np.testing.assert_allclose(searcher.policy.sum(axis=1), 1.0, rtol=1e-12)


def test_invalid_samples_are_drawn_again_so_that_the_policy_is_conditioned_on_validity() -> None:
    searcher = Reinforce(MIXED, ReinforceConfig(init_scale=0.3), TOP, np.random.default_rng(2))
    archs = [searcher.ask().arch for _ in range(20000)]
    valid = [MIXED.arch(index) for index in range(len(MIXED))]
    chances = np.array([searcher.policy[np.arange(6), arch].prod() for arch in valid])
    counts = np.bincount([MIXED.index(arch) for arch in archs], minlength=len(valid))
    assert stats.chisquare(counts, 20000 * chances / chances.sum()).pvalue > 1e-3


def test_a_policy_that_is_sure_of_an_invalid_combination_gives_uniform_samples() -> None:
    searcher = Reinforce(MIXED, ReinforceConfig(), TOP, np.random.default_rng(3))
    searcher.policy = np.eye(5)[[1, 0, 0, 0, 0, 0]]  # area 1, all others 0: not allowed
    assert len({searcher.ask().arch for _ in range(20)}) > 15
