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

from benchmarks.errors import InputError
from benchmarks.spaces.sss import SIZE_CELL
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.images.labelled import LabelledImages
from supernets.images.tasks import DigitsConfig, digits_task
from supernets.settings import TrainConfig
from supernets.training.native import compilation
from supernets.training.native.network import NativeNetwork, Sgd, serves
from supernets.training.train import train_candidate, train_candidates

CONFIG = TrainConfig(epochs=1, batch_size=16)
ALL_OPERATIONS = (4, 3, 2, 1, 2, 3)
SMALL = digits_task(DigitsConfig(train_images=96, valid_images=40, test_images=30))

pytestmark = pytest.mark.skipif(compilation.library() is None, reason="there is no C++ compiler")


@pytest.fixture
def fresh_library() -> Iterator[None]:
    """The compiled code is looked for anew, and again afterwards."""
    compilation.library.cache_clear()
    yield
    compilation.library.cache_clear()


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
    loss, right = compiled.train(pictures, labels, Sgd(0.0, 0.9, True, 0.0))
    network.double().train()
    logits = network(pictures.double())[1]
    expected = functional.cross_entropy(logits, labels)
    expected.backward()  # type: ignore[no-untyped-call]
    assert loss == pytest.approx(images * expected.item(), rel=1e-5)
    assert right == (logits.argmax(dim=1) == labels).sum()
    largest = max(float(weight.grad.abs().max()) for weight in network.parameters() if weight.grad is not None)
    for own, weight in compiled._of_parameters("gradients"):
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad  # no path leads to the answer
        np.testing.assert_allclose(own, gradient.numpy(), rtol=5e-3, atol=1e-3 * largest)
    for own, tensor in compiled._numbers():  # weights, which did not move, and statistics, which did
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
    config, step = NetworkConfig.tiny(ALL_OPERATIONS, width=4, depth=1, in_channels=1), Sgd(0.005, 0.9, nesterov, 0.5)
    network, (pictures, labels) = worn(config), batch(config, 17, 8, 8)
    compiled = NativeNetwork(network, (8, 8), 7)
    network.double()
    optimizer = torch.optim.SGD(
        network.parameters(), step.learning_rate, step.momentum, 0, step.weight_decay, step.nesterov
    )
    for _epoch in range(2):
        compiled.train(pictures, labels, step)
        for some, theirs in zip(pictures.double().split(7), labels.split(7), strict=True):
            optimizer.zero_grad()
            functional.cross_entropy(network(some)[1], theirs).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    for own, tensor in compiled._numbers():
        np.testing.assert_allclose(own, tensor.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_channels_that_fill_vectors_up_stay_zero() -> None:
    config = NetworkConfig(ALL_OPERATIONS, (3, 5, 7, 9, 17), num_classes=3, in_channels=2)
    compiled, (pictures, labels) = NativeNetwork(worn(config), (8, 8), 7), batch(config, 17, 8, 8)
    for _epoch in range(3):
        compiled.train(pictures, labels, Sgd(0.05, 0.9, True, 5e-4))
    for own, _ in compiled._numbers():
        own[...] = 0
    assert not compiled._array("parameters").any()
    assert not compiled._array("statistics").any()


def test_a_pixel_that_is_no_number_shows_in_the_loss() -> None:
    config = NetworkConfig.tiny(ALL_OPERATIONS, width=4, depth=1, in_channels=1)
    compiled, (pictures, labels) = NativeNetwork(worn(config), (8, 8), 7), batch(config, 5, 8, 8)
    pictures[2, 0, 4, 4] = torch.nan
    assert np.isnan(compiled.evaluate(pictures, labels)[0])


def test_what_does_not_fit_the_network_is_refused() -> None:
    config = NetworkConfig.tiny(ALL_OPERATIONS, width=4, depth=1, num_classes=3, in_channels=1)
    compiled, (pictures, labels) = NativeNetwork(worn(config), (8, 8), 7), batch(config, 5, 8, 8)
    with pytest.raises(
        InputError, match=r"made for images of shape \(1, 8, 8\), one for each of 5 labels; got \(5, 1, 6, 6"
    ):
        compiled.evaluate(pictures[:, :, :6, :6], labels)
    with pytest.raises(InputError, match=r"one for each of 4 labels; got \(5, 1, 8, 8\)"):
        compiled.train(pictures, labels[:4], Sgd(0.1, 0.9, True, 0.0))
    with pytest.raises(InputError, match="labels run from 0 to 2, got 0 to 3"):
        compiled.evaluate(pictures, torch.tensor([0, 1, 2, 3, 0]))
    assert compiled.evaluate(pictures.double(), labels.int()) == compiled.evaluate(pictures, labels)
    turned = pictures.transpose(2, 3).contiguous().transpose(2, 3)
    assert compiled.evaluate(turned, labels) == compiled.evaluate(pictures, labels)


def test_a_training_is_that_of_pytorch_until_rounding_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights, images and course: of a network without convolutions in its cells, up to rounding."""
    network, recipe = NetworkConfig.tiny((1, 4, 1, 0, 4, 1), width=4, depth=1, in_channels=1), replace(CONFIG, epochs=2)
    compiled = train_candidate(network, SMALL, recipe, seed=3)
    monkeypatch.setattr("supernets.training.trainees.serves", lambda *_where: False)
    for split, epochs in train_candidate(network, SMALL, recipe, seed=3).measurements.items():
        for own, other in zip(compiled.measurements[split], epochs, strict=True):
            assert own.loss == pytest.approx(other.loss, rel=0.02)
            assert own.accuracy == pytest.approx(other.accuracy, abs=100 * 2 / 30)


def test_the_same_seed_gives_the_same_training_beside_any_others() -> None:
    network = NetworkConfig.tiny(SIZE_CELL, width=4, depth=1, in_channels=1)
    first, alone = train_candidates([network] * 2, SMALL, CONFIG, [5, 6])[1], train_candidate(network, SMALL, CONFIG, 6)
    for split, values in first.measurements.items():
        assert [value[:2] for value in values] == [value[:2] for value in alone.measurements[split]]


def test_a_network_that_diverges_has_no_loss_and_no_crash() -> None:
    network = NetworkConfig.tiny(SIZE_CELL, width=4, depth=1, in_channels=1)
    record = train_candidate(network, SMALL, replace(CONFIG, epochs=2, learning_rate=1e30), 0)
    assert np.isnan(record.measurements["valid"][-1].loss)


def test_different_networks_are_refused_whatever_trains_them() -> None:
    networks = [NetworkConfig.tiny(cell, width=2, depth=1, in_channels=1) for cell in (SIZE_CELL, ALL_OPERATIONS)]
    with pytest.raises(InputError, match="may differ only in their numbers of channels"):
        train_candidates(networks, SMALL, CONFIG, [0, 1])


# Where it serves.

NETWORK = NetworkConfig.tiny(SIZE_CELL, width=8, depth=1, in_channels=1)


def test_it_serves_small_networks_of_float32_on_a_cpu() -> None:
    """The largest map of the one has 8 channels of 10x10 pixels, of the other 64 of 5x5."""
    assert serves([NETWORK], SMALL, 163, "cpu")
    assert not serves([NETWORK], SMALL, 164, torch.device("cpu"))
    widest = NetworkConfig.dynamic_shape((1, 1, 64, 1, 1), in_channels=1)
    assert serves([NETWORK, widest], SMALL, 81, "cpu")
    assert not serves([NETWORK, widest], SMALL, 82, "cpu")
    assert not serves([NETWORK], SMALL, 16, "cuda")
    other = replace(SMALL, evaluation={"valid": LabelledImages(torch.zeros(1, 1, 8, 8), torch.zeros(1).long())})
    assert not serves([NETWORK], other, 16, "cpu")
    torch.set_default_dtype(torch.float64)
    try:
        assert not serves([NETWORK], SMALL, 16, "cpu")
    finally:
        torch.set_default_dtype(torch.float32)


def test_mixed_precision_is_pytorch_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supernets.training.trainees.NativeNetwork", None)  # calling it fails
    record = train_candidate(NETWORK, SMALL, replace(CONFIG, mixed_precision=True), 0)
    assert record.measurements["train"][0].loss > 0


@pytest.mark.usefixtures("fresh_library")
def test_without_a_compiler_pytorch_trains_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -O1")
    assert compilation.compiler_version() is None
    assert not serves([NETWORK], SMALL, 16, "cpu")
    assert "no C++ compiler (no-such-compiler -O1)" in caplog.text
    assert train_candidate(NETWORK, SMALL, CONFIG, 0).measurements["train"][0].loss > 0
    with pytest.raises(RuntimeError, match="could not be compiled"):
        NativeNetwork(CandidateNetwork(NETWORK, torch.Generator()), (10, 10), 16)


@pytest.mark.usefixtures("fresh_library")
@pytest.mark.parametrize(("compiler", "knows_itself"), [("false", False), ("true", True)])
def test_a_compiler_that_makes_nothing_is_done_without(
    compiler: str, knows_itself: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """It fails even when asked for its version, or it succeeds and there is no library."""
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setattr(compilation, "user_cache_path", lambda _name: tmp_path)
    assert (compilation.compiler_version() is not None) == knows_itself
    assert not serves([NETWORK], SMALL, 16, "cpu")
    assert f"/{compiler} " in caplog.text


@pytest.mark.usefixtures("fresh_library")
def test_a_compiler_that_fails_is_named_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\n[ "$2" = --version ] || { echo "no such option" >&2; exit 1; }\necho it is mine\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", f"{compiler} -m64")
    monkeypatch.setattr(compilation, "user_cache_path", lambda _name: tmp_path / "cache")
    assert compilation.compiler_version() == "it is mine"
    assert not serves([NETWORK], SMALL, 16, "cpu")
    assert f"{compiler} -m64 failed: no such option" in caplog.text
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("fresh_library")
def test_it_is_compiled_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compilation, "user_cache_path", lambda _name: tmp_path)
    assert serves([NETWORK], SMALL, 16, "cpu")
    (kept,) = tmp_path.iterdir()
    made = kept.stat().st_mtime_ns
    compilation.library.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(compilation, "_run", lambda _compiler, *options: version if options == ("--version",) else None)
        version = subprocess.run(
            [*compilation._compiler(), "--version"], capture_output=True, text=True, check=True
        ).stdout
        assert serves([NETWORK], SMALL, 16, "cpu")
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == [made]
    compilation.library.cache_clear()
    monkeypatch.setattr(compilation, "_processor_features", lambda: "another processor")
    assert serves([NETWORK], SMALL, 16, "cpu")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("fresh_library")
@pytest.mark.parametrize("unusable", ["damaged", "not to be written"])
def test_a_cache_that_cannot_be_used_is_done_without(
    unusable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr(compilation, "user_cache_path", lambda _name: cache)
    if unusable == "damaged":
        assert serves([NETWORK], SMALL, 16, "cpu")
        (kept,) = cache.iterdir()
        kept.unlink()  # what is loaded stays whole
        kept.write_bytes(b"")
        compilation.library.cache_clear()
    else:
        cache.write_text("a file")
    assert serves([NETWORK], SMALL, 16, "cpu")
    assert train_candidate(NETWORK, SMALL, CONFIG, 0).measurements["train"][0].loss > 0
