"""Channel masking with REINFORCE: one sampled width per module, rewarded with its accuracy.

Bender et al.: "Can weight sharing outperform random architecture search? An investigation with TuNAS", CVPR 2020,
https://arxiv.org/abs/2008.06120, as run on NATS-Bench's size space (`search-size.py` of AutoDL-Projects, mask_rl). With
p = softmax(alpha) of each module (equation numbers are ours):

    a ~ p                                            the sampled widths                                        (1)
    R = 100 * correctly classified images / images   the reward: percent accuracy of a validation batch        (2)
    b = sum_i mu^(t - i) R_i / sum_i mu^(t - i)      the baseline: a moving average with the current reward    (3)
    L = -(R - b) log p(a)                            the loss of alpha                                         (4)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas_algos.config import knob
from nas_algos.weight_sharing.configs import WidthConfig
from nas_algos.weight_sharing.method import SharedWeights, WidthMethod, correct
from supernets.images.labelled import Batch
from supernets.supernet import Choice


@dataclass(frozen=True)
class MaskRLConfig(WidthConfig):
    """Options of masking with REINFORCE."""

    arch_weight_decay: float = knob(0.0, "weight decay of the architecture's parameters", low=0, log=True)
    ema_momentum: float = knob(0.95, "momentum of the reward baseline", symbol="mu", low=0, high=0.9999)


class MaskRL(WidthMethod):
    """Trains the weights at sampled widths, and alpha by the accuracy of further samples."""

    Config = MaskRLConfig

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        self.baseline = torch.zeros(2, device=weights.device)  # moving sums of the rewards and of their weights

    @torch.no_grad()
    def weight_choice(self) -> Choice:
        return self.warm_up_choice() if self.warming_up else self.sample()

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        _ = base
        if self.warming_up:
            return None
        drawn, mu = self.draw(), self.config.ema_momentum
        with torch.no_grad():
            logits = self.weights.logits(held_out, self.masked(drawn))
        reward = 100 * correct(logits, held_out.labels) / len(held_out.labels)  # (2)
        self.baseline = mu * self.baseline + (1 - mu) * torch.stack([reward, torch.ones_like(reward)])  # (3)
        log_p = self.module_logits.log_softmax(dim=1).gather(1, drawn[:, None]).sum()
        return self.descend(-(reward - self.baseline[0] / self.baseline[1]) * log_p)  # (4)

    def sample(self) -> Choice:
        """The masks of widths drawn from p."""
        return self.masked(self.draw())

    def draw(self) -> Tensor:
        """Draw an option for each module, (modules,)."""
        p = self.module_logits.detach().softmax(dim=1)
        (exponential,) = self.exponential(1)
        return (p / exponential).argmax(dim=1)  # (1)

    def masked(self, drawn: Tensor) -> Choice:
        """Factors (modules, width) of the channels: 1 within the drawn widths, 0 beyond."""
        return (self.supernet.masks[drawn],)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"baseline": self.baseline}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.baseline = state["baseline"].to(self.baseline.device)
