"""The factory: every training once, whatever is killed; and the table that comes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.oracle import Oracle
from benchmarks.spaces import space_named
from benchmarks.table import BenchmarkTable
from benchmarks.verify import verify_table
from experiments.cli.bench import main
from experiments.factory.digits import RECIPE
from experiments.factory.directory import BuildDirectory
from experiments.factory.factory import SIDE_BY_SIDE, build_header, network_of, plan, trained_for
from experiments.factory.images import Images
from supernets.counting import cost_by_formula
from supernets.images.tasks import digits_task
from supernets.settings import settings_of
from supernets.training.devices import single_threaded
from supernets.training.replicas import structure
from supernets.training.train import train_candidates

TINY = ["--width", "2", "--depth", "1", "--batch-size", "200"]
KILLED = [*TINY, "--space", "tss", "--schedule", "1", "2", "--seeds", "3", "5", "--range", "0:12", "--workers", "0"]


def build(out: Path, *arguments: str) -> int:
    return main(["build", "--out", str(out), *arguments])


def trainings(out: Path) -> list[dict[str, object]]:
    """Everything but the seconds."""
    rows: list[dict[str, object]] = BuildDirectory(out).trainings.table().drop_columns(["seconds"]).to_pylist()
    return rows


@pytest.fixture(scope="module")
def tss_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Architectures 0..11 of tss, two schedules, two seeds; timed."""
    out = tmp_path_factory.mktemp("builds") / "tss"
    assert build(out, *KILLED) == 0
    assert main(["calibrate", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def tss_digits(tss_build: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTable:
    path = tmp_path_factory.mktemp("tables") / "mine.arrow"
    assert main(["merge", str(tss_build), "--out", str(path)]) == 0
    return BenchmarkTable.open(path)


def test_every_training_is_done_once_and_is_that_of_the_trainer(tss_build: Path) -> None:
    rows = trainings(tss_build)
    wanted = [(i, schedule, seed) for i in range(12) for schedule in ("1", "2") for seed in (3, 5)]
    assert [(row["architecture"], row["schedule"], row["seed"]) for row in rows] == wanted
    header = BuildDirectory(tss_build).header()
    config = header.recipe_of("2")
    with single_threaded():
        records = train_candidates([network_of(header, 7)] * 2, digits_task(), config, (3, 5))
    for record, row in zip(records, rows[7 * 4 + 2 : 8 * 4], strict=True):
        for split in ("train", "valid", "test"):
            assert row[f"{split}_accuracy"] == [measured.accuracy for measured in record.measurements[split]]
            losses = [measured.loss for measured in record.measurements[split]]
            assert row[f"{split}_loss"] == pytest.approx(losses, rel=1e-6)


def test_a_repeated_command_trains_nothing(tss_build: Path) -> None:
    before = BuildDirectory(tss_build).trainings.table()
    assert build(tss_build, *KILLED) == 0
    assert BuildDirectory(tss_build).trainings.table() == before  # the seconds are the same, too


KILL_AFTER = """
import os, signal, sys
from experiments.cli import console
from experiments.cli import bench
from contextlib import contextmanager

@contextmanager
def progress_bar():
    calls = iter(range(int(sys.argv[1])))
    def progress(what, done, total):
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
    yield progress

console.progress_bar = progress_bar
sys.exit(bench.main(sys.argv[2:]))
"""


def test_a_build_killed_again_and_again_is_that_of_an_undisturbed_one(tss_build: Path, tmp_path: Path) -> None:
    kills, finished = 0, []
    for calls in (3, 1, 8, 100):  # how often the progress is told before the kill
        command = [sys.executable, "-c", KILL_AFTER, str(calls), "build", "--out", str(tmp_path / "b"), *KILLED]
        killed = subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
        kills += killed
        finished.append(len(trainings(tmp_path / "b")))
    assert kills == 3
    assert finished == [6, 8, 24, 48]
    assert trainings(tmp_path / "b") == trainings(tss_build)


def test_ray_gives_what_this_process_gives_even_when_a_worker_is_killed(tss_build: Path, tmp_path: Path) -> None:
    arguments = [argument if argument != "0" else "2" for argument in KILLED]
    command = [sys.executable, "-c", "import sys; from experiments.cli.bench import main; sys.exit(main())"]
    process = subprocess.Popen([*command, "build", "--out", str(tmp_path / "b"), *arguments])
    killed = False
    while process.poll() is None:
        workers = [] if killed else pids_of("ray::_train", process.pid)
        for worker in workers[:1]:
            os.kill(worker, signal.SIGKILL)
            killed = True
        time.sleep(0.05)
    assert process.returncode == 0
    assert killed
    assert trainings(tmp_path / "b") == trainings(tss_build)


def pids_of(name: str, ancestor: int) -> list[int]:
    """Processes called `name` that descend from `ancestor`."""
    lines = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in lines.splitlines()[1:]]
    family = {ancestor}
    for _ in range(4):
        family |= {int(pid) for pid, parent, *_ in rows if int(parent) in family}
    return [int(pid) for pid, _, *args in rows if int(pid) in family and args and args[0].startswith(name)]


def test_more_seeds_and_schedules_join_what_is_there(tss_build: Path, tmp_path: Path) -> None:
    shared = [*TINY, "--space", "tss", "--range", "0:2", "--workers", "0"]
    for schedule in ("1", "2"):
        for seeds in (["3", "5"], ["3", "5", "8"]):
            assert build(tmp_path / "b", *shared, "--schedule", schedule, "--seeds", *seeds) == 0
    rows = trainings(tmp_path / "b")
    assert len(rows) == 2 * 2 * 3
    assert [row for row in rows if row["seed"] != 8] == trainings(tss_build)[: 2 * 2 * 2]


def test_another_benchmark_in_the_same_directory_is_refused(
    tss_build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tss_build, *KILLED, "--learning-rate", "0.5") == 2
    assert "holds another build: recipe is" in capsys.readouterr().err


def test_a_directory_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert build(tmp_path, *KILLED) == 2
    assert "is not empty and holds no build.json" in capsys.readouterr().err
    assert main(["merge", str(tmp_path)]) == 2
    assert "give the --out directory of nas-bench build" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["3", "5:3", "0:15626", "-1:3", "a:b", "3:3"])
def test_an_impossible_range_is_refused(part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(tmp_path / "b", *KILLED, f"--range={part}") == 2
    assert f"--range is FIRST:LAST with 0 <= FIRST < LAST <= 15625, got '{part}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--schedule", "0"], "a training schedule is 1 or more"),
        (["--seeds", "-1"], "a training seed is 0 or more"),
        (["--seeds", "1", "1"], "a training seed is 0 or more and not given twice"),
        (["--workers", "-1"], "--workers is 0 or more"),
        (["--dataset", "digitz"], "did you mean 'digits'?"),
        (["--dataset", "cifar10"], "name the directory that holds them"),
        (["--width", "0"], "at least 1"),
        (["--device", "tpu"], "the device is cpu or cuda"),
    ],
)
def test_bad_input_is_told_and_starts_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tmp_path / "b", *KILLED, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


# The table.


def test_the_table_holds_every_number_of_the_trainings(tss_build: Path, tss_digits: BenchmarkTable) -> None:
    for row in trainings(tss_build):
        schedule, seed = str(row["schedule"]), (3, 5).index(int(str(row["seed"])))
        for split in ("train", "valid", "test"):
            for quantity in ("accuracy", "loss"):
                name = f"digits/{schedule}/{split}/{quantity}"
                curve = row[f"{split}_{quantity}"]
                assert isinstance(curve, Sequence)
                assert tss_digits.values(name)[int(str(row["architecture"])), seed].tolist() == list(curve)
                last = int(schedule)
                assert tss_digits.columns[name].epochs == ((last,) if split == "test" else tuple(range(1, last + 1)))


def test_seconds_are_those_of_the_calibration_whatever_the_seed(tss_build: Path, tss_digits: BenchmarkTable) -> None:
    timings = BuildDirectory(tss_build).timings.table().to_pydict()
    for split, mode, images in (("train", "train_image", 600), ("valid", "evaluation_image", 597)):
        wanted = np.array(timings[mode])[:, None, None] * images
        assert (wanted > 0).all()
        for schedule in ("1", "2"):
            assert_allclose(
                tss_digits.values(f"digits/{schedule}/{split}/seconds"), np.broadcast_to(wanted, (12, 2, 1))
            )


def test_sizes_are_each_architectures_own(tss_build: Path, tss_digits: BenchmarkTable) -> None:
    header = BuildDirectory(tss_build).header()
    for index in range(12):
        cost = cost_by_formula(network_of(header, index), (10, 10))
        assert tss_digits.values("digits/1/network/params")[index, 0, 0] == cost.parameters / 1e6
        assert tss_digits.values("digits/1/network/flops")[index, 1, 0] == cost.flops / 1e6


def test_a_merged_table_is_without_defects_and_answers_queries(tss_digits: BenchmarkTable) -> None:
    assert all(finding.ok for finding in verify_table(tss_digits))
    oracle = Oracle(tss_digits, "digits", seed_policy="fixed:5")
    assert (oracle.search_fidelity.schedule, oracle.report_fidelity.schedule) == ("1", "2")
    score, seconds = oracle.query(oracle.space.arch(4), oracle.search_fidelity)
    assert score == tss_digits.values("digits/1/valid/accuracy")[4, 1, 0]
    assert seconds > 0
    assert tss_digits.info.provenance["source"] == "trained from scratch with nas-bench build"


def test_a_table_of_something_else_is_not_replaced(
    tss_build: Path, tss_table: BenchmarkTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.arrow"
    path.write_bytes(tss_table.path.read_bytes())
    assert main(["merge", str(tss_build), "--out", str(path)]) == 2
    assert "is a table of another benchmark" in capsys.readouterr().err
    assert path.read_bytes() == tss_table.path.read_bytes()
    path.unlink()
    for _ in range(2):  # its own may be replaced
        assert main(["merge", str(tss_build), "--out", str(path)]) == 0


def test_a_compressed_table_is_smaller_and_the_same(
    tss_build: Path, tss_digits: BenchmarkTable, tmp_path: Path
) -> None:
    assert main(["merge", str(tss_build), "--compress", "--out", str(tmp_path / "mine.arrow")]) == 0
    small = BenchmarkTable.open(tmp_path / "mine.arrow")
    assert (small.info, small.columns) == (tss_digits.info, tss_digits.columns)
    assert_array_equal(small.architectures, tss_digits.architectures)
    for name in small.columns:
        assert_array_equal(small.values(name), tss_digits.values(name))
    assert small.path.stat().st_size < tss_digits.path.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.arrow", "mine.arrow.sha256"]


def test_parts_built_apart_merge_to_the_whole(tss_build: Path, tss_digits: BenchmarkTable, tmp_path: Path) -> None:
    parts = [tmp_path / "a", tmp_path / "b"]
    for part, bounds in zip(parts, ("0:7", "5:12"), strict=True):
        assert build(part, *KILLED, "--range", bounds) == 0
        assert main(["calibrate", str(part)]) == 0
    assert main(["merge", *map(str, parts), "--out", str(tmp_path / "all.arrow")]) == 0
    merged = BenchmarkTable.open(tmp_path / "all.arrow")
    assert list(merged.columns.values()) == list(tss_digits.columns.values())
    for name in merged.columns:
        if not name.endswith(("seconds", "latency")):
            assert_array_equal(merged.values(name), tss_digits.values(name))


def test_merging_other_benchmarks_or_untimed_ones_is_refused(
    tss_build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tmp_path / "b", *KILLED, "--width", "3", "--range", "0:1", "--seeds", "3") == 0
    assert main(["merge", str(tss_build), str(tmp_path / "b"), "--out", str(tmp_path / "t.arrow")]) == 2
    assert "hold different benchmarks: the scale of one is" in capsys.readouterr().err
    assert main(["merge", str(tmp_path / "b"), "--out", str(tmp_path / "t.arrow")]) == 2
    assert "nas-bench calibrate" in capsys.readouterr().err
    assert not (tmp_path / "t.arrow").exists()


def test_isomorphic_architectures_share_the_training_of_the_cheapest(tmp_path: Path) -> None:
    space = space_named("tss")
    arguments = [*TINY, "--space", "tss", "--schedule", "1", "--canonical", "--workers", "0"]
    twin = space.index((0, 3, 3, 0, 0, 0))  # its convolutions lead nowhere
    assert build(tmp_path / "b", *arguments, "--range", f"{twin}:{twin + 1}") == 0
    assert main(["calibrate", str(tmp_path / "b")]) == 0
    assert main(["merge", str(tmp_path / "b"), "--out", str(tmp_path / "t.arrow")]) == 0
    (row,) = trainings(tmp_path / "b")
    table = BenchmarkTable.open(tmp_path / "t.arrow")
    members = [i for i in range(len(space)) if space.canonical(space.arch(i)) == space.canonical(space.arch(twin))]
    assert table.architectures.tolist() == members
    assert len(members) > 2
    cheapest = row["architecture"]
    assert cheapest == trained_for(BuildDirectory(tmp_path / "b").header())[twin]
    assert space.arch(cheapest).count(0) >= 4  # no convolution that leads nowhere
    assert set(table.values("digits/1/network/trained_as").flatten()) == {cheapest}
    assert len(set(table.values("digits/1/valid/accuracy").flatten())) == 1
    assert len(set(table.values("digits/1/network/flops").flatten())) > 1  # sizes are their own


def test_rows_are_in_the_order_of_official_indices_whatever_class_they_are_of(tmp_path: Path) -> None:
    arguments = [*TINY, "--space", "tss", "--schedule", "1", "--canonical", "--workers", "0"]
    assert build(tmp_path / "b", *arguments, "--range", "7:9") == 0
    assert main(["calibrate", str(tmp_path / "b")]) == 0
    assert main(["merge", str(tmp_path / "b"), "--out", str(tmp_path / "t.arrow")]) == 0
    table = BenchmarkTable.open(tmp_path / "t.arrow")
    trained = table.values("digits/1/network/trained_as")[:, 0, 0].tolist()
    assert table.architectures.tolist() == sorted(table.architectures.tolist())
    assert trained != sorted(trained), "of two classes, one among the other"
    of = trained_for(BuildDirectory(tmp_path / "b").header())
    assert trained == [of[index] for index in table.architectures.tolist()]


def test_architectures_of_one_structure_are_trained_side_by_side() -> None:
    images = Images("digits", None, 0)
    header = build_header("sss", images, settings_of("sss").digits_scale, RECIPE, canonical=False, device="cpu")
    groups = plan(header, range(64), [3], [7])
    members = [member for group in groups for member in group.members]
    assert sorted(members) == [(index, 7) for index in range(64)]
    assert max(len(group.members) for group in groups) == SIDE_BY_SIDE
    assert len(groups) == 5  # 56 whose last two layers differ, 8 in which they do not
    for group in groups:
        assert len({structure(network_of(header, index)) for index, _ in group.members}) == 1
    assert groups == plan(header, range(64), [3], [7])


def test_the_size_space_is_built_with_its_own_channels(tmp_path: Path) -> None:
    channels = [str(count) for count in range(1, 9)]
    arguments = ["--space", "sss", "--channels", *channels, "--schedule", "1", "--range", "9:11", "--workers", "0"]
    assert build(tmp_path / "b", *arguments, "--batch-size", "200") == 0
    header = BuildDirectory(tmp_path / "b").header()
    assert network_of(header, 9).channels == (1, 1, 1, 2, 2)
    assert [row["architecture"] for row in trainings(tmp_path / "b")] == [9, 10]
