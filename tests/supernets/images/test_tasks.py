"""Image tasks and their batches: what is drawn, and from what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor

from benchmarks.errors import InputError
from supernets.images.augmentation import Augmentation, Normalisation, draw_variations, pad, vary
from supernets.images.labelled import LabelledImages
from supernets.images.tasks import DigitsConfig, ImageTask, digits_task, image_task
from supernets.images.training_batches import TrainingBatches

SIZES = {"train_images": 1000, "valid_images": 397, "test_images": 400}  # every digit that there is


def digits(canvas: int = 12, noise: float = 0.0, seed: int = 0, **sizes: int) -> ImageTask:
    return digits_task(DigitsConfig(**(SIZES | sizes), canvas=canvas, noise=noise, seed=seed))


def splits_of(task: ImageTask) -> dict[str, LabelledImages]:
    return {"train": task.train, **task.evaluation}


def fixed_images(task: ImageTask) -> Tensor:
    return torch.cat([part.images for part in task.evaluation.values()])


def epochs_of(task: ImageTask, count: int, batch_size: int = 100) -> Tensor:
    """The training images of some epochs as a network sees them."""
    batches, rng = TrainingBatches(task, batch_size), torch.Generator().manual_seed(0)
    return torch.cat([images for _ in range(count) for images, _ in batches.epoch(rng)])


# Digits.


def test_digits_are_every_image_once_with_its_label() -> None:
    task = digits()
    assert {split: len(part) for split, part in splits_of(task).items()} == {"train": 1000, "valid": 397, "test": 400}
    assert (task.name, task.split, task.image_shape) == ("digits", "own-seed-0", (1, 12, 12))
    known = known_digits()
    assert len(known) == 1797  # no digit is there twice, so disjoint means different
    seen, places = set(), {}
    for split, part in splits_of(task).items():
        found = [find_digit(image, known) for image in 16 * part.images[:, 0].numpy()]
        places[split] = {corner for corner, _ in found}
        seen |= {digit for _, digit in found}
        assert [known[digit] for _, digit in found] == part.labels.tolist()
    assert len(seen) == 1797
    assert places["train"] == {(2, 2)}  # in the middle, until they are used
    assert places["valid"] == places["test"] == {(top, left) for top in range(5) for left in range(5)}


def known_digits() -> dict[tuple[float, ...], int]:
    """Pixels, 0 .. 16, and label of the 1,797 digits."""
    originals = load_digits()
    pixels = (tuple(digit.flatten()) for digit in originals.images)
    return dict(zip(pixels, originals.target.tolist(), strict=True))


def find_digit(
    canvas: NDArray[np.float32], known: dict[tuple[float, ...], int]
) -> tuple[tuple[int, int], tuple[float, ...]]:
    """Where one of the known 8x8 digits lies on a canvas that is empty elsewhere."""
    for top in range(len(canvas) - 7):
        for left in range(len(canvas) - 7):
            digit = canvas[top : top + 8, left : left + 8]
            if digit.sum() == canvas.sum() and tuple(digit.flatten()) in known:
                return (top, left), tuple(digit.flatten())
    raise AssertionError("no digit found")


def test_noise_of_fixed_images_is_normal_added_and_not_clipped() -> None:
    clean, noisy, noisier = (fixed_images(digits(noise=noise)) for noise in (0, 0.25, 0.5))
    noise = noisy - clean
    assert noise.std().item() == pytest.approx(0.25, rel=0.01)
    assert noise.mean().item() == pytest.approx(0, abs=0.003)
    assert (noise.abs() < 0.25).float().mean().item() == pytest.approx(0.6827, abs=0.005)
    torch.testing.assert_close(noisier - clean, 2 * noise)  # the same draws


def test_digits_depend_on_their_seed_alone() -> None:
    prints = {digits(noise=0.25, seed=seed).fingerprint() for seed in (0, 0, 1, 2)}
    assert len(prints) == 3
    few = digits(noise=0.25, train_images=10, valid_images=5, test_images=6)
    fewer = digits(noise=0.25, train_images=5, valid_images=10, test_images=1)
    assert [len(part) for part in splits_of(few).values()] == [10, 5, 6]
    assert torch.equal(few.train.images, digits().train.images[:10])
    assert torch.equal(few.train.images[:5], fewer.train.images)
    assert torch.equal(few.evaluation["valid"].images, fewer.evaluation["valid"].images[5:])  # the same 5, now placed
    assert torch.equal(few.evaluation["test"].images[:1], fewer.evaluation["test"].images)
    assert digits(canvas=8).image_shape == (1, 8, 8)


def test_training_digits_have_no_noise_until_they_are_used() -> None:
    clean, noisy = (digits(noise=noise).train.images for noise in (0, 0.5))
    assert torch.equal(clean, noisy)
    assert digits(noise=0.5).augmentation == Augmentation(flip=False, padding=2, noise=0.5)
    assert digits(canvas=8).augmentation == Augmentation(flip=False, padding=0)


def copies_of_one_digit(task: ImageTask, count: int) -> ImageTask:
    first = task.train.head(1)
    copies = LabelledImages(first.images.expand(count, -1, -1, -1), first.labels.expand(count))
    return replace(task, train=copies)


def test_a_training_digit_gets_each_place_equally_often() -> None:
    task = copies_of_one_digit(digits(canvas=10), 3000)
    used = epochs_of(task, 3)
    counts = []
    for top in range(3):
        for left in range(3):
            canvas = torch.zeros(1, 10, 10)
            canvas[:, top : top + 8, left : left + 8] = task.train.images[0, :, 1:9, 1:9]
            counts.append(int((used == task.normalisation(canvas)).all(dim=(1, 2, 3)).sum()))
    assert sum(counts) == 9000  # nothing else happens to a digit
    assert max(abs(count - 1000) for count in counts) < 150  # 5 standard deviations


@pytest.mark.parametrize("canvas", [8, 12])
def test_no_training_digit_is_ever_cut_off(canvas: int) -> None:
    task, known = digits(canvas=canvas), known_digits()
    mean, std = (value.item() for value in task.normalisation)
    used = (16 * (epochs_of(task, 2)[:, 0] * std + mean)).round().numpy()
    seen = {find_digit(image, known)[1] for image in used}
    assert seen == {find_digit(image, known)[1] for image in 16 * task.train.images[:, 0].numpy()}


def test_noise_of_a_training_digit_is_new_at_every_use() -> None:
    task = copies_of_one_digit(digits(canvas=8, noise=0.25), 1000)
    mean, std = task.normalisation
    noise = epochs_of(task, 2) * std + mean - task.train.images[0]
    assert noise.std().item() == pytest.approx(0.25, rel=0.01)
    assert noise.mean().item() == pytest.approx(0, abs=0.003)
    assert len(noise.unique(dim=0)) == 2000


@pytest.mark.parametrize("canvas", [8, 12])
def test_what_is_stored_stays_as_it_is_when_used(canvas: int) -> None:
    task = digits(canvas, noise=0.25)
    before = task.fingerprint()
    epochs_of(task, 2)
    assert task.fingerprint() == before == digits(canvas, noise=0.25).fingerprint()


@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 1e-5), (0.25, 0.01), (1.0, 0.01)])
def test_digits_are_normalised_as_they_are_used(noise: float, tolerance: float) -> None:
    """Without noise exactly, as places leave mean and standard deviation alone; else within the error of drawing."""
    used = epochs_of(digits(noise=noise), 2)
    assert used.mean().item() == pytest.approx(0, abs=tolerance)
    assert used.std().item() == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize(
    "bad",
    [{"train_images": 0}, {"train_images": 1001}, {"canvas": 6}, {"canvas": 13}, {"noise": -0.1}, {"seed": -1}],
)
def test_impossible_digits_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"1,797 in all, an even canvas of at least 8.*got DigitsConfig"):
        DigitsConfig(**(SIZES | bad))


# Tasks.


def test_image_task_names_what_it_knows(tmp_path: Path) -> None:
    assert image_task("digits", seed=3).split == "own-seed-3"
    with pytest.raises(InputError, match=r"choose from digits, fashion-mnist, .* did you mean 'cifar10'"):
        image_task("cifar-10")
    with pytest.raises(InputError, match="name the directory"):
        image_task("cifar10")
    for name in ("fashion-mnist", "cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"):
        with pytest.raises(InputError, match=f"there is no file {tmp_path}"):
            image_task(name, tmp_path)


def test_the_head_of_a_split_is_its_first_images() -> None:
    part = tiny_task(10).train
    assert torch.equal(part.head(3).images, part.images[:3])
    assert part.head(3).labels.tolist() == [0, 1, 2]
    assert len(part.head(11)) == 10


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


# Batches.


SMALL_STEPS = Augmentation(flip=True, padding=1)


def tiny_task(images: int = 10, augmentation: Augmentation = SMALL_STEPS) -> ImageTask:
    """Image i has the pixels 1 + 12 i, ..., 12 + 12 i in 3 colours of 2x2; its label is i."""
    pixels = (1 + torch.arange(images * 12)).to(torch.uint8).reshape(images, 3, 2, 2)
    part = LabelledImages(pixels, torch.arange(images))
    normalisation = Normalisation.of((1.0, 2.0, 3.0), (2.0, 4.0, 8.0))
    return ImageTask("tiny", "own-seed-0", images, part, {"valid": part}, normalisation, augmentation)


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


def test_an_epoch_by_hand() -> None:
    """Order, corners, flips and, if there is any, noise are drawn for the whole epoch, in this order."""
    for noise in (0.0, 0.5):
        task = tiny_task(10, Augmentation(True, 1, noise))
        rng, by_hand = (torch.Generator().manual_seed(3) for _ in range(2))
        images, labels = (torch.cat(parts) for parts in zip(*TrainingBatches(task, 4).epoch(rng), strict=True))
        order = torch.randperm(10, generator=by_hand)
        variations = draw_variations(task.augmentation, (10, 3, 2, 2), by_hand)
        assert torch.equal(labels, order)
        assert torch.equal(images, task.normalisation(vary(pad(task.train.images[order], 1), 1, variations)))
        assert torch.equal(rng.get_state(), by_hand.get_state())


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_networks_side_by_side_see_what_each_would_see_alone(noise: float) -> None:
    batches = TrainingBatches(tiny_task(10, Augmentation(True, 1, noise)), 4)
    seeds = (1, 2, 1)
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
    alone = [torch.Generator().manual_seed(seed) for seed in seeds]
    for _ in range(2):  # epochs
        together = list(batches.epochs(rngs))
        assert [len(labels) for _, labels in together] == [4, 4, 2]
        for k, rng in enumerate(alone):
            for (images, labels), (own_images, own_labels) in zip(together, batches.epoch(rng), strict=True):
                assert torch.equal(images[:, 3 * k : 3 * k + 3], own_images)
                assert torch.equal(labels[:, k], own_labels)
                assert (images.shape[1:], labels.shape[1:]) == ((9, 2, 2), (3,))
            assert torch.equal(rngs[k].get_state(), rng.get_state())


def test_batches_lie_on_the_device_of_the_task(rng: torch.Generator) -> None:
    task = tiny_task(10).to("meta")
    for images, labels in TrainingBatches(task, 4).epoch(rng):
        assert (images.device.type, images.dtype, labels.device.type) == ("meta", torch.float32, "meta")
        assert images.shape == (len(labels), 3, 2, 2)


def test_to_the_same_device_shares_the_images() -> None:
    task = tiny_task()
    assert task.to("cpu").train.images.data_ptr() == task.train.images.data_ptr()
