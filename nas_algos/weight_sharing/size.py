"""What the methods on the size supernet have in common: a width for each of six modules, of which two share logits."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.spaces import Arch
from nas_algos.config import knob
from nas_algos.weight_sharing.method import GradientConfig, GradientMethod
from nas_algos.weight_sharing.shared_weights import Choice, SharedWeights
from supernets.images.search_batches import Batch
from supernets.size_supernet import DECISION_OF_MODULE, MODULES, SizeSupernet, masks


@dataclass(frozen=True)
class SizeConfig(GradientConfig):
    """Options of all methods on the size supernet."""

    warm_up: float = knob(
        0.0, "share of the epochs that train weights alone, mostly at full width at first; the paper's figures: 0.3",
        low=0, high=1,
    )  # fmt: skip


class SizeMethod(GradientMethod):
    """A method on the supernet of `sss`, whose Choice is (factors or matrices of the six modules' channels,).

    Row i of alpha decides layer i. The stem draws from row 0, too, apart from the first layer, as in the official code.
    """

    space_name = "sss"

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        assert isinstance(weights.network, SizeSupernet)
        self.channels = weights.network.config.channels
        self.masks = masks(self.channels).to(weights.device)  # (options, width)
        self.decision_of_module = torch.tensor(DECISION_OF_MODULE).to(weights.device)

    @abstractmethod
    def sample(self) -> Choice:
        """A draw from the present distribution, whose gradient reaches alpha."""

    @property
    def warming_up(self) -> bool:
        return bool(self.epoch / self.config.epochs < self.config.warm_up)

    def module_logits(self) -> Tensor:
        """(modules, options)."""
        return self.alpha[self.decision_of_module]

    def exponential(self, count: int) -> tuple[Tensor, ...]:
        """`count` times exponentially distributed numbers (modules, options) on the weights' device.

        -log E is Gumbel noise, and the largest n of p / E are n different options drawn from p. The numbers of a
        module are drawn one after the other, as the official code and `torch.multinomial` draw them.
        """
        drawn = torch.empty(MODULES, count, len(self.channels), dtype=self.alpha.dtype)
        return drawn.exponential_(generator=self.rng).to(self.alpha.device, non_blocking=True).unbind(dim=1)

    @torch.no_grad()
    def weight_choice(self) -> Choice:
        return self._warm_up_widths() if self.warming_up else self.sample()

    def _warm_up_widths(self) -> Choice:
        """Of each module the full width with a probability that falls from 1 to 0, or else a uniformly drawn one."""
        rho = 1 - self.epoch / self.config.epochs / self.config.warm_up
        drawn = torch.randint(len(self.channels), (MODULES,), generator=self.rng)
        full = torch.rand(MODULES, generator=self.rng) < rho
        choice = torch.where(full, len(self.channels) - 1, drawn)
        return (self.masks[choice.to(self.masks.device, non_blocking=True)],)

    def architecture_choice(self) -> Choice:
        return self.sample()

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        return None if self.warming_up else super().architecture_step(base, held_out)

    def path(self, arch: Arch) -> Choice:
        return (self.masks[[arch[decision] for decision in DECISION_OF_MODULE]],)
