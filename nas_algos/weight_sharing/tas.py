"""TAS: two sampled widths per module, interpolated along the channels to the same width and mixed.

Dong, Yang: "Network pruning via transformable architecture search", NeurIPS 2019, https://arxiv.org/abs/1905.09717,
section 3.1, as run on NATS-Bench's size space (`search-size.py` of AutoDL-Projects, tas). For a module whose row of
logits is `alpha`, with A(c -> d) the interpolation of c channels to d (equation numbers are ours):

    p = softmax(alpha)                                                the distribution over the widths c_j    (1)
    l_j = (log p_j + o_j) / tau,  o_j ~ Gumbel(0, 1);  I ~ softmax(l)  two different widths                   (2)
    q = softmax of l over I                                           their mixing weights                    (3)
    y = sum over j in I of q_j A(c_j -> max_I c) b(x)_{1..c_j}        the module's output                     (4)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from nas_algos.weight_sharing.configs import AnnealedConfig, WidthConfig
from nas_algos.weight_sharing.method import SharedWeights, WidthMethod
from supernets.images.labelled import Batch
from supernets.size_supernet import interpolation
from supernets.supernet import Choice

WIDTHS = 2
"""The size of I: widths sampled per module."""


@dataclass(frozen=True)
class TASConfig(AnnealedConfig, WidthConfig):
    """Options of TAS."""


class TAS(WidthMethod):
    """Weights and architecture descend their losses under pairs of widths drawn for each step."""

    Config = TASConfig

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        channels = self.supernet.channels
        options, width = len(channels), channels[-1]
        every = [interpolation(given, wanted, width) for given, wanted in product(channels, repeat=2)]
        self.matrices = torch.stack(every).view(options, options, width, width).to(weights.device)  # A

    @torch.no_grad()
    def weight_choice(self) -> Choice:
        return self.warm_up_choice() if self.warming_up else self.sample()

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        _ = base
        return None if self.warming_up else self.descend(self.weights.loss(held_out, self.sample()))

    def sample(self) -> Choice:
        """Maps (modules, width, width) on the channels, with a gradient in alpha through q."""
        tau = self.config.temperature(self.progress)  # falls linearly from tau_max to tau_min
        of_noise, of_pairs = self.exponential(2)
        log_p = self.module_logits.log_softmax(dim=1)  # (1): (modules, options)
        logits = (log_p - of_noise.log()) / tau  # (2)
        pair = ((logits.detach().softmax(dim=1) + 1e-7) / of_pairs).topk(WIDTHS, dim=1).indices  # (2): (modules, 2)
        q = logits.gather(1, pair).softmax(dim=1)  # (3): (modules, 2)
        wider = pair.max(dim=1, keepdim=True).values
        return ((q[:, :, None, None] * self.matrices[pair, wider]).sum(dim=1),)  # (4)
