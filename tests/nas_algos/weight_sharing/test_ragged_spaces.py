"""Methods on a supernet whose decisions have 2, 3 and 5 options and whose space lacks a third of the combinations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.spaces import Arch, ConstrainedSpace
from nas_algos.weight_sharing import METHODS, method_named
from nas_algos.weight_sharing.configs import MethodConfig
from nas_algos.weight_sharing.draws import likeliest, uniform_arch, valid_draw
from nas_algos.weight_sharing.search import EpochRecord, SupernetSearch
from supernets.images.tasks import ImageTask
from supernets.networks import NETWORKS, SpaceNetworks
from supernets.ops import Norm
from supernets.settings import NetworkScale
from supernets.supernet import Choice, OperationSupernet

Finished = Callable[[str], SupernetSearch]
OPERATION_METHODS = tuple(name for name in METHODS if issubclass(OperationSupernet, method_named(name).kind))
every_method = pytest.mark.parametrize("name", OPERATION_METHODS)


class RaggedSpace(ConstrainedSpace):
    name = "ragged"
    decisions = ("skip", "pool", "size")
    choices = (("no", "yes"), tuple("abc"), tuple("12345"))

    def allows(self, arch: Arch) -> bool:
        return sum(arch) % 3 != 1

    def to_string(self, arch: Arch) -> str:
        return "-".join(self.names(arch))

    def from_string(self, string: str) -> Arch:
        return self.from_names(string.split("-"))


RAGGED = RaggedSpace()
VALID = [arch for arch in product(range(2), range(3), range(5)) if sum(arch) % 3 != 1]


class Cell(nn.Module):
    """(B, F) -> (B, F): the sum of w(d, k) tanh(linear layer k of decision d) over the operations that are computed."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({f"{d}-{k}": nn.Linear(features, features) for d, k in OPERATIONS})

    def forward(self, x: Tensor, weights: Tensor, computed: Tensor) -> Tensor:
        terms = (weights[d, k] * torch.tanh(self.layers[f"{d}-{k}"](x)) for d, k in OPERATIONS if computed[d, k])
        return x + torch.stack(list(terms)).sum(dim=0)


OPERATIONS = [(d, k) for d, options in enumerate(RAGGED.options) for k in range(options)]


class RaggedSupernet(OperationSupernet):
    space = RAGGED
    search_cells = 2
    incoming = ((1, 2),)  # two operations lead into one node; the first decision leads into none

    def __init__(self, pixels: int, classes: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(Cell(pixels) for _ in range(self.search_cells))
        self.classifier = nn.Linear(pixels, classes)

    def forward(
        self, images: Tensor, edge_weights: Tensor, computed: Tensor | None = None, path_scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        computed = edge_weights != 0 if computed is None else computed
        assert edge_weights.shape[-2:] == computed.shape[-2:] == (3, 5)
        padding = torch.arange(5) >= torch.tensor(self.space.options)[:, None]
        assert not edge_weights.masked_select(padding).any()
        assert not computed.masked_select(padding).any()
        x = images.flatten(1)
        for i, cell in enumerate(self.cells):
            x = cell(x, *(part[i] if part.ndim == 3 else part for part in (edge_weights, computed)))
        return x, self.classifier(x)

    def path(self, arch: Arch) -> Choice:
        return (functional.one_hot(torch.tensor(arch), 5).float(),)


@dataclass(frozen=True)
class RaggedSupernetConfig:
    num_classes: int

    def build(self, rng: torch.Generator) -> RaggedSupernet:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(rng.get_state())
            return RaggedSupernet(64, self.num_classes)


def ragged_supernet(scale: NetworkScale, num_classes: int, in_channels: int, norm: Norm) -> RaggedSupernetConfig:
    return RaggedSupernetConfig(num_classes)


def no_candidate(*_arguments: Any) -> Any:
    raise AssertionError("no stand-alone network is built here")


@pytest.fixture(scope="module")
def finished(task: ImageTask, scale: NetworkScale, quick_config: Callable[..., MethodConfig]) -> Iterator[Finished]:
    """Name of a method -> its finished search."""
    NETWORKS["ragged"] = SpaceNetworks(no_candidate, ragged_supernet)
    done: dict[str, SupernetSearch] = {}

    def search(name: str) -> SupernetSearch:
        if name not in done:
            options = {"candidates": 30} if name in ("setn", "random_nas") else {}
            seeds = np.random.SeedSequence(0)
            done[name] = SupernetSearch(method_named(name), "ragged", quick_config(name, **options), task, scale, seeds)
            for _ in done[name].epochs():
                pass
        return done[name]

    yield search
    del NETWORKS["ragged"]


@every_method
def test_a_search_derives_valid_architectures_and_records_ragged_distributions(name: str, finished: Finished) -> None:
    for record in finished(name).records:
        assert record.arch in VALID
        assert tuple(len(row) for row in record.probabilities) == (2, 3, 5)
        for row in record.probabilities:
            assert min(row) > 0
            assert sum(row) == pytest.approx(1, abs=1e-5)
        assert 0 < record.entropy <= (math.log(2) + math.log(3) + math.log(5)) / 3 + 1e-6


@pytest.mark.parametrize("name", ["gdas", "setn", "enas", "random_nas"])
def test_the_weights_learn_on_valid_paths_only(name: str, finished: Finished) -> None:
    method = finished(name).method
    seen = set()
    for _ in range(300):
        weights = method.weight_choice()[0]
        seen |= {tuple(cell.argmax(dim=1).tolist()) for cell in weights.view(-1, 3, 5)}
    assert seen <= set(VALID)
    assert len(seen) > len(VALID) / 2


def test_the_most_likely_valid_architecture_is_derived(finished: Finished) -> None:
    method: Any = finished("darts_v1").method
    method.alpha.data = torch.tensor([[1.0, 0, 9, 9, 9], [2.0, 0, 0, 9, 9], [0.0, 3.0, 2.8, 0, 0]])
    assert not RAGGED.is_valid((0, 0, 1))  # the largest logits, those of options that do not exist aside
    assert method.derive(iter(())) == (0, 0, 2)
    log_p = [row[:n].log_softmax(dim=0).tolist() for row, n in zip(method.alpha.detach(), (2, 3, 5), strict=True)]
    by_hand = sorted(VALID, key=lambda arch: -sum(row[k] for row, k in zip(log_p, arch, strict=True)))
    assert method.likeliest(100)[:3] == by_hand[:3]
    assert sorted(method.likeliest(100)) == VALID


def test_equally_likely_architectures_come_in_lexicographic_order() -> None:
    assert likeliest(RAGGED, [[0.0] * options for options in RAGGED.options], 100) == VALID


def test_all_candidates_are_different_and_valid(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    method, scored = finished("random_nas").method, list[Arch]()
    monkeypatch.setattr(
        method.weights, "accuracy", lambda _, choice: scored.append(tuple(choice[0].argmax(dim=1).tolist())) or 0.0
    )
    method.derive(method.weights.images.validation_batches(torch.Generator()))
    assert sorted(scored) == VALID  # 30 were asked for, there are 20


def test_uniform_draws_are_uniform_over_the_valid_architectures() -> None:
    rng = torch.Generator().manual_seed(0)
    counts = Counter(uniform_arch(RAGGED, rng) for _ in range(4000))
    assert sorted(counts) == VALID
    expected = 4000 / len(VALID)
    assert sum((count - expected) ** 2 for count in counts.values()) / expected < 19 + 4 * math.sqrt(2 * 19)


def test_draws_that_are_never_valid_end_in_an_error() -> None:
    with pytest.raises(InputError, match="none of 100,000 drawn combinations of choices is a valid architecture"):
        valid_draw(RAGGED, lambda: (0, 0, 1), lambda arch: arch)


def test_an_entropy_of_rows_of_different_lengths_by_hand() -> None:
    record = EpochRecord(1, 0.0, 0.0, 0.0, (0, 0), 0.0, ((0.5, 0.5), (0.25, 0.25, 0.25, 0.25)), {})
    assert record.entropy == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert replace(record, probabilities=((1.0, 0.0), (0.0, 0.0, 1.0))).entropy == 0


@pytest.mark.parametrize("name", [name for name in METHODS if name not in OPERATION_METHODS])
def test_methods_for_widths_refuse_a_supernet_of_operations(name: str, finished: Finished) -> None:
    weights = finished("darts_v1").weights
    with pytest.raises(InputError, match="searches widths; the supernet of ragged is searched for operations"):
        method_named(name)(weights, torch.Generator())
