"""DARTS: architecture parameters relax the choice of operations and descend the validation loss.

Liu, Simonyan, Yang: "DARTS: Differentiable Architecture Search", ICLR 2019, https://arxiv.org/abs/1806.09055,
algorithm 1, as run on NAS-Bench-201's space (`search-cell.py` of AutoDL-Projects, darts-v1 and darts-v2).

Two departures of the official script from the paper are kept by default: each step begins with the weights (`order`),
and the derived architecture has the most likely operation on each edge, `none` included. With w the shared weights:

    descend grad_w L_train(w, alpha), then grad_alpha L_val(w - xi grad_w L_train(w, alpha), alpha)    (algorithm 1)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas_algos.weight_sharing.configs import GradientConfig
from nas_algos.weight_sharing.method import GradientMethod
from supernets.images.labelled import Batch
from supernets.supernet import Choice, OperationSupernet


@dataclass(frozen=True)
class DartsConfig(GradientConfig):
    """Options of DARTS."""


class DartsV1(GradientMethod):
    """First-order DARTS: the gradient of alpha is taken at the current shared weights (section 2.3, xi = 0)."""

    Config = DartsConfig
    kind = OperationSupernet

    @torch.no_grad()
    def weight_choice(self) -> Choice:
        return self.mixture()

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        _ = base
        return self.descend(self.weights.loss(held_out, self.mixture()))

    def mixture(self) -> Choice:
        """All operations of each edge, weighted with softmax(alpha) (equation 2)."""
        return self.logits.softmax(dim=1), self.exists


class DartsV2(DartsV1):
    """Second-order DARTS: the gradient of alpha looks one step of the shared weights ahead (equations 6 to 8).

    In mixed precision, the difference quotient is inaccurate.
    """

    def architecture_step(self, base: Batch, held_out: Batch) -> Tensor | None:
        loss, self.alpha.grad = self.unrolled(base, held_out)
        self.optimizer.step()
        return loss

    def unrolled(self, base: Batch, held_out: Batch) -> tuple[Tensor, Tensor]:
        """L_val(w', alpha) and its gradient in alpha, where w' = w - xi grad_w L_train(w, alpha), as SGD would step.

        The step has momentum and weight decay. As in the official code, its momentum is the plain one although the
        weights are trained with Nesterov momentum. xi is the current learning rate.
        """
        xi, w = self.weights.learning_rate, self.weights.parameters()
        base_rng = self.weights.rng.get_state()  # so that every pass of `base` drops the same paths
        w_ahead = self._one_step_ahead(base, xi)
        loss = self.weights.loss(held_out, self.mixture(), w_ahead)
        d_alpha, *v = torch.autograd.grad(loss, [self.alpha, *w_ahead.values()], allow_unused=True)
        v_of = {name: part for name, part in zip(w_ahead, v, strict=True) if part is not None}
        epsilon = 0.01 / torch.stack([part.norm() for part in v_of.values()]).norm()  # footnote 2
        rng_after, ends = self.weights.rng.get_state(), []
        for step in (epsilon, -epsilon):
            self.weights.rng.set_state(base_rng)
            w_end = {name: (p + step * v_of[name] if name in v_of else p).detach() for name, p in w.items()}
            ends.append(torch.autograd.grad(self.weights.loss(base, self.mixture(), w_end), [self.alpha])[0])
        self.weights.rng.set_state(rng_after)
        plus, minus = ends
        hessian_vector = (plus - minus) / (2 * epsilon)  # equation 8
        return loss.detach(), d_alpha - xi * hessian_vector  # equation 7

    def _one_step_ahead(self, base: Batch, xi: float) -> dict[str, Tensor]:
        """The weights w' by name, as leaf tensors."""
        w, state = self.weights.parameters(), self.weights.optimizer.state
        loss = self.weights.loss(base, self.weight_choice())
        gradients = torch.autograd.grad(loss, list(w.values()), allow_unused=True)
        ahead = {}
        with torch.no_grad():
            for (name, p), gradient in zip(w.items(), gradients, strict=True):
                step = self.config.weight_decay * p
                if gradient is not None:
                    step += gradient
                momentum_buffer = state.get(p, {}).get("momentum_buffer")
                if momentum_buffer is not None:
                    step += self.config.momentum * momentum_buffer
                ahead[name] = p - xi * step
        return {name: p.requires_grad_() for name, p in ahead.items()}
