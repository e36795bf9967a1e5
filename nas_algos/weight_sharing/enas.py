"""ENAS: a recurrent controller, trained by REINFORCE on the accuracy of its samples with shared weights.

Pham, Guan, Zoph, Le, Dean: "Efficient neural architecture search via parameter sharing", ICML 2018,
https://arxiv.org/abs/1802.03268, sections 2.2 and 2.3, as run on NAS-Bench-201's space (`search-cell.py` of
AutoDL-Projects, enas, with the options of its command line): the controller is trained after each epoch.

As in the official code, the baselines of an epoch start from the mean baseline of the previous epoch. Here the search
time includes the seconds of the controller; the official scripts leave them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.spaces import Arch
from nas_algos.config import knob
from nas_algos.weight_sharing.configs import SCORING_HELP, MethodConfig
from nas_algos.weight_sharing.draws import valid_draw
from nas_algos.weight_sharing.method import Method, SharedWeights, best_of
from supernets.images.labelled import Batch
from supernets.randomness import drawing_from
from supernets.supernet import Choice, OperationSupernet

TEMPERATURE, TANH_CONSTANT = 5.0, 2.5
HIDDEN = 32
CLIP = 5.0


@dataclass(frozen=True)
class ENASConfig(MethodConfig):
    """Options of ENAS."""

    controller_learning_rate: float = knob(1e-3, "learning rate of the controller's Adam", low=1e-8, log=True)
    controller_steps: int = knob(50, "steps of the controller after an epoch", low=1)
    controller_samples: int = knob(20, "architectures per step, each on one validation batch", low=1)
    entropy_weight: float = knob(1e-4, "weight of the entropy in the reward", low=0, log=True)
    baseline_rate: float = knob(0.01, "fraction by which the baseline moves towards a reward", low=0, high=1)
    candidates: int = knob(100, "architectures sampled and scored after an epoch", low=1)
    scoring: Literal["same_batch", "successive_batches", "validation_set"] = knob("same_batch", SCORING_HELP)


class Sample(NamedTuple):
    """One architecture drawn by the controller."""

    arch: Arch
    log_probability: Tensor  # (), of the whole architecture
    entropy: Tensor  # (), summed over decisions, in nats


class Controller(nn.Module):
    """An LSTM that makes one decision after the other; its input is the previous decision (section 2.1).

    All decisions share the embedding and the output layer; a decision with fewer options uses their first entries.

    Args:
        options: the number of options of each decision.
    """

    def __init__(self, options: Sequence[int], rng: torch.Generator) -> None:
        super().__init__()
        self.options = tuple(options)
        with drawing_from(rng):
            self.input_vars = nn.Parameter(torch.empty(1, 1, HIDDEN))
            self.w_lstm = nn.LSTM(HIDDEN, HIDDEN, num_layers=2)
            self.w_embd = nn.Embedding(max(options), HIDDEN)
            self.w_pred = nn.Linear(HIDDEN, max(options))
            first_layer = [p for name, p in self.w_lstm.named_parameters() if name in ("weight_hh_l0", "weight_ih_l0")]
            for drawn in (self.input_vars, *first_layer, self.w_embd.weight, self.w_pred.weight):
                nn.init.uniform_(drawn, -0.1, 0.1)

    def forward(self, rng: torch.Generator) -> tuple[Sample, Tensor]:
        """Draw a sample; returns it with its probabilities (decisions, most options), whose rows may end in zeros."""
        inputs, state = self.input_vars, None
        choices, log_probabilities, entropies, distributions = [], [], [], []
        for options in self.options:
            outputs, state = self.w_lstm(inputs, state)
            logits = TANH_CONSTANT * torch.tanh(self.w_pred(outputs[0, 0])[:options] / TEMPERATURE)  # (options,)
            log_p = logits.log_softmax(dim=0)
            choice = torch.multinomial(log_p.detach().exp(), 1, generator=rng)  # (1,)
            inputs = self.w_embd(choice).unsqueeze(0)  # (1, 1, HIDDEN)
            choices.append(int(choice))
            log_probabilities.append(log_p[choice[0]])
            entropies.append(-(log_p.exp() * log_p).sum())
            distributions.append(functional.pad(log_p.detach().exp(), (0, max(self.options) - options)))
        sample = Sample(tuple(choices), torch.stack(log_probabilities).sum(), torch.stack(entropies).sum())
        return sample, torch.stack(distributions)


class ENAS(Method):
    """The controller's samples train the weights; the weights' accuracies train the controller.

    Samples that are not valid architectures are drawn again.

    Departure: while weights are trained, the official loop also passes validation images through the network, which
    only changes the running statistics of stem and reduction blocks; this one does not.
    """

    Config = ENASConfig
    kind = OperationSupernet

    def __init__(self, weights: SharedWeights, rng: torch.Generator) -> None:
        super().__init__(weights, rng)
        self.controller = Controller(self.space.options, rng)  # on the host, which reads each sample
        self.optimizer = torch.optim.Adam(
            self.controller.parameters(), lr=self.config.controller_learning_rate, betas=(0.5, 0.999), eps=1e-3
        )
        self.baseline: float | None = None

    def draw(self) -> Sample:
        sample: Sample
        sample, _ = valid_draw(self.space, lambda: self.controller(self.rng), lambda drawn: drawn[0].arch)
        return sample

    @torch.no_grad()
    def weight_choice(self) -> Choice:
        return self.path(self.draw().arch)

    def end_epoch(self, batches: Iterator[Batch]) -> None:
        """Train the controller (section 2.2) on M samples a per step. For each sample (equation numbers are ours):

            R = fraction of correctly classified images + entropy_weight H(a)    (1)
            b = b_0 - baseline_rate (b_0 - R)                                    (2)
            descend -log p(a) (R - b) / M                                        (3)

        where b_0 is the mean b of the previous epoch. As in the official code, the gradient of (3) includes that of H
        in R.
        """
        config, last_baseline, baselines = self.config, self.baseline, []
        for _ in range(config.controller_steps):
            self.optimizer.zero_grad()
            for _ in range(config.controller_samples):
                sample = self.draw()
                accuracy = self.weights.accuracy([next(batches)], self.path(sample.arch)) / 100
                reward = accuracy + config.entropy_weight * sample.entropy  # (1)
                if last_baseline is None:
                    baseline = torch.tensor(accuracy)
                else:
                    baseline = last_baseline - config.baseline_rate * (last_baseline - reward)  # (2)
                loss = -sample.log_probability * (reward - baseline) / config.controller_samples  # (3)
                loss.backward()
                baselines.append(float(baseline.detach()))
            nn.utils.clip_grad_norm_(self.controller.parameters(), CLIP)
            self.optimizer.step()
        self.baseline = sum(baselines) / len(baselines)

    @torch.no_grad()
    def derive(self, batches: Iterator[Batch]) -> Arch:
        """The best of the controller's samples (section 2.3)."""
        candidates = [self.draw().arch for _ in range(self.config.candidates)]
        return best_of(candidates, self, batches, self.config.scoring)

    @torch.no_grad()
    def probabilities(self, samples: int = 100) -> Tensor:
        """The mean over samples of the distributions that they were drawn from: decisions depend on earlier ones."""
        rng = torch.Generator().manual_seed(0)  # a separate one, so that this call does not change later draws
        return torch.stack([self.controller(rng)[1] for _ in range(samples)]).mean(dim=0)

    def state_dict(self) -> dict[str, Any]:
        learnt = {
            "controller": self.controller.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "baseline": self.baseline,
        }
        return super().state_dict() | learnt

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.controller.load_state_dict(state["controller"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.baseline = state["baseline"]
