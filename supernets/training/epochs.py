"""One epoch of training, one evaluation of a split, and their measurements."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from supernets.images.augmentation import Normalisation
from supernets.images.labelled import Batch, LabelledImages
from supernets.settings import TrainConfig
from supernets.training.devices import wait_for


class Measurement(NamedTuple):
    """The measurements of one network in one pass over a split."""

    loss: float  # cross entropy in nats, mean over images
    accuracy: float  # percent
    seconds: float  # host time of the pass, divided by the number of networks side by side


def train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[Batch], config: TrainConfig
) -> list[Measurement]:
    """Take one step per batch of normalised images, as `TrainingBatches.epochs` yields them for K networks.

    Returns:
        For each network, the averages over all images; each image is measured before the step that it takes part in.
    """
    network.train()
    meter = _Meter()
    for images, labels in batches:
        optimizer.zero_grad()
        losses, logits = _forward(network, images, labels, config)
        losses.sum().backward()
        optimizer.step()
        meter.add(losses.detach(), logits.detach(), labels)
    return meter.measurements()


@torch.inference_mode()
def evaluate(
    network: nn.Module, split: LabelledImages, normalisation: Normalisation, config: TrainConfig, networks: int = 1
) -> list[Measurement]:
    """Evaluate `networks` networks side by side on a split on their device; returns a measurement of each."""
    network.eval()
    meter = _Meter()
    for images, labels in split.batches(config.evaluation_batch_size):
        labels = labels.unsqueeze(1).expand(-1, networks)
        losses, logits = _forward(network, normalisation(images).repeat(1, networks, 1, 1), labels, config)
        meter.add(losses, logits, labels)
    return meter.measurements()


def _forward(network: nn.Module, images: Tensor, labels: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """The mean cross entropies of a batch (K,) and the logits (B, num_classes, K), for labels (B, K)."""
    if config.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=config.mixed_precision):
        _features, logits = network(images)
        logits = logits.view(*labels.shape, -1).transpose(1, 2)
        return functional.cross_entropy(logits, labels, reduction="none").mean(dim=0), logits


class _Meter:
    """Collects the results of a pass on their device; the host waits for them only at the end."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []  # (K,) each
        self._correct: list[Tensor] = []  # (K,) each
        self._sizes: list[int] = []
        self._start = time.perf_counter()

    def add(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        self._losses.append(losses)
        self._correct.append((logits.argmax(dim=1) == labels).sum(dim=0))
        self._sizes.append(len(labels))

    def measurements(self) -> list[Measurement]:
        """One measurement per network."""
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        losses = sizes @ torch.stack(self._losses).cpu().double() / sizes.sum()
        correct = torch.stack(self._correct).sum(dim=0).tolist()
        wait_for(self._losses[0].device)
        seconds = (time.perf_counter() - self._start) / len(correct)
        return [
            Measurement(loss, 100 * right / sum(self._sizes), seconds)
            for loss, right in zip(losses.tolist(), correct, strict=True)
        ]
