"""Parameters and FLOPs: the published numbers, and the formula against a count of the modules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks import safe_pickle
from benchmarks.spaces import SizeSpace, TopologySpace
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.counting import Cost, cost_by_counting, cost_by_formula, layer_costs
from supernets.networks import candidate_config, candidate_network

TASKS = {"cifar10-valid": (10, 32), "cifar10": (10, 32), "cifar100": (100, 32), "ImageNet16-120": (120, 16)}
"""Data set -> (classes, image size)."""

PUBLISHED = {
    # Architecture: ((FLOPs, parameters) on CIFAR-10, the same on ImageNet16-120), all in millions.
    ("tss", 0): ((15.64737, 0.129306), (3.91948, 0.136456)),
    ("tss", 1): ((113.95137, 0.802426), (28.49548, 0.809576)),
    ("tss", 2): ((78.56193, 0.559386), (19.64812, 0.566536)),
    ("tss", 11): ((113.95137, 0.802426), (28.49548, 0.809576)),
    ("tss", 284): ((11.71521, 0.101306), (2.93644, 0.108456)),
    ("tss", 1651): ((7.78305, 0.073306), (1.9534, 0.080456)),
    ("tss", 1835): ((7.78305, 0.073306), (1.9534, 0.080456)),
    ("tss", 7581): ((7.78305, 0.073306), (1.9534, 0.080456)),
    ("tss", 4317): ((31.37601, 0.241306), (7.85164, 0.248456)),
    ("tss", 1462): ((220.11969, 1.531546), (55.03756, 1.538696)),
    ("tss", 9930): ((184.73025, 1.288506), (46.1902, 1.295656)),
    ("tss", 11472): ((78.56193, 0.559386), (19.64812, 0.566536)),
    ("sss", "8:8:8:8:8"): ((4.481114, 0.011714), (1.121336, 0.012704)),
    ("sss", "8:8:8:16:32"): ((6.84065, 0.049202), (1.71404, 0.052832)),
    ("sss", "8:8:40:32:40"): ((21.827994, 0.144834), (5.461816, 0.149344)),
    ("sss", "40:8:8:8:8"): ((76.80009, 0.084642), (19.20108, 0.085632)),
    ("sss", "64:64:64:64:64"): ((274.399882, 0.713674), (68.607608, 0.720824)),
}


def published_config(space: str, arch: int | str, classes: int) -> NetworkConfig:
    return candidate_config(space, TopologySpace().arch(arch) if isinstance(arch, int) else arch, classes)


def in_millions(cost: Cost) -> tuple[float, float]:
    return cost.flops / 1e6, cost.parameters / 1e6


def by_counting(config: NetworkConfig, height: int, width: int) -> Cost:
    with torch.device("meta"):
        network = CandidateNetwork(config, torch.Generator("cpu"))
    return cost_by_counting(network, (config.in_channels, height, width))


@pytest.mark.parametrize(("space", "arch"), list(PUBLISHED))
def test_published_numbers(space: str, arch: int | str) -> None:
    on_cifar10, on_imagenet16 = PUBLISHED[space, arch]
    assert in_millions(cost_by_formula(published_config(space, arch, 10))) == on_cifar10
    assert in_millions(cost_by_formula(published_config(space, arch, 120), (16, 16))) == on_imagenet16
    cifar100 = cost_by_formula(published_config(space, arch, 100))
    features = published_config(space, arch, 100).channels[-1]
    assert in_millions(cifar100) == pytest.approx([x + 90 * (features + 1) / 1e6 for x in on_cifar10], abs=1e-12)


@pytest.mark.parametrize(("space", "arch"), [("tss", 7581), ("tss", 1462), ("tss", 11472), ("sss", "8:8:40:32:40")])
def test_published_numbers_by_counting(space: str, arch: int | str) -> None:
    on_cifar10, on_imagenet16 = PUBLISHED[space, arch]
    assert in_millions(by_counting(published_config(space, arch, 10), 32, 32)) == on_cifar10
    assert in_millions(by_counting(published_config(space, arch, 120), 16, 16)) == on_imagenet16


def test_published_numbers_on_cifar100() -> None:
    assert in_millions(cost_by_formula(published_config("tss", 11, 100))) == (113.95722, 0.808276)


@pytest.mark.parametrize("release", ["NATS-tss-v1_0-3ffb9-simple", "NATS-sss-v1_0-50262-simple"])
@pytest.mark.parametrize("index", [0, 11, 284])
def test_every_trial_in_the_official_files(release: str, index: int, shared_data: Path) -> None:
    space = release[5:8]
    record = safe_pickle.load_bz2(shared_data / "nats_bench" / release / f"{index:06d}.pickle.pbz2")
    trials = {
        (*TASKS[task], schedule["arch_str"], trial["flop"], trial["params"])
        for schedule in record.values()
        for (task, _), trial in schedule["all_results"].items()
    }
    assert len(trials) == 3  # the two CIFAR-10 tasks are alike, and so are all schedules and seeds
    for classes, size, arch, flops, parameters in trials:
        config = candidate_config(space, arch, classes)
        assert in_millions(cost_by_formula(config, (size, size))) == (flops, parameters)
        assert in_millions(by_counting(config, size, size)) == (flops, parameters)


@pytest.mark.parametrize(("classes", "size"), [(10, 32), (100, 32), (120, 16)])
def test_the_formula_of_all_topologies(classes: int, size: int) -> None:
    """FLOPs and parameters depend on the numbers n1 and n3 of 1x1 and 3x3 convolutions in the cell only."""
    space = TopologySpace()
    base = cost_by_formula(NetworkConfig.tiny((0,) * 6, num_classes=classes), (size, size))
    assert base.parameters == 73306 + 65 * (classes - 10)
    assert base.flops == {10: 7783050, 100: 7788900, 120: 1953400}[classes]
    per_conv_1x1 = 3932160 * size**2 // 32**2
    positions = range(len(space)) if classes == 10 else range(0, len(space), 7)
    for cell in map(space.at_position, positions):
        n1, n3 = cell.count(2), cell.count(3)
        cost = cost_by_formula(NetworkConfig.tiny(cell, num_classes=classes), (size, size))
        assert cost.flops == base.flops + per_conv_1x1 * (n1 + 9 * n3)
        assert cost.parameters == base.parameters + 28000 * n1 + 243040 * n3


@pytest.mark.parametrize(("classes", "size"), [(10, 32), (120, 16)])
def test_the_formula_of_sizes(classes: int, size: int) -> None:
    def cell(i: int, o: int) -> int:
        return 18 * i * o + 27 * o * o + (i != o) * i * o

    def block(i: int, o: int) -> int:
        return 9 * i * o + 9 * o * o + i * o

    def cell_parameters(i: int, o: int) -> int:
        return cell(i, o) + 10 * o + (i != o) * 2 * o

    area, space, n = size * size, SizeSpace(), classes
    for arch in map(space.at_position, range(0, len(space), 17)):
        config = candidate_config("sss", arch, n)
        a, b, c, d, e = config.channels
        cost = cost_by_formula(config, (size, size))
        assert cost.flops == (
            area * (27 * a + cell(a, a))
            + area // 4 * (block(a, b) + cell(b, c))
            + area // 16 * (block(c, d) + cell(d, e))
            + e * n + n
        )  # fmt: skip
        assert cost.parameters == (
            29 * a + cell_parameters(a, a) + block(a, b) + 4 * b + cell_parameters(b, c)
            + block(c, d) + 4 * d + cell_parameters(d, e) + 2 * e + e * n + n
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_the_formula_is_the_count_for_any_network_and_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cell = TopologySpace().sample(rng)
    classes, in_channels, width = rng.integers(1, 13, 3).tolist()
    depth, height, breadth = (1 + rng.integers((3, 33, 33))).tolist()
    tiny = NetworkConfig.tiny(cell, width, depth, classes, in_channels)
    channels = tuple(rng.integers(1, 9, 3 * depth + 2).tolist())
    for config in (tiny, NetworkConfig(cell, channels, classes, in_channels)):
        assert cost_by_formula(config, (height, breadth)) == by_counting(config, height, breadth)


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig((3, 4, 2, 0, 1, 3), (4, 5, 6, 6, 7), num_classes=9, in_channels=2),
        NetworkConfig.tiny((2, 1, 0, 4, 3, 1), width=3, depth=2),
    ],
)
def test_each_part_gives_and_costs_what_its_module_does(config: NetworkConfig) -> None:
    with torch.device("meta"):
        network = CandidateNetwork(config, torch.Generator("cpu"))
        x = torch.empty(2, config.in_channels, 9, 14)
    parts = layer_costs(config, (9, 14))
    assert [part.module for part in parts] == [
        "stem", *(f"cells.{i}" for i in range(len(config.channels))), "lastact", "classifier"
    ]  # fmt: skip
    for part in parts:
        if part.module == "classifier":
            x = x.mean(dim=(2, 3))
        module = network.get_submodule(part.module)
        assert cost_by_counting(module, tuple(x.shape[1:])) == part.cost
        x = module(x)
        assert tuple(x.shape[1:]) == part.shape
    assert by_counting(config, 9, 14) == tuple(map(sum, zip(*(part.cost for part in parts), strict=True)))


def test_counting_leaves_the_network_as_it_was(rng: torch.Generator) -> None:
    network = candidate_network("sss", "8:8:8:8:8", rng)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.cells[0].eval()
    cost_by_counting(network)
    assert network.training
    assert not network.cells[0].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert cost_by_counting(network) == cost_by_counting(network.double()) == cost_by_counting(network.eval())


def test_counting_takes_its_hooks_back_when_the_network_fails(rng: torch.Generator) -> None:
    network = candidate_network("sss", "8:8:8:8:8", rng)
    with pytest.raises(RuntimeError):
        cost_by_counting(network, (4, 32, 32))
    assert not any(module._forward_hooks for module in network.modules())


class Small(nn.Module):
    """One convolution in groups used twice, then linear layers on every pixel and on the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.per_pixel = nn.Linear(4, 5, bias=False)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.conv(x))  # (B, 4, H, W)
        x = self.per_pixel(x.flatten(2).transpose(1, 2))  # (B, H * W, 5)
        y: Tensor = self.head(x.mean(1))
        return y


def test_groups_repeated_layers_and_linear_layers_by_hand() -> None:
    conv, per_pixel, head = 4 * 2 * 9, 4 * 5, 5 * 3 + 3
    assert cost_by_counting(Small(), (4, 6, 7)) == Cost(conv + 4 + per_pixel + head, 42 * (2 * conv + per_pixel) + head)
