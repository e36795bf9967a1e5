"""Channel masking with REINFORCE: one sampled width per module, rewarded with its accuracy.

Bender et al.: "Can weight sharing outperform random architecture search? An investigation with TuNAS", CVPR 2020,
https://arxiv.org/abs/2008.06120, as run on NATS-Bench's size space (`search-size.py` of AutoDL-Projects, mask_rl). The
reward is percent accuracy of the validation batch, the baseline its bias-corrected exponential moving average with the
present reward in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas_algos.config import knob
from nas_algos.weight_sharing.shared_weights import Choice, SharedWeights, correct
from nas_algos.weight_sharing.size import SizeConfig, SizeMethod
from supernets.images.search_batches import Batch


@dataclass(frozen=True)
class MaskRLConfig(SizeConfig):
    """Options of masking with REINFORCE."""

    arch_weight_decay: float = knob(0.0, "of the architecture's parameters", low=0, log=True)
    ema_momentum: float = knob(0.95, "momentum of the reward baseline", low=0, high=0.9999)


class MaskRL(SizeMethod):
    """Samples widths from softmax(alpha); the loss is -(reward - baseline) log p(widths)."""

    Config = MaskRLConfig

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        self.baseline = torch.zeros(2, device=weights.device)  # moving sum of rewards, and of their weights

    def draw(self) -> Tensor:
        """(modules,) options."""
        p = self.module_logits().detach().softmax(dim=1)
        (exponential,) = self.exponential(1)
        return (p / exponential).argmax(dim=1)

    def sample(self) -> Choice:
        return (self.masks[self.draw()],)

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        _ = base
        if self.warming_up:
            return None
        drawn = self.draw()
        with torch.no_grad():
            logits = self.weights.logits(held_out, (self.masks[drawn],))
        reward = 100 * correct(logits, held_out.labels) / len(held_out.labels)
        momentum = self.config.ema_momentum
        self.baseline = momentum * self.baseline + (1 - momentum) * torch.stack([reward, torch.ones_like(reward)])
        log_p = self.module_logits().log_softmax(dim=1).gather(1, drawn[:, None]).sum()
        loss = -(reward - self.baseline[0] / self.baseline[1]) * log_p
        self.descend(loss)
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"baseline": self.baseline}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.baseline = state["baseline"].to(self.baseline.device)
