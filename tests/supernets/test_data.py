"""Image tasks and their batches: what is drawn, from what, and in which order pixels are changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional

from benchmarks.errors import InputError
from supernets.data import DigitsConfig, ImageTask, LabelledImages, TrainingBatches, digits_task, image_task
from supernets.data_augmentation import Augmentation, Normalisation, Variations, augment, draw_variations, pad, vary


def splits_of(task: ImageTask) -> dict[str, LabelledImages]:
    return {"train": task.train, **task.evaluation}


def all_images(task: ImageTask) -> Tensor:
    return torch.cat([part.images for part in splits_of(task).values()])


# Digits.


def test_digits_are_every_image_once_with_its_label() -> None:
    task = digits_task(DigitsConfig(noise=0))
    assert {split: len(part) for split, part in splits_of(task).items()} == {"train": 1000, "valid": 397, "test": 400}
    assert (task.name, task.split, task.image_shape) == ("digits", "own-seed-0", (1, 12, 12))
    digits = load_digits()
    labels = {tuple(digit.flatten()): int(label) for digit, label in zip(digits.images, digits.target, strict=True)}
    assert len(labels) == 1797  # no digit is there twice, so disjoint means different
    seen, places = set(), set()
    for part in splits_of(task).values():
        for image, label in zip(part.images[:, 0].numpy(), part.labels.tolist(), strict=True):
            corner, digit = find_digit(16 * image, labels)
            places.add(corner)
            seen.add(digit)
            assert labels[digit] == label
    assert len(seen) == 1797
    assert places == {(top, left) for top in range(5) for left in range(5)}


def find_digit(
    canvas: NDArray[np.float32], known: dict[tuple[float, ...], int]
) -> tuple[tuple[int, int], tuple[float, ...]]:
    """Where one of the known 8x8 digits lies on a 12x12 canvas that is empty elsewhere."""
    for top in range(5):
        for left in range(5):
            digit = canvas[top : top + 8, left : left + 8]
            if digit.sum() == canvas.sum() and tuple(digit.flatten()) in known:
                return (top, left), tuple(digit.flatten())
    raise AssertionError("no digit found")


def test_noise_is_normal_added_and_not_clipped() -> None:
    clean, noisy, noisier = (all_images(digits_task(DigitsConfig(noise=noise))) for noise in (0, 0.25, 0.5))
    noise = noisy - clean
    assert noise.std().item() == pytest.approx(0.25, rel=0.01)
    assert noise.mean().item() == pytest.approx(0, abs=0.003)
    assert (noise.abs() < 0.25).float().mean().item() == pytest.approx(0.6827, abs=0.005)
    torch.testing.assert_close(noisier - clean, 2 * noise)  # the same draws


def test_digits_depend_on_their_seed_alone() -> None:
    prints = {digits_task(DigitsConfig(seed=seed)).fingerprint() for seed in (0, 0, 1, 2)}
    assert len(prints) == 3
    smaller = digits_task(DigitsConfig(train_images=10, valid_images=5, test_images=5))
    assert [len(part) for part in splits_of(smaller).values()] == [10, 5, 5]
    torch.testing.assert_close(smaller.train.images, digits_task().train.images[:10], rtol=0, atol=0)
    assert digits_task(DigitsConfig(canvas=8)).image_shape == (1, 8, 8)


def test_digits_are_normalised_by_their_training_images_and_not_varied() -> None:
    task = digits_task()
    images = task.normalisation(task.train.images)
    assert images.mean().item() == pytest.approx(0, abs=1e-5)
    assert images.std().item() == pytest.approx(1, abs=1e-5)
    assert task.augmentation == Augmentation(flip=False, padding=0)


@pytest.mark.parametrize(
    "bad", [{"train_images": 0}, {"train_images": 1001}, {"canvas": 7}, {"noise": -0.1}, {"seed": -1}]
)
def test_impossible_digits_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"1,797 in all.*got DigitsConfig"):
        DigitsConfig(**bad)


# Tasks.


def test_image_task_names_what_it_knows(tmp_path: Path) -> None:
    assert image_task("digits", seed=3).split == "own-seed-3"
    with pytest.raises(InputError, match=r"choose from digits, fashion-mnist, .* did you mean 'cifar10'"):
        image_task("cifar-10")
    with pytest.raises(InputError, match="give the directory"):
        image_task("cifar10")
    for name in ("fashion-mnist", "cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"):
        with pytest.raises(InputError, match=f"there is no file {tmp_path}"):
            image_task(name, tmp_path)


def test_labelled_images_must_fit() -> None:
    images = torch.zeros(3, 1, 2, 2)
    for labels in (torch.zeros(2, dtype=torch.int64), torch.zeros(3)):
        with pytest.raises(InputError, match=r"labels of shape \(N,\) and type int64, got \(3, 1, 2, 2\)"):
            LabelledImages(images, labels)


def test_a_fingerprint_sees_every_pixel_label_and_split() -> None:
    task = tiny_task()
    images = task.train.images.clone()
    images[-1, -1, -1, -1] += 1
    others = [
        replace(task, train=LabelledImages(images, task.train.labels)),
        replace(task, train=LabelledImages(task.train.images, task.train.labels + 1)),
        replace(task, evaluation={"test": task.evaluation["valid"]}),
    ]
    assert len({other.fingerprint() for other in (task, *others)}) == 4
    assert tiny_task().fingerprint() == task.fingerprint()


# Augmentation.


SMALL_STEPS = Augmentation(flip=True, padding=1)


def tiny_task(images: int = 10, augmentation: Augmentation = SMALL_STEPS) -> ImageTask:
    """Image i has the pixels 1 + 12 i, ..., 12 + 12 i in 3 colours of 2x2; its label is i."""
    pixels = (1 + torch.arange(images * 12)).to(torch.uint8).reshape(images, 3, 2, 2)
    part = LabelledImages(pixels, torch.arange(images))
    normalisation = Normalisation.of((1.0, 2.0, 3.0), (2.0, 4.0, 8.0))
    return ImageTask("tiny", "own-seed-0", images, part, {"valid": part}, normalisation, augmentation)


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
    variations = draw_variations(Augmentation(True, 2), 20, rng)
    varied = vary(pad(images, 2), 2, variations)
    assert varied.dtype == torch.uint8
    for image, result, corner, flip in zip(images, varied, *variations, strict=True):
        top, left = corner.tolist()
        padded = functional.pad(image.flip(-1) if flip else image, (2, 2, 2, 2))
        assert torch.equal(result, padded[:, top : top + 5, left : left + 7])


def test_padding_is_black_before_normalisation() -> None:
    task = tiny_task(1)
    corner = Variations(torch.tensor([[0, 0]]), torch.tensor([False]))
    image = task.normalisation(vary(pad(task.train.images, 1), 1, corner))[0]
    assert image[:, 0, 0].tolist() == [-1 / 2, -2 / 4, -3 / 8]
    assert image[:, 1, 1].tolist() == [(1 - 1) / 2, (5 - 2) / 4, (9 - 3) / 8]


def test_every_place_is_drawn_equally_often_and_half_is_mirrored(rng: torch.Generator) -> None:
    corners, flips = draw_variations(Augmentation(True, 1), 9000, rng)
    counts = torch.bincount(corners[:, 0] * 3 + corners[:, 1])
    assert counts.shape == (9,)
    assert ((counts - 1000).abs() < 150).all()  # 5 standard deviations
    assert flips.float().mean().item() == pytest.approx(0.5, abs=0.03)
    corners, flips = draw_variations(Augmentation(False, 0), 100, rng)
    assert not corners.any()
    assert not flips.any()


def test_augment_draws_from_its_generator_alone(rng: torch.Generator) -> None:
    images = torch.rand(50, 1, 4, 4, generator=rng)
    state = torch.get_rng_state()
    first, second = (augment(images, Augmentation(), torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(images, Augmentation(), torch.Generator().manual_seed(2)))
    assert torch.equal(augment(images, Augmentation(False, 0), rng), images)
    assert torch.equal(torch.get_rng_state(), state)


# Batches.


def test_an_epoch_has_every_image_once_with_its_label_and_a_short_last_batch(rng: torch.Generator) -> None:
    task = tiny_task(10, Augmentation(False, 0))
    orders = []
    for _ in range(2):
        batches = list(TrainingBatches(task, 4).epoch(rng))
        assert [len(labels) for _, labels in batches] == [4, 4, 2]
        images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        assert torch.equal(images, task.normalisation(task.train.images)[labels])
        orders.append(labels.tolist())
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1]


def test_an_epoch_varies_its_images_and_follows_its_generator() -> None:
    batches = TrainingBatches(tiny_task(10), 4)
    state = torch.get_rng_state()
    first, second, other = (
        torch.cat([images for images, _ in batches.epoch(torch.Generator().manual_seed(seed))]) for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    black = batches.task.normalisation(torch.zeros(1, 3, 1, 1))[0]
    assert (first == black).all(dim=1).any()  # some crop reached into the padding


def test_batches_lie_on_the_device_of_the_task(rng: torch.Generator) -> None:
    task = tiny_task(10).to("meta")
    for images, labels in TrainingBatches(task, 4).epoch(rng):
        assert (images.device.type, images.dtype, labels.device.type) == ("meta", torch.float32, "meta")
        assert images.shape == (len(labels), 3, 2, 2)


def test_to_the_same_device_shares_the_images() -> None:
    task = tiny_task()
    assert task.to("cpu").train.images.data_ptr() == task.train.images.data_ptr()
