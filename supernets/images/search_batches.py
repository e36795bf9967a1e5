"""The images of a weight-sharing search: two streams of varied batches, and those that validate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.errors import InputError
from supernets.images.augmentation import Augmentation
from supernets.images.tasks import ImageTask, TrainingBatches

AS_THEY_ARE = Augmentation(flip=False, padding=0)


class Batch(NamedTuple):
    """Normalised images (B, channels, height, width) and labels (B,)."""

    images: Tensor
    labels: Tensor


class SearchImages:
    """Training images for the shared weights, validation images for the architecture; test images are never read.

    As in AutoDL-Projects (`get_nas_search_loaders`), an epoch is one pass over the training images in random order,
    and beside each batch of them stands a batch of as many validation images, drawn with replacement and varied like
    training images (those that were varied once for all, as of the digits, are taken as they are).

    Raises:
        InputError: the task has no validation images.
    """

    def __init__(self, task: ImageTask, batch_size: int, evaluation_batch_size: int) -> None:
        if "valid" not in task.evaluation:
            raise InputError(
                f"{task.name} has no validation images, on which architectures are learnt; take another data set, "
                "cifar10-valid instead of cifar10"
            )
        self._task, self._evaluation_batch_size = task, evaluation_batch_size
        self._valid = task.evaluation["valid"]
        self._base = TrainingBatches(task, batch_size)
        augmentation = AS_THEY_ARE if task.varied else task.augmentation
        self._held_out = TrainingBatches(replace(task, train=self._valid, augmentation=augmentation), batch_size)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return -(-len(self._task.train) // self._base.batch_size)

    def epoch(self, rng: torch.Generator) -> Iterator[tuple[Batch, Batch]]:
        """Batches for the weights and for the architecture."""
        held_out = self._held_out.with_replacement(len(self._task.train), rng)
        for base, other in zip(self._base.epoch(rng), held_out, strict=True):
            yield Batch(*base), Batch(*other)

    def validation(self) -> Iterator[Batch]:
        """All validation images once, as they are and in order; the last batch may be short."""
        for images, labels in self._valid.batches(self._evaluation_batch_size):
            yield Batch(self._task.normalisation(images), labels)

    def validation_batches(self, rng: torch.Generator) -> Iterator[Batch]:
        """Batches of different validation images in random order, pass after pass without end."""
        while True:
            order = torch.randperm(len(self._valid), generator=rng).to(self._valid.labels.device)
            for start in range(0, len(order), self._evaluation_batch_size):
                chosen = order[start : start + self._evaluation_batch_size]
                yield Batch(self._task.normalisation(self._valid.images[chosen]), self._valid.labels[chosen])
