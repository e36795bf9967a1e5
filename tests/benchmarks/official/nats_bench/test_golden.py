"""Numbers that nats_bench 1.8 gave once, kept in a file: they hold without the genuine package."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.official import nats_bench as ours

UNIQUE = {
    0: "(0)@avg_pool_3x3+(0)@avg_pool_3x3+(0)@nor_conv_1x1+(0)@nor_conv_1x1",
    11: "#+(((0)@nor_conv_3x3)@avg_pool_3x3+(0)@nor_conv_3x3)@avg_pool_3x3+((0)@nor_conv_3x3)@nor_conv_3x3",
    284: "#+#+(0)@nor_conv_1x1",
}
INFO_SSS_11 = """\
8:8:8:16:32
datasets : ['cifar10-valid', 'cifar10', 'cifar100', 'ImageNet16-120'], extra-info : arch-index=11
cifar10-valid  FLOP=  6.84 M, Params=0.049 MB, latency=15.30 ms.
cifar10-valid  train : [loss = 0.713 & top1 = 74.61%], valid : [loss = 0.759 & top1 = 73.44%], \
test : [loss = 0.769 & top1 = 73.02%]
"""


@pytest.fixture(scope="module", params=["files", "table"])
def apis(request: pytest.FixtureRequest, archives: dict[str, str]) -> dict[str, Any]:
    """Space -> API over the official files, or over the table made of them."""
    if request.param == "files":
        return {space: ours.create(path, space, fast_mode=True, verbose=False) for space, path in archives.items()}
    tables = request.getfixturevalue("tables")
    return {space: ours.create(table, space, verbose=False) for space, table in tables.items()}


def approx(numbers: dict[str, Any]) -> Any:
    return pytest.approx(numbers, rel=1e-9)


def test_all_golden_records(apis: dict[str, Any], golden: dict[str, dict[str, Any]]) -> None:
    assert len(golden) == 60
    for key, expected in golden.items():
        space, index, schedule, record = key.split("/")
        api, arch = apis[space], int(index)

        def info(**options: Any) -> dict[str, Any]:
            found = api.get_more_info(arch, record, hp=schedule, **options)  # noqa: B023  called at once
            found.pop("comment", None)
            return dict(found)

        assert api.query_by_index(arch, hp=schedule).get_dataset_seeds(record) == expected["seeds"], key
        assert info(is_random=False) == approx(expected["avg"]), key
        assert api.get_cost_info(arch, record, hp=schedule) == approx(expected["cost"]), key
        for seed, numbers in expected["by_seed"].items():
            assert info(is_random=int(seed)) == approx(numbers), (key, seed)
        for epoch in (0, 3):
            if f"avg_iepoch{epoch}" in expected:
                assert info(is_random=False, iepoch=epoch) == approx(expected[f"avg_iepoch{epoch}"]), (key, epoch)
        if "simulate_allowed(valid_acc,latency,time_cost)" in expected:
            possible = expected["simulate_allowed(valid_acc,latency,time_cost)"]
            got = api.simulate_train_eval(arch, record, hp=schedule)[:3]
            assert any(got == pytest.approx(tuple(one), rel=1e-9) for one in possible), key


BEST = [
    ("tss", "12", "cifar10", "valid", 284, 72.8759999975586),
    ("tss", "12", "cifar10", "test", 284, 79.46),
    ("tss", "12", "ImageNet16-120", "valid", 284, 22.19999998474121),
    ("tss", "200", "cifar10", "valid", 11, 87.9399999983724),
    ("tss", "200", "cifar100", "valid", 11, 67.45333326416016),
    ("tss", "200", "ImageNet16-120", "valid", 284, 33.399999984741214),
    ("sss", "01", "cifar10", "valid", 284, 41.37199999633789),
    ("sss", "01", "cifar10", "test", 11, 47.22),
    ("sss", "90", "cifar100", "valid", 284, 62.77999999389648),
]


@pytest.mark.parametrize(("space", "schedule", "dataset", "part", "index", "accuracy"), BEST)
def test_best_of_the_samples(
    apis: dict[str, Any], space: str, schedule: str, dataset: str, part: str, index: int, accuracy: float
) -> None:
    api = apis[space]
    for arch in (0, 11, 284):
        api.get_more_info(arch, "cifar10")
    found = api.find_best(dataset, part, hp=schedule, enforce_all=False)
    assert found == (index, pytest.approx(accuracy, rel=1e-9))


def test_best_within_limits(apis: dict[str, Any]) -> None:
    for arch in (0, 11, 284):
        apis["tss"].get_more_info(arch, "cifar10")
    found = apis["tss"].find_best("cifar10", "valid", flop_max=50, enforce_all=False)
    assert found == (284, pytest.approx(72.8759999975586, rel=1e-9))


def test_strings(apis: dict[str, Any]) -> None:
    assert {index: apis["tss"].get_unique_str(index) for index in UNIQUE} == UNIQUE
    assert apis["sss"].query_info_str_by_arch(11).startswith(INFO_SSS_11)
    matrix = apis["tss"].str2matrix(apis["tss"].arch(11))
    assert matrix.tolist() == [[0, 0, 0, 0], [3, 0, 0, 0], [3, 4, 0, 0], [0, 3, 4, 0]]


def test_accuracies_before_the_last_epoch_of_the_long_schedule(apis: dict[str, Any]) -> None:
    info = apis["tss"].get_more_info(11, "cifar100", iepoch=11, hp="200", is_random=False)
    assert {key.split("-")[0] for key in info} == {"train", "valtest"}
    assert info["valtest-accuracy"] == pytest.approx(20.59, rel=1e-9)
    with pytest.warns(UserWarning, match="contains the test set"):
        seconds = apis["tss"].simulate_train_eval(11, "cifar100", iepoch=11, hp="200")[2]
    assert seconds == pytest.approx(299.9196134408315, rel=1e-9)
