"""GDAS: one sampled operation per edge, differentiable through the Gumbel-softmax.

Dong, Yang: "Searching for a robust neural architecture in four GPU hours", CVPR 2019, https://arxiv.org/abs/1910.04465,
section 3.2, as run on NAS-Bench-201's space (`search-cell.py` of AutoDL-Projects, gdas). All cells of a step share
one sample; the weights and the architecture have different ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from nas_algos.weight_sharing.method import AnnealedConfig, GradientConfig
from nas_algos.weight_sharing.shared_weights import Choice
from nas_algos.weight_sharing.topology import TopologyGradientMethod


@dataclass(frozen=True)
class GDASConfig(AnnealedConfig, GradientConfig):
    """Options of GDAS."""


class GDAS(TopologyGradientMethod):
    """Trains and is trained along sampled paths; the operations beside a path are not computed."""

    Config = GDASConfig
    on_host = True

    def sample(self) -> Choice:
        """onehot(argmax p) - p + p, one-hot with the gradient of p, for p = softmax((log softmax alpha + g) / tau)."""
        tau = self.config.temperature(self.progress)
        p = ((self.alpha.log_softmax(dim=1) + self.gumbel()) / tau).softmax(dim=1)
        hard = functional.one_hot(p.argmax(dim=1), p.shape[1]).to(p.dtype)
        return hard - p.detach() + p, hard.bool()

    @torch.no_grad()
    def weight_choice(self) -> Choice:
        return self.sample()

    def architecture_choice(self) -> Choice:
        return self.sample()
