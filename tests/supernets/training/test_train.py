"""The training recipe: steps, averages and learning rates by hand, and the same record from the same seed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.spaces.sss import SIZE_CELL
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.images.augmentation import Augmentation, Normalisation
from supernets.images.labelled import LabelledImages
from supernets.images.tasks import DigitsConfig, ImageTask, digits_task
from supernets.images.training_batches import TrainingBatches
from supernets.settings import SPACE_SETTINGS, Recipe, TrainConfig, learning_rate
from supernets.training.epochs import Measurement, evaluate
from supernets.training.timing import latency
from supernets.training.train import TrainingRecord, train, train_candidate

DIGITS = digits_task(DigitsConfig(train_images=96, valid_images=40, test_images=30, canvas=12, noise=0.25))
NETWORK = NetworkConfig.tiny(SIZE_CELL, width=2, depth=1, in_channels=1)
SHORT = TrainConfig(epochs=2, batch_size=40)


class Linear(nn.Module):
    """logits = images W, and what was seen in `modes`."""

    def __init__(self, pixels: int, classes: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        waves = torch.sin(torch.arange(pixels * classes, dtype=dtype)).reshape(pixels, classes)
        self.weight = nn.Parameter(waves)
        self.modes: list[bool] = []

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.modes.append(self.training)
        features = images.to(self.weight.dtype).flatten(1)
        return features, features @ self.weight


def linear_task(images: int = 5) -> ImageTask:
    """2x2 images of 3 classes."""
    pixels = torch.cos(torch.arange(images * 4, dtype=torch.float32)).reshape(images, 1, 2, 2)
    part = LabelledImages(pixels, torch.arange(images) % 3)
    return ImageTask("t", "s", 3, part, {"valid": part}, Normalisation.of((0,), (1,)), Augmentation(False, 0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The recipe.


def test_learning_rates_by_hand() -> None:
    config = TrainConfig(epochs=4)
    rates = [learning_rate(config, epoch) for epoch in range(4)]
    assert rates == pytest.approx([0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05, 0.05 * (1 - math.sqrt(0.5))])
    assert learning_rate(TrainConfig(epochs=200), 199) == pytest.approx(6.168e-6, rel=1e-3)
    assert learning_rate(TrainConfig(epochs=1, learning_rate=0.3), 0) == 0.3


def test_published_schedules() -> None:
    assert {space: list(settings.schedules) for space, settings in SPACE_SETTINGS.items()} == {
        "tss": ["12", "200"],
        "sss": ["01", "12", "90"],
    }
    for settings in SPACE_SETTINGS.values():
        for name, config in settings.schedules.items():
            assert config.epochs == int(name)
            assert replace(config, epochs=12) == TrainConfig()
    recipe = TrainConfig()
    assert (recipe.learning_rate, recipe.momentum, recipe.nesterov) == (0.1, 0.9, True)
    assert (recipe.weight_decay, recipe.batch_size) == (5e-4, 256)


@pytest.mark.parametrize("bad", [{"batch_size": 0}, {"evaluation_batch_size": 0}, {"learning_rate": 0}])
def test_impossible_recipes_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="at least 1 and the learning rate is above 0, got TrainConfig"):
        TrainConfig(**bad)


def test_trainings_without_an_epoch_are_refused() -> None:
    with pytest.raises(InputError, match="training needs at least 1 epoch, got TrainConfig"):
        TrainConfig(epochs=0)


def test_a_recipe_becomes_a_training_of_any_length() -> None:
    recipe = Recipe(batch_size=16, momentum=0.5)
    assert recipe.lasting(7) == TrainConfig(epochs=7, batch_size=16, momentum=0.5)
    assert TrainConfig(epochs=3, batch_size=16, momentum=0.5).lasting(7) == recipe.lasting(7)


@pytest.mark.parametrize("bad", [{"momentum": -0.1}, {"momentum": 0.0}, {"weight_decay": -1e-4}])
def test_impossible_steps_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"momentum \(above 0 if nesterov\) and weight decay are at least 0"):
        TrainConfig(**bad)
    assert TrainConfig(momentum=0.0, nesterov=False).momentum == 0


def cross_entropy_gradient(weight: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """d loss / d W = X^T (softmax(X W) - onehot) / B."""
    x = images.double().flatten(1)
    return x.T @ (torch.softmax(x @ weight, dim=1) - functional.one_hot(labels, 3)) / len(labels)


def test_three_epochs_of_one_step_by_hand() -> None:
    """g = gradient + lambda w; v = mu v + g; w = w - lr(e) (g + mu v), for lambda = 5e-4 and mu = 0.9."""
    task, network = linear_task(), Linear(4, 3)
    weight, velocity = network.weight.detach().clone(), torch.zeros(4, 3, dtype=torch.float64)
    for rate in (0.1, 0.075, 0.025):  # 0.1 (1 + cos 0) / 2, ... cos(pi / 3), cos(2 pi / 3)
        gradient = cross_entropy_gradient(weight, task.train.images, task.train.labels) + 5e-4 * weight
        velocity = 0.9 * velocity + gradient
        weight = weight - rate * (gradient + 0.9 * velocity)
    record = train(network, task, TrainConfig(epochs=3), generator())
    assert record.learning_rates == pytest.approx((0.1, 0.075, 0.025))
    torch.testing.assert_close(network.weight.detach(), weight, rtol=1e-12, atol=1e-12)


def test_steps_are_those_of_plain_sgd() -> None:
    """Also on a network with batch normalisation, whose every parameter decays."""
    torch_recipe = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    config = TrainConfig(epochs=1, batch_size=40)
    trained, plain = (CandidateNetwork(NETWORK, generator()) for _ in range(2))
    train(trained, DIGITS, config, generator(1))
    optimizer = torch.optim.SGD(plain.parameters(), foreach=False, fused=False, **torch_recipe)  # type: ignore[arg-type]
    for images, labels in TrainingBatches(DIGITS, 40).epoch(generator(1)):
        optimizer.zero_grad()
        functional.cross_entropy(plain(images)[1], labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(trained.get_parameter(name), parameter, rtol=1e-4, atol=1e-6)


# What is measured.


def test_training_numbers_are_running_averages_weighted_by_images() -> None:
    """Batches of 2, 2 and 1 images, each measured before its own step."""
    task, network, config = linear_task(), Linear(4, 3), TrainConfig(epochs=1, batch_size=2)
    plain = Linear(4, 3)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss_sum, correct = 0.0, 0
    for images, labels in TrainingBatches(task, 2).epoch(generator()):
        optimizer.zero_grad()
        logits = plain(images)[1]
        loss = functional.cross_entropy(logits, labels)
        loss_sum += loss.item() * len(labels)
        correct += int((logits.argmax(1) == labels).sum())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    measured = train(network, task, config, generator()).measurements["train"][0]
    assert (measured.loss, measured.accuracy) == pytest.approx((loss_sum / 5, 100 * correct / 5))


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_evaluation_is_the_mean_over_images_in_evaluation_mode(size: int) -> None:
    task, network = linear_task(), Linear(4, 3)
    images, labels = task.train.images, task.train.labels
    logits = images.double().flatten(1) @ network.weight.detach()
    before = network.weight.detach().clone()
    (measured,) = evaluate(network, task.train, task.normalisation, TrainConfig(evaluation_batch_size=size))
    assert measured.loss == pytest.approx(functional.cross_entropy(logits, labels).item())
    assert measured.accuracy == pytest.approx(100 * (logits.argmax(1) == labels).double().mean().item())
    assert torch.equal(network.weight, before)
    assert set(network.modes) == {False}


def test_modes_alternate_and_every_split_is_measured_after_every_epoch() -> None:
    network = Linear(144, 10, torch.float32)
    record = train(network, DIGITS, SHORT, generator())
    assert network.modes == [True, True, True, False, False] * 2  # 96 images by 40; 40 and 30 by 256
    assert (record.task, record.split, record.config) == ("digits", "own-seed-0", SHORT)
    assert record.images == {"train": 96, "valid": 40, "test": 30}
    assert {split: len(values) for split, values in record.measurements.items()} == {"train": 2, "valid": 2, "test": 2}
    assert all(value.seconds > 0 for values in record.measurements.values() for value in values)
    (again,) = evaluate(network, DIGITS.evaluation["test"], DIGITS.normalisation, SHORT)
    assert record.measurements["test"][-1][:2] == again[:2]


def test_pooled_splits_are_weighted_by_their_images() -> None:
    measurements = {"valid": (Measurement(1.0, 50.0, 2.0),), "test": (Measurement(4.0, 80.0, 3.0),)}
    record = TrainingRecord("t", "s", SHORT, {"valid": 10, "test": 20}, (0.1,), measurements)
    assert record.pooled("valid", "test") == (Measurement(3.0, 70.0, 5.0),)
    assert record.pooled("test") == measurements["test"]


@pytest.mark.parametrize("splits", [("valid", "test"), ("test",)])
def test_testing_may_wait_for_the_last_epoch(splits: tuple[str, ...]) -> None:
    network = Linear(144, 10, torch.float32)
    task = replace(DIGITS, evaluation={split: DIGITS.evaluation[split] for split in splits})
    config = replace(SHORT, epochs=3)
    record = train(network, task, replace(config, test_every_epoch=False), generator())
    always = train(Linear(144, 10, torch.float32), task, config, generator())
    assert {split: len(values) for split, values in record.measurements.items()} == (
        {"train": 3} | dict.fromkeys(splits, 3) | {"test": 1}
    )
    assert network.modes == ([True] * 3 + [False] * (len(splits) - 1)) * 3 + [False]
    seldom, often = without_seconds(record), without_seconds(always)
    assert seldom == often | {"test": often["test"][-1:]}


def test_latency_is_of_passes_in_evaluation_mode_after_one_uncounted() -> None:
    network = Linear(4, 3)
    assert latency(network, linear_task().train.images, repeats=3) > 0
    assert network.modes == [False] * 4


# Randomness.


def without_seconds(record: TrainingRecord) -> dict[str, list[tuple[float, float]]]:
    return {split: [value[:2] for value in values] for split, values in record.measurements.items()}


def test_a_training_is_its_seed() -> None:
    state = torch.get_rng_state()
    first, second, other = (without_seconds(train_candidate(NETWORK, DIGITS, SHORT, seed)) for seed in (5, 5, 6))
    assert first == second
    assert first != other
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.usefixtures("in_pytorch")
def test_the_seed_gives_weights_and_then_batches() -> None:
    rng = generator(5)
    network = CandidateNetwork(NETWORK, rng)
    assert without_seconds(train(network, DIGITS, SHORT, rng)) == without_seconds(
        train_candidate(NETWORK, DIGITS, SHORT, 5)
    )


@pytest.mark.parametrize(("option", "tolerance"), [("channels_last", 1e-3), ("mixed_precision", 0.2)])
def test_options_of_speed_change_little(option: str, tolerance: float) -> None:
    task, config = DIGITS, TrainConfig(epochs=1, batch_size=96)
    plain = train_candidate(NETWORK, task, config, 0)
    fast = train_candidate(NETWORK, task, replace(config, **{option: True}), 0)
    for split in plain.measurements:
        assert fast.measurements[split][0].loss == pytest.approx(plain.measurements[split][0].loss, rel=tolerance)
    assert getattr(fast.config, option)


# As a whole.


def test_a_small_network_learns_digits() -> None:
    sizes = {"train_images": 1000, "valid_images": 397, "test_images": 400}
    task = digits_task(DigitsConfig(**sizes, canvas=12, noise=0.1))
    network = NetworkConfig.tiny(SIZE_CELL, width=8, depth=1, in_channels=1)
    record = train_candidate(network, task, TrainConfig(epochs=6, batch_size=50), seed=0)
    first, last = (record.measurements["train"][epoch] for epoch in (0, -1))
    assert last.loss < first.loss / 2
    assert record.measurements["valid"][-1].accuracy > 50  # chance is 10
    assert record.measurements["test"][-1].accuracy > 50


def test_a_network_for_other_images_is_refused() -> None:
    for bad in (replace(NETWORK, in_channels=3), replace(NETWORK, num_classes=5)):
        with pytest.raises(InputError, match=r"digits has 1 colour channels and 10 classes.*set in_channels"):
            train_candidate(bad, DIGITS, SHORT, 0)
