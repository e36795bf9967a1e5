"""A supernet, how its weights learn, and how good it is: all that a weight-sharing method does with a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from supernets.images.search_batches import Batch, SearchImages
from supernets.search_cell import SearchCell

Choice = tuple[Tensor, ...]
"""What a supernet takes beside images: edge weights and which of them are computed, or a channel choice."""


class SharedWeights:
    """The weights of a supernet, learnt by SGD with Nesterov momentum from `images`.

    Args:
        network: maps images and a Choice to (features, logits); on its device.
        config: a MethodConfig.
        rng: of drop-path.
    """

    def __init__(self, network: nn.Module, images: SearchImages, config: Any, rng: torch.Generator) -> None:
        self.network, self.images, self.config, self.rng = network, images, config, rng
        self.layers = len(list(network.get_submodule("cells").children()))
        self.device = next(network.parameters()).device
        self.drop_path = 0.0
        self.optimizer = torch.optim.SGD(
            network.parameters(),
            lr=config.learning_rate,
            momentum=config.momentum,
            nesterov=config.momentum > 0,
            weight_decay=config.weight_decay,
            foreach=True,  # the fused one fails where only some weights have been used so far (PyTorch 2.13)
        )

    def begin_epoch(self, epoch: int) -> None:
        """Set what changes by epoch e = 0 .. E - 1.

        Learning rate eta_min + (eta - eta_min) (1 + cos(pi e / E)) / 2, drop-path rate (e + 1) / E of the last one.
        """
        rate, final, epochs = self.config.learning_rate, self.config.final_learning_rate, self.config.epochs
        for group in self.optimizer.param_groups:
            group["lr"] = final + (rate - final) * (1 + math.cos(math.pi * epoch / epochs)) / 2
        self.drop_path = self.config.drop_path * (epoch + 1) / epochs

    @property
    def learning_rate(self) -> float:
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate

    @property
    def search_cells(self) -> int:
        """How many cells of a topology supernet have edge weights."""
        return sum(isinstance(module, SearchCell) for module in self.network.modules())

    def finite(self) -> bool:
        """Whether all weights are numbers; the host waits for the device."""
        return bool(torch.stack([weight.isfinite().all() for weight in self.network.parameters()]).all())

    def parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    def logits(self, batch: Batch, choice: Choice, parameters: Mapping[str, Tensor] | None = None) -> Tensor:
        """(B, num_classes), with `parameters` for the network's own if they are given."""
        images = batch.images.contiguous(memory_format=torch.channels_last)
        arguments, named = (images, *choice), {"path_scale": self._path_scale(len(images))}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.mixed_precision):
            if parameters is None:
                _, logits = self.network(*arguments, **named)
            else:
                _, logits = functional_call(self.network, dict(parameters), arguments, named)
        result: Tensor = logits.float() if self.config.mixed_precision else logits
        return result

    def loss(self, batch: Batch, choice: Choice, parameters: Mapping[str, Tensor] | None = None) -> Tensor:
        """Mean cross entropy in nats."""
        return functional.cross_entropy(self.logits(batch, choice, parameters), batch.labels)

    def step(self, batch: Batch, choice: Choice) -> tuple[Tensor, Tensor]:
        """One step of SGD; (mean cross entropy in nats, number of images classified right) before it, on the device."""
        self.optimizer.zero_grad(set_to_none=not self.config.decay_unused)
        logits = self.logits(batch, choice)
        loss = functional.cross_entropy(logits, batch.labels)
        loss.backward()
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        return loss.detach(), correct(logits.detach(), batch.labels)

    @torch.inference_mode()
    def accuracy(self, batches: Iterable[Batch], choice: Choice) -> float:
        """Percent, in evaluation mode; the network's mode stays as it was."""
        training = self.network.training
        self.network.eval()
        right: Sequence[Tensor] = []
        counted = 0
        for batch in batches:
            right = [*right, correct(self.logits(batch, choice), batch.labels)]
            counted += len(batch.labels)
        self.network.train(training)
        return 100 * int(torch.stack(list(right)).sum()) / counted

    def _path_scale(self, batch: int) -> Tensor | None:
        """Drop-path factors (layers, B): 0, or 1 / the probability to be kept. Only in training."""
        if not (self.drop_path and self.network.training):
            return None
        keep = 1 - self.drop_path
        kept = torch.rand(self.layers, batch, generator=self.rng) < keep
        return (kept / keep).to(self.device, non_blocking=True)

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
    """How many images have their largest logit at their label."""
    return (logits.argmax(dim=1) == labels).sum()
