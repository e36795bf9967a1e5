"""Channel masking with the Gumbel-softmax: every width at once, as a weighted sum of masks.

Wan et al.: "FBNetV2: Differentiable neural architecture search for spatial and channel dimensions", CVPR 2020,
https://arxiv.org/abs/2004.05565, section 3.1, as run on NATS-Bench's size space (`search-size.py` of AutoDL-Projects,
mask_gumbel).
"""

from __future__ import annotations

from dataclasses import dataclass

from nas_algos.weight_sharing.method import AnnealedConfig
from nas_algos.weight_sharing.shared_weights import Choice
from nas_algos.weight_sharing.size import SizeConfig, SizeMethod


@dataclass(frozen=True)
class MaskGumbelConfig(AnnealedConfig, SizeConfig):
    """Options of masking with the Gumbel-softmax."""


class MaskGumbel(SizeMethod):
    """The channels of a module are multiplied with sum_k p_k mask_k, p = softmax((alpha + g) / tau)."""

    Config = MaskGumbelConfig

    def sample(self) -> Choice:
        tau = self.config.temperature(self.progress)
        (exponential,) = self.exponential(1)
        p = ((self.module_logits() - exponential.log()) / tau).softmax(dim=1)  # (modules, options)
        return (p @ self.masks,)  # equation 4: (modules, width)
