"""Compiled training: the numbers of PyTorch in float64, whatever the network, the images and the batch."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from supernets import native
from supernets.candidate_network import SIZE_CELL, CandidateNetwork, NetworkConfig
from supernets.data import DigitsConfig, digits_task
from supernets.native import NativeNetwork, serves
from supernets.train import TrainConfig, train_candidate, train_candidates

CONFIG = TrainConfig(epochs=1, batch_size=16)
ALL_OPERATIONS = (4, 3, 2, 1, 2, 3)
IMAGES = (1, 10, 10)


@pytest.fixture
def fresh_library() -> Iterator[None]:
    """The compiled code is looked for anew, and again afterwards."""
    native._library.cache_clear()
    yield
    native._library.cache_clear()


def batch(config: NetworkConfig, images: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    pictures = torch.randn(images, config.in_channels, height, width, generator=rng)
    return pictures, torch.randint(config.num_classes, (images,), generator=rng)


def worn(config: NetworkConfig, seed: int = 0) -> CandidateNetwork:
    """As after some training: no scale is 1, no shift and no mean 0."""
    rng = torch.Generator().manual_seed(seed)
    network = CandidateNetwork(config, rng)
    for tensor in network.state_dict().values():
        if tensor.ndim == 1:  # of a batch normalisation, or the bias of the classifier
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=rng))
    return network


def assert_same_step(config: NetworkConfig, images: int, height: int, width: int) -> None:
    """Loss, right answers, gradients and statistics of one batch, and then the evaluation of another."""
    network, (pictures, labels) = worn(config), batch(config, images, height, width)
    compiled = NativeNetwork(network, (height, width), batch_size=images)
    loss, right = compiled.train(pictures, labels, 0.0, replace(CONFIG, batch_size=images))
    network.double().train()
    logits = network(pictures.double())[1]
    expected = functional.cross_entropy(logits, labels)
    expected.backward()  # type: ignore[no-untyped-call]
    assert loss == pytest.approx(images * expected.item(), rel=1e-5)
    assert right == (logits.argmax(dim=1) == labels).sum()
    largest = max(float(weight.grad.abs().max()) for weight in network.parameters() if weight.grad is not None)
    for own, weight in compiled.gradients():
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad  # no path leads to the answer
        np.testing.assert_allclose(own, gradient.numpy(), rtol=5e-3, atol=1e-3 * largest)
    before = [tensor.clone() for _, tensor in compiled._numbers()]  # the weights as they were, the statistics now
    for (own, _), tensor in zip(compiled._numbers(), before, strict=True):
        np.testing.assert_allclose(own, tensor.detach().numpy(), rtol=1e-4, atol=1e-5)
    network.eval()
    others, their_labels = batch(config, 2 * images + 1, height, width)
    logits = network(others.double())[1]
    loss, right = compiled.evaluate(others, their_labels)
    assert loss == pytest.approx(functional.cross_entropy(logits, their_labels, reduction="sum").item(), rel=1e-4)
    assert right == (logits.argmax(dim=1) == their_labels).sum()


@pytest.mark.parametrize("seed", range(24))
def test_a_step_of_any_network_is_that_of_pytorch(seed: int) -> None:
    """Of a random cell, where every layer has channels of its own, on images of any size."""
    rng = np.random.default_rng(seed)
    cell, channels = (tuple(rng.integers(*ends).tolist()) for ends in ((0, 5, 6), (1, 41, 5)))
    config = NetworkConfig(cell, channels, num_classes=int(rng.integers(2, 13)), in_channels=int(rng.integers(1, 4)))
    images, height, width = rng.integers((2, 5, 5), (18, 13, 13)).tolist()
    assert_same_step(config, images, height, width)


@pytest.mark.parametrize("cell", [SIZE_CELL, ALL_OPERATIONS, (0,) * 6, (1,) * 6, (4,) * 6], ids=str)
def test_a_step_of_a_topology_network_is_that_of_pytorch(cell: tuple[int, ...]) -> None:
    """Equal channels: skips are the identity, pooling has no convolution."""
    assert_same_step(NetworkConfig.tiny(cell, width=8, depth=2, in_channels=1), 16, 10, 10)


@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_are_those_of_sgd(nesterov: bool) -> None:
    """Momentum, weight decay, and the short last batch of an epoch."""
    config = NetworkConfig.tiny(ALL_OPERATIONS, width=4, depth=1, in_channels=1)
    recipe = TrainConfig(batch_size=7, learning_rate=0.005, nesterov=nesterov, weight_decay=0.5)
    network, (pictures, labels) = worn(config), batch(config, 17, 8, 8)
    compiled = NativeNetwork(network, (8, 8), recipe.batch_size)
    expected = worn(config).double()
    optimizer = torch.optim.SGD(
        expected.parameters(), recipe.learning_rate, recipe.momentum, 0, recipe.weight_decay, nesterov
    )
    for _epoch in range(2):
        compiled.train(pictures, labels, recipe.learning_rate, recipe)
        for some, theirs in zip(pictures.double().split(7), labels.split(7), strict=True):
            optimizer.zero_grad()
            functional.cross_entropy(expected(some)[1], theirs).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    compiled.store()
    for (name, tensor), same in zip(network.state_dict().items(), expected.state_dict().values(), strict=True):
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(tensor.double(), same, rtol=1e-3, atol=1e-4, msg=name)


def test_a_training_is_that_of_pytorch_until_rounding_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights, images and course: of a network without convolutions in its cells, up to rounding."""
    task = digits_task(DigitsConfig(train_images=96, valid_images=40, test_images=30))
    network, recipe = NetworkConfig.tiny((1, 4, 1, 0, 4, 1), width=4, depth=1, in_channels=1), replace(CONFIG, epochs=2)
    compiled = train_candidate(network, task, recipe, seed=3)
    monkeypatch.setattr("supernets.train.serves", lambda *_where: False)
    for split, epochs in train_candidate(network, task, recipe, seed=3).measurements.items():
        for own, other in zip(compiled.measurements[split], epochs, strict=True):
            assert own.loss == pytest.approx(other.loss, rel=0.02)
            assert own.accuracy == pytest.approx(other.accuracy, abs=100 * 2 / 30)


def test_the_same_seed_gives_the_same_training_beside_any_others() -> None:
    task = digits_task(DigitsConfig(train_images=96, valid_images=40, test_images=30))
    network = NetworkConfig.tiny(SIZE_CELL, width=4, depth=1, in_channels=1)
    first, alone = train_candidates([network] * 2, task, CONFIG, [5, 6])[1], train_candidate(network, task, CONFIG, 6)
    for split, values in first.measurements.items():
        assert [value[:2] for value in values] == [value[:2] for value in alone.measurements[split]]


def test_a_network_that_diverges_has_no_loss_and_no_crash() -> None:
    task = digits_task(DigitsConfig(train_images=96, valid_images=40, test_images=30))
    network = NetworkConfig.tiny(SIZE_CELL, width=4, depth=1, in_channels=1)
    record = train_candidate(network, task, replace(CONFIG, epochs=2, learning_rate=1e30), 0)
    assert np.isnan(record.measurements["valid"][-1].loss)


# Where it serves.


def test_it_serves_small_batches_of_float32_on_a_cpu() -> None:
    assert serves(IMAGES, CONFIG, "cpu")
    assert serves((3, 16, 16), replace(CONFIG, batch_size=32), torch.device("cpu"))
    assert not serves((3, 16, 16), replace(CONFIG, batch_size=33), "cpu")
    assert not serves(IMAGES, CONFIG, "cuda")
    assert not serves(IMAGES, replace(CONFIG, mixed_precision=True), "cpu")
    torch.set_default_dtype(torch.float64)
    try:
        assert not serves(IMAGES, CONFIG, "cpu")
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("fresh_library")
def test_without_a_compiler_pytorch_trains_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not serves(IMAGES, CONFIG, "cpu")
    assert "no C++ compiler (no-such-compiler)" in caplog.text
    task = digits_task(DigitsConfig(train_images=96, valid_images=40, test_images=30))
    network = NetworkConfig.tiny(SIZE_CELL, width=2, depth=1, in_channels=1)
    assert train_candidate(network, task, CONFIG, 0).measurements["train"][0].loss > 0
    with pytest.raises(RuntimeError, match="could not be compiled"):
        NativeNetwork(CandidateNetwork(network, torch.Generator()), (10, 10), 16)


@pytest.mark.usefixtures("fresh_library")
def test_a_compiler_that_fails_is_named_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] || { echo "no such option" >&2; exit 1; }\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setattr(native, "user_cache_path", lambda _name: tmp_path / "cache")
    assert not serves(IMAGES, CONFIG, "cpu")
    assert f"{compiler} failed: no such option" in caplog.text
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("fresh_library")
def test_it_is_compiled_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native, "user_cache_path", lambda _name: tmp_path)
    assert serves(IMAGES, CONFIG, "cpu")
    (kept,) = tmp_path.iterdir()
    made = kept.stat().st_mtime_ns
    native._library.cache_clear()
    run = subprocess.run

    def no_compilation(command: list[str], **options: object) -> object:
        assert "--version" in command
        return run(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", no_compilation)
    assert serves(IMAGES, CONFIG, "cpu")
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == [made]
