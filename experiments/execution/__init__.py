"""Processes, Ray tasks, resources, progress."""

from experiments.execution.resources import Resources

__all__ = ["Resources"]
