"""DARTS: its gradients against the official code's numbers, against autograd and against brute force."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.spaces import Arch, TopologySpace
from nas_algos.weight_sharing import method_named
from nas_algos.weight_sharing.darts import DartsConfig, DartsV1, DartsV2
from nas_algos.weight_sharing.method import Method, SharedWeights
from supernets.images.labelled import Batch
from supernets.supernet import Choice, OperationSupernet
from supernets.topology_supernet import TopologySupernet, TopologySupernetConfig, one_hot


def wave(shape: Sequence[int]) -> Tensor:
    numbers = torch.arange(1, 1 + math.prod(shape), dtype=torch.float64)
    return (0.3 * torch.sin(numbers)).reshape(shape)


def tiny_darts(kind: type[DartsV1], **options: Any) -> Any:
    """In float64, every parameter and alpha 0.3 sin(1), 0.3 sin(2), ...; in training mode."""
    network = TopologySupernet(TopologySupernetConfig(width=4, depth=1, num_classes=5), torch.Generator()).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(wave(parameter.shape))
    weights = SharedWeights(network, None, DartsConfig(**options), torch.Generator())  # type: ignore[arg-type]
    method = kind(weights, torch.Generator())
    method.alpha.data = wave((6, 5))
    return method


def batches() -> tuple[Batch, Batch]:
    numbers = torch.arange(4 * 3 * 8 * 8, dtype=torch.float64).reshape(4, 3, 8, 8)
    return Batch(torch.sin(numbers), torch.tensor([0, 1, 2, 3])), Batch(torch.cos(numbers), torch.tensor([4, 3, 2, 1]))


def mixed_loss(method: Any, batch: Batch, alpha: Tensor, parameters: dict[str, Tensor] | None = None) -> Tensor:
    """As the definition reads: cross entropy under softmax(alpha)."""
    network = method.weights.network
    logits = torch.func.functional_call(network, parameters or {}, (batch.images, alpha.softmax(dim=1)))[1]
    return functional.cross_entropy(logits, batch.labels)


def test_the_second_order_gradient_is_the_official_codes() -> None:
    method, (base, held_out) = tiny_darts(DartsV2), batches()
    method.weights.step(base, method.weight_choice())
    loss, gradient = method.unrolled(base, held_out)
    assert loss.item() == pytest.approx(1.7851695285865063, abs=1e-12)
    expected = [
        0.01652704, -0.08043123, -0.14714257, 0.1727732, 0.03827356, 0.0245461, -0.01759931, -0.10915234, 0.10160371,
        0.00060185, -0.01007677, -0.03414616, -0.00991601, 0.07866625, -0.02452732, 0.04729349, 0.05021043, 0.08222622,
        -0.20067956, 0.02094943, 0.00829959, -0.0121234, -0.01848641, 0.03340726, -0.01109704, 0.00389046, -0.04044289,
        0.0897575, -0.02606687, -0.02713819,
    ]  # fmt: skip
    torch.testing.assert_close(gradient.flatten(), torch.tensor(expected, dtype=torch.float64), atol=1e-8, rtol=0)


def test_the_first_order_gradient_is_that_of_the_validation_loss() -> None:
    method, (base, held_out) = tiny_darts(DartsV1), batches()
    alpha = method.alpha.detach().clone().requires_grad_()
    expected = mixed_loss(method, held_out, alpha)
    loss = method.architecture_step(base, held_out)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(method.alpha.grad, torch.autograd.grad(expected, alpha)[0])


def test_the_weights_learn_under_the_mixture() -> None:
    method = tiny_darts(DartsV1)
    weights, computed = method.weight_choice()
    assert torch.equal(weights, method.alpha.detach().softmax(dim=1))
    assert computed.all()


def test_the_second_order_tends_to_the_first_as_the_learning_rate_falls() -> None:
    base, held_out = batches()
    first = tiny_darts(DartsV1)
    first.architecture_step(base, held_out)
    distances = []
    for rate in (1e-2, 1e-4, 1e-6):
        loss, gradient = tiny_darts(DartsV2, learning_rate=rate).unrolled(base, held_out)
        distances.append(float((gradient - first.alpha.grad).norm() / first.alpha.grad.norm()))
    assert distances[0] > 1e-3
    assert distances[1] < 0.02 * distances[0]
    assert distances[2] < 0.02 * distances[1]
    torch.testing.assert_close(loss, mixed_loss(first, held_out, wave((6, 5))).detach(), atol=1e-4, rtol=0)


RATE, MOMENTUM, DECAY = 1.0, 0.5, 0.01


class SmoothNetwork(OperationSupernet):
    """logits = V sum_ek w(e, k) tanh(x W_ek): where nothing has a kink, a difference quotient is a derivative."""

    space = TopologySpace()
    search_cells = 1

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.ModuleList(nn.Linear(12, 3) for _ in range(30))
        self.classifier = nn.Linear(3, 5)

    def forward(
        self, x: Tensor, edge_weights: Tensor, computed: Tensor | None = None, path_scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        maps = torch.stack([torch.tanh(cell(x.flatten(1))) for cell in self.cells])
        features = torch.einsum("k,kbf->bf", edge_weights.flatten(), maps)
        return features, self.classifier(features)

    def path(self, arch: Arch) -> Choice:
        return (one_hot(arch),)


def unrolled_loss(method: Any, alpha: Tensor, base: Batch, held_out: Batch) -> float:
    """L_val(w'(alpha), alpha), where w' = w - xi (momentum * buffer + grad_w L_train(w, alpha) + decay * w)."""
    w = method.weights.parameters()
    gradients = torch.autograd.grad(mixed_loss(method, base, alpha), list(w.values()))
    with torch.no_grad():
        ahead = {
            name: p - RATE * (MOMENTUM * method.weights.optimizer.state[p]["momentum_buffer"] + slope + DECAY * p)
            for (name, p), slope in zip(w.items(), gradients, strict=True)
        }
        return float(mixed_loss(method, held_out, alpha, ahead))


def test_the_second_order_gradient_is_the_slope_of_the_unrolled_loss() -> None:
    config = DartsConfig(learning_rate=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    rng = torch.Generator().manual_seed(0)
    network = SmoothNetwork().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng))
    method: Any = DartsV2(SharedWeights(network, None, config, rng), rng)  # type: ignore[arg-type]
    method.alpha.data = torch.randn(6, 5, generator=rng, dtype=torch.float64)
    base, held_out = (Batch(torch.randn(20, 3, 2, 2, generator=rng).double(), torch.arange(20) % 5) for _ in range(2))
    for _ in range(2):
        method.weights.step(base, method.weight_choice())  # gives the weights momentum
    loss, gradient = method.unrolled(base, held_out)
    alpha = method.alpha.detach()
    assert loss.item() == pytest.approx(unrolled_loss(method, alpha, base, held_out), abs=1e-12)
    slopes = []
    for moved in 1e-5 * torch.eye(30, dtype=torch.float64).view(30, 6, 5):
        plus, minus = (unrolled_loss(method, alpha + sign * moved, base, held_out) for sign in (1, -1))
        slopes.append((plus - minus) / 2e-5)
    expected = torch.tensor(slopes, dtype=torch.float64).view(6, 5)
    first_order = torch.autograd.grad(mixed_loss(method, held_out, method.alpha), method.alpha)[0]
    assert (gradient - expected).norm() < 0.001 * expected.norm()
    assert (first_order - expected).norm() > 0.2 * expected.norm()


def test_looking_ahead_changes_no_weight_no_gradient_and_no_momentum() -> None:
    method, (base, held_out) = tiny_darts(DartsV2), batches()
    method.weights.step(base, method.weight_choice())
    parameters = method.weights.parameters()
    before = copy.deepcopy([(p.detach(), p.grad) for p in parameters.values()])
    momentum = copy.deepcopy([method.weights.optimizer.state[p] for p in parameters.values()])
    alpha = method.alpha.detach().clone()
    method.unrolled(base, held_out)
    torch.testing.assert_close([(p.detach(), p.grad) for p in parameters.values()], before, rtol=0, atol=0)
    after = [method.weights.optimizer.state[p] for p in parameters.values()]
    torch.testing.assert_close(after, momentum, rtol=0, atol=0)
    assert torch.equal(method.alpha, alpha)
    assert method.alpha.grad is None


def test_a_second_order_step_follows_the_unrolled_gradient() -> None:
    (base, held_out), (one, two) = batches(), (tiny_darts(DartsV2) for _ in range(2))
    loss, gradient = two.unrolled(base, held_out)
    assert torch.equal(one.architecture_step(base, held_out), loss)
    assert torch.equal(one.alpha.grad, gradient)
    two.alpha.grad = gradient
    two.optimizer.step()
    assert torch.equal(one.alpha, two.alpha)
    assert not torch.equal(one.alpha, wave((6, 5)))


def test_both_ends_of_the_difference_quotient_drop_the_same_paths() -> None:
    method, scales = tiny_darts(DartsV2, drop_path=0.5, epochs=1), []
    method.weights.begin_epoch(0)
    method.weights.network.register_forward_pre_hook(
        lambda _module, _arguments, named: scales.append(named["path_scale"]), with_kwargs=True
    )
    method.unrolled(*batches())
    plus, minus = scales[-2:]
    assert len(scales) == 4
    assert torch.equal(plus, minus)


@pytest.mark.parametrize("name", ["darts_v1", "darts_v2"])
def test_the_most_likely_operations_are_derived_none_included(name: str, build: Callable[..., Method]) -> None:
    method: Any = build(name)
    best = (0, 3, 1, 4, 2, 0)
    method.alpha.data = functional.one_hot(torch.tensor(best), 5).float()
    assert method.derive(iter(())) == best
    assert method_named(name) is type(method)
