"""The PyTorch networks of the search spaces, their images and their training.

The scales, recipes and schedules exported here need no PyTorch; import everything else from its own module.
"""

from supernets.settings import PUBLISHED_SCALE, SPACE_SETTINGS, NetworkScale, Recipe, TrainConfig

__all__ = ["PUBLISHED_SCALE", "SPACE_SETTINGS", "NetworkScale", "Recipe", "TrainConfig"]
