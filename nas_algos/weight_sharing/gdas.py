"""GDAS: one sampled operation per edge, differentiable through the Gumbel-softmax.

Dong, Yang: "Searching for a robust neural architecture in four GPU hours", CVPR 2019, https://arxiv.org/abs/1910.04465,
section 3.2 and algorithm 1, as run on NAS-Bench-201's space (`search-cell.py` of AutoDL-Projects, gdas). With A the
logits `alpha`, a row per edge and a column per operation k, and o ~ Gumbel(0, 1) (equation numbers are ours):

    h = one_hot(argmax_k(A_k + o_k))                the sampled operation                                     (1)
    p_k = softmax_k((log softmax(A)_k + o_k) / tau)  its relaxation, which becomes h as tau falls to 0          (2)
    h - p + p                                       h in the forward pass, gradient of p in the backward pass (3)

All cells of a step share one sample; the steps of the weights and of the architecture use different samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nas_algos.weight_sharing.configs import AnnealedConfig, GradientConfig
from nas_algos.weight_sharing.draws import valid_draw
from nas_algos.weight_sharing.method import GradientMethod
from supernets.images.labelled import Batch
from supernets.supernet import Choice, OperationSupernet


@dataclass(frozen=True)
class GDASConfig(AnnealedConfig, GradientConfig):
    """Options of GDAS."""


class GDAS(GradientMethod):
    """Weights and architecture descend their losses along sampled paths; other operations are not computed."""

    Config = GDASConfig
    kind = OperationSupernet
    on_host = True

    @torch.no_grad()
    def weight_choice(self) -> Choice:
        return self.sample()

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        _ = base
        return self.descend(self.weights.loss(held_out, self.sample()))

    def sample(self) -> Choice:
        """Edge weights that are one-hot in value and have the gradient of p, and the operations to compute."""
        p, h = valid_draw(self.space, self._draw, lambda drawn: tuple(drawn[1].argmax(dim=1).tolist()))
        return h - p.detach() + p, h.bool()  # (3)

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Draw (p, h), both (edges, operations). Since p is largest where A + o is, h is the one-hot argmax of p."""
        tau = self.config.temperature(self.progress)  # falls linearly from tau_max to tau_min
        logits = self.logits.log_softmax(dim=1)
        gumbel = -torch.empty_like(self.alpha).exponential_(generator=self.rng).log()  # o; -log E for E ~ Exp(1)
        p = ((logits + gumbel) / tau).softmax(dim=1)  # (2)
        return p, functional.one_hot(p.argmax(dim=1), p.shape[1]).to(p.dtype)  # (1)
