"""The PyTorch networks of the search spaces, their images and their training.

The scales, recipes and schedules listed here need no PyTorch; everything else is imported from its module.
"""

from supernets.settings import PUBLISHED_SCALE, SPACE_SETTINGS, NetworkScale, Recipe, TrainConfig

__all__ = ["PUBLISHED_SCALE", "SPACE_SETTINGS", "NetworkScale", "Recipe", "TrainConfig"]
