"""Channel masking with the Gumbel-softmax: every width at once, as a weighted sum of masks.

Wan et al.: "FBNetV2: Differentiable neural architecture search for spatial and channel dimensions", CVPR 2020,
https://arxiv.org/abs/2004.05565, section 3.1, as run on NATS-Bench's size space (`search-size.py` of AutoDL-Projects,
mask_gumbel). For a module whose row of logits is `alpha`, with 1_k = 1 on the first c_k channels and 0 on the others:

    g_k = softmax_k((alpha_k + o_k) / tau),  o_k ~ Gumbel(0, 1)    the Gumbel weights
    y = b(x) * sum_k g_k 1_k                                       the module's output        (equation 4)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas_algos.weight_sharing.configs import AnnealedConfig, WidthConfig
from nas_algos.weight_sharing.method import WidthMethod
from supernets.images.labelled import Batch
from supernets.supernet import Choice


@dataclass(frozen=True)
class MaskGumbelConfig(AnnealedConfig, WidthConfig):
    """Options of masking with the Gumbel-softmax."""


class MaskGumbel(WidthMethod):
    """Weights and architecture descend their losses under masks drawn for each step."""

    Config = MaskGumbelConfig

    @torch.no_grad()
    def weight_choice(self) -> Choice:
        return self.warm_up_choice() if self.warming_up else self.sample()

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        _ = base
        return None if self.warming_up else self.descend(self.weights.loss(held_out, self.sample()))

    def sample(self) -> Choice:
        """Factors (modules, width) of the channels, with a gradient in alpha."""
        tau = self.config.temperature(self.progress)  # falls linearly from tau_max to tau_min
        (exponential,) = self.exponential(1)
        g = ((self.module_logits - exponential.log()) / tau).softmax(dim=1)  # (modules, options)
        return (g @ self.supernet.masks,)  # equation 4
