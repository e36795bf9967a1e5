"""PyTorch on one thread, a few digits, and methods on supernets small enough for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import torch

from nas_algos.weight_sharing import method_named
from nas_algos.weight_sharing.configs import MethodConfig
from nas_algos.weight_sharing.method import Method, SharedWeights
from supernets.images.search_batches import SearchImages
from supernets.images.tasks import DigitsConfig, ImageTask, digits_task
from supernets.networks import supernet_config
from supernets.ops import Norm
from supernets.settings import NetworkScale

SCALE = NetworkScale(width=2, depth=1, channels=(1, 2, 3, 4, 5, 6, 7, 8))
SIZE_METHODS = ("tas", "mask_gumbel", "mask_rl")
QUICK = {"epochs": 3, "batch_size": 30, "candidates": 3, "controller_steps": 2, "controller_samples": 2}


def space_of(name: str) -> str:
    """The space that the method called `name` is tested on."""
    return "sss" if name in SIZE_METHODS else "tss"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def task() -> ImageTask:
    return digits_task(DigitsConfig(train_images=60, valid_images=40, test_images=20, canvas=8))


@pytest.fixture(scope="session")
def scale() -> NetworkScale:
    return SCALE


@pytest.fixture(scope="session")
def quick_config() -> Callable[..., MethodConfig]:
    """(name of a method, options) -> its config, little work to do unless the options say otherwise."""

    def config(name: str, **options: Any) -> MethodConfig:
        kind = method_named(name).Config
        known = {option.name for option in fields(kind)}
        return kind(**{option: value for option, value in QUICK.items() if option in known} | options)

    return config


@pytest.fixture(scope="session")
def build(task: ImageTask, quick_config: Callable[..., MethodConfig]) -> Callable[..., Method]:
    """(name, seed of the method, options) -> the method; its network always has the same weights."""

    def method(name: str, seed: int = 0, **options: Any) -> Method:
        kind, config = method_named(name), quick_config(name, **options)
        norm = Norm(config.affine, config.track_running_stats)
        network = supernet_config(space_of(name), SCALE, task, norm).build(torch.Generator().manual_seed(7))
        images = SearchImages(task, config.batch_size, config.evaluation_batch_size)
        weights = SharedWeights(network, images, config, torch.Generator().manual_seed(8))
        return kind(weights, torch.Generator().manual_seed(seed))

    return method
