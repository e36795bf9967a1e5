"""The loop of every weight-sharing search: complete records, the same ones from the same seeds, and resumption."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache
from hashlib import sha256
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.errors import InputError
from nas_algos.weight_sharing import METHODS, PHASES, method_named
from nas_algos.weight_sharing.configs import MethodConfig
from nas_algos.weight_sharing.search import DivergedError, EpochRecord, SupernetSearch
from supernets.images.augmentation import Augmentation, Normalisation
from supernets.images.labelled import LabelledImages
from supernets.images.tasks import ImageTask
from supernets.settings import NetworkScale
from supernets.supernet import WidthSupernet

NewSearch = Callable[..., SupernetSearch]
WITH_ARCHITECTURE_STEPS = {"darts_v1", "darts_v2", "gdas", "setn", "tas", "mask_gumbel", "mask_rl"}
every_method = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(scope="module")
def new_search(task: ImageTask, scale: NetworkScale, quick_config: Callable[..., MethodConfig]) -> NewSearch:
    """(name of a method, seed, another task, options) -> a search that has not begun."""

    def search(name: str, seed: int = 0, other_task: ImageTask | None = None, **options: Any) -> SupernetSearch:
        config = quick_config(name, **options)
        space = "sss" if issubclass(method_named(name).kind, WidthSupernet) else "tss"
        seeds = np.random.SeedSequence(seed)
        return SupernetSearch(method_named(name), space, config, other_task or task, scale, seeds)

    return search


STATEFUL = {"drop_path": 0.3, "track_running_stats": True}
"""Options whose state must be saved, too."""


@pytest.fixture(scope="module")
def finished(new_search: NewSearch) -> Callable[[str], SupernetSearch]:
    """Name of a method -> its search of three epochs, executed once."""

    @cache
    def run(name: str) -> SupernetSearch:
        search = new_search(name, **STATEFUL)
        for _ in search.epochs():
            pass
        return search

    return run


def run(search: SupernetSearch) -> list[EpochRecord]:
    return list(search.epochs())


def without_times(records: Sequence[EpochRecord]) -> list[str]:
    """Every number in full; NaN is equal to itself here."""
    return [repr(replace(record, seconds={})) for record in records]


def assert_equal_states(one: Any, other: Any) -> None:
    """Of nested dicts and lists of tensors and numbers."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal_states(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_equal_states(mine, theirs)
    elif isinstance(one, Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


# Records.


@every_method
def test_records_are_complete(name: str, finished: Callable[[str], SupernetSearch]) -> None:
    search = finished(name)
    space = search.method.space
    assert [record.epoch for record in search.records] == [1, 2, 3]
    for record in search.records:
        assert math.isfinite(record.weight_loss)
        assert 0 <= record.weight_accuracy <= 100
        assert math.isfinite(record.architecture_loss) == (name in WITH_ARCHITECTURE_STEPS)
        assert space.at_position(space.position(record.arch)) == record.arch
        assert 0 <= record.validation <= 100
        assert np.shape(record.probabilities) == (len(space.options), max(space.options))
        assert np.sum(record.probabilities, axis=1) == pytest.approx(1, abs=1e-5)
        assert 0 < record.entropy <= math.log(max(space.options)) + 1e-6
        assert tuple(record.seconds) == PHASES
        assert min(record.seconds["weights"], record.seconds["architecture"], record.seconds["derivation"]) > 0
    last = search.records[-1]
    assert last.validation == search.weights.accuracy(search.images.validation(), search.method.path(last.arch))
    assert torch.tensor(last.probabilities).sub(search.method.probabilities()).abs().max() < 1e-6


def test_entropy_by_hand() -> None:
    def entropy(*rows: tuple[float, ...]) -> float:
        return EpochRecord(1, 0.0, 0.0, 0.0, (0, 0), 0.0, rows, {}).entropy

    assert entropy((0.5, 0.5), (0.5, 0.5)) == pytest.approx(math.log(2))
    assert entropy((1.0, 0.0), (0.5, 0.5)) == pytest.approx(math.log(2) / 2)
    assert entropy((1.0, 0.0), (0.0, 1.0)) == 0


def test_averages_weigh_every_image_alike(new_search: NewSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last batch of an epoch is short here: 25, 25 and 10 images."""
    search = new_search("random_nas", epochs=1, batch_size=25)
    losses, right = iter((1.0, 2.0, 6.0)), iter((5, 10, 6))
    monkeypatch.setattr(
        search.weights, "step", lambda batch, choice: (torch.tensor(next(losses)), torch.tensor(next(right)))
    )
    (record,) = run(search)
    assert record.weight_loss == pytest.approx((25 * 1 + 25 * 2 + 10 * 6) / 60)
    assert record.weight_accuracy == pytest.approx(100 * 21 / 60)


def test_progress_is_told_after_every_step(new_search: NewSearch) -> None:
    told: list[tuple[int, int]] = []
    search = new_search("random_nas", epochs=2, batch_size=25)
    for _ in search.epochs(lambda done, total: told.append((done, total))):
        pass
    assert told == [(done, 6) for done in range(1, 7)]


# Seeds.


@pytest.mark.parametrize("name", ["darts_v1", "mask_rl"])
def test_the_same_seeds_give_the_same_records_and_others_others(
    name: str, new_search: NewSearch, finished: Callable[[str], SupernetSearch]
) -> None:
    records = without_times(finished(name).records)
    assert without_times(run(new_search(name, seed=0, **STATEFUL))) == records
    assert not set(without_times(run(new_search(name, seed=1, **STATEFUL)))) & set(records)


def test_global_random_state_is_never_touched(new_search: NewSearch) -> None:
    before = torch.get_rng_state()
    run(new_search("gdas", drop_path=0.5, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


@every_method
def test_a_split_search_equals_a_straight_one(
    name: str, new_search: NewSearch, finished: Callable[[str], SupernetSearch]
) -> None:
    straight = finished(name)
    first = new_search(name, **STATEFUL)
    next(first.epochs())
    second = new_search(name, **STATEFUL)
    second.resume(first.to_bytes())
    assert without_times(second.records) == without_times(straight.records[:1])
    assert [record.epoch for record in second.epochs()] == [2, 3]
    assert without_times(second.records) == without_times(straight.records)
    one, other = straight.state_dict(), second.state_dict()
    for part in ("weights", "method", "data_rng"):
        assert_equal_states(one[part], other[part])


def test_times_are_saved_with_the_records(new_search: NewSearch, finished: Callable[[str], SupernetSearch]) -> None:
    search = finished("tas")
    resumed = new_search("tas", **STATEFUL)
    resumed.resume(search.to_bytes())
    assert [asdict(record) for record in resumed.records] == [asdict(record) for record in search.records]
    assert run(resumed) == []


def saved(content: Any) -> bytes:
    stream = BytesIO()
    torch.save(content, stream)
    return sha256(stream.getvalue()).digest() + stream.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"x" * len(content),
        lambda content: content[:-1000] + b"x" + content[-999:],
        lambda content: saved({}),
        lambda content: saved([1, 2]),
    ],
    ids=["empty", "half", "noise", "a byte", "nothing", "a list"],
)
def test_a_damaged_checkpoint_is_refused(
    damage: Callable[[bytes], bytes], new_search: NewSearch, finished: Callable[[str], SupernetSearch]
) -> None:
    with pytest.raises(InputError, match="cannot resume from this checkpoint: delete it"):
        new_search("tas", **STATEFUL).resume(damage(finished("tas").to_bytes()))


@pytest.mark.parametrize(
    ("name", "seed", "options"),
    [
        ("mask_gumbel", 0, STATEFUL),  # another method on the same space
        ("gdas", 0, STATEFUL),  # another space
        ("tas", 1, STATEFUL),
        ("tas", 0, STATEFUL | {"weight_decay": 0.0}),
    ],
)
def test_the_checkpoint_of_another_search_is_refused(
    name: str, seed: int, options: dict[str, Any], new_search: NewSearch, finished: Callable[[str], SupernetSearch]
) -> None:
    search = new_search(name, seed, **options)
    with pytest.raises(InputError, match=r"expected a state of .* got one of"):
        search.resume(finished("tas").to_bytes())
    assert search.records == []


def test_the_checkpoint_of_a_search_on_other_images_is_refused(
    task: ImageTask, new_search: NewSearch, finished: Callable[[str], SupernetSearch]
) -> None:
    other = replace(task, train=replace(task.train, images=task.train.images + 1))
    with pytest.raises(InputError, match=r"expected a state of .* got one of"):
        new_search("tas", other_task=other, **STATEFUL).resume(finished("tas").to_bytes())


def test_the_one_shot_accuracies_are_those_of_the_paths(finished: Callable[[str], SupernetSearch]) -> None:
    search = finished("tas")
    archs = [(7, 7, 7, 7, 7), (0, 1, 2, 3, 4), search.records[-1].arch]
    by_hand = [search.weights.accuracy(search.images.validation(), search.method.path(arch)) for arch in archs]
    assert search.one_shot(archs) == by_hand
    assert by_hand[-1] == search.records[-1].validation


# What an epoch does.


def test_the_learning_rate_falls_along_a_cosine(new_search: NewSearch) -> None:
    search = new_search("random_nas", epochs=4, batch_size=60, learning_rate=0.5, final_learning_rate=0.1)
    rates = [search.weights.learning_rate for _ in search.epochs()]
    half = math.sqrt(0.5)
    assert rates == pytest.approx([0.5, 0.1 + 0.2 * (1 + half), 0.3, 0.1 + 0.2 * (1 - half)])


@pytest.mark.parametrize("order", ["weights_first", "architecture_first"])
def test_weights_and_architecture_take_turns_in_the_order_of_the_config(
    order: str, new_search: NewSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = new_search("darts_v1", epochs=1, order=order)
    log: list[tuple[str, Tensor]] = []
    weights_step, architecture_step = search.weights.step, search.method.architecture_step

    def logged_weights_step(base: Any, choice: Any) -> Any:
        log.append(("weights", base.images))
        return weights_step(base, choice)

    def logged_architecture_step(base: Any, held_out: Any) -> Any:
        log.append(("architecture", base.images))
        return architecture_step(base, held_out)

    monkeypatch.setattr(search.weights, "step", logged_weights_step)
    monkeypatch.setattr(search.method, "architecture_step", logged_architecture_step)
    run(search)
    turns = ["weights", "architecture"] if order == "weights_first" else ["architecture", "weights"]
    assert [kind for kind, _ in log] == turns * 2
    assert all(log[k][1] is log[k + 1][1] for k in (0, 2))  # both see the same training images


def test_paths_are_dropped_in_training_alone_and_ever_more(
    new_search: NewSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = new_search("darts_v1", epochs=3, drop_path=0.6, batch_size=60)
    seen: list[tuple[int, bool, Tensor | None]] = []
    network = search.weights.network
    network.register_forward_pre_hook(
        lambda module, _, named: seen.append((len(search.records), module.training, named["path_scale"])),
        with_kwargs=True,
    )
    run(search)
    assert {scale is None for _, training, scale in seen if training} == {False}
    assert {scale is None for _, training, scale in seen if not training} == {True}
    dropped = []
    for epoch, keep in enumerate((0.8, 0.6, 0.4)):
        factors = torch.cat([scale for number, _, scale in seen if number == epoch and scale is not None])
        assert factors.shape == (2 * 5, 60)  # weights and architecture step, five layers, 60 images
        assert sorted(set(factors.flatten().tolist())) == pytest.approx([0, 1 / keep])
        dropped.append(float((factors == 0).float().mean()))
    assert dropped == pytest.approx([0.2, 0.4, 0.6], abs=0.08)


def test_test_images_are_never_read(task: ImageTask, new_search: NewSearch) -> None:
    test = task.evaluation["test"]
    unreadable = LabelledImages(torch.full_like(test.images, torch.nan), torch.full_like(test.labels, -1))
    blind = replace(task, evaluation=task.evaluation | {"test": unreadable})
    without = replace(task, evaluation={"valid": task.evaluation["valid"]})
    for name in ("setn", "mask_gumbel"):
        records, blind_records, records_without = (
            without_times(run(new_search(name, other_task=part, epochs=1))) for part in (task, blind, without)
        )
        assert records == blind_records == records_without


def test_validation_images_matter_to_the_architecture_alone(task: ImageTask, new_search: NewSearch) -> None:
    valid = task.evaluation["valid"]
    other = replace(task, evaluation={"valid": replace(valid, labels=torch.zeros_like(valid.labels))})
    (one,), (two,) = (run(new_search("random_nas", other_task=part, epochs=1)) for part in (task, other))
    assert (one.weight_loss, one.weight_accuracy) == (two.weight_loss, two.weight_accuracy)
    assert one.validation != two.validation


@pytest.mark.parametrize("name", ["darts_v1", "mask_rl"])
def test_a_loss_that_is_no_number_stops_the_search(name: str, new_search: NewSearch) -> None:
    search = new_search(name, learning_rate=1e30)
    with pytest.raises(DivergedError, match=r"training loss .* became (nan|inf) in epoch 1: use a smaller --learning"):
        run(search)
    assert search.records == []
    assert issubclass(DivergedError, InputError)


def test_a_distribution_that_is_not_finite_stops_the_search(
    new_search: NewSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses need not show it: an operation that is nothing costs nothing, whatever its weight."""
    search = new_search("gdas")
    monkeypatch.setattr(search.method, "probabilities", lambda: torch.full((6, 5), math.nan))
    with pytest.raises(DivergedError, match="the distribution over architectures is not finite after epoch 1: use a "):
        run(search)


def test_an_impossible_task_or_scale_is_refused(task: ImageTask, new_search: NewSearch) -> None:
    with pytest.raises(InputError, match="no validation images"):
        new_search("gdas", other_task=replace(task, evaluation={"test": task.evaluation["test"]}))
    descending = NetworkScale(channels=(8, 7, 6, 5, 4, 3, 2, 1))
    tas, seeds = method_named("tas"), np.random.SeedSequence(0)
    with pytest.raises(InputError, match="ascend"):
        SupernetSearch(tas, "sss", tas.Config(), task, descending, seeds)


# It learns.


def three_patterns() -> ImageTask:
    """Horizontal stripes, vertical stripes and a chequerboard in a little noise."""
    row, column = torch.arange(8) % 2 * 2.0 - 1, (torch.arange(8) % 2 * 2.0 - 1)[:, None]
    patterns = torch.stack([row.expand(8, 8), column.expand(8, 8), row * column])
    labels = torch.arange(60) % 3
    noise = torch.randn(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images = LabelledImages(patterns[labels][:, None] + 0.3 * noise, labels)
    normalisation = Normalisation.of((0.0,), (1.0,))
    return ImageTask("patterns", "own", 3, images, {"valid": images}, normalisation, Augmentation(False, 0))


@pytest.mark.parametrize(("name", "options"), [("darts_v1", {}), ("mask_gumbel", {"tau_min": 10.0})])
def test_an_easy_task_is_learnt(name: str, options: dict[str, float], new_search: NewSearch) -> None:
    """Widths stay mixed here: sampled ones forget more than so few steps teach."""
    recipe = {"epochs": 4, "learning_rate": 0.1, "batch_size": 10, **options}
    records = run(new_search(name, other_task=three_patterns(), **recipe))
    assert records[0].weight_accuracy < 85
    assert records[-1].weight_accuracy > 90
    assert records[-1].weight_loss < 0.5 * records[0].weight_loss


@pytest.mark.parametrize("name", ["gdas", "tas"])
def test_mixed_precision_comes_close(name: str, new_search: NewSearch) -> None:
    exact, mixed = (run(new_search(name, epochs=1, mixed_precision=mixed))[0] for mixed in (False, True))
    assert mixed.weight_loss == pytest.approx(exact.weight_loss, rel=0.05)
    assert mixed.architecture_loss == pytest.approx(exact.architecture_loss, rel=0.05)
    assert mixed.weight_loss != exact.weight_loss


def test_an_architecture_loss_that_is_no_number_stops_the_search(new_search: NewSearch) -> None:
    search = new_search("setn", **STATEFUL)
    search.method.alpha.data.fill_(math.nan)  # type: ignore[attr-defined]
    with pytest.raises(DivergedError, match="the architecture loss became nan in epoch 1"):
        next(search.epochs())
