"""On a GPU, the host must not wait for the device inside a search step."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch

from nas_algos.weight_sharing import METHODS, method_named
from nas_algos.weight_sharing.method import SharedWeights
from supernets.images.labelled import Batch
from supernets.images.tasks import digits_task
from supernets.networks import supernet_config
from supernets.ops import Norm
from supernets.settings import NetworkScale
from supernets.supernet import WidthSupernet

SCALE = NetworkScale(width=2, depth=1, channels=tuple(range(1, 9)))
WAITS = {"gdas"}
"""Its logits are on the host, where it draws again until a sample is a number: their gradient comes back in a step."""


@pytest.mark.parametrize("name", METHODS)
def test_a_step_reads_nothing_back_from_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device 'meta' holds no numbers: whatever would wait for one raises."""
    method = method_named(name)
    options: dict[str, Any] = {"clip": 5.0, "drop_path": 0.2, "mixed_precision": False}
    config = method.Config(**options)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no device 'meta'
    space = "sss" if issubclass(method.kind, WidthSupernet) else "tss"
    norm = Norm(config.affine, config.track_running_stats)
    network = supernet_config(space, SCALE, digits_task(), norm).build(torch.Generator())
    weights = SharedWeights(network.to("meta"), None, config, torch.Generator())  # type: ignore[arg-type]
    searcher = method(weights, torch.Generator())
    weights.network.train()
    weights.begin_epoch(0)
    searcher.begin_epoch(0)
    base, held_out = (
        Batch(torch.empty(4, 1, 10, 10, device="meta"), torch.empty(4, dtype=torch.int64, device="meta")) for _ in "ab"
    )
    loss, right = weights.step(base, searcher.weight_choice())
    assert (loss.device.type, right.device.type) == ("meta", "meta")
    if name in WAITS:
        with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
            searcher.architecture_step(base, held_out)
    else:
        searcher.architecture_step(base, held_out)
