"""How images are varied: in which order pixels are changed, by which draws, and that bytes stay bytes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from supernets.images.augmentation import Augmentation, Normalisation, Variations, augment, draw_variations, pad, vary

NO_NOISE = torch.empty(0)


def test_normalisation_is_the_official_one() -> None:
    """ToTensor divides by 255, Normalize subtracts mean / 255 and divides by std / 255."""
    normalisation = Normalisation.of((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
    images = torch.arange(48, dtype=torch.uint8).reshape(1, 3, 4, 4) * 5
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) / 255 for values in (
        (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)))  # fmt: skip
    expected = (images.double() / 255 - mean) / std
    torch.testing.assert_close(normalisation(images).double(), expected, rtol=1e-6, atol=1e-6)
    assert normalisation(images).dtype == torch.float32


def test_vary_is_flip_then_pad_then_crop(rng: torch.Generator) -> None:
    images = torch.randint(256, (20, 3, 5, 7), generator=rng, dtype=torch.uint8)
    variations = draw_variations(Augmentation(True, 2), images.shape, rng)
    varied = vary(pad(images, 2), 2, variations)
    assert varied.dtype == torch.uint8
    for image, result, corner, flip in zip(images, varied, variations.corners, variations.flips, strict=True):
        top, left = corner.tolist()
        padded = functional.pad(image.flip(-1) if flip else image, (2, 2, 2, 2))
        assert torch.equal(result, padded[:, top : top + 5, left : left + 7])


def test_padding_is_black_before_normalisation() -> None:
    pixels = torch.arange(1, 13, dtype=torch.uint8).reshape(1, 3, 2, 2)
    normalisation = Normalisation.of((1.0, 2.0, 3.0), (2.0, 4.0, 8.0))
    corner = Variations(torch.tensor([[0, 0]]), torch.tensor([False]), NO_NOISE)
    image = normalisation(vary(pad(pixels, 1), 1, corner))[0]
    assert image[:, 0, 0].tolist() == [-1 / 2, -2 / 4, -3 / 8]
    assert image[:, 1, 1].tolist() == [(1 - 1) / 2, (5 - 2) / 4, (9 - 3) / 8]


def test_every_place_is_drawn_equally_often_and_half_is_mirrored(rng: torch.Generator) -> None:
    corners, flips, _noise = draw_variations(Augmentation(True, 1), (9000, 3, 2, 2), rng)
    counts = torch.bincount(corners[:, 0] * 3 + corners[:, 1])
    assert counts.shape == (9,)
    assert ((counts - 1000).abs() < 150).all()  # 5 standard deviations
    assert flips.float().mean().item() == pytest.approx(0.5, abs=0.03)
    corners, flips, _noise = draw_variations(Augmentation(False, 0), (100, 3, 2, 2), rng)
    assert not corners.any()
    assert not flips.any()


def test_noise_is_normal_and_in_the_unit_of_the_pixels(rng: torch.Generator) -> None:
    noise = draw_variations(Augmentation(noise=20.0), (500, 3, 8, 8), rng).noise
    assert (noise.shape, noise.dtype) == ((500, 3, 8, 8), torch.float32)
    assert noise.mean().item() == pytest.approx(0, abs=0.35)  # 5 standard deviations
    assert noise.std().item() == pytest.approx(20, rel=0.012)
    for sigmas, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert (noise.abs() < sigmas * 20).float().mean().item() == pytest.approx(share, abs=0.0075)
    assert noise.unique(dim=0).shape == noise.shape  # every image has its own
    assert noise.mean(dim=0).abs().max() < 5 * 20 / math.sqrt(500)  # and no pixel the same in all


def test_noise_is_added_after_the_crop_to_the_pixels_as_they_are(rng: torch.Generator) -> None:
    images = torch.randint(256, (20, 1, 4, 5), generator=rng, dtype=torch.uint8)
    variations = draw_variations(Augmentation(True, 2, noise=20.0), images.shape, rng)
    crops = vary(pad(images, 2), 2, Variations(variations.corners, variations.flips, NO_NOISE))
    varied = vary(pad(images, 2), 2, variations)
    assert (crops.dtype, varied.dtype) == (torch.uint8, torch.float32)
    assert torch.equal(varied, crops.float() + variations.noise)
    assert varied.min() < 0  # not clipped


def test_noise_is_drawn_last_and_not_at_all_where_there_is_none() -> None:
    """So that a task without noise keeps its stream, and noise changes neither places nor flips."""
    shape, rngs = (50, 1, 4, 4), [torch.Generator().manual_seed(7) for _ in range(4)]
    without = draw_variations(Augmentation(True, 2), shape, rngs[0])
    corners = torch.randint(5, (50, 2), generator=rngs[1])
    flips = torch.rand(50, generator=rngs[1]) < 0.5
    assert torch.equal(without.corners, corners)
    assert torch.equal(without.flips, flips)
    assert without.noise.shape == (50, 0)
    assert torch.equal(rngs[0].get_state(), rngs[1].get_state())
    weak, strong = (draw_variations(Augmentation(True, 2, noise), shape, rngs[n]) for n, noise in ((2, 0.25), (3, 0.5)))
    for drawn in (weak, strong):
        assert torch.equal(drawn.corners, corners)
        assert torch.equal(drawn.flips, flips)
    assert torch.equal(strong.noise, 2 * weak.noise)
    assert torch.equal(weak.noise, 0.25 * torch.randn(*shape, generator=rngs[0]))


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(flip=False, padding=0, noise=0.1)])
def test_augment_draws_from_its_generator_alone(augmentation: Augmentation, rng: torch.Generator) -> None:
    images = torch.rand(50, 1, 4, 4, generator=rng)
    state = torch.get_rng_state()
    first, second = (augment(images, augmentation, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(images, augmentation, torch.Generator().manual_seed(2)))
    assert torch.equal(augment(images, Augmentation(False, 0), rng), images)
    assert torch.equal(torch.get_rng_state(), state)
