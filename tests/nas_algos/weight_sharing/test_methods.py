"""The contract of `nas_algos/weight_sharing/method.py`, held by every method, and the scoring of candidates."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.spaces import Arch
from nas_algos.weight_sharing import METHODS, method_named
from nas_algos.weight_sharing.method import Method, best_of
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.images.labelled import Batch
from supernets.supernet import Choice, OperationSupernet, WidthSupernet
from supernets.topology_supernet import TopologySupernet, one_hot

Build = Callable[..., Method]
GRADIENT_METHODS = ("darts_v1", "darts_v2", "gdas", "setn", "tas", "mask_gumbel", "mask_rl")
TOPOLOGY_METHODS = tuple(name for name in METHODS if method_named(name).kind is OperationSupernet)
SIZE_METHODS = tuple(name for name in METHODS if method_named(name).kind is WidthSupernet)
every_method = pytest.mark.parametrize("name", METHODS)


def evaluator_for(method: Method, seed: int = 0) -> tuple[Batch, Batch]:
    return next(method.weights.images.epoch(torch.Generator().manual_seed(seed)))


def endless(method: Method, seed: int = 0) -> Iterator[Batch]:
    return method.weights.images.validation_batches(torch.Generator().manual_seed(seed))


def epoch(method: Method, number: int = 0) -> Arch:
    """What a search calls in an epoch, in its order, in an epoch of one step; the architecture derived."""
    method.weights.begin_epoch(number)
    method.begin_epoch(number)
    base, held_out = evaluator_for(method, number)
    method.weights.step(base, method.weight_choice())
    method.architecture_step(base, held_out)
    method.end_epoch(endless(method))
    return method.derive(endless(method))


def learnt(method: Method) -> list[Tensor]:
    """Copies of the parameters of the architecture."""
    state = method.state_dict()
    parts = [state[key] for key in ("alpha",) if key in state] + list(state.get("controller", {}).values())
    return [part.clone() for part in parts]


def shared(method: Method) -> list[Tensor]:
    """Copies of the shared weights and of what their optimizer knows of them."""
    states = method.weights.optimizer.state.values()
    buffers = [state["momentum_buffer"] for state in states if "momentum_buffer" in state]
    return [tensor.detach().clone() for tensor in (*method.weights.network.parameters(), *buffers)]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def draws(method: Method, count: int = 5) -> Tensor:
    return torch.stack([method.weight_choice()[0].flatten() for _ in range(count)])


# Names.


def test_there_are_nine_methods_on_two_kinds_of_supernet() -> None:
    assert TOPOLOGY_METHODS == ("darts_v1", "darts_v2", "gdas", "setn", "enas", "random_nas")
    assert SIZE_METHODS == ("tas", "mask_gumbel", "mask_rl")


# The contract.


@every_method
def test_progress_is_from_0_in_the_first_epoch_to_1_in_the_last(name: str, build: Build) -> None:
    method = build(name, epochs=5)
    seen = []
    for number in range(5):
        method.begin_epoch(number)
        seen.append(method.progress)
    assert seen == [0, 0.25, 0.5, 0.75, 1]
    assert build(name, epochs=1).progress == 0


@every_method
def test_the_weights_learn_under_a_choice_that_needs_no_gradient(name: str, build: Build) -> None:
    method = build(name)
    base, _ = evaluator_for(method)
    for _ in range(2):
        choice = method.weight_choice()
        assert not any(part.requires_grad for part in choice)
        assert torch.isfinite(method.weights.logits(base, choice)).all()


@every_method
@pytest.mark.parametrize("trained", [False, True])
def test_an_architecture_step_leaves_the_shared_weights_alone(name: str, trained: bool, build: Build) -> None:
    method = build(name)
    base, held_out = evaluator_for(method)
    if trained:
        method.weights.step(base, method.weight_choice())
    before = shared(method)
    gradients = {key: p.grad if p.grad is None else p.grad.clone() for key, p in method.weights.parameters().items()}
    method.architecture_step(base, held_out)
    assert equal(shared(method), before)
    for key, parameter in method.weights.parameters().items():
        old = gradients[key]
        assert parameter.grad is None if old is None else torch.equal(parameter.grad, old)  # type: ignore[arg-type]
    assert trained == any(gradient is not None for gradient in gradients.values())


@every_method
def test_an_architecture_step_moves_the_architecture_where_it_gives_a_loss(name: str, build: Build) -> None:
    method = build(name)
    method.begin_epoch(1)  # MaskRL's first reward equals its baseline
    method.architecture_step(*evaluator_for(method, 1))
    before = learnt(method)
    loss = method.architecture_step(*evaluator_for(method))
    if name in GRADIENT_METHODS:
        assert loss is not None
        assert loss.shape == ()
        assert torch.isfinite(loss)
        assert not loss.requires_grad
        assert not equal(learnt(method), before)
    else:
        assert loss is None
        assert equal(learnt(method), before)


@every_method
def test_the_end_of_an_epoch_and_deriving_leave_the_shared_weights_alone(name: str, build: Build) -> None:
    method = build(name)
    base, _ = evaluator_for(method)
    method.weights.step(base, method.weight_choice())
    before, state = shared(method), copy.deepcopy(method.weights.network.state_dict())
    method.end_epoch(endless(method))
    method.derive(endless(method))
    assert equal(shared(method), before)
    assert equal(list(state.values()), list(method.weights.network.state_dict().values()))
    assert method.weights.network.training


@every_method
def test_what_is_derived_is_in_the_space(name: str, build: Build) -> None:
    method = build(name)
    arch = epoch(method)
    assert method.space.at_position(method.space.position(arch)) == arch
    assert {type(choice) for choice in arch} == {int}


@every_method
def test_probabilities_of_every_decision_sum_to_1(name: str, build: Build) -> None:
    method = build(name)
    epoch(method)
    p = method.probabilities()
    assert p.shape == (len(method.space.options), max(method.space.options))
    assert not p.requires_grad
    assert (p > 0).all()
    torch.testing.assert_close(p.sum(dim=1), torch.ones(len(p)))


@every_method
def test_looking_at_probabilities_changes_no_later_draw(name: str, build: Build) -> None:
    one, two = build(name), build(name)
    one.probabilities()
    assert torch.equal(draws(one), draws(two))
    one.probabilities()
    assert epoch(one) == epoch(two)


@every_method
def test_the_same_seed_gives_the_same_draws_and_another_one_others(name: str, build: Build) -> None:
    one, two, other = build(name, 1), build(name, 1), build(name, 2)
    first, same, different = draws(one), draws(two), draws(other)
    assert torch.equal(first, same)
    assert not torch.equal(first, different)
    assert epoch(one) == epoch(two)


@every_method
def test_global_random_state_is_never_touched(name: str, build: Build) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]  # noqa: NPY002
    epoch(build(name, drop_path=0.5))
    after = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1] == after[1]


def saved(state: dict[str, Any]) -> Any:
    """What a file gives back; nothing in it is executed."""
    stream = io.BytesIO()
    torch.save(state, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=True)


@every_method
def test_a_saved_method_goes_on_as_if_it_had_not_been(name: str, build: Build) -> None:
    straight, resumed = build(name, 1), build(name, 2)
    epoch(straight)
    resumed.load_state_dict(saved(straight.state_dict()))
    resumed.weights.load_state_dict(saved(straight.weights.state_dict()))
    resumed.begin_epoch(0)
    assert equal(learnt(resumed), learnt(straight))
    assert torch.equal(draws(resumed), draws(straight))
    assert epoch(resumed, 1) == epoch(straight, 1)
    assert equal(learnt(resumed), learnt(straight))
    assert torch.equal(draws(resumed), draws(straight))


# Paths.


@pytest.mark.parametrize("name", TOPOLOGY_METHODS)
def test_the_path_of_a_topology_has_the_accuracy_of_its_network(name: str, build: Build) -> None:
    method = build(name, affine=True, track_running_stats=True)
    network = method.weights.network
    assert isinstance(network, TopologySupernet)
    for base, _ in method.weights.images.epoch(torch.Generator().manual_seed(0)):
        method.weights.step(base, (torch.full((6, 5), 0.2),))
    validation = list(method.weights.images.validation())
    for arch in ((3, 2, 3, 1, 4, 3), (1, 3, 0, 2, 3, 4)):
        alone = CandidateNetwork(NetworkConfig.tiny(arch, 2, 1, 10, 1), torch.Generator())
        alone.load_state_dict(network.state_of(arch))
        assert torch.equal(method.path(arch)[0], one_hot(arch))
        accuracy = method.weights.accuracy(validation, method.path(arch))
        assert accuracy == percent_right(alone, validation)
        assert 0 < accuracy < 100


@pytest.mark.parametrize("name", SIZE_METHODS)
def test_the_path_of_a_size_keeps_the_first_channels_of_each_layer(name: str, build: Build) -> None:
    """Choice k keeps k + 1 channels here; stem and first layer have the same."""
    (kept,) = build(name).path((2, 0, 7, 4, 5))
    by_hand = torch.tensor([[float(channel <= choice) for channel in range(8)] for choice in (2, 2, 0, 7, 4, 5)])
    assert torch.equal(kept, by_hand)


def percent_right(network: nn.Module, batches: Iterable[Batch]) -> float:
    with torch.no_grad():
        right = [network.eval()(batch.images)[1].argmax(dim=1) == batch.labels for batch in batches]
    return 100 * float(torch.cat(right).sum()) / sum(len(part) for part in right)


# Gradients and temperatures.


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_logits_begin_small_and_are_moved_by_adam_as_configured(name: str, build: Build) -> None:
    method: Any = build(name, arch_learning_rate=0.125, arch_weight_decay=0.5)
    assert method.alpha.shape == (len(method.space.options), max(method.space.options))
    assert 5e-4 < method.alpha.std() < 2e-3
    before = method.alpha.detach().clone()
    slope = torch.randn(method.alpha.shape, generator=torch.Generator().manual_seed(0))
    method.descend((method.alpha * slope).sum())
    expected = nn.Parameter(before)
    adam = torch.optim.Adam([expected], lr=0.125, betas=(0.5, 0.999), weight_decay=0.5)
    expected.grad = slope
    adam.step()
    torch.testing.assert_close(method.alpha, expected)


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_the_defaults_are_those_of_the_official_scripts(name: str) -> None:
    config: Any = method_named(name).Config()
    assert config.arch_learning_rate == 3e-4
    assert config.arch_weight_decay == (0 if name == "mask_rl" else 1e-3)
    assert (config.learning_rate, config.final_learning_rate, config.momentum) == (0.025, 0.001, 0.9)
    assert (config.weight_decay, config.batch_size, config.epochs) == (5e-4, 64, 100)


@pytest.mark.parametrize("name", ["gdas", "tas", "mask_gumbel"])
def test_the_temperature_falls_linearly_from_10_to_a_tenth(name: str, build: Build) -> None:
    method = build(name, epochs=12)
    falling = []
    for number in range(12):
        method.begin_epoch(number)
        falling.append(method.config.temperature(method.progress))
    assert falling == pytest.approx([10 - 0.9 * number for number in range(12)])


# Candidates.


class Scores:
    """Stands for `SharedWeights.accuracy`: made-up accuracies, and the batches that they were asked for."""

    def __init__(self, by_arch: dict[Arch, float]) -> None:
        self.by_arch = by_arch
        self.seen: list[list[Batch]] = []

    def __call__(self, batches: Iterable[Batch], choice: Choice) -> float:
        self.seen.append(list(batches))
        return self.by_arch[tuple(choice[0].argmax(dim=1).tolist())]


CANDIDATES: list[Arch] = [(1,) * 6, (2,) * 6, (3,) * 6, (4,) * 6]


@pytest.mark.parametrize(
    ("scoring", "sizes"),
    [
        ("same_batch", [[15]] * 4),
        ("successive_batches", [[15], [15], [10], [15]]),
        ("validation_set", [[15, 15, 10]] * 4),
    ],
)
def test_candidates_are_scored_on_the_batches_of_the_config(
    scoring: Any, sizes: list[list[int]], build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build("random_nas", evaluation_batch_size=15)
    scores = Scores(dict(zip(CANDIDATES, (10.0, 40.0, 40.0, 30.0), strict=True)))
    monkeypatch.setattr(method.weights, "accuracy", scores)
    assert best_of(CANDIDATES, method, endless(method), scoring) == CANDIDATES[1]  # the first of the best
    assert [[len(batch.labels) for batch in batches] for batches in scores.seen] == sizes
    first, second = (torch.cat([batch.images for batch in scores.seen[k]]) for k in (0, 1))
    assert torch.equal(first, second) == (scoring != "successive_batches")


@pytest.mark.parametrize("name", ["setn", "enas", "random_nas"])
@pytest.mark.parametrize("scoring", ["same_batch", "successive_batches", "validation_set"])
def test_as_many_candidates_are_scored_as_the_config_says(
    name: str, scoring: str, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build(name, candidates=7, scoring=scoring, evaluation_batch_size=15)
    archs: list[Arch] = []

    def accuracy(batches: Iterable[Batch], choice: Choice) -> float:
        list(batches)
        archs.append(tuple(choice[0].argmax(dim=1).tolist()))
        return float(len(archs) == 5)

    monkeypatch.setattr(method.weights, "accuracy", accuracy)
    assert method.derive(endless(method)) == archs[4]
    assert len(archs) == 7


# The shared weights.


def test_a_step_is_one_of_nesterovs_sgd_on_the_cross_entropy(build: Build) -> None:
    method = build("darts_v1", learning_rate=0.125, momentum=0.5, weight_decay=0.25)
    twin = copy.deepcopy(method.weights.network)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.125, momentum=0.5, nesterov=True, weight_decay=0.25)
    for seed in range(3):
        base, _ = evaluator_for(method, seed)
        choice = (torch.full((6, 5), 0.2),)
        loss, right = method.weights.step(base, choice)
        optimizer.zero_grad()
        logits = twin(base.images, *choice)[1]
        expected = functional.cross_entropy(logits, base.labels)
        torch.autograd.backward(expected)
        optimizer.step()
        torch.testing.assert_close(loss, expected.detach())
        assert right == (logits.argmax(dim=1) == base.labels).sum()
        for mine, theirs in zip(method.weights.network.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("decay_unused", [False, True])
def test_weights_beside_the_path_rest_or_feel_momentum_and_decay(decay_unused: bool, build: Build) -> None:
    method = build("random_nas", decay_unused=decay_unused)
    base, _ = evaluator_for(method)
    unused = method.weights.network.get_parameter("cells.0.layers.0.2.op.1.weight")
    method.weights.step(base, (one_hot((2, 3, 3, 3, 3, 3)),))  # the only step that uses it
    before = unused.detach().clone()
    method.weights.step(base, (one_hot((3, 3, 3, 3, 3, 3)),))
    assert torch.equal(unused, before) != decay_unused


def test_a_long_gradient_is_clipped(build: Build) -> None:
    """Without momentum and decay, a step is as long as the learning rate times the clipped norm."""
    lengths = {}
    for clip in (0.0, 0.25, 1e6):
        method = build("darts_v1", momentum=0.0, weight_decay=0.0, learning_rate=0.5, clip=clip)
        before = nn.utils.parameters_to_vector(method.weights.network.parameters()).detach().clone()
        method.weights.step(evaluator_for(method)[0], (torch.full((6, 5), 0.2),))
        after = nn.utils.parameters_to_vector(method.weights.network.parameters()).detach()
        lengths[clip] = float((after - before).norm())
    assert lengths[0.25] == pytest.approx(0.5 * 0.25, rel=1e-4)
    assert lengths[0.0] == lengths[1e6] > 0.2


def test_accuracy_is_in_percent_over_all_batches_in_evaluation_mode(build: Build) -> None:
    method = build("darts_v1", track_running_stats=True)
    network, choice = method.weights.network, (one_hot((3,) * 6),)
    validation = list(method.weights.images.validation())
    parts = [Batch(batch.images[k : k + 7], batch.labels[k : k + 7]) for batch in validation for k in range(0, 40, 7)]
    before = copy.deepcopy(network.state_dict())
    accuracy = method.weights.accuracy(parts, choice)
    assert network.training
    assert equal(list(network.state_dict().values()), list(before.values()))
    network.eval()
    with torch.no_grad():
        right = torch.cat([network(batch.images, *choice)[1].argmax(dim=1) == batch.labels for batch in parts])
    assert accuracy == 100 * float(right.sum()) / 40
    assert method.weights.accuracy(validation, choice) == accuracy  # running statistics know no batch
    assert not network.training
