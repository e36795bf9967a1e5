"""The images of a weight-sharing search: which of them are in which batch, and how they are varied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import Tensor

from benchmarks.errors import InputError
from supernets.images.augmentation import Augmentation, Normalisation
from supernets.images.labelled import Batch, LabelledImages
from supernets.images.search_batches import SearchImages
from supernets.images.tasks import DigitsConfig, ImageTask, digits_task
from supernets.images.training_batches import TrainingBatches

TRAIN, VALID, TEST = range(1, 24), range(101, 110), range(201, 207)
SIDE = 5


def images_of(numbers: range) -> LabelledImages:
    """Each image is its number in every pixel, and its label that number modulo 7."""
    ids = torch.tensor(numbers)
    pixels = ids.view(-1, 1, 1, 1).expand(-1, 2, SIDE, SIDE).to(torch.uint8)
    return LabelledImages(pixels.clone(), ids % 7)


def tiny_task(padding: int = 1, varied: bool = False) -> ImageTask:
    """23 training, 9 validation and 6 test images; after a crop with padding 1, the inner pixels are still there."""
    return ImageTask(
        "numbers", "own", 7, images_of(TRAIN), {"valid": images_of(VALID), "test": images_of(TEST)},
        Normalisation.of((10.0, 20.0), (2.0, 4.0)), Augmentation(flip=False, padding=padding), varied,
    )  # fmt: skip


def pixels(batch: Batch) -> Tensor:
    """As they were before they were normalised."""
    return batch.images * torch.tensor([2.0, 4.0]).view(2, 1, 1) + torch.tensor([10.0, 20.0]).view(2, 1, 1)


def numbers_in(batches: Iterable[Batch]) -> list[int]:
    """Of the images, in order; their labels must be theirs."""
    found = []
    for batch in batches:
        centre = pixels(batch)[:, :, SIDE // 2, SIDE // 2]
        assert torch.equal(centre[:, 0], centre[:, 1])
        assert torch.equal(centre[:, 0].long() % 7, batch.labels)
        found += centre[:, 0].int().tolist()
    return found


def cropped(batch: Batch) -> Tensor:
    """Whether each image shows some of the black border, (B,)."""
    return (pixels(batch) == 0).flatten(1).any(dim=1)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# An epoch.


@pytest.mark.parametrize(("batch_size", "sizes"), [(5, [5, 5, 5, 5, 3]), (23, [23]), (64, [23])])
def test_an_epoch_is_one_pass_over_the_training_images(batch_size: int, sizes: list[int]) -> None:
    images, generator = SearchImages(tiny_task(), batch_size, 4), rng()
    orders = []
    for _ in range(2):
        base = [base for base, _ in images.epoch(generator)]
        assert [len(batch.labels) for batch in base] == sizes
        assert sorted(numbers_in(base)) == list(TRAIN)
        orders.append(numbers_in(base))
    assert images.steps == len(sizes)
    assert orders[0] != orders[1]
    assert list(TRAIN) not in orders


def test_beside_each_batch_stand_as_many_validation_images() -> None:
    images = SearchImages(tiny_task(), 5, 4)
    for base, held_out in images.epoch(rng()):
        assert base.images.shape == held_out.images.shape
        assert base.labels.shape == held_out.labels.shape


def test_held_out_images_are_drawn_from_the_validation_images_with_replacement() -> None:
    images, generator = SearchImages(tiny_task(), 5, 4), rng()
    counts: Counter[int] = Counter()
    repeats = 0
    for _ in range(100):
        drawn = numbers_in(held_out for _, held_out in images.epoch(generator))
        assert len(drawn) == len(TRAIN)
        counts.update(drawn)
        repeats += len(set(drawn[: len(VALID)])) < len(VALID)
    assert set(counts) == set(VALID)
    assert min(counts.values()) > 200  # 256 on average, with a standard deviation of 15
    assert max(counts.values()) < 312
    assert repeats == 100  # nine draws without a repetition have a chance of 1 in 1,000


@pytest.mark.parametrize("varied", [False, True])
def test_held_out_images_are_varied_like_training_images_unless_they_were_already(varied: bool) -> None:
    images, generator = SearchImages(tiny_task(varied=varied), 5, 4), rng()
    pairs = [pair for _ in range(40) for pair in images.epoch(generator)]
    base, held_out = (torch.cat([cropped(pair[k]) for pair in pairs]).float().mean().item() for k in (0, 1))
    assert base == pytest.approx(8 / 9, abs=0.05)  # one crop of nine lies in the middle
    assert held_out == (0.0 if varied else pytest.approx(8 / 9, abs=0.05))


def test_digits_are_held_out_as_they_validate() -> None:
    task = digits_task(DigitsConfig(train_images=50, valid_images=20, test_images=30))
    images = SearchImages(task, 16, 512)
    known = {image.numpy().tobytes() for image in next(images.validation()).images}
    for base, held_out in images.epoch(rng()):
        assert {image.numpy().tobytes() for image in held_out.images} <= known
        assert not {image.numpy().tobytes() for image in base.images} & known


def test_the_same_generator_gives_the_same_epoch() -> None:
    images, generator = SearchImages(tiny_task(), 5, 4), rng(1)
    state = generator.get_state()
    epoch, following = list(images.epoch(generator)), list(images.epoch(generator))
    generator.set_state(state)
    again = list(SearchImages(tiny_task(), 5, 4).epoch(generator))
    flat, repeated, later = (
        torch.cat([part.images for pair in pairs for part in pair]) for pairs in (epoch, again, following)
    )
    assert torch.equal(flat, repeated)
    assert not torch.equal(flat, later)
    assert torch.equal(torch.cat([part.images for pair in images.epoch(generator) for part in pair]), later)


def test_with_a_batch_size_only_the_cuts_change() -> None:
    """What is drawn, is drawn before the first batch."""
    small, large = (list(SearchImages(tiny_task(), size, 4).epoch(rng())) for size in (5, 23))
    for part in (0, 1):
        assert torch.equal(torch.cat([pair[part].images for pair in small]), large[0][part].images)


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    images, before = SearchImages(tiny_task(), 5, 4), torch.get_rng_state()
    for _ in images.epoch(rng()):
        pass
    next(images.validation_batches(rng()))
    assert torch.equal(torch.get_rng_state(), before)


# Validation.


def test_validation_is_every_image_once_in_order_as_it_is() -> None:
    batches = list(SearchImages(tiny_task(), 5, 4).validation())
    assert [len(batch.labels) for batch in batches] == [4, 4, 1]
    assert numbers_in(batches) == list(VALID)
    assert torch.equal(torch.cat([pixels(batch) for batch in batches]), images_of(VALID).images.float())


def test_endless_validation_batches_are_each_image_once_per_pass_in_a_new_order() -> None:
    batches = list(islice(SearchImages(tiny_task(), 5, 4).validation_batches(rng()), 9))
    assert [len(batch.labels) for batch in batches] == [4, 4, 1] * 3
    passes = [numbers_in(batches[first : first + 3]) for first in (0, 3, 6)]
    assert [sorted(numbers) for numbers in passes] == [list(VALID)] * 3
    assert len({tuple(numbers) for numbers in [*passes, list(VALID)]}) == 4
    assert not any(cropped(batch).any() for batch in batches)


def test_endless_validation_batches_depend_on_their_generator_alone() -> None:
    images = SearchImages(tiny_task(), 5, 4)
    one, two, other = (numbers_in(islice(images.validation_batches(rng(seed)), 6)) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_what_is_not_taken_is_not_drawn() -> None:
    images, generator = SearchImages(tiny_task(), 5, 4), rng()
    before = generator.get_state()
    images.validation_batches(generator)
    assert torch.equal(generator.get_state(), before)


def test_a_task_without_validation_images_is_refused() -> None:
    task = tiny_task()
    with pytest.raises(InputError, match=r"numbers has no validation images.*cifar10-valid instead of cifar10"):
        SearchImages(replace(task, evaluation={"test": task.evaluation["test"]}), 5, 4)


# Drawing with replacement.


@pytest.mark.parametrize("count", [1, 5, 12, 50])
def test_any_number_of_images_can_be_drawn_with_replacement(count: int) -> None:
    batches = [Batch(*batch) for batch in TrainingBatches(tiny_task(), 5).with_replacement(count, rng())]
    drawn = numbers_in(batches)
    assert len(drawn) == count
    assert set(drawn) <= set(TRAIN)
    assert [len(batch.labels) for batch in batches[:-1]] == [5] * ((count - 1) // 5)


def test_each_draw_of_the_same_image_is_varied_anew() -> None:
    task = replace(tiny_task(), train=images_of(range(1, 2)))
    (batch,) = (Batch(*batch) for batch in TrainingBatches(task, 500).with_replacement(500, rng()))
    crops = Counter(tuple(image.flatten().int().tolist()) for image in pixels(batch))
    assert len(crops) == 9
    assert min(crops.values()) > 30  # 56 on average
