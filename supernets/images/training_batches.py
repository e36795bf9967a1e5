"""Batches of the training images of a task: shuffled, augmented and normalised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from supernets.images.augmentation import Variations, draw_variations, pad, vary
from supernets.images.labelled import Batch
from supernets.images.tasks import ImageTask


class TrainingBatches:
    """Shuffled, augmented and normalised batches of a task's training images; the last of an epoch may be short.

    Everything random in an epoch is drawn on the CPU before its first batch. An epoch is therefore the same on every
    device, and the host never waits for the device between batches.
    """

    def __init__(self, task: ImageTask, batch_size: int) -> None:
        self.task, self.batch_size = task, batch_size
        self._padded = pad(task.train.images, task.augmentation.padding)

    def epoch(self, rng: torch.Generator) -> Iterator[Batch]:
        """Yield every image once, in float32, on the task's device."""
        for images, labels in self.epochs([rng]):
            yield Batch(images, labels.squeeze(1))

    def epochs(self, rngs: Sequence[torch.Generator]) -> Iterator[Batch]:
        """Yield an epoch for K networks trained side by side; the channels of network k hold `epoch(rngs[k])`."""
        train, augmentation = self.task.train, self.task.augmentation
        draws = []
        for rng in rngs:
            order = torch.randperm(len(train), generator=rng)
            draws.append((order, *draw_variations(augmentation, train.images.shape, rng)))
        yield from self._drawn(draws)

    def with_replacement(self, count: int, rng: torch.Generator) -> Iterator[Batch]:
        """Yield `count` images, drawn with replacement, in batches like those of `epoch`."""
        train, augmentation = self.task.train, self.task.augmentation
        order = torch.randint(len(train), (count,), generator=rng)
        variations = draw_variations(augmentation, (count, *train.images.shape[1:]), rng)
        for images, labels in self._drawn([(order, *variations)]):
            yield Batch(images, labels.squeeze(1))

    def _drawn(self, draws: Sequence[tuple[Tensor, ...]]) -> Iterator[Batch]:
        """Yield the batches given by the (order, *variations) drawn for each network, all for equally many images."""
        train, augmentation = self.task.train, self.task.augmentation
        order, *varied = (torch.stack(parts, dim=1).to(train.labels.device) for parts in zip(*draws, strict=True))
        for start in range(0, len(order), self.batch_size):
            batch = slice(start, start + self.batch_size)
            chosen = order[batch]  # (B, K)
            variations = Variations(*(drawn[batch].flatten(0, 1) for drawn in varied))
            images = self.task.normalisation(
                vary(self._padded[chosen.flatten()], augmentation.padding, variations)
            )  # (B K, channels, height, width)
            yield Batch(images.view(len(chosen), -1, *images.shape[2:]), train.labels[chosen])
