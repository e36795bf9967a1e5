"""Weight-sharing search, where one supernet holds the weights of all architectures; each method has its own file."""

from nas_algos.weight_sharing.registry import METHODS, PHASES, method_named

__all__ = ["METHODS", "PHASES", "method_named"]
