"""GDAS: samples that are one-hot in value and soft in their gradient, with the frequencies of softmax(alpha)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nas_algos.weight_sharing.method import Method

Build = Callable[..., Method]


def gdas(build: Build, alpha: Tensor | None = None, **options: Any) -> Any:
    method: Any = build("gdas", **options)
    method.alpha.data = torch.randn(6, 5, generator=torch.Generator().manual_seed(3)) if alpha is None else alpha
    return method


@pytest.mark.parametrize("tau", [10.0, 0.5])
def test_a_sample_is_one_hot_in_value_with_the_gradient_of_its_softmax(tau: float, build: Build) -> None:
    method = gdas(build, tau_max=tau, tau_min=tau)
    slope = torch.randn(6, 5, generator=torch.Generator().manual_seed(4))
    for _ in range(20):
        gumbel = -torch.empty(6, 5).exponential_(generator=method.rng.clone_state()).log()
        p = ((method.alpha.log_softmax(dim=1) + gumbel) / tau).softmax(dim=1)
        weights, computed = method.sample()
        torch.testing.assert_close(weights, functional.one_hot(p.argmax(dim=1), 5).float())
        assert torch.equal(weights != 0, computed)
        gradients = [torch.autograd.grad((h * slope).sum(), method.alpha)[0] for h in (weights, p)]
        torch.testing.assert_close(*gradients)
        assert gradients[0].abs().max() > 0


def test_samples_have_the_frequencies_of_softmax_alpha_at_any_temperature(build: Build) -> None:
    for tau in (10.0, 0.1):
        method = gdas(build, tau_max=tau, tau_min=tau)
        counts = sum(method.weight_choice()[1].double() for _ in range(1500))
        assert isinstance(counts, Tensor)
        p = method.alpha.detach().double().softmax(dim=1)
        deviation = (counts / 1500 - p) / (p * (1 - p) / 1500).sqrt()
        assert deviation.abs().max() < 4  # standard deviations


def test_weights_and_architecture_learn_on_different_samples(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    method = gdas(build, alpha=torch.zeros(6, 5))
    base, held_out = next(method.weights.images.epoch(torch.Generator().manual_seed(0)))
    samples = []
    sample = method.sample
    monkeypatch.setattr(method, "sample", lambda: samples.append(sample()) or samples[-1])
    for _ in range(5):
        method.weight_choice()
        method.architecture_step(base, held_out)
    assert len(samples) == 10
    assert len({tuple(computed.int().argmax(dim=1).tolist()) for _, computed in samples}) == 10


def test_the_operations_beside_the_path_are_not_computed(build: Build) -> None:
    """Yet their logits have gradients."""
    method = gdas(build, alpha=torch.tensor([[0.0, 0, 0, 50, 0]] * 6), tau_max=10.0, tau_min=10.0)
    for name, parameter in method.weights.network.named_parameters():
        if ".layers." in name and ".3.op." not in name:
            torch.nn.init.constant_(parameter, torch.nan)
    base, held_out = next(method.weights.images.epoch(torch.Generator().manual_seed(0)))
    loss, _ = method.weights.step(base, method.weight_choice())
    assert torch.isfinite(loss)
    assert torch.isfinite(method.architecture_step(base, held_out))
    assert torch.isfinite(method.alpha.grad).all()
    assert (method.alpha.grad[:, :3] != 0).any()


def test_the_largest_logits_are_derived(build: Build) -> None:
    best = (0, 3, 1, 4, 2, 0)
    assert gdas(build, functional.one_hot(torch.tensor(best), 5).float()).derive(iter(())) == best
