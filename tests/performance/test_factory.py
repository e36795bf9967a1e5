"""What the factory costs on top of training, on demand: pytest tests/performance. Leave the machine alone meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from experiments.execution.resources import Resources
from experiments.factory.digits import RECIPE
from experiments.factory.directory import BuildDirectory, BuildHeader
from experiments.factory.factory import build, build_header, network_of, plan
from experiments.factory.images import Images
from supernets.candidate_network import CandidateNetwork
from supernets.images.tasks import digits_task
from supernets.settings import settings_of
from supernets.training.devices import single_threaded
from supernets.training.train import train

IMAGES = Images("digits", None, 0)
ARCHITECTURES = range(1000, 1012)


@pytest.fixture(scope="module")
def header_made() -> BuildHeader:
    return build_header("tss", IMAGES, settings_of("tss").digits_scale, RECIPE, canonical=False, device="cpu")


def seconds_of_the_factory(header: BuildHeader, folder: Path, seeds: list[int], epochs: int) -> float:
    """Seconds per training of one worker, from its first result to its last: without the start of Ray."""
    directory = BuildDirectory(folder)
    directory.begin(header)
    trainings = plan(header, ARCHITECTURES, [epochs], seeds)
    times: list[tuple[int, float]] = []
    build(directory, IMAGES, trainings, Resources(1), lambda what, done, total: times.append((done, time.monotonic())))
    (first, start), (last, stop) = times[1], times[-1]
    assert last == len(ARCHITECTURES) * len(seeds)
    return (stop - start) / (last - first)


def seconds_of_a_loop(header: BuildHeader, seeds: list[int], epochs: int) -> float:
    """Seconds per training in PyTorch, one after the other in this process."""
    task, config = digits_task(), header.recipe_of(str(epochs))

    def train_one(architecture: int, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        train(CandidateNetwork(network_of(header, architecture), rng), task, config, rng)

    with single_threaded():
        train_one(ARCHITECTURES[0], 0)  # what is done once per process
        start = time.monotonic()
        for architecture in ARCHITECTURES[1:]:
            for seed in seeds:
                train_one(architecture, seed)
    return (time.monotonic() - start) / (len(ARCHITECTURES) - 1) / len(seeds)


@pytest.mark.parametrize(
    ("compiled", "seeds", "least"),
    [(True, [0], 3.0), (True, [0, 1], 3.0), (False, [0], 0.95), (False, [0, 1], 1.2), (False, [0, 1, 2, 3], 1.4)],
)
def test_the_factory_loses_nothing_to_orchestration(
    header_made: BuildHeader,
    compiled: bool,
    seeds: list[int],
    least: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trainings per core-hour against a plain loop in PyTorch.

    Where PyTorch trains in the factory, too, several seeds of an architecture are side by side, and one seed is the
    same work twice, which this machine times within 5 %.
    """
    if not compiled:
        monkeypatch.setenv("CXX", "none")  # no compiler, and Ray's workers see none either
    loop = seconds_of_a_loop(header_made, seeds, epochs=3)
    factory = seconds_of_the_factory(header_made, tmp_path / "b", seeds, epochs=3)
    how = "compiled code" if compiled else "PyTorch"
    print(f"{len(seeds)} seeds, {how}: loop {loop:.2f} s, factory {factory:.2f} s per training: {loop / factory:.2f}")
    assert loop / factory >= least
