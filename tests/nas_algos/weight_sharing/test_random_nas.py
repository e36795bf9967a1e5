"""Random search with parameter sharing: a path of its own in every cell, and different random candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.spaces import Arch
from nas_algos.weight_sharing.method import Method

Build = Callable[..., Method]
NODES = ((0,), (1, 2), (3, 4, 5))  # the edges into nodes 1, 2 and 3


@pytest.fixture(scope="module")
def paths(build: Build) -> Tensor:
    """Operations (draws, cells, edges)."""
    method = build("random_nas")
    return torch.stack([method.weight_choice()[0] for _ in range(1200)]).argmax(dim=3)


def test_a_choice_is_one_path_in_each_cell(build: Build) -> None:
    (weights,) = build("random_nas").weight_choice()
    assert weights.shape == (3, 6, 5)
    assert set(weights.flatten().tolist()) == {0.0, 1.0}
    assert torch.equal(weights.sum(dim=2), torch.ones(3, 6))


def test_cells_have_different_paths(paths: Tensor) -> None:
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (paths[:, one] == paths[:, other]).all(dim=1).float().mean() < 0.01


@pytest.mark.parametrize("edges", NODES)
def test_what_leads_into_a_node_is_uniform_but_never_none_alone(edges: tuple[int, ...], paths: Tensor) -> None:
    counts = Counter(tuple(into) for into in paths[:, :, list(edges)].flatten(0, 1).tolist())
    possible = 5 ** len(edges) - 1
    assert len(counts) == possible
    assert (0,) * len(edges) not in counts
    expected = 3600 / possible
    chi_square = sum((count - expected) ** 2 for count in counts.values()) / expected
    freedom = possible - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5  # its mean and four standard deviations


def test_candidates_are_different_uniformly_drawn_architectures(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    method = build("random_nas", candidates=15625)
    scored: list[Arch] = []

    def accuracy(batches: Iterable[Any], choice: tuple[Tensor]) -> float:
        scored.append(tuple(choice[0].argmax(dim=1).tolist()))
        return 0.0

    monkeypatch.setattr(method.weights, "accuracy", accuracy)
    method.derive(method.weights.images.validation_batches(torch.Generator()))
    assert len(set(scored)) == 15625  # all there are, those with `none` alone too
    assert scored != sorted(scored)
    few = build("random_nas", candidates=50)
    monkeypatch.setattr(few.weights, "accuracy", accuracy)
    for _ in range(2):
        few.derive(few.weights.images.validation_batches(torch.Generator()))
    assert set(scored[-100:-50]) != set(scored[-50:])  # drawn anew


def test_every_option_is_equally_likely_for_ever(build: Build) -> None:
    torch.testing.assert_close(build("random_nas").probabilities(), torch.full((6, 5), 0.2))
