"""Options common to several weight-sharing methods; the file of a method adds its own. This module needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nas_algos.config import Config, knob

Scoring = Literal["same_batch", "successive_batches", "validation_set"]
"""The validation images on which candidate architectures are scored; see `SCORING_HELP`."""
SCORING_HELP = (
    "validation images that candidates are scored on; same_batch: one batch for all; successive_batches: a different "
    "batch for each, as in the official scripts; validation_set: all images"
)


@dataclass(frozen=True)
class MethodConfig(Config):
    """Options of all methods, for training the weights. Defaults: AutoDL-Projects' `weight-sharing.config`."""

    epochs: int = knob(100, "passes over the training images", symbol="E", low=1)
    batch_size: int = knob(64, "images per step", low=1)
    evaluation_batch_size: int = knob(512, "validation images per batch", low=1)
    learning_rate: float = knob(
        0.025, "learning rate of the shared weights in epoch 1", symbol="eta", low=1e-8, log=True
    )
    final_learning_rate: float = knob(
        0.001, "learning rate that the cosine schedule approaches", symbol="eta_min", low=0
    )
    momentum: float = knob(0.9, "momentum of Nesterov's SGD", low=0, high=0.9999)
    weight_decay: float = knob(5e-4, "weight decay of the shared weights", low=0, log=True)
    clip: float = knob(0.0, "bound on the norm of the weights' gradient (NAS-Bench-201 scripts: 5); 0: none", low=0)
    drop_path: float = knob(
        0.0, "probability, in the last epoch, that a layer's output for a training image is set to zero",
        low=0, high=0.9,
    )  # fmt: skip
    affine: bool = knob(False, "learnt scale and shift in the batch normalisations of the searched layers")
    track_running_stats: bool = knob(False, "running statistics in the batch normalisations of the searched layers")
    decay_unused: bool = knob(
        False, "apply momentum and weight decay to weights that a step did not use, as before PyTorch 2"
    )
    order: Literal["weights_first", "architecture_first"] = knob(
        "weights_first", "weights_first: NATS-Bench; architecture_first: DARTS paper, NAS-Bench-201's DARTS-V2"
    )
    mixed_precision: bool = knob(False, "bfloat16 where PyTorch deems it safe: faster on recent GPUs")


@dataclass(frozen=True)
class GradientConfig(MethodConfig):
    """Options of methods that learn a distribution over architectures by gradient descent."""

    arch_learning_rate: float = knob(3e-4, "learning rate of the architecture's Adam", low=1e-8, log=True)
    arch_weight_decay: float = knob(1e-3, "weight decay of the architecture's parameters", low=0, log=True)


@dataclass(frozen=True)
class WidthConfig(GradientConfig):
    """Options of all methods that search widths."""

    warm_up: float = knob(
        0.0, "share of the epochs that train only weights, at first mostly at full width; the paper's figures: 0.3",
        low=0, high=1,
    )  # fmt: skip


@dataclass(frozen=True)
class AnnealedConfig(Config):
    """Options of a softmax whose temperature falls linearly over the epochs."""

    tau_max: float = knob(10.0, "temperature of the softmax in the first epoch", symbol="tau", low=1e-3, log=True)
    tau_min: float = knob(0.1, "temperature of the softmax in the last epoch", low=1e-3, log=True)

    def temperature(self, progress: float) -> float:
        """The temperature tau = tau_max - (tau_max - tau_min) * progress, for a progress from 0 to 1."""
        return self.tau_max - (self.tau_max - self.tau_min) * progress
