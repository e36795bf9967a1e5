"""Execution: worker processes, Ray tasks, resources and progress."""

from experiments.execution.resources import Resources

__all__ = ["Resources"]
