"""Networks side by side compute, learn and record what each of them does alone, in float64 to the last digits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.spaces.sss import SIZE_CELL
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.images.augmentation import Augmentation, Normalisation
from supernets.images.labelled import LabelledImages
from supernets.images.tasks import DigitsConfig, ImageTask, digits_task
from supernets.images.training_batches import TrainingBatches
from supernets.settings import TrainConfig
from supernets.training.epochs import evaluate, train_epoch
from supernets.training.replicas import side_by_side, structure
from supernets.training.train import TrainingRecord, train_candidate, train_candidates

CONFIGS = {
    "size cell": NetworkConfig.tiny(SIZE_CELL, width=2, depth=1, num_classes=4, in_channels=2),
    "every operation": NetworkConfig.tiny((4, 3, 0, 1, 2, 3), width=3, depth=1, num_classes=4, in_channels=1),
    "every operation of node 0": NetworkConfig.tiny((1, 4, 3, 2, 0, 1), width=2, depth=2, num_classes=3, in_channels=3),
    "no connection": NetworkConfig.tiny((0,) * 6, width=2, depth=1, num_classes=2, in_channels=1),
    "sizes": NetworkConfig.dynamic_shape((2, 5, 3, 1, 4), num_classes=5, in_channels=1),
    "sizes with pooling and none": NetworkConfig((4, 1, 2, 0, 3, 4), (3, 2, 4, 3, 1), num_classes=4, in_channels=2),
    "sizes with none first": NetworkConfig((0, 3, 1, 4, 2, 0), (1, 2, 3, 2, 5), num_classes=4, in_channels=1),
}
CONFIG_NAMES = pytest.mark.parametrize("name", list(CONFIGS))
RECIPE = TrainConfig(epochs=2, batch_size=7, evaluation_batch_size=4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def double_precision() -> Iterator[None]:
    """What is made here is float64: networks and, by its normalisation, a task."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def worn_networks(config: NetworkConfig, count: int, rng: torch.Generator) -> list[CandidateNetwork]:
    """In float64 and as after some training: no scale is 1, no shift and no mean 0."""
    networks = [CandidateNetwork(config, rng).double() for _ in range(count)]
    for network in networks:
        for tensor in network.state_dict().values():
            if tensor.ndim == 1:  # of a batch normalisation, or the bias of the classifier
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=rng))
    return networks


def random_task(config: NetworkConfig, dtype: torch.dtype, images: int = 17) -> ImageTask:
    """Random images of 8x8 and random labels, with flips, crops and noise."""
    rng = generator(11)
    shape = (images, config.in_channels, 8, 8)
    part = LabelledImages(
        torch.randint(256, shape, generator=rng, dtype=torch.uint8),
        torch.randint(config.num_classes, (images,), generator=rng),
    )
    mean, std = (torch.full((config.in_channels, 1, 1), value, dtype=dtype) for value in (120, 60))
    augmentation = Augmentation(True, 1, noise=20.0)
    return ImageTask(
        "random", "s", config.num_classes, part, {"valid": part.head(6)}, Normalisation(mean, std), augmentation
    )


def own_part(stacked: Tensor, own: Tensor, k: int) -> Tensor:
    """Network k's part of a weight, a gradient or a statistic of all, in the shape that its own has."""
    return stacked.reshape(-1, *own.shape)[k] if own.ndim else stacked


def assert_equal_parts(stacked: dict[str, Tensor], own: dict[str, Tensor], k: int) -> None:
    assert list(stacked) == list(own)
    for name, tensor in own.items():
        torch.testing.assert_close(own_part(stacked[name], tensor, k), tensor, rtol=1e-9, atol=1e-10, msg=name)


def gradients(network: nn.Module) -> dict[str, Tensor]:
    return {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}


def momenta(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    states = {name: optimizer.state.get(weight, {}) for name, weight in network.named_parameters()}
    return {name: state["momentum_buffer"] for name, state in states.items() if "momentum_buffer" in state}


# Different numbers of channels.

DIFFERENT = {
    "sizes": [
        NetworkConfig.dynamic_shape(channels) for channels in ((2, 5, 3, 1, 4), (9, 1, 2, 3, 1), (3, 3, 17, 8, 9))
    ],
    "kept in the last cell": [
        NetworkConfig.dynamic_shape(channels) for channels in ((2, 5, 3, 4, 4), (4, 2, 1, 9, 9), (1, 3, 4, 3, 3))
    ],
    "every operation": [
        NetworkConfig((4, 1, 2, 0, 3, 4), channels) for channels in ((3, 2, 4, 3, 1), (8, 1, 9, 2, 5), (3, 1, 2, 1, 2))
    ],
    "none first": [
        NetworkConfig((0, 3, 1, 4, 2, 0), channels) for channels in ((3, 2, 4, 3, 3), (8, 1, 9, 2, 2), (3, 1, 2, 1, 1))
    ],
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", list(DIFFERENT))
def test_narrower_networks_compute_what_they_compute_alone(name: str, training: bool, rng: torch.Generator) -> None:
    networks = [network for config in DIFFERENT[name] for network in worn_networks(config, 1, rng)]
    together = side_by_side(networks).train(training)
    images = torch.randn(5, 3, 3, 9, 8, generator=rng, dtype=torch.float64)
    features, logits = together(images.flatten(1, 2))
    for k, network in enumerate(networks):
        own_features, own_logits = network.train(training)(images[:, k])
        mine = features.unflatten(1, (3, -1))[:, k]
        torch.testing.assert_close(logits.unflatten(1, (3, -1))[:, k], own_logits, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(mine[:, : own_features.shape[1]], own_features, rtol=1e-9, atol=1e-10)
        assert not mine[:, own_features.shape[1] :].any()


@pytest.mark.parametrize("name", list(DIFFERENT))
def test_what_fills_up_narrower_networks_stays_zero_in_training(name: str, rng: torch.Generator) -> None:
    networks = [network for config in DIFFERENT[name] for network in worn_networks(config, 1, rng)]
    learnt = sum(weight.count_nonzero().item() for network in networks for weight in network.parameters())
    together = side_by_side(networks)
    optimizer = torch.optim.SGD(together.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    before = [weight.detach().clone() for weight in together.parameters()]
    for _ in range(4):
        images = torch.randn(6, 9, 8, 8, generator=rng, dtype=torch.float64)
        together(images)[1].square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    weights = list(together.parameters())
    assert sum(weight.count_nonzero().item() for weight in weights) <= learnt
    assert all(not after[held == 0].any() for held, after in zip(before, weights, strict=True))
    assert sum(len(weight.flatten()) for weight in weights) > learnt  # there is something that could change


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", list(DIFFERENT))
def test_a_narrower_network_trains_as_it_does_alone(name: str) -> None:
    configs = [replace(config, in_channels=1) for config in DIFFERENT[name]]
    task = digits_task(DigitsConfig(train_images=30, valid_images=10, test_images=11, canvas=10, noise=0.25))
    recipe = replace(RECIPE, epochs=3)
    alone = [train_candidate(config, task, recipe, seed) for config, seed in zip(configs, (4, 4, 6), strict=True)]
    assert_close_curves(train_candidates(configs, task, recipe, (4, 4, 6)), alone, 1e-8)


def test_networks_of_one_structure_differ_in_channels_alone() -> None:
    sizes = [structure(config) for config in DIFFERENT["sizes"]]
    assert len(set(sizes)) == 1
    kept, cell = DIFFERENT["kept in the last cell"][0], replace(DIFFERENT["sizes"][0], cell=(3,) * 6)
    assert len({sizes[0], structure(kept), structure(cell)}) == 3
    with pytest.raises(InputError, match="may differ only in their numbers of channels"):
        side_by_side([CandidateNetwork(config, generator()) for config in (DIFFERENT["sizes"][0], kept)])


# One pass.


@pytest.mark.parametrize("training", [True, False])
@CONFIG_NAMES
def test_a_pass_forth_and_back_is_that_of_each_alone(name: str, training: bool, rng: torch.Generator) -> None:
    config = CONFIGS[name]
    networks = worn_networks(config, 3, rng)
    together = side_by_side(networks).train(training)
    images = torch.randn(5, 3, config.in_channels, 9, 8, generator=rng, dtype=torch.float64)
    pull = torch.randn(5, 3, config.num_classes, generator=rng, dtype=torch.float64)  # d loss / d logits
    features, logits = together(images.flatten(1, 2))
    torch.autograd.backward(logits, pull.flatten(1))
    for k, network in enumerate(networks):
        own_features, own_logits = network.train(training)(images[:, k])
        torch.autograd.backward(own_logits, pull[:, k])
        torch.testing.assert_close(features.unflatten(1, (3, -1))[:, k], own_features, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(logits.unflatten(1, (3, -1))[:, k], own_logits, rtol=1e-9, atol=1e-10)
        assert_equal_parts(gradients(together), gradients(network), k)
        assert_equal_parts(together.state_dict(), network.state_dict(), k)


def test_networks_differ_from_their_neighbours(rng: torch.Generator) -> None:
    """Else the comparisons with each alone would not see a mix-up."""
    together = side_by_side(worn_networks(CONFIGS["every operation"], 2, rng))
    images = torch.randn(5, 1, 8, 8, generator=rng, dtype=torch.float64)
    for output in together(images.repeat(1, 2, 1, 1)):
        first, second = output.chunk(2, dim=1)
        assert (first - second).abs().min() > 1e-4


@CONFIG_NAMES
def test_one_network_side_by_side_is_itself(name: str, rng: torch.Generator) -> None:
    config = CONFIGS[name]
    (network,) = worn_networks(config, 1, rng)
    alone = side_by_side([network])
    images = torch.randn(5, config.in_channels, 8, 8, generator=rng, dtype=torch.float64)
    for output, own in zip(alone(images), network(images), strict=True):
        assert torch.equal(output, own)


@pytest.mark.parametrize("count", [1, 3])
def test_weights_are_copied(count: int, rng: torch.Generator) -> None:
    networks = worn_networks(CONFIGS["every operation"], count, rng)
    together = side_by_side(networks)
    before = {name: tensor.clone() for name, tensor in together.state_dict().items()}
    for network in networks:
        for tensor in network.state_dict().values():
            tensor.add_(1)
    for name, tensor in together.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("count", [1, 2])
def test_type_mode_and_device_stay(count: int, rng: torch.Generator) -> None:
    networks = worn_networks(CONFIGS["sizes"], count, rng)
    for training in (True, False):
        together = side_by_side([network.train(training) for network in networks])
        assert {module.training for module in together.modules()} == {training}
        assert {weight.dtype for weight in together.parameters()} == {torch.float64}
        assert all(weight.requires_grad for weight in together.parameters())
    elsewhere = side_by_side([network.to("meta") for network in networks])
    assert {tensor.device.type for tensor in (*elsewhere.parameters(), *elsewhere.buffers())} == {"meta"}


def test_networks_of_different_configs_are_refused(rng: torch.Generator) -> None:
    config = CONFIGS["size cell"]
    for other in (replace(config, cell=(3, 3, 3, 2, 3, 3)), replace(config, num_classes=5)):
        networks = [CandidateNetwork(each, rng) for each in (config, config, other)]
        with pytest.raises(InputError, match="may differ only in their numbers of channels"):
            side_by_side(networks)


# Training.


@pytest.mark.usefixtures("double_precision")
@CONFIG_NAMES
def test_epochs_side_by_side_are_those_of_each_alone(name: str) -> None:
    """Measurements, weights, running statistics and momentum, after three steps and after six."""
    task = random_task(CONFIGS[name], torch.float64)
    networks = [CandidateNetwork(CONFIGS[name], generator(seed)) for seed in range(3)]
    together = side_by_side(networks)
    optimizer, *optimizers = (
        torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
        for network in (together, *networks)
    )
    batches, rngs, own_rngs = TrainingBatches(task, 7), *([generator(seed) for seed in range(3)] for _ in range(2))
    for _ in range(2):
        trained = train_epoch(together, optimizer, batches.epochs(rngs), RECIPE)
        evaluated = evaluate(together, task.evaluation["valid"], task.normalisation, RECIPE, 3)
        for k, (network, own, rng) in enumerate(zip(networks, optimizers, own_rngs, strict=True)):
            (own_trained,) = train_epoch(network, own, batches.epochs([rng]), RECIPE)
            (own_evaluated,) = evaluate(network, task.evaluation["valid"], task.normalisation, RECIPE)
            for measured, expected in ((trained[k], own_trained), (evaluated[k], own_evaluated)):
                assert measured.loss == pytest.approx(expected.loss, rel=1e-9)
                assert measured.accuracy == expected.accuracy
            assert_equal_parts(together.state_dict(), network.state_dict(), k)
            assert_equal_parts(momenta(together, optimizer), momenta(network, own), k)


def curves(records: list[TrainingRecord]) -> list[dict[str, list[float]]]:
    """Split -> losses and accuracies."""
    return [
        {split: [number for value in values for number in value[:2]] for split, values in record.measurements.items()}
        for record in records
    ]


def assert_close_curves(records: list[TrainingRecord], expected: list[TrainingRecord], tolerance: float) -> None:
    for record, own in zip(curves(records), curves(expected), strict=True):
        assert list(record) == list(own)
        for split, numbers in own.items():
            assert record[split] == pytest.approx(numbers, rel=tolerance), split


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", ["size cell", "every operation", "sizes"])
def test_a_training_is_its_seed_whatever_is_beside_it(name: str) -> None:
    config = replace(CONFIGS[name], num_classes=10, in_channels=1)
    task = digits_task(DigitsConfig(train_images=30, valid_images=10, test_images=11, canvas=10, noise=0.25))
    recipe = replace(RECIPE, epochs=3)
    alone = [train_candidate(config, task, recipe, seed) for seed in (4, 5, 6)]
    assert_close_curves(train_candidates([config] * 3, task, recipe, [4, 5, 6]), alone, 1e-9)
    assert_close_curves(train_candidates([config] * 2, task, recipe, [6, 4]), [alone[2], alone[0]], 1e-9)
    first, second, _ = curves(alone)
    assert first != second


def test_records_side_by_side_share_all_but_their_measurements() -> None:
    config = CONFIGS["size cell"]
    task = random_task(config, torch.float32)
    alone = train_candidate(config, task, RECIPE, 1)
    for record in train_candidates([config] * 3, task, RECIPE, [1, 2, 3]):
        assert replace(record, measurements={}) == replace(alone, measurements={})
        assert {split: len(values) for split, values in record.measurements.items()} == {"train": 2, "valid": 2}


@pytest.mark.parametrize(("option", "tolerance"), [(None, 1e-4), ("channels_last", 1e-3), ("mixed_precision", 0.2)])
def test_float32_and_options_of_speed_change_little_side_by_side(option: str | None, tolerance: float) -> None:
    config = CONFIGS["size cell"]
    task, recipe = random_task(config, torch.float32, images=64), TrainConfig(epochs=1, batch_size=32)
    alone = [train_candidate(config, task, recipe, seed) for seed in (1, 2)]
    together = train_candidates([config] * 2, task, replace(recipe, **{option: True}) if option else recipe, [1, 2])
    for record, own in zip(together, alone, strict=True):
        for split, (measured,) in record.measurements.items():
            assert measured.loss == pytest.approx(own.measurements[split][0].loss, rel=tolerance)


def test_test_images_may_wait_for_the_last_epoch_side_by_side() -> None:
    config = CONFIGS["size cell"]
    task = random_task(config, torch.float32)
    task = replace(task, evaluation={"test": task.train, **task.evaluation})
    recipe = replace(RECIPE, epochs=3)
    often = train_candidates([config] * 2, task, recipe, [1, 2])
    seldom = train_candidates([config] * 2, task, replace(recipe, test_every_epoch=False), [1, 2])
    for record, always in zip(curves(seldom), curves(often), strict=True):
        assert record == always | {"test": always["test"][-2:]}  # loss and accuracy of the last epoch


@pytest.mark.parametrize("test_every_epoch", [True, False])
def test_a_training_may_stop_early_on_its_way(test_every_epoch: bool) -> None:
    """Its learning rates are those of all epochs, and the test images are seen after its own last one."""
    config = CONFIGS["size cell"]
    task = random_task(config, torch.float32)
    task = replace(task, evaluation={"test": task.train, **task.evaluation})
    recipe = replace(RECIPE, epochs=4)
    whole = train_candidates([config] * 2, task, recipe, [1, 2])
    stopped = train_candidates(
        [config] * 2, task, replace(recipe, test_every_epoch=test_every_epoch), [1, 2], stop_after=3
    )
    for record, full, seen in zip(curves(stopped), curves(whole), stopped, strict=True):
        expected = {split: numbers[:6] for split, numbers in full.items()}  # loss and accuracy of three epochs
        assert record == (expected if test_every_epoch else expected | {"test": expected["test"][4:]})
        assert seen.learning_rates == whole[0].learning_rates[:3]
        assert seen.config.epochs == 4


@pytest.mark.parametrize("stop_after", [0, -1, 3])
def test_a_training_stops_within_its_epochs(stop_after: int) -> None:
    config = CONFIGS["size cell"]
    task = random_task(config, torch.float32)
    with pytest.raises(InputError, match=f"stops after 1 to 2 epochs, .* got {stop_after}"):
        train_candidates([config] * 1, task, RECIPE, [1], stop_after=stop_after)


def test_training_side_by_side_neither_reads_nor_moves_the_global_generator() -> None:
    config = CONFIGS["every operation"]
    task, results = random_task(config, torch.float32), []
    for seed in (1, 2):
        state = torch.manual_seed(seed).get_state()
        results.append(curves(train_candidates([config] * 2, task, replace(RECIPE, epochs=1), [3, 4])))
        assert torch.equal(torch.get_rng_state(), state)
    assert results[0] == results[1]


def test_a_training_needs_a_seed_and_a_network_that_fits() -> None:
    config = CONFIGS["size cell"]
    task = random_task(config, torch.float32)
    for networks, seeds in ((0, []), (2, [1]), (1, [1, 2])):
        with pytest.raises(InputError, match=f"needs one seed, got {networks} networks and {len(seeds)} seeds"):
            train_candidates([config] * networks, task, RECIPE, seeds)
    with pytest.raises(InputError, match=r"random has 2 colour channels and 4 classes.*set in_channels"):
        train_candidates([replace(config, in_channels=1)] * 2, task, RECIPE, [1, 2])
