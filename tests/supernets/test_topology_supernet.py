"""The topology supernet against the official code's numbers, its own definition, and stand-alone networks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.spaces import Arch, TopologySpace
from benchmarks.spaces.tss import OPERATIONS
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.fused_search_cell import FusedSearchCell
from supernets.ops import Norm
from supernets.search_cell import SearchCell
from supernets.topology_supernet import TopologySupernet, TopologySupernetConfig, one_hot

TINY = TopologySupernetConfig(width=4, depth=1, num_classes=5)
USUAL = TopologySupernetConfig(width=4, depth=1, num_classes=5, norm=Norm())
DEEP = TopologySupernetConfig(width=4, depth=2, num_classes=5)
GOLDEN_ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
TARGETS = torch.tensor([0, 1, 2, 3])
RANDOM_ARCHS = [TopologySpace().sample(np.random.default_rng(seed)) for seed in range(12)]
ALL_NONE: Arch = (0,) * 6
DEAD_ENDS: list[Arch] = [
    (3, 0, 0, 1, 0, 0),  # nothing leads on from node 1, nothing into node 2
    (0, 3, 2, 0, 2, 0),  # nothing leads into node 1, nothing on from node 2
    (3, 2, 3, 0, 0, 0),  # nothing leads to the output
    (0, 0, 3, 4, 3, 3),  # nothing leads into nodes 1 and 2
]


def supernet(config: TopologySupernetConfig, seed: int = 0) -> TopologySupernet:
    """In float64, every weight, scale and shift drawn from a normal distribution; in training mode."""
    rng = torch.Generator().manual_seed(seed)
    network = TopologySupernet(config, rng).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=rng))
    return network


def supernet_of_waves(config: TopologySupernetConfig) -> TopologySupernet:
    """In float64, every parameter 0.3 sin(1), 0.3 sin(2), ... in its own shape; in training mode."""
    network = TopologySupernet(config, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(wave(parameter.shape))
    return network


def wave(shape: Sequence[int]) -> Tensor:
    numbers = torch.arange(1, 1 + math.prod(shape), dtype=torch.float64)
    return (0.3 * torch.sin(numbers)).reshape(shape)


def images(size: int = 8, other_size: int | None = None) -> Tensor:
    """Four images sin(0), sin(1), ..."""
    shape = (4, 3, size, other_size or size)
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float64)).reshape(shape)


def soft_weights(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, 6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(dim=-1)


def straight_through(p: Tensor, chosen: Tensor) -> Tensor:
    hard = functional.one_hot(chosen, p.shape[1]).to(p.dtype)
    return hard - p.detach() + p


def path(arch: Arch) -> Tensor:
    return one_hot(arch).double()


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def plain_forward(
    network: TopologySupernet, by_cell: Sequence[Tensor], scale: Tensor | None = None, only_used: bool = False
) -> Tensor:
    """The logits of `images()`, as the definition of the network reads.

    Args:
        by_cell: the weights of each cell.
        scale: factors of each layer.
        only_used: operations with a weight of zero are not computed.
    """
    of_cell, x = iter(by_cell), network.stem(images())
    for i, layer in enumerate(network.cells):
        if isinstance(layer, SearchCell):
            weights = next(of_cell)
            x = SearchCell.forward(layer, x, weights, ((weights != 0) | (not only_used)).tolist())
        else:
            x = layer(x)
        if scale is not None:
            x = torch.stack([factor * image for factor, image in zip(scale[i], x, strict=True)])
    logits: Tensor = network.classifier(network.lastact(x).mean(dim=(2, 3)))
    return logits


def count_parameters(modules: Sequence[nn.Module]) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


# What AutoDL-Projects computes.


def test_the_mixture_of_darts_computes_what_the_official_code_computes() -> None:
    network, alpha = supernet_of_waves(TINY), wave((6, 5)).requires_grad_()
    _, logits = network(images(), alpha.softmax(dim=1))
    torch.testing.assert_close(logits.flatten()[:3], numbers(0.52274968, 0.02656211, 0.24363109), atol=1e-8, rtol=0)
    assert logits.sum().item() == pytest.approx(0.4344628, abs=1e-7)
    loss = functional.cross_entropy(logits, TARGETS)
    assert loss.item() == pytest.approx(1.463786076700272, abs=1e-12)
    (gradient,) = torch.autograd.grad(loss, alpha)
    expected = numbers(
        0.00980677, -0.01638373, -0.0885213, 0.0977906, -0.00269235, 0.01160175, 0.00128398, 0.01662272, -0.03289113,
        0.00338266,
    )  # fmt: skip
    torch.testing.assert_close(gradient.flatten()[:10], expected, atol=1e-8, rtol=0)
    with torch.no_grad():
        golden = path(TopologySpace().from_string(GOLDEN_ARCH))
        assert network(images(), golden)[1].sum().item() == pytest.approx(0.56780266, abs=1e-8)
        best = path(tuple(alpha.argmax(dim=1).tolist()))
        assert network(images(), best)[1].sum().item() == pytest.approx(0.47698116, abs=1e-8)
        network.eval()
        assert network(images(), alpha.softmax(dim=1))[1].sum().item() == pytest.approx(0.43190475, abs=1e-8)


def test_a_sample_of_gdas_computes_what_the_official_code_computes() -> None:
    network, alpha = supernet_of_waves(TINY), wave((6, 5)).requires_grad_()
    gumbel = -torch.empty(6, 5, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(0)).log()
    p = ((alpha.log_softmax(dim=1) + gumbel) / 2).softmax(dim=1)
    assert p.argmax(dim=1).tolist() == [2, 1, 1, 2, 2, 4]
    _, logits = network(images(), straight_through(p, p.argmax(dim=1)))
    torch.testing.assert_close(logits.flatten()[:3], numbers(0.48974732, 0.05226874, 0.22739706), atol=1e-8, rtol=0)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, TARGETS), alpha)
    expected = numbers(-0.0487738, -0.08320216, 0.24564444, -0.04514599, -0.0685225)
    torch.testing.assert_close(gradient.flatten()[:5], expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize(("affine", "count"), [(False, 1_692_698), (True, 1_699_546)])
def test_the_published_supernet_has_the_official_number_of_weights(affine: bool, count: int) -> None:
    config = TopologySupernetConfig(norm=Norm(affine, track_running_stats=False))
    network = TopologySupernet(config, torch.Generator().manual_seed(0))
    assert count_parameters([network.stem, network.cells, network.lastact, network.classifier]) == count
    assert count_parameters([network]) == count
    assert [isinstance(layer, SearchCell) for layer in network.cells] == ([True] * 5 + [False]) * 2 + [True] * 5


# Its definition.


@pytest.mark.parametrize("norm", [Norm(False, False), Norm(True, True), Norm(True, False), Norm(False, True)])
@pytest.mark.parametrize("kind", ["soft", "straight-through", "path"])
@pytest.mark.parametrize("training", [True, False])
def test_the_fused_cell_is_the_plain_one_in_values_and_gradients(norm: Norm, kind: str, training: bool) -> None:
    torch.manual_seed(len(kind))
    cell = FusedSearchCell(6, norm).double().train(training)
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
    plain = SearchCell(6, norm).double().train(training)
    plain.load_state_dict(cell.state_dict())
    x = torch.randn(3, 6, 5, 5, dtype=torch.float64, requires_grad=True)
    expected, got = plain(x, weights, computed), cell(x, weights, computed)
    torch.testing.assert_close(got, expected)
    toward = torch.randn_like(expected)
    inputs = [x] if kind == "path" else [x, p]
    mine, theirs = (torch.autograd.grad((y * toward).sum(), inputs, retain_graph=True) for y in (got, expected))
    torch.testing.assert_close(mine, theirs)
    for y in (got, expected):
        torch.autograd.backward((y * toward).sum())
    trained = 0
    for (name, parameter), other in zip(cell.named_parameters(), plain.parameters(), strict=True):
        if not (norm == Norm(False, False) and name.endswith("op.1.bias")):  # which the mean of the batch cancels
            torch.testing.assert_close(parameter.grad, other.grad, msg=name)
            trained += parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
    assert trained >= (12 if kind == "soft" else 4)
    torch.testing.assert_close(cell.state_dict(), plain.state_dict())  # running statistics, too


@pytest.mark.parametrize("kind", ["soft", "straight-through", "path"])
def test_a_supernet_of_plain_cells_has_the_same_weights_logits_and_gradients(kind: str) -> None:
    fused, plain = (
        TopologySupernet(DEEP, torch.Generator().manual_seed(0), cell).double()
        for cell in (FusedSearchCell, SearchCell)
    )
    torch.testing.assert_close(fused.state_dict(), plain.state_dict(), rtol=0, atol=0)
    p, chosen = soft_weights(1).requires_grad_(), torch.tensor([2, 4, 3, 1, 2, 3])
    hard = functional.one_hot(chosen, 5).double()
    weights = {"soft": p, "straight-through": hard - p.detach() + p, "path": hard + 0 * p}[kind]
    computed = torch.ones(6, 5, dtype=torch.bool) if kind == "soft" else hard.bool()
    logits = [network(images(), weights, computed)[1] for network in (fused, plain)]
    torch.testing.assert_close(*logits)
    losses = [functional.cross_entropy(y, TARGETS) for y in logits]
    torch.testing.assert_close(*(torch.autograd.grad(loss, p, retain_graph=True)[0] for loss in losses))


def test_weights_of_each_cell_are_taken_in_order() -> None:
    network, by_cell = supernet(DEEP), soft_weights(1, 6)
    with torch.no_grad():
        logits = network(images(), by_cell)[1]
        torch.testing.assert_close(logits, plain_forward(network, list(by_cell)))
        assert not torch.allclose(logits, network(images(), by_cell.flip(0))[1])


def test_the_same_weights_for_each_cell_are_those_for_all() -> None:
    network, weights = supernet(DEEP), soft_weights(1)
    with torch.no_grad():
        of_all, of_each = (network(images(), w)[1] for w in (weights, weights.expand(6, 6, 5)))
    assert torch.equal(of_all, of_each)


def test_every_layer_is_followed_by_its_drop_path_factor() -> None:
    network, weights = supernet(DEEP), soft_weights(1)
    kept = torch.rand(8, 4, generator=torch.Generator().manual_seed(0)) < 0.7
    scale = kept / 0.7 + torch.arange(8)[:, None] / 10  # different for each layer
    with torch.no_grad():
        logits = network(images(), weights, path_scale=scale)[1]
        torch.testing.assert_close(logits, plain_forward(network, [weights] * 6, scale))
        ones = network(images(), weights, path_scale=torch.ones(8, 4))[1]
        assert torch.equal(ones, network(images(), weights)[1])


# Paths, and the stand-alone networks that they are.


@pytest.mark.parametrize("arch", [*RANDOM_ARCHS, *DEAD_ENDS, ALL_NONE], ids=TopologySpace().to_string)
def test_a_path_is_the_stand_alone_network(arch: Arch) -> None:
    network = supernet(USUAL)
    alone = CandidateNetwork(NetworkConfig.tiny(arch, 4, 1, 5), torch.Generator()).double()
    alone.load_state_dict(network.state_of(arch), strict=True)
    toward = torch.randn(4, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for training in (True, False):  # training moves the running statistics, evaluation reads them
        network.train(training)
        alone.train(training)
        (features, logits), (expected_features, expected) = network(images(), path(arch)), alone(images())
        torch.testing.assert_close(features, expected_features)
        torch.testing.assert_close(logits, expected)
        for y in (logits, expected):
            torch.autograd.backward((y * toward).sum())
    used = set()
    for name, parameter in alone.named_parameters():
        used.add(name_in_supernet(name, arch))
        gradient = network.get_parameter(name_in_supernet(name, arch)).grad  # None where nothing leads on
        assert parameter.grad is not None
        torch.testing.assert_close(torch.zeros_like(parameter) if gradient is None else gradient, parameter.grad)
    assert all(parameter.grad is None for name, parameter in network.named_parameters() if name not in used)


def name_in_supernet(name: str, arch: Arch) -> str:
    """Of a weight of a stand-alone network."""
    parts = name.split(".")
    if parts[2:3] == ["layers"]:
        parts.insert(4, str(arch[int(parts[3])]))
    return ".".join(parts)


def test_a_path_of_its_own_in_every_cell() -> None:
    network = supernet(DEEP)
    paths = torch.stack([path(arch) for arch in RANDOM_ARCHS[:6]])
    with torch.no_grad():
        torch.testing.assert_close(network(images(), paths)[1], plain_forward(network, list(paths)))


def test_the_one_hot_weights_of_an_architecture() -> None:
    weights = one_hot((0, 1, 2, 3, 4, 0))
    assert weights.shape == (6, 5)
    assert weights.dtype == torch.float32
    assert weights.nonzero().tolist() == [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 0]]


@pytest.mark.parametrize("training", [True, False])
def test_a_cell_of_nothing_but_none_gives_the_same_logits_for_every_image(training: bool) -> None:
    """Through the shortcuts of the reduction blocks nothing comes either."""
    logits = supernet(DEEP).train(training)(images(), path(ALL_NONE))[1]
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(logits, logits[:1].expand(4, 5))


def test_without_scales_a_path_has_the_biases_of_its_convolutions_as_well() -> None:
    """They have no place in a stand-alone network; everything else has."""
    arch = RANDOM_ARCHS[0]
    alone = CandidateNetwork(NetworkConfig.tiny(arch, 4, 1, 5), torch.Generator())
    tracked = TopologySupernetConfig(width=4, depth=1, num_classes=5, norm=Norm(affine=False))
    state = TopologySupernet(tracked, torch.Generator()).state_of(arch)
    biases = {name for name in state if name.endswith("op.1.bias")}
    assert len(biases) == 3 * sum(OPERATIONS[choice].startswith("nor_conv") for choice in arch) > 0
    scales = {name for name in alone.state_dict() if name not in state}
    assert set(state) - biases == set(alone.state_dict()) - scales
    assert all(name.endswith(("op.2.weight", "op.2.bias", "lastact.0.weight", "lastact.0.bias")) for name in scales)


# What is computed, and what is not.


def poison(network: TopologySupernet, edge: int, operation: int) -> None:
    """Whatever the convolution in every cell computes, is NaN."""
    for cell in network.cells:
        if isinstance(cell, SearchCell):
            nn.init.constant_(cell.get_submodule(f"layers.{edge}.{operation}.op.1").weight, math.nan)  # type: ignore[arg-type]


def test_an_operation_with_a_weight_of_zero_is_not_computed() -> None:
    network, arch = supernet(DEEP), (3, 2, 1, 4, 3, 1)
    for edge in range(6):
        for operation in {2, 3} - {arch[edge]}:
            poison(network, edge, operation)
    expected = supernet(DEEP)(images(), path(arch))[1]
    assert torch.isfinite(expected).all()
    assert torch.equal(network(images(), path(arch))[1], expected)
    poison(network, 1, 2)  # this one is on the path
    assert network(images(), path(arch))[1].isnan().all()


def test_an_operation_that_is_said_to_be_computed_is_whatever_its_weight() -> None:
    network, weights = supernet(DEEP), path((3, 2, 1, 4, 3, 0))
    all_computed = torch.ones(6, 5, dtype=torch.bool)
    torch.testing.assert_close(network(images(), weights, all_computed)[1], network(images(), weights)[1])
    assert torch.equal(network(images(), weights, weights != 0)[1], network(images(), weights)[1])
    poison(network, 0, 2)
    assert torch.isfinite(network(images(), weights)[1]).all()
    assert network(images(), weights, all_computed)[1].isnan().all()


def test_what_is_computed_may_differ_by_cell() -> None:
    network, weights = supernet(DEEP), path((3, 2, 1, 4, 3, 0))
    computed = (weights != 0).expand(6, 6, 5).clone()
    poison(network, 0, 2)
    assert torch.isfinite(network(images(), weights, computed)[1]).all()
    computed[4, 0, 2] = True
    assert network(images(), weights, computed)[1].isnan().all()


def test_what_leads_to_no_output_is_not_computed_and_its_statistics_stay() -> None:
    network = supernet(USUAL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(images(), path((3, 0, 2, 1, 0, 0)))  # nothing leads on from nodes 1 and 2
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert not any(".layers." in name for name in moved)


def test_running_statistics_move_on_the_path_alone() -> None:
    network, arch = supernet(USUAL), (3, 2, 3, 1, 2, 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(images(), path(arch))
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    alone = CandidateNetwork(NetworkConfig.tiny(arch, 4, 1, 5), torch.Generator())
    on_path = {name_in_supernet(name, arch) for name in alone.state_dict() if name.endswith(statistics)}
    assert moved == on_path


def test_the_weight_of_an_operation_that_is_not_computed_has_the_gradient_of_a_mere_number() -> None:
    """Where it is computed, that of a factor of its map. The logits are the same."""
    network = supernet(DEEP)
    weights = path((3, 2, 1, 4, 3, 1)).requires_grad_()
    gradients = []
    for only_used in (True, False):
        logits = network(images(), weights, None if only_used else torch.ones(6, 5, dtype=torch.bool))[1]
        expected = plain_forward(network, [weights] * 6, only_used=only_used)
        torch.testing.assert_close(logits, expected)
        mine, theirs = (torch.autograd.grad(y.square().sum(), weights)[0] for y in (logits, expected))
        torch.testing.assert_close(mine, theirs)
        gradients.append(mine)
    assert not torch.allclose(*gradients)


# What it takes.


@pytest.mark.parametrize("size", [(1, 1), (5, 5), (9, 9), (7, 10), (33, 33)])
def test_any_image_size_works(size: tuple[int, int]) -> None:
    features, logits = supernet(TINY)(images(*size), soft_weights(0))
    assert features.shape == (4, 16)
    assert logits.shape == (4, 5)
    assert torch.isfinite(logits).all()


def test_image_channels_and_classes_are_free() -> None:
    config = TopologySupernetConfig(width=3, depth=1, num_classes=7, in_channels=1)
    assert supernet(config)(images()[:, :1], soft_weights(0))[1].shape == (4, 7)


@pytest.mark.parametrize("shape", [(5, 6), (6, 4), (5, 6, 5), (4, 6, 5), (6,), (1, 3, 6, 5)])
def test_weights_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    message = re.escape(f"(6, 5) for all cells or (3, 6, 5), got {shape}")
    with pytest.raises(InputError, match=message):
        supernet(TINY)(images(), torch.ones(shape, dtype=torch.float64))
    with pytest.raises(InputError, match=message):
        supernet(TINY)(images(), soft_weights(0), torch.ones(shape, dtype=torch.bool))


@pytest.mark.parametrize("field", ["width", "depth", "num_classes", "in_channels"])
def test_an_impossible_size_is_refused(field: str) -> None:
    with pytest.raises(InputError):
        TopologySupernetConfig(**{field: 0})  # type: ignore[arg-type]


WEIGHTS = {
    "soft": soft_weights(0),
    "path": path((3, 2, 4, 1, 1, 3)),
    "path without convolutions into node 2": path((3, 1, 1, 2, 4, 1)),
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_the_layout_of_memory_changes_nothing(weights: Tensor) -> None:
    network, weights = supernet(DEEP), weights.clone().requires_grad_()
    logits = network(images(), weights)[1]
    (gradient,) = torch.autograd.grad(logits.square().sum(), weights)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    last = network(images().contiguous(memory_format=torch.channels_last), weights)[1]
    torch.testing.assert_close(last, logits)
    torch.testing.assert_close(torch.autograd.grad(last.square().sum(), weights)[0], gradient)


def assert_mixed_precision_comes_close(weights: Tensor, norm: Norm, drop_path: bool = False) -> None:
    rng = torch.Generator().manual_seed(0)
    network = TopologySupernet(TopologySupernetConfig(width=8, depth=1, num_classes=5, norm=norm), rng)
    inputs, labels = torch.randn(16, 3, 16, 16, generator=rng), torch.arange(16) % 5
    scale = (torch.rand(5, 16, generator=rng) < 0.8) / 0.8 if drop_path else None
    weights = weights.float().requires_grad_()
    results = []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            logits = network(inputs, weights, path_scale=scale)[1]
        (gradient,) = torch.autograd.grad(functional.cross_entropy(logits.float(), labels), weights)
        assert logits.dtype == (torch.bfloat16 if mixed else torch.float32)
        assert gradient.dtype == torch.float32
        results.append((logits.float(), gradient))
    (exact, exact_gradient), (close, close_gradient) = results
    assert 0 < (exact - close).norm() / exact.norm() < 0.05
    assert functional.cosine_similarity(exact_gradient.flatten(), close_gradient.flatten(), dim=0) > 0.85


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("norm", [Norm(False, False), Norm(True, True)])
def test_mixed_precision_comes_close(weights: Tensor, norm: Norm) -> None:
    assert_mixed_precision_comes_close(weights, norm)


@pytest.mark.parametrize("kind", ["path", "path without convolutions into node 2"])
def test_mixed_precision_comes_close_with_drop_path(kind: str) -> None:
    assert_mixed_precision_comes_close(WEIGHTS[kind], Norm(False, False), drop_path=True)
