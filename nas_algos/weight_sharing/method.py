"""The contract of weight-sharing methods: the step of the weights, the step of the architecture, and the derivation.

A method sees batches and the network with its weights, but never files, clocks or test images. For each batch of
training images (`base`) and the batch of validation images paired with it (`held_out`), a search calls

    method.weights.step(base, method.weight_choice())    one SGD step of the shared weights along a choice
    method.architecture_step(base, held_out)             one step of the architecture's parameters

and at the end of each epoch `end_epoch` (ENAS trains its controller there), `probabilities`, and `derive`, which
returns the architecture found so far. Everything random is drawn on the CPU from the method's own generator.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.spaces import Arch
from nas_algos.weight_sharing.configs import MethodConfig, Scoring
from nas_algos.weight_sharing.draws import likeliest
from supernets.images.labelled import Batch
from supernets.images.search_batches import SearchImages
from supernets.supernet import Choice, Supernet, WidthSupernet


class SharedWeights:
    """The weights of a supernet, trained by SGD with Nesterov momentum; `rng` draws the drop-path masks."""

    def __init__(self, network: Supernet, images: SearchImages, config: MethodConfig, rng: torch.Generator) -> None:
        self.network, self.images, self.config, self.rng = network, images, config, rng
        self.device = next(network.parameters()).device
        self.drop_path = 0.0
        self.optimizer = torch.optim.SGD(
            network.parameters(),
            lr=config.learning_rate,
            momentum=config.momentum,
            nesterov=config.momentum > 0,
            weight_decay=config.weight_decay,
            foreach=True,  # fused=True fails while some weights are still unused (PyTorch 2.13)
        )

    @property
    def learning_rate(self) -> float:
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate

    def begin_epoch(self, epoch: int) -> None:
        """Set the quantities that depend on the epoch e = 0 .. E - 1.

        The learning rate is eta_min + (eta - eta_min) (1 + cos(pi e / E)) / 2; the drop-path rate grows linearly and is
        (e + 1) / E of the final one.
        """
        rate, final, epochs = self.config.learning_rate, self.config.final_learning_rate, self.config.epochs
        for group in self.optimizer.param_groups:
            group["lr"] = final + (rate - final) * (1 + math.cos(math.pi * epoch / epochs)) / 2
        self.drop_path = self.config.drop_path * (epoch + 1) / epochs

    def step(self, batch: Batch, choice: Choice) -> tuple[Tensor, Tensor]:
        """Take one step of SGD along `choice`.

        Returns:
            The mean cross entropy in nats and the number of correctly classified images, both before the step, on the
            device.
        """
        self.optimizer.zero_grad(set_to_none=not self.config.decay_unused)
        logits = self.logits(batch, choice)
        loss = functional.cross_entropy(logits, batch.labels)
        loss.backward()
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        return loss.detach(), correct(logits.detach(), batch.labels)

    def loss(self, batch: Batch, choice: Choice, parameters: Mapping[str, Tensor] | None = None) -> Tensor:
        """The mean cross entropy of a batch in nats; see `logits`."""
        return functional.cross_entropy(self.logits(batch, choice, parameters), batch.labels)

    def logits(self, batch: Batch, choice: Choice, parameters: Mapping[str, Tensor] | None = None) -> Tensor:
        """The logits (B, num_classes) of a batch. `parameters` by name, if given, replace the network's own."""
        images = batch.images.contiguous(memory_format=torch.channels_last)
        arguments, named = (images, *choice), {"path_scale": self._path_scale(len(images))}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.mixed_precision):
            if parameters is None:
                _, logits = self.network(*arguments, **named)
            else:
                _, logits = functional_call(self.network, dict(parameters), arguments, named)
        result: Tensor = logits.float() if self.config.mixed_precision else logits
        return result

    def _path_scale(self, batch: int) -> Tensor | None:
        """Drop-path factors (layers, B) in training: 0, or 1 / the probability that an output is kept."""
        if not (self.drop_path and self.network.training):
            return None
        keep = 1 - self.drop_path
        kept = torch.rand(len(self.network.cells), batch, generator=self.rng) < keep
        return (kept / keep).to(self.device, non_blocking=True)

    @torch.inference_mode()
    def accuracy(self, batches: Iterable[Batch], choice: Choice) -> float:
        """The accuracy in percent, in evaluation mode; the network's mode is restored afterwards."""
        training = self.network.training
        self.network.eval()
        right, counted = [], 0
        for batch in batches:
            right.append(correct(self.logits(batch, choice), batch.labels))
            counted += len(batch.labels)
        self.network.train(training)
        return 100 * int(torch.stack(right).sum()) / counted

    def finite(self) -> bool:
        """Whether all weights are finite; this makes the host wait for the device."""
        return bool(torch.stack([weight.isfinite().all() for weight in self.network.parameters()]).all())

    def parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.set_state(state["rng"])


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """The number of correctly classified images: those whose largest logit is that of their label."""
    return (logits.argmax(dim=1) == labels).sum()


class Method(ABC):
    """Base class of the methods.

    Args:
        weights: the shared weights of a supernet of the method's kind, with the config of the method.
        rng: the generator of everything that the method draws, on the CPU.

    Raises:
        InputError: the supernet is not of the method's kind.
    """

    Config: ClassVar[type[MethodConfig]]
    kind: ClassVar[type[Supernet]]
    """The kind of supernet that the method searches."""

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        self.check_kind(weights.network)
        self.weights, self.rng = weights, rng
        self.config: Any = weights.config
        self.supernet: Any = weights.network
        self.space = weights.network.space
        self.epoch = 0  # counts from 0

    @classmethod
    def check_kind(cls, supernet: Supernet) -> None:
        if not isinstance(supernet, cls.kind):
            raise InputError(
                f"{cls.__name__} searches {cls.kind.searched}; the supernet of {supernet.space.name} is searched for "
                f"{supernet.searched}: choose another method or another space"
            )

    @property
    def progress(self) -> float:
        """The progress of the search, from 0 in the first epoch to 1 in the last."""
        last: int = self.config.epochs - 1
        return self.epoch / max(1, last)

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def path(self, arch: Arch) -> Choice:
        """The choice with which the network computes exactly `arch`."""
        return self.weights.network.path(arch)

    @abstractmethod
    def weight_choice(self) -> Choice:
        """The choice for the next step of the weights; it carries no gradient."""

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        """Take a step of the architecture's parameters; by default, there is none.

        Args:
            base: the training images of the same step.

        Returns:
            The loss on `held_out`, on its device; None if there is no step.
        """
        _ = base, held_out
        return None

    def end_epoch(self, batches: Iterator[Batch]) -> None:
        """Train what is trained once per epoch, on endless validation batches; by default, nothing."""
        _ = batches

    @abstractmethod
    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The architecture found so far; `batches` are endless validation batches."""

    @abstractmethod
    def probabilities(self) -> Tensor:
        """The probability of each option of each decision of a drawn architecture, (decisions, most options).

        Rows of decisions with fewer options end in zeros. If decisions depend on each other, these are the marginals.
        """

    def state_dict(self) -> dict[str, Any]:
        """Everything that the method has learnt, and the state of its generator."""
        return {"rng": self.rng.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from the `state_dict` of a method with the same config."""
        self.rng.set_state(state["rng"])


class GradientMethod(Method):
    """A method that trains logits `alpha` with Adam; a subclass defines the loss.

    `alpha` is (decisions, most options); entries beyond the last option of a decision have no meaning, see `logits`.
    """

    BETAS: ClassVar[tuple[float, float]] = (0.5, 0.999)
    on_host: ClassVar[bool] = False
    """Whether alpha is kept in host memory, for methods that read each sample back to skip unused operations."""

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        options = self.space.options
        device = torch.device("cpu") if self.on_host else weights.device
        alpha = 1e-3 * torch.randn(len(options), max(options), generator=rng)
        self.alpha = nn.Parameter(alpha.to(device))
        self.exists = torch.arange(max(options)) < torch.tensor(options)[:, None]  # (decisions, most options); on host
        self._padding = ~self.exists.to(device)
        config = self.config
        self.optimizer = torch.optim.Adam(
            [self.alpha], lr=config.arch_learning_rate, betas=self.BETAS, weight_decay=config.arch_weight_decay
        )

    @property
    def logits(self) -> Tensor:
        """The logits (decisions, most options): alpha, and minus infinity for options that do not exist."""
        return self.alpha.masked_fill(self._padding, -torch.inf)

    def descend(self, loss: Tensor) -> Tensor:
        """Take one step of Adam along the gradient of `loss` in alpha only; returns the loss without its graph."""
        (self.alpha.grad,) = torch.autograd.grad(loss, [self.alpha])
        self.optimizer.step()
        return loss.detach()

    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The most likely valid architecture: every decision's option with the largest logit, if that is valid."""
        _ = batches
        arch: Arch = tuple(self.logits.detach().argmax(dim=1).tolist())
        return arch if self.space.is_valid(arch) else self.likeliest(1)[0]

    def likeliest(self, count: int) -> list[Arch]:
        """The `count` most likely valid architectures, by descending probability."""
        log_p = self.logits.detach().log_softmax(dim=1).double().tolist()
        return likeliest(self.space, [row[:n] for row, n in zip(log_p, self.space.options, strict=True)], count)

    def probabilities(self) -> Tensor:
        return self.logits.detach().softmax(dim=1)

    def state_dict(self) -> dict[str, Any]:
        learnt = {"alpha": self.alpha.detach().clone(), "optimizer": self.optimizer.state_dict()}
        return super().state_dict() | learnt

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])
        self.optimizer.load_state_dict(state["optimizer"])


class WidthMethod(GradientMethod):
    """A gradient method that searches widths and may warm up, training the weights at widths that ignore alpha.

    Module m uses row `decision_of_module[m]` of alpha. The stem and the first layer share a row but draw separately, as
    in the official code.
    """

    kind = WidthSupernet

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        self.decision_of_module = torch.tensor(self.supernet.decision_of_module).to(weights.device)

    @property
    def module_logits(self) -> Tensor:
        """The logits of each module, (modules, options)."""
        return self.alpha[self.decision_of_module]

    def exponential(self, count: int) -> tuple[Tensor, ...]:
        """`count` tensors (modules, options) of exponentially distributed numbers, on the device of the weights.

        -log E is Gumbel noise, and the options with the n largest p / E are n distinct samples of p. The numbers of a
        module are drawn consecutively, as in the official code and in `torch.multinomial`.
        """
        modules, options = len(self.decision_of_module), self.alpha.shape[1]
        drawn = torch.empty(modules, count, options, dtype=self.alpha.dtype).exponential_(generator=self.rng)
        return drawn.to(self.alpha.device, non_blocking=True).unbind(dim=1)

    @property
    def warming_up(self) -> bool:
        return bool(self.epoch / self.config.epochs < self.config.warm_up)

    def warm_up_choice(self) -> Choice:
        """A choice whose modules have full width with a probability that falls from 1 to 0, else a uniform width."""
        rho = 1 - self.epoch / self.config.epochs / self.config.warm_up
        modules, options = len(self.decision_of_module), self.alpha.shape[1]
        drawn = torch.randint(options, (modules,), generator=self.rng)
        full = torch.rand(modules, generator=self.rng) < rho
        chosen = torch.where(full, options - 1, drawn)
        return (self.supernet.masks[chosen.to(self.supernet.masks.device, non_blocking=True)],)


def best_of(candidates: Sequence[Arch], method: Method, batches: Iterator[Batch], scoring: Scoring) -> Arch:
    """The candidate with the best accuracy on shared weights; the first one of several.

    Args:
        scoring: the images to score on. `same_batch`: one batch for all, drawn anew at every call.
            `successive_batches`: a different batch for each candidate, as in the official scripts, so that the winner
            depends strongly on its batch. `validation_set`: all images.
    """
    accuracy, path = method.weights.accuracy, method.path
    if scoring == "successive_batches":
        scores = [accuracy([next(batches)], path(arch)) for arch in candidates]
    else:
        same = [next(batches)] if scoring == "same_batch" else list(method.weights.images.validation())
        scores = [accuracy(same, path(arch)) for arch in candidates]
    return candidates[scores.index(max(scores))]
