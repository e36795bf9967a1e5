"""TAS and the two ways of masking: what is drawn, what is learnt, and how a search warms up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nas_algos.weight_sharing.method import Method
from supernets.images.labelled import Batch
from supernets.size_supernet import interpolation

Build = Callable[..., Method]
NAMES = ("tas", "mask_gumbel", "mask_rl")
ROWS = (0, 0, 1, 2, 3, 4)  # stem and first layer share a decision


def method_with(build: Build, name: str, alpha: Tensor | None = None, **options: Any) -> Any:
    """Widths are 1, 2, ..., 8."""
    method: Any = build(name, **options)
    method.alpha.data = torch.randn(5, 8, generator=torch.Generator().manual_seed(3)) if alpha is None else alpha
    return method


def evaluator_for(method: Method) -> tuple[Batch, Batch]:
    return next(method.weights.images.epoch(torch.Generator().manual_seed(0)))


def widths(choice: tuple[Tensor]) -> list[int]:
    """Of hard masks, by module."""
    assert set(choice[0].flatten().tolist()) <= {0.0, 1.0}
    return choice[0].sum(dim=1).int().tolist()


def by_definition(method: Any, count: int) -> list[Tensor]:
    """What `method` draws next: `count` rows of exponential noise for each of the six modules."""
    noise = torch.empty(6, count, 8).exponential_(generator=method.rng.clone_state())
    return list(noise.unbind(dim=1))


# Warm-up.


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_up_trains_weights_alone(name: str, build: Build) -> None:
    method = method_with(build, name, epochs=10, warm_up=0.3)
    before = method.alpha.detach().clone()
    steps = {}
    for epoch in range(10):
        method.begin_epoch(epoch)
        steps[epoch] = method.architecture_step(*evaluator_for(method)) is not None
        if epoch == 2:
            assert torch.equal(method.alpha, before)
    assert [epoch for epoch, stepped in steps.items() if not stepped] == [0, 1, 2]
    assert not torch.equal(method.alpha, before)


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_warm_up_unless_it_is_asked_for(name: str, build: Build) -> None:
    method = build(name)
    assert method.config.warm_up == 0
    assert method.architecture_step(*evaluator_for(method)) is not None


@pytest.mark.parametrize("name", NAMES)
def test_the_full_width_of_a_warm_up_is_less_and_less_likely(name: str, build: Build) -> None:
    """Probability 1 - (e / E) / warm_up, else one of the eight widths; each module draws for itself, whatever alpha."""
    method = method_with(build, name, 9.0 * torch.eye(8)[:5], epochs=10, warm_up=0.5)
    for epoch in range(5):
        method.begin_epoch(epoch)
        drawn = torch.tensor([widths(method.weight_choice()) for _ in range(600)])  # (600, modules)
        full = (1 - epoch / 5) + epoch / 5 / 8
        share = (drawn == 8).float().mean(dim=0)
        assert (share - full).abs().max() <= 4 * (full * (1 - full) / 600) ** 0.5
        if epoch == 4:
            others = drawn[drawn < 8]
            counts = torch.bincount(others, minlength=8)[1:].float()
            assert (counts / len(others) - 1 / 7).abs().max() < 4 * (6 / 49 / len(others)) ** 0.5
            assert (drawn[:, 0] == drawn[:, 1]).float().mean() < 0.3
        if epoch == 0:
            assert (drawn == 8).all()


# Masking with the Gumbel-softmax.


@pytest.mark.parametrize("tau", [10.0, 0.5])
def test_a_gumbel_mask_is_the_weighted_sum_of_all_masks(tau: float, build: Build) -> None:
    method = method_with(build, "mask_gumbel", tau_max=tau, tau_min=tau)
    (noise,) = by_definition(method, 1)
    p = ((method.alpha[list(ROWS)] - noise.log()) / tau).softmax(dim=1)
    (factors,) = method.sample()
    by_hand = torch.stack([p[:, channel:].sum(dim=1) for channel in range(8)], dim=1)
    torch.testing.assert_close(factors, by_hand)
    slope = torch.randn(6, 8, generator=torch.Generator().manual_seed(4))
    gradients = [torch.autograd.grad((f * slope).sum(), method.alpha)[0] for f in (factors, by_hand)]
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().max() > 0


def test_the_largest_share_of_a_gumbel_mask_has_the_frequencies_of_softmax_alpha(build: Build) -> None:
    method = method_with(build, "mask_gumbel", tau_max=0.01, tau_min=0.01)
    counts = torch.zeros(6, 8)
    for _ in range(2000):
        factors = method.weight_choice()[0]
        shares = factors - torch.cat([factors[:, 1:], torch.zeros(6, 1)], dim=1)
        counts[torch.arange(6), shares.argmax(dim=1)] += 1
    assert_frequencies(counts, method.alpha)


def assert_frequencies(counts: Tensor, alpha: Tensor) -> None:
    """Of options by module, in four standard deviations of those of softmax(alpha)."""
    p = alpha.detach().softmax(dim=1)[list(ROWS)]
    total = counts.sum(dim=1, keepdim=True)
    assert ((counts / total - p) / (p * (1 - p) / total).sqrt()).abs().max() < 4


# Masking with REINFORCE.


def test_sampled_masks_are_hard_with_the_frequencies_of_softmax_alpha(build: Build) -> None:
    method = method_with(build, "mask_rl")
    drawn = torch.tensor([widths(method.weight_choice()) for _ in range(2000)])
    counts = torch.stack([torch.bincount(column, minlength=9)[1:] for column in drawn.T]).float()
    assert_frequencies(counts, method.alpha)
    assert (drawn[:, 0] != drawn[:, 1]).float().mean() > 0.4  # stem and first layer draw apart from one row


def test_the_loss_of_reinforce_and_its_baseline_by_hand(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewards are percent; b_t = sum 0.05 0.95^(t-i) R_i / (1 - 0.95^t), the present reward in it."""
    method = method_with(build, "mask_rl", ema_momentum=0.95, arch_learning_rate=0.1)
    labels, rewards = torch.arange(10), []
    held_out = Batch(torch.zeros(10, 1, 8, 8), labels)
    for right in (3, 0, 10, 4):
        logits = torch.eye(10)[torch.where(labels < right, labels, (labels + 1) % 10)]
        monkeypatch.setattr(method.weights, "logits", lambda batch, choice, logits=logits: logits)
        alpha = method.alpha.detach().clone().requires_grad_()
        log_p = alpha.log_softmax(dim=1)[list(ROWS)]
        drawn = (log_p.exp() / by_definition(method, 1)[0]).argmax(dim=1)
        loss = method.architecture_step(held_out, held_out)
        rewards.append(10.0 * right)
        last = len(rewards)
        weighted = sum(0.05 * 0.95 ** (last - i) * reward for i, reward in enumerate(rewards, start=1))
        advantage = rewards[-1] - weighted / (1 - 0.95**last)
        expected = -advantage * log_p[torch.arange(6), drawn].sum()
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(method.alpha.grad, torch.autograd.grad(expected, alpha)[0], rtol=1e-4, atol=1e-4)
    assert method.alpha.grad.abs().max() > 1


def test_a_rewarded_width_becomes_likelier(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    method = method_with(build, "mask_rl", torch.zeros(5, 8), arch_learning_rate=0.05)
    held_out = Batch(torch.zeros(10, 1, 8, 8), torch.zeros(10, dtype=torch.int64))

    def logits(batch: Batch, choice: tuple[Tensor]) -> Tensor:
        """All right if the last layer has 3 channels, all wrong otherwise."""
        return torch.eye(10)[[0 if widths(choice)[5] == 3 else 1] * 10]

    monkeypatch.setattr(method.weights, "logits", logits)
    for _ in range(150):
        method.architecture_step(held_out, held_out)
    p = method.probabilities()
    assert p[4].argmax() == 2
    assert p[4, 2] > 0.6
    assert p[:4].max() < 0.5


# TAS.


def test_tas_mixes_two_interpolated_widths(build: Build) -> None:
    tau = 2.0
    method = method_with(build, "tas", tau_max=tau, tau_min=tau)
    for _ in range(10):
        of_noise, of_pairs = by_definition(method, 2)
        logits = (method.alpha.detach().log_softmax(dim=1)[list(ROWS)] - of_noise.log()) / tau
        pairs = ((logits.softmax(dim=1) + 1e-7) / of_pairs).argsort(dim=1, descending=True)[:, :2]
        (matrices,) = method.weight_choice()
        assert matrices.shape == (6, 8, 8)
        for module, (one, other) in enumerate(pairs.tolist()):
            assert one != other
            q = logits[module, [one, other]].softmax(dim=0)
            wide = max(one, other) + 1
            expected = q[0] * interpolation(one + 1, wide, 8) + q[1] * interpolation(other + 1, wide, 8)
            torch.testing.assert_close(matrices[module], expected)


def test_pairs_of_tas_are_drawn_without_replacement_from_the_softmax(build: Build) -> None:
    """At a high temperature the noise is nothing and all pairs are equally likely."""
    method = method_with(build, "tas", tau_max=1e6, tau_min=1e6)
    counts = torch.zeros(6, 8, 8)
    for _ in range(1500):
        (matrices,) = method.weight_choice()
        wide = (matrices != 0).any(dim=2).sum(dim=1)  # rows in use
        assert (wide >= 2).all()
        counts[torch.arange(6), 0, wide - 1] += 1
    share = counts[:, 0].sum(dim=0) / counts.sum()
    expected = torch.tensor([2 * channel / 56 for channel in range(8)])  # the larger of two different ones of eight
    assert (share - expected).abs().max() < 0.02


def test_the_gradient_of_tas_reaches_alpha_through_the_mixing_weights(build: Build) -> None:
    method = method_with(build, "tas", tau_max=1.0, tau_min=1.0)
    of_noise, of_pairs = by_definition(method, 2)
    logits = method.alpha.log_softmax(dim=1)[list(ROWS)] - of_noise.log()
    pairs = (logits.detach().softmax(dim=1) / of_pairs).topk(2, dim=1).indices
    q = logits.gather(1, pairs).softmax(dim=1)
    slope = torch.randn(6, 8, 8, generator=torch.Generator().manual_seed(4))
    wide = pairs.max(dim=1).values + 1
    expected = torch.stack(
        [
            (q[module, k] * interpolation(int(pairs[module, k]) + 1, int(wide[module]), 8) * slope[module]).sum()
            for module in range(6)
            for k in range(2)
        ]
    ).sum()
    gradients = [torch.autograd.grad(y, method.alpha)[0] for y in ((method.sample()[0] * slope).sum(), expected)]
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().max() > 0


# All three.


@pytest.mark.parametrize("name", NAMES)
def test_the_most_likely_widths_are_derived(name: str, build: Build) -> None:
    best = (7, 0, 3, 5, 1)
    assert method_with(build, name, torch.eye(8)[list(best)]).derive(iter(())) == best
