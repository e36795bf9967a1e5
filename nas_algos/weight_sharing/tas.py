"""TAS: two sampled widths per module, brought to one by interpolation along the channels and mixed.

Dong, Yang: "Network pruning via transformable architecture search", NeurIPS 2019, https://arxiv.org/abs/1905.09717,
equations 1 to 4, as run on NATS-Bench's size space (`search-size.py` of AutoDL-Projects, tas).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch

from nas_algos.weight_sharing.method import AnnealedConfig
from nas_algos.weight_sharing.shared_weights import Choice, SharedWeights
from nas_algos.weight_sharing.size import SizeConfig, SizeMethod
from supernets.size_supernet import interpolation

WIDTHS = 2
"""Sampled per module."""


@dataclass(frozen=True)
class TASConfig(AnnealedConfig, SizeConfig):
    """Options of TAS."""


class TAS(SizeMethod):
    """A module gives q_1 A(c_1 -> c) + q_2 A(c_2 -> c) of its first channels, c = max(c_1, c_2)."""

    Config = TASConfig

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        options, width = len(self.channels), self.channels[-1]
        every = [interpolation(given, wanted, width) for given, wanted in product(self.channels, repeat=2)]
        self.matrices = torch.stack(every).view(options, options, width, width).to(weights.device)

    def sample(self) -> Choice:
        tau = self.config.temperature(self.progress)
        of_noise, of_pairs = self.exponential(2)
        logits = (self.module_logits().log_softmax(dim=1) - of_noise.log()) / tau  # equation 3: (modules, options)
        p = logits.detach().softmax(dim=1) + 1e-7
        pair = (p / of_pairs).topk(WIDTHS, dim=1).indices  # (modules, 2), different
        q = logits.gather(1, pair).softmax(dim=1)  # (modules, 2)
        wider = pair.max(dim=1, keepdim=True).values
        return ((q[:, :, None, None] * self.matrices[pair, wider]).sum(dim=1),)  # equation 4: (modules, width, width)
