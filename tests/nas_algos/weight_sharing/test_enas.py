"""ENAS: the controller's distributions, the baseline by hand, and REINFORCE on made-up accuracies."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.spaces import Arch
from nas_algos.weight_sharing.enas import Controller
from nas_algos.weight_sharing.method import Method

Build = Callable[..., Method]


def controller(scale: float = 1.0) -> Controller:
    """With weights `scale` times as large as at first: preferences grow with them."""
    network = Controller((5,) * 6, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(scale)
    return network


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reward(method: Any, accuracy_of: Callable[[Arch], float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replaces the accuracy on shared weights, in percent; what it was, in the order of asking."""
    given: list[float] = []

    def accuracy(batches: Iterable[None], choice: tuple[Tensor]) -> float:
        assert len(list(batches)) == 1
        given.append(accuracy_of(tuple(choice[0].argmax(dim=1).tolist())))
        return given[-1]

    monkeypatch.setattr(method.weights, "accuracy", accuracy)
    return given


def no_batches() -> Iterator[Any]:
    return repeat(None)


# The controller.


def test_the_controller_has_the_official_number_of_weights() -> None:
    assert sum(parameter.numel() for parameter in controller().parameters()) == 17_253


def test_weights_are_drawn_as_officially() -> None:
    """Uniformly within 0.1 the input, the first layer, the embedding and the last layer; the rest as PyTorch does."""
    for name, parameter in controller().named_parameters():
        narrow = name in ("input_vars", "w_lstm.weight_ih_l0", "w_lstm.weight_hh_l0", "w_embd.weight", "w_pred.weight")
        bound = 0.1 if narrow else 1 / math.sqrt(32)
        assert 0.7 * bound < parameter.abs().max() <= bound, name


def test_log_probability_and_entropy_are_those_of_the_distributions() -> None:
    network = controller(10.0)
    for seed in range(20):
        sample, distributions = network(rng(seed))
        assert distributions.shape == (6, 5)
        torch.testing.assert_close(distributions.sum(dim=1), torch.ones(6))
        chosen = distributions[torch.arange(6), torch.tensor(sample.arch)]
        torch.testing.assert_close(sample.log_probability, chosen.log().sum())
        torch.testing.assert_close(sample.entropy, -(distributions * distributions.log()).sum())
        assert sample.log_probability.requires_grad
        assert sample.entropy.requires_grad


def test_logits_are_bounded_by_the_tanh_constant() -> None:
    log_p = controller(1e4)(rng())[1].log()
    ranges = log_p.max(dim=1).values - log_p.min(dim=1).values  # of logits between -2.5 and 2.5
    assert ranges.max().item() == pytest.approx(5.0, abs=1e-5)


def test_decisions_depend_on_earlier_ones_alone() -> None:
    network = controller(10.0)
    by_first: dict[int, list[Tensor]] = {}
    for seed in range(30):
        sample, distributions = network(rng(seed))
        by_first.setdefault(sample.arch[0], []).append(distributions)
    firsts = torch.stack([distributions[0] for group in by_first.values() for distributions in group])
    assert torch.equal(firsts, firsts[:1].expand_as(firsts))
    seconds = [torch.stack([distributions[1] for distributions in group]) for group in by_first.values()]
    for group in seconds:
        assert torch.equal(group, group[:1].expand_as(group))
    assert len(torch.stack([group[0] for group in seconds]).unique(dim=0)) == len(seconds) > 1


def test_first_decisions_have_the_frequencies_of_their_distribution() -> None:
    network, generator = Controller((5,), rng()), rng(1)
    with torch.no_grad():
        network.w_pred.bias.copy_(torch.tensor([2.0, 0.0, -2.0, 1.0, 4.0]))
        counts = Counter(network(generator)[0].arch[0] for _ in range(600))
        p = network(generator)[1][0]
    assert p.max() > 0.3
    for option in range(5):
        deviation = (counts[option] / 600 - p[option]) / (p[option] * (1 - p[option]) / 600).sqrt()
        assert abs(deviation) < 4


# What it learns.


@pytest.mark.parametrize("entropy_weight", [0.0, 0.5])
def test_the_baseline_by_hand(entropy_weight: float, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """b = accuracy in the first epoch, then b_last - rate (b_last - reward); the mean of an epoch is handed on."""
    method: Any = build(
        "enas", controller_steps=1, controller_samples=4, entropy_weight=entropy_weight, baseline_rate=0.25
    )
    given = reward(method, lambda arch: 10.0 + 7 * arch[0] + arch[5], monkeypatch)
    assert method.baseline is None
    method.end_epoch(no_batches())
    assert method.baseline == pytest.approx(sum(given) / 100 / 4)
    for _ in range(2):
        before, sampler, sampler_rng = method.baseline, copy.deepcopy(method.controller), method.rng.clone_state()
        entropies = [sampler(sampler_rng)[0].entropy.item() for _ in range(4)]
        given.clear()
        method.end_epoch(no_batches())
        rewards = [part / 100 + entropy_weight * entropy for part, entropy in zip(given, entropies, strict=True)]
        assert method.baseline == pytest.approx(sum(before - 0.25 * (before - part) for part in rewards) / 4)


@pytest.mark.parametrize(("factor", "clipped"), [(1.0, False), (1e4, True)])
def test_a_step_of_the_controller_by_hand(
    factor: float, clipped: bool, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss -log p (R - b) / samples, the gradient of the entropy in R - b with it, clipped, with Adam."""
    method: Any = build(
        "enas", controller_steps=1, controller_samples=3, controller_learning_rate=0.01, entropy_weight=0.5
    )

    def accuracy_of(arch: Arch) -> float:
        return factor * (10.0 + 7 * arch[0])

    reward(method, accuracy_of, monkeypatch)
    method.end_epoch(no_batches())
    baseline, twin, twin_rng = method.baseline, copy.deepcopy(method.controller), method.rng.clone_state()
    adam = torch.optim.Adam(twin.parameters(), lr=0.01, betas=(0.5, 0.999), eps=1e-3)
    adam.load_state_dict(copy.deepcopy(method.optimizer.state_dict()))
    losses = []
    for _ in range(3):
        sample, _ = twin(twin_rng)
        received = accuracy_of(sample.arch) / 100 + 0.5 * sample.entropy
        advantage = received - (baseline - 0.01 * (baseline - received))
        losses.append(-sample.log_probability * advantage / 3)
    adam.zero_grad()
    torch.autograd.backward(torch.stack(losses).sum())
    assert (torch.nn.utils.clip_grad_norm_(twin.parameters(), 5.0) > 5) == clipped
    adam.step()
    method.end_epoch(no_batches())
    for mine, theirs in zip(method.controller.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_as_many_architectures_are_rewarded_as_the_config_says(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    method = build("enas", controller_steps=3, controller_samples=5)
    given = reward(method, lambda arch: 50.0, monkeypatch)
    method.end_epoch(no_batches())
    assert len(given) == 15


def test_each_sample_has_a_batch_of_its_own(build: Build) -> None:
    method = build("enas", controller_steps=2, controller_samples=3, evaluation_batch_size=10)
    batches = method.weights.images.validation_batches(rng())
    taken = []
    method.end_epoch(taken.append(len(batch.labels)) or batch for batch in batches)  # type: ignore[func-returns-value]
    assert taken == [10] * 6


def test_what_is_rewarded_becomes_likelier(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    method: Any = build("enas", controller_steps=30, controller_samples=3, controller_learning_rate=0.04)
    reward(method, lambda arch: 100.0 * (arch[0] == 3), monkeypatch)
    method.baseline = 0.2  # as the first epoch would leave it
    before = method.probabilities(1)
    method.end_epoch(no_batches())
    after = method.probabilities(1)  # the first decision has one distribution
    assert before[0, 3] < 0.25
    assert after[0, 3] > 0.5


def test_probabilities_are_means_over_what_is_sampled(build: Build) -> None:
    method: Any = build("enas")
    with torch.no_grad():
        for parameter in method.controller.parameters():
            parameter.mul_(10)
    p = method.probabilities(100)
    counts = torch.zeros(6, 5)
    for _ in range(100):
        counts[torch.arange(6), torch.tensor(method.draw().arch)] += 1
    assert (counts / 100 - p).abs().max() < 4 * 0.5 / math.sqrt(100)


def test_paths_for_the_weights_are_samples_of_the_controller(build: Build) -> None:
    method: Any = build("enas")
    expected = method.controller(method.rng.clone_state())[0].arch
    (weights,) = method.weight_choice()
    assert tuple(weights.argmax(dim=1).tolist()) == expected
    assert not weights.requires_grad
