"""SETN: uniformly sampled paths train the weights; learnt probabilities pick the candidates to evaluate.

Dong, Yang: "One-shot neural architecture search via self-evaluated template network", ICCV 2019,
https://arxiv.org/abs/1910.05733, section 3, as run on NAS-Bench-201's space (`search-cell.py` of AutoDL-Projects,
setn). With the logits `alpha` of each edge's operations k (equation numbers are ours):

    w <- w - eta grad_w L_train(w, a),  a ~ uniform            the template network: no preference          (1)
    m = sum_k softmax(alpha)_k operation_k                     the mixture of all operations on an edge     (2)
    alpha <- Adam along grad_alpha L_val(w, m)                 the evaluator                                (3)
    log p(a) = sum over edges e of log softmax(alpha_e)[a_e]   ranks the candidates                         (4)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from benchmarks.spaces import Arch
from nas_algos.config import knob
from nas_algos.weight_sharing.configs import SCORING_HELP, GradientConfig
from nas_algos.weight_sharing.draws import uniform_arch
from nas_algos.weight_sharing.method import GradientMethod, best_of
from supernets.images.labelled import Batch
from supernets.supernet import Choice, OperationSupernet


@dataclass(frozen=True)
class SETNConfig(GradientConfig):
    """Options of SETN."""

    candidates: int = knob(100, "most likely architectures that are scored after an epoch", low=1)
    scoring: Literal["same_batch", "successive_batches", "validation_set"] = knob("same_batch", SCORING_HELP)


class SETN(GradientMethod):
    """A template network that is trained without preference, and an evaluator that proposes candidates for it."""

    Config = SETNConfig
    kind = OperationSupernet

    def weight_choice(self) -> Choice:
        return self.path(uniform_arch(self.space, self.rng))  # (1)

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        _ = base
        return self.descend(self.weights.loss(held_out, self.mixture()))  # (3)

    def mixture(self) -> Choice:
        """The mixture of all operations of each edge (2)."""
        return self.logits.softmax(dim=1), self.exists

    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The candidate with the best accuracy on the shared weights, among the most likely ones (4)."""
        return best_of(self.likeliest(self.config.candidates), self, batches, self.config.scoring)
