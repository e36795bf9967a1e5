"""The images of a weight-sharing search: batches for the weights, for the architecture, and for validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.errors import InputError
from supernets.images.augmentation import Augmentation
from supernets.images.labelled import Batch
from supernets.images.tasks import ImageTask
from supernets.images.training_batches import TrainingBatches

UNCHANGED = Augmentation(flip=False, padding=0)


class SearchImages:
    """Training images for the shared weights, validation images for the architecture; test images are never read.

    As in AutoDL-Projects (`get_nas_search_loaders`), an epoch is one pass over the training images in random order.
    Each training batch is paired with as many validation images, drawn with replacement and augmented like training
    images, unless the task has augmented its validation images already (the digits).

    Raises:
        InputError: the task has no validation images.
    """

    def __init__(self, task: ImageTask, batch_size: int, evaluation_batch_size: int) -> None:
        if "valid" not in task.evaluation:
            raise InputError(
                f"{task.name} has no validation images, which weight-sharing searches need; choose another data set, "
                "such as cifar10-valid instead of cifar10"
            )
        self._task, self._evaluation_batch_size = task, evaluation_batch_size
        self._valid = task.evaluation["valid"]
        self._base = TrainingBatches(task, batch_size)
        augmentation = UNCHANGED if task.varied else task.augmentation
        self._held_out = TrainingBatches(replace(task, train=self._valid, augmentation=augmentation), batch_size)

    @property
    def steps(self) -> int:
        """Number of batches per epoch."""
        return -(-len(self._task.train) // self._base.batch_size)

    def epoch(self, rng: torch.Generator) -> Iterator[tuple[Batch, Batch]]:
        """Yield the pairs of one epoch: a batch for the weights and a batch for the architecture."""
        held_out = self._held_out.with_replacement(len(self._task.train), rng)
        yield from zip(self._base.epoch(rng), held_out, strict=True)

    def validation(self) -> Iterator[Batch]:
        """Yield all validation images once, in order and without augmentation; the last batch may be short."""
        for images, labels in self._valid.batches(self._evaluation_batch_size):
            yield Batch(self._task.normalisation(images), labels)

    def validation_batches(self, rng: torch.Generator) -> Iterator[Batch]:
        """Yield batches of distinct validation images in random order, in endless passes over the split."""
        while True:
            order = torch.randperm(len(self._valid), generator=rng).to(self._valid.labels.device)
            for start in range(0, len(order), self._evaluation_batch_size):
                chosen = order[start : start + self._evaluation_batch_size]
                yield Batch(self._task.normalisation(self._valid.images[chosen]), self._valid.labels[chosen])
