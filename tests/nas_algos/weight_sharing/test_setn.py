"""SETN: uniformly drawn paths for the weights, the mixture for alpha, and the likeliest architectures as candidates."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas_algos.weight_sharing.method import Method

Build = Callable[..., Method]


def setn(build: Build, alpha: Tensor | None = None, **options: Any) -> Any:
    method: Any = build("setn", **options)
    if alpha is not None:
        method.alpha.data = alpha
    return method


def test_the_likeliest_are_those_of_all_15625(build: Build) -> None:
    alpha = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    log_p = alpha.log_softmax(dim=1).double().tolist()
    everything = list(product(range(5), repeat=6))
    totals = {arch: sum(row[choice] for row, choice in zip(log_p, arch, strict=True)) for arch in everything}
    expected = sorted(everything, key=lambda arch: -totals[arch])
    method = setn(build, alpha)
    assert method.likeliest(15625) == expected
    assert method.likeliest(100) == expected[:100]
    assert method.likeliest(1) == [tuple(alpha.argmax(dim=1).tolist())]


def test_equally_likely_ones_are_in_the_order_of_the_space(build: Build) -> None:
    everything = list(product(range(5), repeat=6))
    assert setn(build, torch.zeros(6, 5)).likeliest(15625) == everything
    one_edge = torch.zeros(6, 5)
    one_edge[2, 3] = 1.0
    expected = sorted(everything, key=lambda arch: arch[2] != 3)
    assert setn(build, one_edge).likeliest(15625) == expected


def test_the_weights_learn_on_uniformly_drawn_paths_whatever_alpha_is(build: Build) -> None:
    method = setn(build, torch.tensor([[9.0, 0, 0, 0, 0]] * 6))
    paths = torch.stack([method.weight_choice()[0] for _ in range(2000)])
    assert torch.equal(paths.sum(dim=2), torch.ones(2000, 6))  # one path, for all cells
    assert paths.mean(dim=0).sub(0.2).abs().max() < 4 * (0.2 * 0.8 / 2000) ** 0.5
    chosen = paths.argmax(dim=2).double().T
    assert torch.corrcoef(chosen).sub(torch.eye(6)).abs().max() < 0.1  # edges are independent


def test_alpha_learns_on_the_mixture(build: Build) -> None:
    method = setn(build, torch.randn(6, 5, generator=torch.Generator().manual_seed(0)))
    base, held_out = next(method.weights.images.epoch(torch.Generator().manual_seed(0)))
    alpha = method.alpha.detach().clone().requires_grad_()
    logits = method.weights.network(held_out.images, alpha.softmax(dim=1))[1]
    expected = functional.cross_entropy(logits, held_out.labels)
    loss = method.architecture_step(base, held_out)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(method.alpha.grad, torch.autograd.grad(expected, alpha)[0])


def test_the_candidates_are_the_likeliest(build: Build, monkeypatch: Any) -> None:
    method = setn(build, torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), candidates=30)
    scored = []

    def accuracy(batches: Any, choice: Any) -> float:
        scored.append(tuple(choice[0].argmax(dim=1).tolist()))
        return 0.0

    monkeypatch.setattr(method.weights, "accuracy", accuracy)
    method.derive(method.weights.images.validation_batches(torch.Generator()))
    assert scored == method.likeliest(30)
