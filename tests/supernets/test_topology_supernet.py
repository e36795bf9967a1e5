"""The topology supernet against the official code's numbers, against stand-alone networks, and against its definition."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.spaces import TopologySpace
from benchmarks.spaces.tss import EDGES, OPERATIONS
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.ops import Norm
from supernets.search_cell import SearchCell
from supernets.topology_supernet import TopologySupernet, TopologySupernetConfig, one_hot

TINY = TopologySupernetConfig(width=4, depth=1, num_classes=5)
USUAL = TopologySupernetConfig(width=4, depth=1, num_classes=5, norm=Norm())
GOLDEN_ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
TARGETS = torch.tensor([0, 1, 2, 3])


def supernet_of_waves(config: TopologySupernetConfig) -> TopologySupernet:
    """In float64, every parameter 0.3 sin(1), 0.3 sin(2), ... in its own shape; in training mode."""
    network = TopologySupernet(config, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(wave(parameter.shape))
    return network


def wave(shape: Sequence[int]) -> Tensor:
    numbers = torch.arange(1, 1 + torch.Size(shape).numel(), dtype=torch.float64)
    return (0.3 * torch.sin(numbers)).reshape(shape)


def images() -> Tensor:
    return torch.sin(torch.arange(4 * 3 * 8 * 8, dtype=torch.float64)).reshape(4, 3, 8, 8)


def straight_through(p: Tensor, chosen: Tensor) -> Tensor:
    hard = functional.one_hot(chosen, p.shape[1]).to(p.dtype)
    return hard - p.detach() + p


class PlainCell(nn.Module):
    """One module per edge and operation, as the definition of a cell reads."""

    def __init__(self, cell: SearchCell) -> None:
        super().__init__()
        self.layers = cell.layers

    def forward(self, x: Tensor, weights: Tensor, computed: list[list[bool]]) -> Tensor:
        nodes = [x]
        for target in range(1, 4):
            total = torch.zeros_like(x)
            for edge, (node, source) in enumerate(EDGES):
                if node == target:
                    for k, weight in enumerate(weights[edge]):
                        operation = self.layers[edge][k]  # type: ignore[index]
                        total = total + (operation(nodes[source]) * weight if computed[edge][k] else weight)
            nodes.append(total)
        return nodes[-1]


def test_the_mixture_of_darts_computes_what_the_official_code_computes() -> None:
    network, alpha = supernet_of_waves(TINY), wave((6, 5)).requires_grad_()
    _, logits = network(images(), alpha.softmax(dim=1))
    torch.testing.assert_close(
        logits.flatten()[:3], torch.tensor([0.52274968, 0.02656211, 0.24363109], dtype=torch.float64), atol=1e-8, rtol=0
    )
    assert logits.sum().item() == pytest.approx(0.4344628, abs=1e-7)
    loss = functional.cross_entropy(logits, TARGETS)
    assert loss.item() == pytest.approx(1.463786076700272, abs=1e-12)
    (gradient,) = torch.autograd.grad(loss, alpha)
    expected = [
        0.00980677, -0.01638373, -0.0885213, 0.0977906, -0.00269235, 0.01160175, 0.00128398, 0.01662272, -0.03289113,
        0.00338266,
    ]  # fmt: skip
    torch.testing.assert_close(gradient.flatten()[:10], torch.tensor(expected, dtype=torch.float64), atol=1e-8, rtol=0)
    with torch.no_grad():
        arch = TopologySpace().from_string(GOLDEN_ARCH)
        assert network(images(), one_hot(arch).double())[1].sum().item() == pytest.approx(0.56780266, abs=1e-8)
        best = tuple(alpha.argmax(dim=1).tolist())
        assert network(images(), one_hot(best).double())[1].sum().item() == pytest.approx(0.47698116, abs=1e-8)
        network.eval()
        assert network(images(), alpha.softmax(dim=1))[1].sum().item() == pytest.approx(0.43190475, abs=1e-8)


def test_a_sample_of_gdas_computes_what_the_official_code_computes() -> None:
    network, alpha = supernet_of_waves(TINY), wave((6, 5)).requires_grad_()
    gumbel = -torch.empty(6, 5, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(0)).log()
    p = ((alpha.log_softmax(dim=1) + gumbel) / 2).softmax(dim=1)
    assert p.argmax(dim=1).tolist() == [2, 1, 1, 2, 2, 4]
    _, logits = network(images(), straight_through(p, p.argmax(dim=1)))
    torch.testing.assert_close(
        logits.flatten()[:3], torch.tensor([0.48974732, 0.05226874, 0.22739706], dtype=torch.float64), atol=1e-8, rtol=0
    )
    (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, TARGETS), alpha)
    expected = [-0.0487738, -0.08320216, 0.24564444, -0.04514599, -0.0685225]
    torch.testing.assert_close(gradient.flatten()[:5], torch.tensor(expected, dtype=torch.float64), atol=1e-7, rtol=0)


@pytest.mark.parametrize("norm", [Norm(False, False), Norm(True, True), Norm(True, False), Norm(False, True)])
@pytest.mark.parametrize("kind", ["soft", "straight-through", "path"])
@pytest.mark.parametrize("training", [True, False])
def test_a_cell_is_its_definition_in_values_and_gradients(norm: Norm, kind: str, training: bool) -> None:
    torch.manual_seed(len(kind))
    cell = SearchCell(6, norm).double().train(training)
    for parameter in cell.parameters():
        nn.init.normal_(parameter)
    p = torch.randn(6, 5, dtype=torch.float64).softmax(dim=1).requires_grad_()
    chosen = torch.tensor([2, 4, 3, 1, 2, 3])
    weights = {
        "soft": p,
        "straight-through": straight_through(p, chosen),
        "path": functional.one_hot(chosen, 5).double(),
    }[kind]
    computed = (weights != 0).tolist()
    plain = PlainCell(SearchCell(6, norm).double().train(training))
    plain.load_state_dict(cell.state_dict())
    x = torch.randn(3, 6, 5, 5, dtype=torch.float64, requires_grad=True)
    expected, got = plain(x, weights, computed), cell(x, weights, computed)
    torch.testing.assert_close(got, expected)
    inputs = [x, p] if kind != "path" else [x]
    toward = torch.randn_like(expected)
    for mine, theirs in zip(
        *(torch.autograd.grad((y * toward).sum(), inputs, retain_graph=True) for y in (got, expected))
    ):
        torch.testing.assert_close(mine, theirs)
    got.sum().backward()
    (expected * 1).sum().backward()
    for (name, a), b in zip(cell.named_parameters(), plain.parameters(), strict=True):
        if a.grad is not None and not name.endswith("op.1.bias"):
            torch.testing.assert_close(a.grad, b.grad, msg=name)
    torch.testing.assert_close(cell.state_dict(), plain.state_dict())
