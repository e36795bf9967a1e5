"""The one contract of every weight-sharing method: what trains the shared weights, and how the architecture moves.

A method sees batches and the network with its weights; never files, clocks or test images. Each step of a search is

    weights:        one SGD step of the shared weights on training images, under `weight_choice()`
    architecture:   `architecture_step` on validation images

and each epoch ends with `end_epoch` (ENAS trains its controller there) and `derive`, which names the architecture
found so far. Everything random is drawn on the CPU from the method's own generator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmarks.spaces import Arch, space_named
from benchmarks.spaces.base import ProductSpace
from nas_algos.config import Config, knob
from nas_algos.weight_sharing.shared_weights import Choice, SharedWeights
from supernets.images.search_batches import Batch

Scoring = Literal["same_batch", "successive_batches", "validation_set"]


@dataclass(frozen=True)
class MethodConfig(Config):
    """Options of all methods: how the shared weights learn. Defaults: AutoDL-Projects' `weight-sharing.config`."""

    epochs: int = knob(100, "passes over the training images", symbol="E", low=1)
    batch_size: int = knob(64, "images per step", low=1)
    evaluation_batch_size: int = knob(512, "validation images per batch", low=1)
    learning_rate: float = knob(0.025, "of the shared weights in the first epoch", symbol="eta", low=1e-8, log=True)
    final_learning_rate: float = knob(0.001, "that the cosine of the epochs falls towards", symbol="eta_min", low=0)
    momentum: float = knob(0.9, "of Nesterov's SGD", low=0, high=0.9999)
    weight_decay: float = knob(5e-4, "of the shared weights", low=0, log=True)
    clip: float = knob(0.0, "largest norm of the weights' gradient, 5 in the NAS-Bench-201 scripts; 0: any", low=0)
    drop_path: float = knob(
        0.0,
        "probability, in the last epoch, that what a layer gives for a training image becomes zero",
        low=0,
        high=0.9,
    )
    affine: bool = knob(False, "learnt scale and shift in the batch normalisations of the searched layers")
    track_running_stats: bool = knob(False, "running statistics in the batch normalisations of the searched layers")
    decay_unused: bool = knob(
        False, "weights that a step did not use still feel momentum and weight decay, as before PyTorch 2"
    )
    order: Literal["weights_first", "architecture_first"] = knob(
        "weights_first", "weights_first: NATS-Bench; architecture_first: DARTS paper, NAS-Bench-201's DARTS-V2"
    )
    mixed_precision: bool = knob(False, "bfloat16 where PyTorch deems it safe: faster on recent GPUs")


SCORING_HELP = (
    "validation images that candidates are scored on; same_batch: one batch for all; successive_batches: each on "
    "another batch, as the official scripts do; validation_set: all images"
)


@dataclass(frozen=True)
class GradientConfig(MethodConfig):
    """Options of methods that learn a distribution over architectures by gradients."""

    arch_learning_rate: float = knob(3e-4, "of Adam on the architecture's parameters", low=1e-8, log=True)
    arch_weight_decay: float = knob(1e-3, "of the architecture's parameters", low=0, log=True)


class Method(ABC):
    """Base of the methods.

    Args:
        weights: the shared weights of a supernet of the method's space, whose config is the method's.
        rng: of everything that the method draws; on the CPU.
    """

    Config: ClassVar[type[MethodConfig]]
    space_name: ClassVar[str]

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        self.weights, self.rng = weights, rng
        self.config: Any = weights.config
        self.epoch = 0  # counts from 0

    @property
    def space(self) -> ProductSpace:
        space = space_named(self.space_name)
        assert isinstance(space, ProductSpace)
        return space

    @property
    def progress(self) -> float:
        """From 0 in the first epoch to 1 in the last."""
        last: int = self.config.epochs - 1
        return self.epoch / max(1, last)

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @abstractmethod
    def weight_choice(self) -> Choice:
        """What the network computes in the next step of its weights; nothing in it needs a gradient."""

    @abstractmethod
    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        """Move the architecture's parameters; the loss on `held_out`, on its device, or None if there is none.

        Args:
            base: the training images of the same step.
        """

    def end_epoch(self, batches: Iterator[Batch]) -> None:
        """Learn what is learnt once per epoch, from endless validation batches; most methods have nothing to."""
        _ = batches

    @abstractmethod
    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The architecture found so far; `batches` are endless validation batches."""

    @abstractmethod
    def path(self, arch: Arch) -> Choice:
        """What the network computes to be `arch`."""

    @abstractmethod
    def probabilities(self) -> Tensor:
        """(decisions, options): of each option when an architecture is drawn, as far as decisions are independent."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that was learnt, and the generator's state."""
        return {"rng": self.rng.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a method with the same config."""
        self.rng.set_state(state["rng"])


class GradientMethod(Method):
    """A method with logits `alpha`, (decisions, options), that Adam moves."""

    BETAS: ClassVar[tuple[float, float]] = (0.5, 0.999)
    on_host: ClassVar[bool] = False
    """Whether alpha lies in the memory of the host, which must know what was drawn to compute nothing else."""

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        config, place = weights.config, torch.device("cpu") if self.on_host else weights.device
        alpha = 1e-3 * torch.randn(len(self.space.options), max(self.space.options), generator=rng)
        self.alpha = nn.Parameter(alpha.to(place))
        self.optimizer = torch.optim.Adam(
            [self.alpha], lr=config.arch_learning_rate, betas=self.BETAS, weight_decay=config.arch_weight_decay
        )

    @abstractmethod
    def architecture_choice(self) -> Choice:
        """What the network computes in the next step of alpha, whose gradient reaches alpha."""

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        """Descend the loss on validation images, with the shared weights as they are."""
        _ = base
        loss = self.weights.loss(held_out, self.architecture_choice())
        self.descend(loss)
        return loss.detach()

    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The most likely option of every decision."""
        _ = batches
        return self.most_likely()

    def probabilities(self) -> Tensor:
        return self.alpha.detach().softmax(dim=1)

    def descend(self, loss: Tensor) -> None:
        """One step of Adam along the gradient of `loss` in alpha alone."""
        (self.alpha.grad,) = torch.autograd.grad(loss, [self.alpha])
        self.optimizer.step()

    def most_likely(self) -> Arch:
        """The largest logit of every decision."""
        return tuple(self.alpha.detach().argmax(dim=1).tolist())

    def gumbel(self) -> Tensor:
        """Standard Gumbel noise in the shape of alpha, beside it."""
        exponential = torch.empty(self.alpha.shape, dtype=self.alpha.dtype).exponential_(generator=self.rng)
        return -exponential.log().to(self.alpha.device)

    def state_dict(self) -> dict[str, Any]:
        learnt = {"alpha": self.alpha.detach().clone(), "optimizer": self.optimizer.state_dict()}
        return super().state_dict() | learnt

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])
        self.optimizer.load_state_dict(state["optimizer"])


@dataclass(frozen=True)
class AnnealedConfig(Config):
    """Options of a softmax whose temperature falls linearly over the epochs."""

    tau_max: float = knob(10.0, "temperature of the softmax in the first epoch", symbol="tau", low=1e-3, log=True)
    tau_min: float = knob(0.1, "in the last epoch", low=1e-3, log=True)

    def temperature(self, progress: float) -> float:
        """tau after a part of the epochs, 0 to 1."""
        return self.tau_max - (self.tau_max - self.tau_min) * progress


def best_of(candidates: Sequence[Arch], method: Method, batches: Iterator[Batch], scoring: Scoring) -> Arch:
    """The first of the `candidates` with the best accuracy on shared weights.

    Args:
        scoring: on which of the `batches`. `same_batch`: one for all, drawn anew at every call. `successive_batches`:
            each candidate on another one, as the official scripts do, whose best candidate owes much to its batch.
            `validation_set`: all images.
    """
    accuracy = method.weights.accuracy
    if scoring == "successive_batches":
        scores = [accuracy([next(batches)], method.path(arch)) for arch in candidates]
    else:
        same = [next(batches)] if scoring == "same_batch" else list(method.weights.images.validation())
        scores = [accuracy(same, method.path(arch)) for arch in candidates]
    return candidates[scores.index(max(scores))]
