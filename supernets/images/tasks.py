"""The image data sets that networks are trained on, and their splits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.errors import InputError, unknown_name
from benchmarks.nats_layout import SET_NAMES
from supernets.images.augmentation import Augmentation, Normalisation
from supernets.images.facts import ImageFacts
from supernets.images.files import CIFAR10, CIFAR100, IMAGENET16_120, read_batches, read_fashion_mnist
from supernets.images.labelled import LabelledImages
from supernets.images.splits import (
    CIFAR100_SPLIT,
    IMAGENET16_120_SPLIT,
    SplitFile,
    cifar10_halves,
    random_split,
)


@dataclass(frozen=True, eq=False)
class ImageTask:
    """A data set and its splits. The keys of `evaluation` are 'valid', 'test' or both, as in the tables."""

    name: str  # as in records: 'cifar10-valid' trains on half of CIFAR-10, 'cifar10' on all of it
    split: str  # 'official', or 'own-seed-S' if it was drawn from the seed S
    num_classes: int
    train: LabelledImages
    evaluation: Mapping[str, LabelledImages]
    normalisation: Normalisation
    augmentation: Augmentation
    varied: bool = False  # whether the evaluation images were augmented like training images, once

    @property
    def official_names(self) -> Mapping[str, str]:
        """Split -> name of the evaluation set in official records; 'valtest' is 'valid' and 'test' together."""
        return SET_NAMES.get(self.name, {})

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device | str) -> ImageTask:
        """The task on `device`; tensors that are already on it are not copied."""
        evaluation = {split: images.to(device) for split, images in self.evaluation.items()}
        normalisation = self.normalisation.to(device)
        return replace(self, train=self.train.to(device), evaluation=evaluation, normalisation=normalisation)

    def facts(self) -> ImageFacts:
        """What records and tables keep of the images."""
        return ImageFacts(
            dataset=self.name,
            split=self.split,
            fingerprint=self.fingerprint(),
            counts={"train": len(self.train), **{name: len(part) for name, part in self.evaluation.items()}},
            image_shape=self.image_shape,
            num_classes=self.num_classes,
        )

    def fingerprint(self) -> str:
        """SHA-256 of all images and labels in order; equal for tasks with equal data."""
        digest = hashlib.sha256()
        for split, part in (("train", self.train), *self.evaluation.items()):
            digest.update(f"{split} {tuple(part.images.shape)} {part.images.dtype}".encode())
            for tensor in (part.images, part.labels):
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class DigitsConfig:
    """Handwritten digits made harder. The split of the images depends on `seed` and on the three image counts."""

    train_images: int = 600
    valid_images: int = 597
    test_images: int = 600  # the three counts add up to at most 1,797
    canvas: int = 10  # height and width in pixels, even and at least 8
    noise: float = 0.15  # standard deviation, on a scale where ink is 1 and paper 0
    seed: int = 0  # determines the split, and the places and noise of validation and test images

    def __post_init__(self) -> None:
        sizes = (self.train_images, self.valid_images, self.test_images)
        if min(sizes) < 1 or sum(sizes) > 1797 or self.canvas < 8 or self.canvas % 2 or self.noise < 0 or self.seed < 0:
            raise InputError(
                "digits need at least 1 image per split and at most 1,797 in all, an even canvas of at least 8 pixels, "
                f"and noise and seed of at least 0; got {self}"
            )


def digits_task(config: DigitsConfig | None = None) -> ImageTask:
    """The handwritten digits of scikit-learn on a larger canvas, with noise.

    Alpaydin, Kaynak: "Optical Recognition of Handwritten Digits", UCI 1998. Each 8x8 digit is placed uniformly at
    random on a larger canvas of paper, and normal noise is added to every pixel; values are not clipped. Place and
    noise of a training image are drawn anew at every use, those of validation and test images once. Training,
    validation and test images are disjoint samples of the 1,797.
    """
    from sklearn.datasets import load_digits  # slow to import, needed only here

    config = config or DigitsConfig()
    digits = load_digits()
    margin = config.canvas // 2 - 4
    ink = np.pad(digits.images.astype(np.float32) / 16, ((0, 0), (margin, margin), (margin, margin)))[:, None]
    order, places, noise = (np.random.default_rng(seed) for seed in np.random.SeedSequence(config.seed).spawn(3))
    shifts = (places.random((len(ink), 2)) * (2 * margin + 1)).astype(int) - margin  # -margin .. margin
    moved = np.stack([np.roll(image, shift, axis=(1, 2)) for image, shift in zip(ink, shifts, strict=True)])
    noisy = moved + config.noise * noise.standard_normal(ink.shape, dtype=np.float32)
    labels = torch.from_numpy(digits.target.astype(np.int64))
    centred, placed = (LabelledImages(torch.from_numpy(images), labels) for images in (ink, noisy))
    ends = np.cumsum([config.train_images, config.valid_images, config.test_images])
    train, valid, test, _unused = np.split(order.permutation(len(ink)), ends)
    mean, std = ink[train].mean().item(), np.hypot(ink[train].std(), config.noise).item()
    return ImageTask(
        name="digits",
        split=f"own-seed-{config.seed}",
        num_classes=10,
        train=centred.select(train),
        evaluation={"valid": placed.select(valid), "test": placed.select(test)},
        normalisation=Normalisation.of((mean,), (std,)),
        augmentation=Augmentation(flip=False, padding=margin, noise=config.noise),
        varied=True,
    )


def _fashion_mnist(data_dir: Path, seed: int) -> ImageTask:
    """Fashion-MNIST; 10,000 of the training images, drawn from `seed`, are the validation images."""
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
    """CIFAR-10 with one official half of its training images for training and the other for validation."""
    everything, test = (LabelledImages.from_arrays(part) for part in read_batches(CIFAR10, data_dir))
    train, valid = (everything.select(half) for half in cifar10_halves())
    evaluation = {"valid": valid, "test": test}
    return ImageTask("cifar10-valid", "official", 10, train, evaluation, _CIFAR10_NORMALISATION, Augmentation())


def _cifar10(data_dir: Path, _seed: int) -> ImageTask:
    """CIFAR-10 with all training images for training, without validation images."""
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
    """The name of the split, and the published test images as one half for validation and one for testing."""
    official = split_file.read(data_dir)
    valid, test = official or random_split(len(held_out), len(held_out) // 2, seed)
    name = "official" if official else f"own-seed-{seed}"
    return name, {"valid": held_out.select(valid), "test": held_out.select(test)}


SPLIT_FILES = {"cifar100": CIFAR100_SPLIT, "ImageNet16-120": IMAGENET16_120_SPLIT}
"""Data set -> the file of the published halves of its test images."""
FILE_TASKS: dict[str, Callable[[Path, int], ImageTask]] = {
    "fashion-mnist": _fashion_mnist,
    "cifar10-valid": _cifar10_valid,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "ImageNet16-120": _imagenet16_120,
}
"""Data set -> its reader, called with (data directory, seed of the split if none is published)."""


def image_task(name: str, data_dir: Path | None = None, seed: int = 0) -> ImageTask:
    """The data set `name`: 'digits', or a key of FILE_TASKS, whose files are in `data_dir`.

    If `data_dir` lacks the published index lists of cifar100 or ImageNet16-120, their split is drawn from `seed`.

    Raises:
        InputError: the name is unknown, or a file is missing or damaged.
    """
    if name == "digits":
        return digits_task(DigitsConfig(seed=seed))
    if name not in FILE_TASKS:
        raise InputError(unknown_name("image data set", name, ["digits", *FILE_TASKS]))
    if data_dir is None:
        raise InputError(f"the data set {name} is read from files: name the directory that holds them")
    return FILE_TASKS[name](data_dir, seed)
