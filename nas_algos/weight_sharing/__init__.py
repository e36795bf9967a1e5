"""Weight-sharing search: one supernet holds the weights of all architectures; one file per method."""

from nas_algos.weight_sharing.registry import METHODS, PHASES, method_named

__all__ = ["METHODS", "PHASES", "method_named"]
