"""The size supernet and its channel choices against the official code's numbers and against their definitions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.spaces import SizeSpace
from benchmarks.spaces.sss import CHANNELS
from nas_algos.weight_sharing import method_named
from nas_algos.weight_sharing.method import SharedWeights, WidthMethod
from supernets.ops import Norm
from supernets.size_supernet import SizeSupernet, SizeSupernetConfig, interpolation, masks

SMALL = SizeSupernetConfig((2, 4, 6), num_classes=5)


def wave(shape: Sequence[int]) -> Tensor:
    numbers = torch.arange(1, 1 + math.prod(shape), dtype=torch.float64)
    return (0.3 * torch.sin(numbers)).reshape(shape)


def supernet_of_waves(config: SizeSupernetConfig = SMALL) -> SizeSupernet:
    """In float64, every parameter 0.3 sin(1), 0.3 sin(2), ... in its own shape; in training mode."""
    network = SizeSupernet(config, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(wave(parameter.shape))
    return network


def images(height: int = 8, width: int = 8) -> Tensor:
    """Four images sin(0), sin(1), ..."""
    shape = (4, 3, height, width)
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float64)).reshape(shape)


def logits_of(network: SizeSupernet, choice: Tensor, path_scale: Tensor | None = None) -> Tensor:
    with torch.no_grad():
        logits: Tensor = network(images(), choice, path_scale)[1]
    return logits


def hard_masks(choices: Sequence[int]) -> Tensor:
    """Of the six modules, from what each of them chose among 2, 4 and 6 channels."""
    return masks(SMALL.channels)[list(choices)]


@pytest.fixture
def double_precision() -> Iterator[None]:
    """What has no type of its own is float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# What AutoDL-Projects computes.


@dataclass(frozen=True)
class ThreeWidths(SizeSpace):
    """Each layer has 2, 4 or 6 channels."""

    choices = (("2", "4", "6"),) * 5


def golden_method(name: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> WidthMethod:
    """The method in float64 on three widths, alpha 0.3 sin(1), 0.3 sin(2), ..., its generator at seed 0."""
    method_class = method_named(name)
    monkeypatch.setattr(SizeSupernet, "space", ThreeWidths())
    weights = SharedWeights(supernet_of_waves(), None, method_class.Config(**options), torch.Generator())  # type: ignore[arg-type]
    rng = torch.Generator()
    method = method_class(weights, rng)
    assert isinstance(method, WidthMethod)
    with torch.no_grad():
        method.alpha.copy_(wave((5, 3)))
    rng.manual_seed(0)
    return method


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    ("name", "options", "total", "absolute"),
    [
        ("mask_gumbel", {"tau_max": 1.0, "tau_min": 1.0}, 0.00051559, None),
        ("tas", {"tau_max": 1.0, "tau_min": 1.0}, 1.07953073, None),
        ("mask_rl", {}, -0.02614791, 3.97763897),
    ],
)
def test_a_sample_computes_what_the_official_code_computes(
    name: str, options: dict[str, float], total: float, absolute: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = golden_method(name, monkeypatch, **options)
    logits = logits_of(method.weights.network, *method.sample())  # type: ignore[arg-type]
    assert logits.sum().item() == pytest.approx(total, abs=6e-9)
    if absolute is not None:
        assert logits.abs().sum().item() == pytest.approx(absolute, abs=6e-9)
    assert method.space.to_string(method.derive(iter(()))) == "4:6:4:6:4"


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("name", ["mask_gumbel", "tas", "mask_rl"])
def test_the_full_width_of_a_warm_up_computes_what_the_official_code_computes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = golden_method(name, monkeypatch, warm_up=1.0)
    method.begin_epoch(0)  # of full width for sure
    logits = logits_of(method.weights.network, *method.weight_choice())  # type: ignore[arg-type]
    assert logits.sum().item() == pytest.approx(0.53059122, abs=6e-9)


def test_the_published_supernet_has_the_official_number_of_weights() -> None:
    network = SizeSupernet(SizeSupernetConfig(), torch.Generator())
    assert network.config.channels == CHANNELS
    assert sum(parameter.numel() for parameter in network.parameters()) == 712_522


# The supernet.


def plain_forward(network: SizeSupernet, matrices: Sequence[Tensor], scale: Tensor | None = None) -> Tensor:
    """The logits of `images()`, as the definition of the network reads, from a channel matrix for each module."""
    x = torch.einsum("oc,bchw->bohw", matrices[0], network.stem(images()))
    for i, layer in enumerate(network.cells):
        x = torch.einsum("oc,bchw->bohw", matrices[i + 1], layer(x))
        if scale is not None:
            x = torch.stack([factor * image for factor, image in zip(scale[i], x, strict=True)])
    logits: Tensor = network.classifier(network.lastact(x).mean(dim=(2, 3)))
    return logits.detach()


def test_every_module_is_followed_by_its_own_choice_in_factors_or_matrices() -> None:
    network, rng = supernet_of_waves(), torch.Generator().manual_seed(0)
    matrices = torch.randn(6, 6, 6, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(logits_of(network, matrices), plain_forward(network, list(matrices)))
    factors = torch.rand(6, 6, generator=rng, dtype=torch.float64)
    diagonal = torch.diag_embed(factors)
    torch.testing.assert_close(logits_of(network, factors), plain_forward(network, list(diagonal)))
    torch.testing.assert_close(logits_of(network, factors), logits_of(network, diagonal))


def test_gradients_of_a_choice_are_those_of_its_definition() -> None:
    network, rng = supernet_of_waves(), torch.Generator().manual_seed(0)
    factors = torch.rand(6, 6, generator=rng, dtype=torch.float64).requires_grad_()
    matrices = torch.diag_embed(factors)
    (of_factors,) = torch.autograd.grad(network(images(), factors)[1].square().sum(), factors)
    (of_matrices,) = torch.autograd.grad(network(images(), matrices)[1].square().sum(), factors)
    torch.testing.assert_close(of_factors, of_matrices)
    for position in ((0, 1), (3, 4), (5, 0)):
        moved = torch.zeros(6, 6, dtype=torch.float64)
        moved[position] = 1e-6
        plus, minus = (logits_of(network, factors + sign * moved).square().sum() for sign in (1, -1))
        assert of_factors[position].item() == pytest.approx((plus - minus).item() / 2e-6, rel=1e-4, abs=1e-9)


def test_every_layer_is_followed_by_its_drop_path_factor() -> None:
    network, rng = supernet_of_waves(), torch.Generator().manual_seed(0)
    matrices = torch.randn(6, 6, 6, generator=rng, dtype=torch.float64)
    kept = torch.rand(5, 4, generator=rng) < 0.7
    scale = kept / 0.7 + torch.arange(5)[:, None] / 10  # different for each layer
    torch.testing.assert_close(logits_of(network, matrices, scale), plain_forward(network, list(matrices), scale))
    assert torch.equal(logits_of(network, matrices, torch.ones(5, 4)), logits_of(network, matrices))


@pytest.mark.parametrize("hidden", [2, 4])
@pytest.mark.parametrize("norm", [Norm(False, False), Norm(True, True)])
def test_a_mask_hides_the_channels_behind_it(hidden: int, norm: Norm) -> None:
    """The first `hidden` channels of the stem are seen, and all of the other modules."""
    network = supernet_of_waves(SizeSupernetConfig((2, 4, 6), num_classes=5, norm=norm))
    choice = hard_masks([SMALL.channels.index(hidden), 2, 2, 2, 2, 2])
    before, everything = logits_of(network, choice), logits_of(network, hard_masks([2] * 6))
    with torch.no_grad():
        network.stem[0].weight[hidden:] += 1.0  # type: ignore[index, operator]
    assert torch.equal(logits_of(network, choice), before)
    assert not torch.allclose(logits_of(network, hard_masks([2] * 6)), everything)
    with torch.no_grad():
        network.stem[0].weight[:hidden] += torch.eye(3)[0, :, None, None]  # type: ignore[index, operator]
    assert not torch.allclose(logits_of(network, choice), before)


def test_the_classifier_sees_no_hidden_channel_of_the_last_layer() -> None:
    network, choice = supernet_of_waves(), hard_masks([2, 2, 2, 2, 2, 0])
    features = network(images(), choice)[0]
    assert features.shape == (4, 6)
    assert torch.equal(features != 0, torch.tensor([[True] * 2 + [False] * 4] * 4))


@pytest.mark.parametrize("size", [(1, 1), (5, 5), (9, 9), (7, 10), (33, 33)])
def test_any_image_size_works(size: tuple[int, int]) -> None:
    features, logits = supernet_of_waves()(images(*size), hard_masks([0, 1, 2, 0, 1, 2]))
    assert features.shape == (4, 6)
    assert logits.shape == (4, 5)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("shape", [(6, 5), (5, 6), (6,), (6, 6, 5), (5, 6, 6), (1, 6, 6, 6)])
def test_a_choice_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"has shape \(6, 6\) or \(6, 6, 6\), got \("):
        supernet_of_waves()(images(), torch.ones(shape))


@pytest.mark.parametrize(
    "channels",
    [
        *[(), (4, 2), (2, 2, 4), (2, 6, 4), (0,)],
        (0, 4),
        (-2, 4),
    ],
)
def test_channel_counts_that_do_not_ascend_from_1_are_refused(channels: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        SizeSupernetConfig(channels)


def test_channels_classes_and_image_channels_are_free() -> None:
    network = supernet_of_waves(SizeSupernetConfig((1, 3), num_classes=7, in_channels=1))
    features, logits = network(images()[:, :1], torch.ones(6, 3))
    assert (features.shape, logits.shape) == ((4, 3), (4, 7))
    assert supernet_of_waves(SizeSupernetConfig((3,)))(images(), torch.ones(6, 3))[0].shape == (4, 3)


@pytest.mark.parametrize("drop_path", [False, True])
@pytest.mark.parametrize("matrices", [False, True])
def test_mixed_precision_comes_close(matrices: bool, drop_path: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    network = SizeSupernet(SizeSupernetConfig((4, 8), num_classes=5), rng)
    inputs, labels = torch.randn(16, 3, 16, 16, generator=rng), torch.arange(16) % 5
    choice = interpolation(4, 8, 8).expand(6, 8, 8).clone() if matrices else torch.rand(6, 8, generator=rng)
    scale = (torch.rand(5, 16, generator=rng) < 0.8) / 0.8 if drop_path else None
    choice.requires_grad_()
    results = []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            logits = network(inputs, choice, scale)[1]
        (gradient,) = torch.autograd.grad(functional.cross_entropy(logits.float(), labels), choice)
        assert logits.dtype == (torch.bfloat16 if mixed else torch.float32)
        results.append((logits.float(), gradient))
    (exact, exact_gradient), (close, close_gradient) = results
    assert 0 < (exact - close).norm() / exact.norm() < 0.05
    assert functional.cosine_similarity(exact_gradient.flatten(), close_gradient.flatten(), dim=0) > 0.85


def test_the_layout_of_memory_changes_nothing() -> None:
    network, choice = supernet_of_waves(), torch.rand(6, 6, 6, generator=torch.Generator().manual_seed(0)).double()
    logits = logits_of(network, choice)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        last = network(images().contiguous(memory_format=torch.channels_last), choice)[1]
    torch.testing.assert_close(last, logits)


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two, other = (SizeSupernet(SMALL, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    first, same, different = (nn.utils.parameters_to_vector(network.parameters()) for network in (one, two, other))
    assert torch.equal(first, same)
    assert not torch.equal(first, different)


# Channel choices.


def test_masks_by_hand() -> None:
    expected = [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]
    assert masks((2, 4, 6)).tolist() == expected
    assert masks((3,)).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("channels", "interpolated"),
    [
        ([0.0, 1.0, 2.0, 3.0], [0.0, 0.5, 1.0, 2.0, 2.5, 3.0]),
        ([0.0, 1.0, 2.0, 3.0], [0.5, 2.5]),
        ([0.0, 1.0, 2.0], [0.0, 0.0, 0.5, 1.0, 1.0, 1.5, 2.0, 2.0]),
    ],
)
def test_interpolations_of_the_official_code(channels: list[float], interpolated: list[float]) -> None:
    given, wanted, width = len(channels), len(interpolated), 10
    padded = torch.tensor([*channels, *[99.0] * (width - given)])
    new = interpolation(given, wanted, width) @ padded
    assert new.tolist() == [*interpolated, *[0.0] * (width - wanted)]


def test_interpolation_is_adaptive_average_pooling_along_the_channels() -> None:
    rng = torch.Generator().manual_seed(0)
    for given, wanted in product(CHANNELS, repeat=2):
        x = torch.randn(64, generator=rng)
        expected = functional.adaptive_avg_pool1d(x[None, None, :given], wanted).flatten()
        new = interpolation(given, wanted, 64) @ x
        torch.testing.assert_close(new[:wanted], expected)
        assert not new[wanted:].any()


def test_interpolation_to_as_many_channels_is_the_identity() -> None:
    for channels in CHANNELS:
        assert torch.equal(interpolation(channels, channels, 64), torch.diag(masks(CHANNELS)[CHANNELS.index(channels)]))
    assert np.array_equal(interpolation(64, 64, 64).numpy(), np.eye(64))
