"""What the methods on the topology supernet have in common: an architecture is a one-hot path."""

from __future__ import annotations

import torch

from benchmarks.spaces import Arch
from benchmarks.spaces.tss import EDGES, OPERATIONS
from nas_algos.weight_sharing.method import GradientMethod, Method
from nas_algos.weight_sharing.shared_weights import Choice
from supernets.topology_supernet import one_hot

EVERYTHING = torch.ones(len(EDGES), len(OPERATIONS), dtype=torch.bool)
"""All operations are computed."""


class TopologyMethod(Method):
    """A method on the supernet of `tss`, whose Choice is (edge weights, which operations are computed)."""

    space_name = "tss"

    def path(self, arch: Arch) -> Choice:
        return (one_hot(arch),)


class TopologyGradientMethod(TopologyMethod, GradientMethod):
    """One with logits alpha, (edges, operations)."""

    def mixture(self) -> Choice:
        """All operations, weighted with softmax(alpha)."""
        return self.alpha.softmax(dim=1), EVERYTHING
