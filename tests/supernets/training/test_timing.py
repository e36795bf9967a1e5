"""What trainings and passes cost: no waiting between steps, seconds per image, threads and devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.errors import InputError
from benchmarks.spaces.sss import SIZE_CELL
from supernets.candidate_network import CandidateNetwork, NetworkConfig
from supernets.images.augmentation import Augmentation
from supernets.images.tasks import DigitsConfig, digits_task
from supernets.images.training_batches import TrainingBatches
from supernets.settings import TrainConfig
from supernets.training.devices import gpu_name, single_threaded, usable_device
from supernets.training.epochs import Measurement, evaluate, train_epoch
from supernets.training.native.network import NativeNetwork
from supernets.training.replicas import side_by_side
from supernets.training.timing import time_per_image
from supernets.training.train import train_candidates

DIGITS = digits_task(DigitsConfig(train_images=96, valid_images=40, test_images=30, canvas=12, noise=0.25))
NETWORK = NetworkConfig.tiny(SIZE_CELL, width=2, depth=1, in_channels=1)
CONFIG = TrainConfig(batch_size=40)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Waiting.


class Copies(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes after how many steps of an optimizer something is copied to another device."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps, self.after_steps = 0, set[int]()
        optimizer.register_step_post_hook(self.count_step)

    def count_step(self, *_args: Any) -> None:
        self.steps += 1

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        source = getattr(args[0], "device", None) if args else None
        if function is torch.ops.aten._to_copy.default and (kwargs or {}).get("device", source) != source:
            self.after_steps.add(self.steps)
        return function(*args, **(kwargs or {}))


NO_NUMBERS = pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor")
"""The meta device has no numbers: whatever makes the host wait for one of a real device fails on it."""


@pytest.fixture
def no_numbers(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[Any]:
    """The meta device has no numbers: whatever makes the host wait for one of a real device fails on it."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: nullcontext())  # there is none on meta
    return pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor")


def test_the_host_does_not_wait_between_steps(no_numbers: AbstractContextManager[Any]) -> None:
    """All that an epoch draws goes to the device before its first step, and its averages come back after the last."""
    task = replace(DIGITS, augmentation=Augmentation(True, 1, noise=0.1)).to("meta")
    network = side_by_side([CandidateNetwork(NETWORK, generator(seed)) for seed in range(2)]).to("meta")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    batches = TrainingBatches(task, 16).epochs([generator(0), generator(1)])
    with no_numbers, Copies(optimizer) as copies:
        train_epoch(network, optimizer, batches, CONFIG)
    assert copies.steps == 6
    assert copies.after_steps == {0, 6}


def test_the_host_does_not_wait_between_batches_of_an_evaluation(no_numbers: AbstractContextManager[Any]) -> None:
    network, task, passes = CandidateNetwork(NETWORK, generator()).to("meta"), DIGITS.to("meta"), []
    network.register_forward_hook(lambda *_args: passes.append(1))
    with no_numbers:
        evaluate(network, task.evaluation["valid"], task.normalisation, TrainConfig(evaluation_batch_size=4))
    assert len(passes) == 10


# Seconds per image.


def fixed_seconds(monkeypatch: pytest.MonkeyPatch, name: str, seconds: list[float]) -> list[tuple[Any, ...]]:
    """Makes a pass of the module take these seconds, one after the other; the arguments of its calls."""
    calls: list[tuple[Any, ...]] = []

    def timed(*args: Any) -> list[Measurement]:
        calls.append(args)
        return [Measurement(0.0, 0.0, seconds[len(calls) - 1])]

    monkeypatch.setattr(f"supernets.training.trainees.{name}", timed)
    return calls


@pytest.mark.usefixtures("in_pytorch")
@pytest.mark.parametrize(("batch", "trained", "evaluated"), [(16, 16, 16), (60, 60, 40), (500, 96, 40)])
def test_time_per_image_is_the_median_of_full_batches_after_one_uncounted(
    batch: int, trained: int, evaluated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many images as there are where a batch would hold more."""
    steps = fixed_seconds(monkeypatch, "train_epoch", [99, 5, 1, 6])
    passes = fixed_seconds(monkeypatch, "evaluate", [99, 2, 3, 40])
    config = TrainConfig(batch_size=batch, evaluation_batch_size=batch)
    assert time_per_image(NETWORK, DIGITS, config, repeats=3) == pytest.approx((5 / trained, 3 / evaluated))
    assert (len(steps), len(passes)) == (4, 4)
    for _network, _optimizer, [(images, labels)], _config in steps:
        assert (images.shape, labels.shape) == ((trained, 1, 12, 12), (trained, 1))
    for _network, split, _normalisation, _config, _count in passes:
        assert torch.equal(split.images, DIGITS.evaluation["valid"].images[:batch])


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_wider_network_takes_more_time_per_image(channels_last: bool) -> None:
    state, images = torch.get_rng_state(), DIGITS.fingerprint()
    config = replace(CONFIG, channels_last=channels_last)
    small, large = (time_per_image(replace(NETWORK, channels=(c,) * 5), DIGITS, config, repeats=3) for c in (1, 64))
    for seconds, more in zip(small, large, strict=True):
        assert 0 < seconds < more < 1
    assert torch.equal(torch.get_rng_state(), state)
    assert DIGITS.fingerprint() == images


@pytest.mark.usefixtures("in_pytorch")
def test_time_per_image_depends_on_no_global_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = fixed_seconds(monkeypatch, "train_epoch", [1, 1, 1, 1])
    for seed in (1, 2):
        torch.manual_seed(seed)
        time_per_image(NETWORK, DIGITS, CONFIG, repeats=1)
    (first, _, [(images, _)], _), _, (second, _, [(same_images, _)], _), _ = steps
    assert torch.equal(images, same_images)
    for parameter, same in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(parameter, same)


# Seconds of a training, by a clock that moves on by 6 whenever it is read.


def read_clock(monkeypatch: pytest.MonkeyPatch, ticks: Iterator[float]) -> None:
    """Replace the clock of the trainings."""
    for module in ("train", "epochs", "trainees"):
        monkeypatch.setattr(f"supernets.training.{module}.time", SimpleNamespace(perf_counter=ticks.__next__))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    read_clock(monkeypatch, count(step=6.0))


@pytest.mark.usefixtures("clock", "in_pytorch")
@pytest.mark.parametrize("seeds", [[1], [1, 2], [1, 2, 3]])
def test_networks_side_by_side_share_their_seconds_equally(seeds: list[int]) -> None:
    for record in train_candidates([NETWORK] * len(seeds), DIGITS, replace(CONFIG, epochs=2), seeds):
        for values in record.measurements.values():
            assert [value.seconds for value in values] == [6 / len(seeds)] * 2


@pytest.mark.usefixtures("clock", "in_pytorch")
def test_the_seconds_so_far_are_told_after_every_step() -> None:
    """An epoch reads the clock at its start, before and after each of its 3 steps, and at its end."""
    told: list[tuple[int, float]] = []
    steps: list[Any] = []
    hook = register_optimizer_step_post_hook(lambda *step: steps.append(step))
    config = replace(CONFIG, epochs=2)
    records = train_candidates(
        [NETWORK] * 3, DIGITS, config, [1, 2, 3], beat=lambda seconds: told.append((len(steps), seconds))
    )
    hook.remove()
    assert told == [(1, 2), (2, 4), (3, 6), (4, 10 + 2), (5, 10 + 4), (6, 10 + 6)]
    for record in records:
        assert [value.seconds for value in record.measurements["train"]] == [10, 10]


@pytest.mark.usefixtures("in_pytorch")
def test_telling_the_seconds_changes_no_result() -> None:
    config, told = replace(CONFIG, epochs=2), list[float]()
    plain, observed = (
        train_candidates([NETWORK] * 2, DIGITS, config, [1, 2], beat=beat) for beat in (None, told.append)
    )
    for record, same in zip(plain, observed, strict=True):
        for split, values in record.measurements.items():
            assert [value[:2] for value in values] == [value[:2] for value in same.measurements[split]]
    assert told == sorted(told)
    assert 0 < told[-1] <= sum(value.seconds for value in observed[0].measurements["train"])


# What compiled code trains.


@pytest.mark.parametrize(("batch", "trained", "evaluated"), [(8, 8, 32), (60, 60, 40), (400, 96, 40)])
def test_compiled_time_per_image_is_the_median_of_full_batches_after_one_uncounted(
    batch: int, trained: int, evaluated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluation of four batches. By a clock that tells the seconds below, one pass after the other: four of each."""
    passes = [99, 5, 1, 6, 99, 2, 3, 40]
    ticks = iter([tick for seconds in passes for tick in (0.0, float(seconds))])
    read_clock(monkeypatch, ticks)
    sizes: list[tuple[str, int]] = []
    for name in ("train", "evaluate"):
        monkeypatch.setattr(
            NativeNetwork, name, lambda _self, images, *_, name=name: sizes.append((name, len(images))) or (0.0, 0)
        )
    config = TrainConfig(batch_size=batch)
    assert time_per_image(NETWORK, DIGITS, config, repeats=3) == pytest.approx((5 / trained, 3 / evaluated))
    assert sizes == [("train", trained)] * 4 + [("evaluate", evaluated)] * 4


@pytest.mark.usefixtures("clock")
def test_compiled_networks_have_the_seconds_of_their_own_passes() -> None:
    """A pass reads the clock at its start and its end."""
    for record in train_candidates([NETWORK] * 2, DIGITS, replace(CONFIG, epochs=2), [1, 2]):
        for values in record.measurements.values():
            assert [value.seconds for value in values] == [6, 6]


@pytest.mark.usefixtures("clock")
def test_the_seconds_so_far_of_compiled_training_are_told_after_some_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch reads the clock at its start, before and after each of its 3 parts, and at its end."""
    monkeypatch.setattr("supernets.training.trainees.CompiledTrainee.BATCHES_AT_ONCE", 1)
    told: list[float] = []
    (record,) = train_candidates([NETWORK], DIGITS, replace(CONFIG, epochs=2), [1], beat=told.append)
    assert told == [6, 12, 18, 30 + 6, 30 + 12, 30 + 18]
    assert [value.seconds for value in record.measurements["train"]] == [30, 30]


def test_telling_the_seconds_of_compiled_training_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    config, told = replace(CONFIG, epochs=2), list[float]()
    (plain,) = train_candidates([NETWORK], DIGITS, config, [1])
    monkeypatch.setattr("supernets.training.trainees.CompiledTrainee.BATCHES_AT_ONCE", 2)
    (observed,) = train_candidates([NETWORK], DIGITS, config, [1], beat=told.append)
    for split, values in plain.measurements.items():
        assert [value.accuracy for value in values] == [value.accuracy for value in observed.measurements[split]]
        assert [value.loss for value in values] == pytest.approx([value.loss for value in observed.measurements[split]])
    assert len(told) == 4
    assert told == sorted(told)
    assert 0 < told[-1] <= sum(value.seconds for value in observed.measurements["train"])


# Threads and devices.


def test_one_thread_inside_and_as_many_as_before_outside() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with single_threaded():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(ZeroDivisionError), single_threaded():
            raise ZeroDivisionError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("gpu", "name", "device"),
    [
        (True, None, "cuda"),
        (True, "cuda", "cuda"),
        (True, "cuda:1", "cuda:1"),
        (True, "cpu", "cpu"),
        (False, None, "cpu"),
        (False, "cpu", "cpu"),
    ],
)
def test_a_gpu_is_used_where_there_is_one_unless_another_device_is_named(
    gpu: bool, name: str | None, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 * gpu)
    assert usable_device(name) == device


@pytest.mark.parametrize(
    ("gpu", "name"),
    [(False, "cuda"), (False, "cuda:0"), (True, "mps"), (True, "cuda:2"), (True, "cpu:0"), (True, "")],
)
def test_a_device_that_is_not_there_is_refused(gpu: bool, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 * gpu)
    with pytest.raises(InputError, match=rf"the device is cpu or cuda, on this machine one of cpu.*; got '{name}'"):
        usable_device(name)


def test_only_a_gpu_has_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"model of {device}")
    assert gpu_name("cpu") is gpu_name(torch.device("cpu")) is None
    assert gpu_name("cuda:1") == "model of cuda:1"
