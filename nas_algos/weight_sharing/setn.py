"""SETN: uniformly sampled paths train the weights, the mixture learns which architectures to evaluate.

Dong, Yang: "One-shot neural architecture search via self-evaluated template network", ICCV 2019,
https://arxiv.org/abs/1910.05733, as run on NAS-Bench-201's space (`search-cell.py` of AutoDL-Projects, setn).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from benchmarks.spaces import Arch
from nas_algos.config import knob
from nas_algos.weight_sharing.method import SCORING_HELP, GradientConfig, best_of
from nas_algos.weight_sharing.shared_weights import Choice
from nas_algos.weight_sharing.topology import TopologyGradientMethod
from supernets.images.search_batches import Batch


@dataclass(frozen=True)
class SETNConfig(GradientConfig):
    """Options of SETN."""

    candidates: int = knob(100, "most likely architectures that are scored after an epoch", low=1, high=15625)
    scoring: Literal["same_batch", "successive_batches", "validation_set"] = knob("same_batch", SCORING_HELP)


class SETN(TopologyGradientMethod):
    """The template network's weights know no preference; alpha, learnt on the mixture, picks what is scored."""

    Config = SETNConfig

    def weight_choice(self) -> Choice:
        decisions, options = len(self.space.options), max(self.space.options)
        return self.path(tuple(torch.randint(options, (decisions,), generator=self.rng).tolist()))

    def architecture_choice(self) -> Choice:
        return self.mixture()

    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The best of the architectures with the highest log-probability."""
        return best_of(self.likeliest(self.config.candidates), self, batches, self.config.scoring)

    def likeliest(self, count: int) -> list[Arch]:
        """Sorted by log-probability, descending; equal ones in the order of the space."""
        log_p = self.alpha.detach().log_softmax(dim=1).double().cpu().numpy()
        total = log_p[0]
        for row in log_p[1:]:
            total = np.add.outer(total, row)  # (options, ..., options)
        order = np.argsort(-total.ravel(), kind="stable")[:count]
        return [self.space.at_position(int(position)) for position in order]
