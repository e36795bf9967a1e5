"""What the factory costs on top of training, on demand: pytest tests/performance. Leave the machine alone meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from experiments.build import Benchmark, BuildDirectory
from experiments.embedded import RECIPE, SCALES
from experiments.factory import Images, Resources, benchmark_of, build, network_of, plan
from supernets.data import digits_task
from supernets.devices import single_threaded
from supernets.train import TrainConfig, train_candidate

IMAGES = Images("digits", None, 0)
ARCHITECTURES = range(1000, 1012)


@pytest.fixture(scope="module")
def benchmark_made() -> Benchmark:
    return benchmark_of("tss", IMAGES, SCALES["tss"], RECIPE, canonical=False, device="cpu")


def seconds_of_the_factory(benchmark: Benchmark, folder: Path, seeds: list[int], epochs: int) -> float:
    """Seconds per training of one worker, from its first result to its last: without the start of Ray."""
    directory = BuildDirectory(folder)
    directory.begin(benchmark)
    trainings = plan(benchmark, ARCHITECTURES, [epochs], seeds)
    times: list[tuple[int, float]] = []
    build(directory, IMAGES, trainings, Resources(1), lambda what, done, total: times.append((done, time.monotonic())))
    (first, start), (last, stop) = times[1], times[-1]
    assert last == len(ARCHITECTURES) * len(seeds)
    return (stop - start) / (last - first)


def seconds_of_a_loop(benchmark: Benchmark, seeds: list[int], epochs: int) -> float:
    """Seconds per training, one after the other in this process."""
    task, config = digits_task(), TrainConfig(epochs=epochs, **benchmark.recipe)
    with single_threaded():
        train_candidate(network_of(benchmark, ARCHITECTURES[0]), task, config, 0)  # what is done once per process
        start = time.monotonic()
        for architecture in ARCHITECTURES[1:]:
            for seed in seeds:
                train_candidate(network_of(benchmark, architecture), task, config, seed)
    return (time.monotonic() - start) / (len(ARCHITECTURES) - 1) / len(seeds)


@pytest.mark.parametrize(("seeds", "least"), [([0], 0.95), ([0, 1], 1.2), ([0, 1, 2, 3], 1.4)])
def test_the_factory_loses_nothing_to_orchestration(
    benchmark_made: Benchmark, seeds: list[int], least: float, tmp_path: Path
) -> None:
    """Trainings per core-hour against a plain loop; several seeds of an architecture are trained side by side.

    One seed is the same work twice, which this machine times within 5 %.
    """
    loop = seconds_of_a_loop(benchmark_made, seeds, epochs=3)
    factory = seconds_of_the_factory(benchmark_made, tmp_path / "b", seeds, epochs=3)
    print(f"{len(seeds)} seeds: plain loop {loop:.2f} s, factory {factory:.2f} s per training: {loop / factory:.2f}")
    assert loop / factory >= least
