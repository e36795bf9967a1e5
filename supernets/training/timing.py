"""Seconds per image of a training step and of an evaluation, and the latency of one forward pass."""

from __future__ import annotations

import time
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn

from supernets.candidate_network import CandidateConfig
from supernets.images.labelled import Batch
from supernets.images.tasks import ImageTask
from supernets.settings import TrainConfig
from supernets.training.devices import wait_for
from supernets.training.trainees import trainees_of


class ImageSeconds(NamedTuple):
    """The computing time of a network on its device."""

    train: float  # seconds per image of a training step
    evaluation: float  # seconds per image of a pass in evaluation mode


def time_per_image(
    network: CandidateConfig, task: ImageTask, config: TrainConfig, device: torch.device | str = "cpu", repeats: int = 5
) -> ImageSeconds:
    """Median seconds over `repeats` full batches of training and of evaluation, after one warm-up batch of each.

    The network is trained as `train_candidates` trains it.
    """
    rng = torch.Generator().manual_seed(0)
    (trainee,) = trainees_of([network.build(rng)], task, config, device)
    first = next(trainee.batches.epochs([rng]))
    batch = Batch(first.images[: config.batch_size], first.labels[: config.batch_size])
    split = next(iter(trainee.task.evaluation.values())).head(trainee.typical_batch)
    train = [trainee.train_epoch([batch], config.learning_rate)[0].seconds for _ in range(repeats + 1)]
    evaluation = [trainee.evaluate(split)[0].seconds for _ in range(repeats + 1)]
    return ImageSeconds(median(train[1:]) / len(batch.labels), median(evaluation[1:]) / len(split))


def latency(network: nn.Module, images: Tensor, repeats: int = 10) -> float:
    """Seconds for a batch of normalised images to pass through the network on its device, in evaluation mode.

    The mean of `repeats` passes after one warm-up pass; NATS-Bench used batches of 256.
    """
    network.eval()
    with torch.inference_mode():
        network(images)
        wait_for(images.device)
        start = time.perf_counter()
        for _ in range(repeats):
            network(images)
        wait_for(images.device)
    return (time.perf_counter() - start) / repeats
