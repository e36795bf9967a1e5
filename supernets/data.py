"""The image data sets that networks are trained on, split, and the batches of their training images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from benchmarks.convert.nats_records import SET_NAMES
from benchmarks.errors import InputError
from benchmarks.spaces.base import unknown_name
from supernets.data_augmentation import Augmentation, Normalisation, draw_variations, pad, vary
from supernets.data_files import CIFAR10, CIFAR100, IMAGENET16_120, ImageArrays, read_batches, read_fashion_mnist
from supernets.data_splits import (
    CIFAR100_SPLIT,
    IMAGENET16_120_SPLIT,
    Indices,
    SplitFile,
    cifar10_halves,
    random_split,
)


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """The images of one split."""

    images: Tensor  # (N, channels, height, width): uint8 in 0..255, or float32
    labels: Tensor  # (N,), int64

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1] or self.labels.dtype != torch.int64:
            raise InputError(
                "labelled images are images of shape (N, channels, height, width) and labels of shape (N,) and type "
                f"int64, got {tuple(self.images.shape)} and {tuple(self.labels.shape)} of {self.labels.dtype}"
            )

    @classmethod
    def from_arrays(cls, arrays: ImageArrays) -> Self:
        return cls(torch.from_numpy(arrays.images), torch.from_numpy(arrays.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels in order; the last batch may be short."""
        for start in range(0, len(self), size):
            yield self.images[start : start + size], self.labels[start : start + size]

    def select(self, indices: Indices) -> LabelledImages:
        chosen = torch.from_numpy(indices).to(self.labels.device)
        return LabelledImages(self.images[chosen], self.labels[chosen])

    def to(self, device: torch.device | str) -> LabelledImages:
        return LabelledImages(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class ImageTask:
    """A data set, split. `evaluation` has those of 'valid' and 'test' that exist, as the benchmark tables name them."""

    name: str  # as in records: 'cifar10-valid' trains on half of CIFAR-10, 'cifar10' on all of it
    split: str  # 'official', or 'own-seed-S' where it was drawn from the seed S
    num_classes: int
    train: LabelledImages
    evaluation: Mapping[str, LabelledImages]
    normalisation: Normalisation
    augmentation: Augmentation

    @property
    def official_names(self) -> Mapping[str, str]:
        """Our split -> the evaluation set's name in official records; 'valtest' is 'valid' and 'test' together."""
        return SET_NAMES.get(self.name, {})

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device | str) -> ImageTask:
        """The task on `device`; what lies there already is shared."""
        evaluation = {split: images.to(device) for split, images in self.evaluation.items()}
        normalisation = self.normalisation.to(device)
        return replace(self, train=self.train.to(device), evaluation=evaluation, normalisation=normalisation)

    def fingerprint(self) -> str:
        """SHA-256 of all images and labels in order: equal tasks are trained on equal data."""
        digest = hashlib.sha256()
        for split, part in (("train", self.train), *self.evaluation.items()):
            digest.update(f"{split} {tuple(part.images.shape)} {part.images.dtype}".encode())
            for tensor in (part.images, part.labels):
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class DigitsConfig:
    """Handwritten digits made harder. The draws of an image depend on `seed` alone, not on the other fields."""

    train_images: int = 1000
    valid_images: int = 397
    test_images: int = 400  # all three together: at most 1,797
    canvas: int = 12  # height and width in pixels, at least 8
    noise: float = 0.25  # standard deviation, where ink is 1 and paper 0
    seed: int = 0  # of the split, the places and the noise

    def __post_init__(self) -> None:
        sizes = (self.train_images, self.valid_images, self.test_images)
        if min(sizes) < 1 or sum(sizes) > 1797 or self.canvas < 8 or self.noise < 0 or self.seed < 0:
            raise InputError(
                "digits come in splits of at least 1 image and 1,797 in all, on a canvas of at least 8 pixels, with "
                f"noise and seed of at least 0; got {self}"
            )


def digits_task(config: DigitsConfig | None = None) -> ImageTask:
    """Alpaydin, Kaynak: "Optical Recognition of Handwritten Digits", UCI 1998, as contained in scikit-learn.

    Each 8x8 digit is set once, at a uniformly drawn place, on a larger canvas of paper, and normal noise is added to
    every pixel; values are not clipped. Training, validation and test images are disjoint draws of the 1,797.
    """
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # slow to import, needed only here

    config = config or DigitsConfig()
    digits = load_digits()
    size = config.canvas
    order, places, noise = (np.random.default_rng(seed) for seed in np.random.SeedSequence(config.seed).spawn(3))
    count = len(digits.images)
    pixels = config.noise * noise.standard_normal((count, 1, size, size), dtype=np.float32)
    corners = (places.random((count, 2)) * (size - 8 + 1)).astype(int)  # 0 .. size - 8
    for image, digit, (top, left) in zip(pixels, digits.images, corners, strict=True):
        image[0, top : top + 8, left : left + 8] += digit / 16
    everything = LabelledImages(torch.from_numpy(pixels), torch.from_numpy(digits.target.astype(np.int64)))
    ends = np.cumsum([config.train_images, config.valid_images, config.test_images])
    train, valid, test, _unused = (everything.select(part) for part in np.split(order.permutation(count), ends))
    return ImageTask(
        name="digits",
        split=f"own-seed-{config.seed}",
        num_classes=10,
        train=train,
        evaluation={"valid": valid, "test": test},
        normalisation=Normalisation.of((train.images.mean().item(),), (train.images.std().item(),)),
        augmentation=Augmentation(flip=False, padding=0),
    )


def _fashion_mnist(data_dir: Path, seed: int) -> ImageTask:
    """10,000 of the training images, drawn from `seed`, validate."""
    arrays = read_fashion_mnist(data_dir / "fashion-mnist")
    everything, test = (LabelledImages.from_arrays(part) for part in arrays)
    valid, train = random_split(len(everything), 10_000, seed)
    return ImageTask(
        name="fashion-mnist",
        split=f"own-seed-{seed}",
        num_classes=10,
        train=everything.select(train),
        evaluation={"valid": everything.select(valid), "test": test},
        normalisation=Normalisation.of((72.94,), (90.02,)),
        augmentation=Augmentation(),
    )


_CIFAR10_NORMALISATION = Normalisation.of((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))


def _cifar10_valid(data_dir: Path, _seed: int) -> ImageTask:
    """One official half of the training images trains, the other validates."""
    everything, test = (LabelledImages.from_arrays(part) for part in read_batches(CIFAR10, data_dir))
    train, valid = (everything.select(half) for half in cifar10_halves())
    evaluation = {"valid": valid, "test": test}
    return ImageTask("cifar10-valid", "official", 10, train, evaluation, _CIFAR10_NORMALISATION, Augmentation())


def _cifar10(data_dir: Path, _seed: int) -> ImageTask:
    """All training images train; there is no validation set."""
    train, test = (LabelledImages.from_arrays(part) for part in read_batches(CIFAR10, data_dir))
    return ImageTask("cifar10", "official", 10, train, {"test": test}, _CIFAR10_NORMALISATION, Augmentation())


def _cifar100(data_dir: Path, seed: int) -> ImageTask:
    train, held_out = (LabelledImages.from_arrays(part) for part in read_batches(CIFAR100, data_dir))
    split, evaluation = _halved(held_out, CIFAR100_SPLIT, data_dir, seed)
    normalisation = Normalisation.of((129.3, 124.1, 112.4), (68.2, 65.4, 70.4))
    return ImageTask("cifar100", split, 100, train, evaluation, normalisation, Augmentation())


def _imagenet16_120(data_dir: Path, seed: int) -> ImageTask:
    train, held_out = (LabelledImages.from_arrays(part) for part in read_batches(IMAGENET16_120, data_dir))
    split, evaluation = _halved(held_out, IMAGENET16_120_SPLIT, data_dir, seed)
    normalisation = Normalisation.of((122.68, 116.66, 104.01), (63.22, 61.26, 65.09))
    return ImageTask("ImageNet16-120", split, 120, train, evaluation, normalisation, Augmentation(padding=2))


def _halved(
    held_out: LabelledImages, split_file: SplitFile, data_dir: Path, seed: int
) -> tuple[str, dict[str, LabelledImages]]:
    """The name of the split, and the published test images in a half that validates and one that tests."""
    official = split_file.read(data_dir)
    valid, test = official or random_split(len(held_out), len(held_out) // 2, seed)
    name = "official" if official else f"own-seed-{seed}"
    return name, {"valid": held_out.select(valid), "test": held_out.select(test)}


FILE_TASKS: dict[str, Callable[[Path, int], ImageTask]] = {
    "fashion-mnist": _fashion_mnist,
    "cifar10-valid": _cifar10_valid,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "ImageNet16-120": _imagenet16_120,
}
"""Name -> what reads it from (data directory, seed of the split where none is published)."""


def image_task(name: str, data_dir: Path | None = None, seed: int = 0) -> ImageTask:
    """The data set `name`: 'digits', or a key of FILE_TASKS, whose files are in `data_dir`.

    Where `data_dir` lacks the published index lists of cifar100 and ImageNet16-120, the split is drawn from `seed`.

    Raises:
        InputError: the name is unknown, or a file is absent or damaged.
    """
    if name == "digits":
        return digits_task(DigitsConfig(seed=seed))
    if name not in FILE_TASKS:
        raise InputError(unknown_name("image data set", name, ["digits", *FILE_TASKS]))
    if data_dir is None:
        raise InputError(f"the data set {name} is read from files: give the directory that holds them")
    return FILE_TASKS[name](data_dir, seed)


class TrainingBatches:
    """Shuffled, varied and normalised batches of a task's training images; the last of an epoch may be short.

    Everything random in an epoch is drawn on the CPU before its first batch: an epoch is the same on every device, and
    the host never waits for the device between batches.
    """

    def __init__(self, task: ImageTask, batch_size: int) -> None:
        self.task, self.batch_size = task, batch_size
        self._padded = pad(task.train.images, task.augmentation.padding)

    def epoch(self, rng: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once: (B, channels, height, width) float32 and (B,) labels, on the task's device."""
        labels, padding = self.task.train.labels, self.task.augmentation.padding
        order = torch.randperm(len(labels), generator=rng).to(labels.device)
        variations = draw_variations(self.task.augmentation, len(labels), rng).to(labels.device)
        for start in range(0, len(labels), self.batch_size):
            batch = slice(start, start + self.batch_size)
            images = vary(self._padded[order[batch]], padding, variations.select(batch))
            yield self.task.normalisation(images), labels[order[batch]]
