"""Stand-alone networks: the official code's forward values and weight names, any image size, reproducible weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.spaces import Arch, TopologySpace, space_named
from benchmarks.spaces.sss import SIZE_CELL
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.networks import candidate_config, candidate_network
from supernets.randomness import drawing_from
from supernets.settings import PUBLISHED_SCALE, NetworkScale

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
TINY = NetworkConfig.tiny(TopologySpace().from_string(CELL), width=4, depth=1, num_classes=5)
DYNAMIC = NetworkConfig.dynamic_shape((4, 6, 8, 6, 10), num_classes=5)


def network_of_waves(config: NetworkConfig, rng: torch.Generator) -> CandidateNetwork:
    """In float64, every parameter 0.3 sin(1), 0.3 sin(2), ... in its own shape."""
    network = CandidateNetwork(config, rng).double()
    with torch.no_grad():
        for parameter in network.parameters():
            numbers = torch.arange(1, parameter.numel() + 1, dtype=torch.float64)
            parameter.copy_((0.3 * torch.sin(numbers)).reshape(parameter.shape))
    return network


def waves(batch: int, size: int) -> Tensor:
    """Images sin(0), sin(1), ..."""
    return torch.sin(torch.arange(batch * 3 * size * size, dtype=torch.float64)).reshape(batch, 3, size, size)


def assert_values(tensor: Tensor, first: list[float], total: float, absolute: float | None = None) -> None:
    """The first three values, the sum and the sum of magnitudes, to the 8 decimals they were noted with."""
    values = tensor.detach().flatten()
    np.testing.assert_allclose(values[:3], first, rtol=0, atol=6e-9)
    np.testing.assert_allclose(values.sum(), total, rtol=0, atol=6e-9)
    if absolute is not None:
        np.testing.assert_allclose(values.abs().sum(), absolute, rtol=0, atol=6e-9)


def norm_names(prefix: str) -> set[str]:
    return {f"{prefix}.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}


def conv_norm_names(prefix: str, conv: str = "op.1", norm: str = "op.2") -> set[str]:
    return {f"{prefix}.{conv}.weight"} | norm_names(f"{prefix}.{norm}")


def frame_names(blocks: tuple[int, int]) -> set[str]:
    """The official names of all but the cells."""
    names = conv_norm_names("stem", "0", "1") | norm_names("lastact.0") | {"classifier.weight", "classifier.bias"}
    for block in blocks:
        names |= conv_norm_names(f"cells.{block}.conv_a") | conv_norm_names(f"cells.{block}.conv_b")
        names.add(f"cells.{block}.downsample.1.weight")
    return names


# What AutoDL-Projects computes, in this order: training moves the running statistics.


def test_tiny_network_computes_what_the_official_code_computes(rng: torch.Generator) -> None:
    network = network_of_waves(TINY, rng)
    features, logits = network.eval()(waves(2, 8))
    assert_values(logits, [1.00864212, -0.45285026, 0.67596624], 1.06010645, 5.73153068)
    assert_values(features, [0.4695938, 0.46504851, 0.04832993], 6.19203328)
    assert_values(network.train()(waves(2, 8))[1], [0.67577587, -0.13483651, 0.39973474], 0.63457237)


def test_dynamic_shape_network_computes_what_the_official_code_computes(rng: torch.Generator) -> None:
    network = network_of_waves(DYNAMIC, rng)
    assert_values(network.eval()(waves(2, 8))[1], [0.74130279, -0.13576434, 0.23908584], 0.16000750)
    assert_values(network.train()(waves(2, 8))[1], [0.56274309, 0.01925798, 0.1574959], 0.13590372)


def test_tiny_network_has_the_official_weight_names(rng: torch.Generator) -> None:
    expected = frame_names(blocks=(1, 3))
    for cell in (0, 2, 4):
        for edge in (0, 1, 4):  # pooling, none and skip on edges 2, 3 and 5 have no weights but keep their number
            expected |= conv_norm_names(f"cells.{cell}.layers.{edge}")
    state = CandidateNetwork(TINY, rng).state_dict()
    assert set(state) == expected
    assert len(state) == 93


def test_dynamic_shape_network_has_the_official_weight_names(rng: torch.Generator) -> None:
    expected = frame_names(blocks=(1, 3))
    for cell in (0, 2, 4):
        for edge in (0, 1, 2, 4, 5):
            expected |= conv_norm_names(f"cells.{cell}.layers.{edge}")
    for cell in (2, 4):  # where the width changes, the skip on edge 3 is a projection
        expected |= conv_norm_names(f"cells.{cell}.layers.3", "conv", "bn")
    state = CandidateNetwork(DYNAMIC, rng).state_dict()
    assert set(state) == expected
    assert len(state) == 141


@pytest.mark.parametrize("config", [TINY, DYNAMIC])
def test_saved_weights_load_and_give_the_same_network(config: NetworkConfig, rng: torch.Generator) -> None:
    trained, fresh = CandidateNetwork(config, rng), CandidateNetwork(config, rng)
    images = torch.randn(4, 3, 8, 8)
    trained(images)  # moves the running statistics
    assert not torch.equal(trained.eval()(images)[1], fresh.eval()(images)[1])
    fresh.load_state_dict(trained.state_dict(), strict=True)
    assert torch.equal(trained(images)[1], fresh(images)[1])


@pytest.mark.parametrize("size", [(1, 1), (5, 5), (8, 8), (9, 9), (12, 12), (33, 33), (7, 10)])
@pytest.mark.parametrize("config", [TINY, DYNAMIC])
def test_any_image_size_works(config: NetworkConfig, size: tuple[int, int], rng: torch.Generator) -> None:
    features, logits = CandidateNetwork(config, rng)(torch.randn(2, 3, *size))
    assert features.shape == (2, config.channels[-1])
    assert logits.shape == (2, 5)
    assert torch.isfinite(logits).all()


def test_width_depth_classes_and_image_channels_are_free(rng: torch.Generator) -> None:
    config = NetworkConfig.tiny(SIZE_CELL, width=3, depth=2, num_classes=7, in_channels=1)
    network = CandidateNetwork(config, rng)
    features, logits = network(torch.randn(2, 1, 8, 8))
    assert len(network.cells) == 8
    assert features.shape == (2, 12)
    assert logits.shape == (2, 7)


def test_gradients_reach_every_weight(rng: torch.Generator) -> None:
    all_convolutions = NetworkConfig.tiny((3, 2, 3, 2, 3, 2), width=4, depth=1, num_classes=5)
    for config in (all_convolutions, DYNAMIC):
        network = CandidateNetwork(config, rng)
        logits = network(torch.randn(8, 3, 8, 8, generator=rng))[1]
        torch.autograd.backward(nn.functional.cross_entropy(logits, torch.arange(8) % 5))
        for name, weight in network.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.abs().max() > 0, name


def test_a_network_learns_a_batch_by_heart(rng: torch.Generator) -> None:
    network = CandidateNetwork(TINY, rng)
    images, labels = torch.randn(10, 3, 8, 8, generator=rng), torch.arange(10) % 5
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    losses = []
    for _ in range(20):
        loss = nn.functional.cross_entropy(network(images)[1], labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_a_disconnected_cell_still_gives_logits(rng: torch.Generator) -> None:
    network = CandidateNetwork(NetworkConfig.tiny((0,) * 6, width=4, depth=1, num_classes=5), rng)
    assert torch.isfinite(network(torch.randn(2, 3, 8, 8))[1]).all()


# Randomness


def weights(network: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()


def test_the_same_seed_gives_the_same_weights_and_the_next_network_differs() -> None:
    first, again = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    network = weights(CandidateNetwork(TINY, first))
    assert torch.equal(network, weights(CandidateNetwork(TINY, again)))
    assert not torch.equal(network, weights(CandidateNetwork(TINY, first)))
    assert not torch.equal(network, weights(CandidateNetwork(TINY, torch.Generator().manual_seed(4))))


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    network = weights(CandidateNetwork(TINY, torch.Generator().manual_seed(3)))
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(2)
    assert torch.equal(network, weights(CandidateNetwork(TINY, torch.Generator().manual_seed(3))))


def test_the_global_generator_survives_a_failure() -> None:
    before = torch.get_rng_state()
    with pytest.raises(AttributeError), drawing_from(torch.Generator().manual_seed(1)):
        nn.Linear(3, 3).get_submodule("missing")  # draws, then fails
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_are_pytorchs_own_in_the_order_of_the_official_code() -> None:
    """So `prepare_seed(s)` and an official network give the weights of `manual_seed(s)` and ours."""
    network = CandidateNetwork(TINY, torch.Generator().manual_seed(5))
    built = weights(network)
    torch.manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()
    assert torch.equal(weights(network), built)


# From a space, an official string or an official config


def test_the_cell_of_the_size_space_is_topology_9930() -> None:
    assert TopologySpace().arch(9930) == SIZE_CELL


@pytest.mark.parametrize("name", ["tss", "sss"])
def test_an_architecture_and_its_string_give_the_same_network(name: str) -> None:
    space = space_named(name)
    arch = space.arch(284)
    assert candidate_config(name, arch, 100, 1) == candidate_config(name, space.to_string(arch), 100, 1)


def test_published_sizes(rng: torch.Generator) -> None:
    tss = candidate_config("tss", TopologySpace().arch(0))
    assert tss.channels == (16,) * 5 + (32,) * 6 + (64,) * 6
    sss = candidate_config("sss", "8:16:24:56:64", num_classes=120)
    assert sss == NetworkConfig(SIZE_CELL, (8, 16, 24, 56, 64), 120)
    features, logits = candidate_network("sss", "8:16:24:56:64", rng, num_classes=120)(torch.randn(1, 3, 16, 16))
    assert (features.shape, logits.shape) == ((1, 64), (1, 120))


def test_the_published_scale_is_what_an_architecture_gets_unasked() -> None:
    assert NetworkScale(width=16, depth=5, channels=(8, 16, 24, 32, 40, 48, 56, 64)) == PUBLISHED_SCALE
    for name in ("tss", "sss"):
        arch = space_named(name).arch(284)
        assert candidate_config(name, arch, scale=PUBLISHED_SCALE) == candidate_config(name, arch)


def test_a_scale_gives_smaller_networks_of_the_same_architecture() -> None:
    scale = NetworkScale(width=3, depth=2, channels=(1, 2, 3, 4, 5, 6, 7, 9))
    tss = candidate_config("tss", (0, 1, 2, 3, 4, 0), num_classes=7, in_channels=1, scale=scale)
    assert tss == NetworkConfig((0, 1, 2, 3, 4, 0), (3, 3, 6, 6, 6, 12, 12, 12), num_classes=7, in_channels=1)
    sss = NetworkConfig(SIZE_CELL, (1, 9, 4, 3, 2), num_classes=7, in_channels=1)
    for arch in ((0, 7, 3, 2, 1), "8:64:32:24:16"):  # the string names choices by their published channels
        assert candidate_config("sss", arch, num_classes=7, in_channels=1, scale=scale) == sss


@pytest.mark.parametrize(
    ("name", "arch", "other"),
    [("tss", (0, 1, 2, 3, 4, 0), NetworkScale(channels=(1,) * 8)), ("sss", (0, 1, 2, 3, 4), NetworkScale(4, 1))],
)
def test_each_space_reads_its_own_part_of_a_scale(name: str, arch: Arch, other: NetworkScale) -> None:
    assert candidate_config(name, arch, scale=other) == candidate_config(name, arch)


@pytest.mark.parametrize("count", [0, 7, 9])
def test_a_scale_has_as_many_channel_counts_as_a_layer_has_choices(count: int) -> None:
    with pytest.raises(InputError, match=r"each layer of sss chooses among 8 channel counts, got \("):
        NetworkScale(channels=(4,) * count)


@pytest.mark.parametrize("bad", [{"width": 0}, {"depth": 0}, {"channels": (1, 2, 3, 0, 5, 6, 7, 8)}])
def test_impossible_scales_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"channel counts of a network are at least 1, got NetworkScale\("):
        NetworkScale(**bad)


def test_official_configs_are_understood() -> None:
    tiny = {"name": "infer.tiny", "C": 4, "N": 1, "arch_str": CELL, "num_classes": 5}
    assert NetworkConfig.from_official(tiny) == TINY
    cell = TopologySpace().to_string(SIZE_CELL)
    shape = {"name": "infer.shape.tiny", "channels": "4:6:8:6:10", "genotype": cell, "num_classes": 5}
    assert NetworkConfig.from_official(shape) == DYNAMIC
    with pytest.raises(InputError, match="channels are whole numbers joined by ':', got '4:x:8'"):
        NetworkConfig.from_official({**shape, "channels": "4:x:8"})
    with pytest.raises(InputError, match=r"an official network is .*, got {'name': 'infer.nasnet-cifar'}"):
        NetworkConfig.from_official({"name": "infer.nasnet-cifar"})


@pytest.mark.parametrize(
    ("cell", "channels", "classes", "message"),
    [
        (SIZE_CELL, (8, 8, 8, 8), 10, r"3N \+ 2 channel counts, .* got 4"),
        (SIZE_CELL, (8, 8), 10, r"3N \+ 2 channel counts, N >= 1: .* got 2"),
        (SIZE_CELL, (8, 8, 0, 8, 8), 10, "at least 1"),
        (SIZE_CELL, (8, 8, 8, 8, 8), 0, "at least 1"),
        ((5, 0, 0, 0, 0, 0), (8, 8, 8, 8, 8), 10, "a choice of 1<-0 in tss is one of 0..4, got 5"),
        ((0, 0), (8, 8, 8, 8, 8), 10, "6 decisions, got 2"),
    ],
)
def test_impossible_networks_are_refused(cell: Arch, channels: tuple[int, ...], classes: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NetworkConfig(cell, channels, classes)


def test_unknown_spaces_and_architectures_are_refused() -> None:
    with pytest.raises(InputError, match="unknown space with candidate networks 'nasbench101': choose from tss, sss"):
        candidate_config("nasbench101", (0,))
    with pytest.raises(InputError, match=r"a choice of layer-4 in sss is one of 0..7, got -1"):
        candidate_config("sss", (0, 0, 0, 0, -1))
    with pytest.raises(InputError, match=r"layer-4 of sss is one of 8, .* got '9'"):
        candidate_config("sss", "8:8:8:8:9")
