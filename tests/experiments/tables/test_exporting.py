"""Exporting: whole or not at all, resumable, at any number of processes, and never over something else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.errors import InputError
from benchmarks.official.nats_bench.files import pickle_load
from benchmarks.table import BenchmarkTable, Column, RowWriter, TableInfo, preallocate
from experiments.cli.bench import main
from experiments.storage.directories import exclusive_lock
from experiments.tables.exporting import BLOCK, export_benchmark
from experiments.tables.importing import import_benchmark

ROWS = 2 * BLOCK + 5
UNTRAINED = 3
EXPORTED = [2 * row for row in range(ROWS) if row != UNTRAINED]
RELEASE = "NATS-sss-v1_0-50262"


def quiet(_what: str, _done: int, _total: int) -> None:
    pass


def write_table(path: Path, rows: int = ROWS, seed: str = "0", provenance: str = "here") -> BenchmarkTable:
    """Every second architecture of tss, the accuracy of each is its row; nothing known of UNTRAINED."""
    accuracy = np.arange(float(rows)).reshape(-1, 1, 1)
    accuracy[UNTRAINED] = np.nan
    column = Column("digits", "1", "train", "accuracy", (seed,), (1,))
    info = TableInfo(path.stem, "tss", {}, {"made": provenance})
    preallocate(path, info, [column], np.arange(0, 2 * rows, 2, dtype=np.int32))
    with RowWriter(path) as writer:
        writer.write(0, {column.name: accuracy})
    return BenchmarkTable.open(path)


@pytest.fixture
def table(tmp_path: Path) -> BenchmarkTable:
    return write_table(tmp_path / "digits.arrow")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def interrupted_at(done: int) -> Callable[[str, int, int], None]:
    """A progress function that is interrupted once `done` architectures are dealt with."""

    def interrupt(_what: str, so_far: int, _total: int) -> None:
        if so_far >= done:
            raise KeyboardInterrupt

    return interrupt


def test_every_trained_architecture_has_a_file(table: BenchmarkTable, tmp_path: Path) -> None:
    out = tmp_path / "new" / "digits-simple"
    assert export_benchmark(table, out, workers=1, progress=quiet) == EXPORTED
    assert pickle_load(out / "meta.pickle.pbz2")["evaluated_indexes"] == set(EXPORTED)
    for index in EXPORTED:
        (run,) = pickle_load(out / f"{index:06d}.pickle.pbz2")["1"]["all_results"].values()
        assert run["train_acc1es"] == {0: index / 2}
    assert len(list(out.iterdir())) == len(EXPORTED) + 2  # the meta file and what it is the export of
    assert list(out.parent.iterdir()) == [out]


def test_the_number_of_processes_makes_no_difference(table: BenchmarkTable, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    assert export_benchmark(table, tmp_path / "two", workers=2, progress=lambda *p: told.append(p)) == EXPORTED
    assert export_benchmark(table, tmp_path / "one", workers=1, progress=quiet) == EXPORTED
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert (told[0], told[-1]) == (("exporting", 0, ROWS), ("exporting", ROWS, ROWS))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_export_goes_on(table: BenchmarkTable, tmp_path: Path, workers: int) -> None:
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    with pytest.raises(KeyboardInterrupt):
        export_benchmark(table, out, workers=workers, progress=interrupted_at(BLOCK))
    assert not out.exists()
    written = {path.name: path.stat().st_ino for path in partial.glob("0*")}
    assert len(written) >= 5
    assert not (partial / "meta.pickle.pbz2").exists()
    assert export_benchmark(table, out, workers=workers, progress=quiet) == EXPORTED
    assert not partial.exists()
    assert {name: (out / name).stat().st_ino for name in written} == written
    export_benchmark(table, tmp_path / "straight", workers=1, progress=quiet)
    assert contents(out) == contents(tmp_path / "straight")


KILLED = """
import os, signal, sys
from pathlib import Path
from benchmarks.table import BenchmarkTable
from experiments.tables.exporting import BLOCK, export_benchmark

def progress(task, done, total):
    if done >= BLOCK:
        os.kill(os.getpid(), signal.SIGKILL)

export_benchmark(BenchmarkTable.open(Path(sys.argv[1])), Path(sys.argv[2]), workers=1, progress=progress)
"""


def test_a_killed_export_is_resumed(table: BenchmarkTable, tmp_path: Path) -> None:
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    killed = subprocess.run([sys.executable, "-c", KILLED, table.path, out], check=False)
    assert killed.returncode == -signal.SIGKILL
    written = {path.name: path.stat().st_ino for path in partial.glob("0*")}
    assert len(written) >= BLOCK - 1
    assert export_benchmark(table, out, workers=1, progress=quiet) == EXPORTED
    assert {name: (out / name).stat().st_ino for name in written} == written
    export_benchmark(table, tmp_path / "straight", workers=1, progress=quiet)
    assert contents(out) == contents(tmp_path / "straight")


def test_a_complete_export_is_left_as_it_is(table: BenchmarkTable, tmp_path: Path) -> None:
    export_benchmark(table, tmp_path / "out", workers=1, progress=quiet)
    before = {path.name: path.stat().st_ino for path in (tmp_path / "out").iterdir()}
    assert export_benchmark(table, tmp_path / "out", workers=1, progress=interrupted_at(0)) == EXPORTED
    assert {path.name: path.stat().st_ino for path in (tmp_path / "out").iterdir()} == before


def test_an_empty_directory_is_filled(table: BenchmarkTable, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export_benchmark(table, tmp_path / "out", workers=1, progress=quiet) == EXPORTED


@pytest.mark.parametrize("name", ["out", "out.partial"])
def test_a_directory_of_something_else_is_left_alone(table: BenchmarkTable, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.tex").write_text("text")
    with pytest.raises(InputError, match=rf"{name} (is|already exists) .*remove it"):
        export_benchmark(table, tmp_path / "out", workers=1, progress=quiet)
    assert [path.name for path in tmp_path.rglob("*")].count("thesis.tex") == 1
    assert not list(tmp_path.rglob("*.pbz2"))


def test_a_file_in_the_way_is_left_alone(table: BenchmarkTable, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("text")
    with pytest.raises(InputError, match="out already exists"):
        export_benchmark(table, tmp_path / "out", workers=1, progress=quiet)
    assert (tmp_path / "out").read_text() == "text"


def test_the_export_of_an_older_table_is_not_replaced(tmp_path: Path) -> None:
    path, out = tmp_path / "digits.arrow", tmp_path / "out"
    export_benchmark(write_table(path, rows=ROWS - 1), out, workers=1, progress=quiet)
    before = contents(out)
    with pytest.raises(InputError, match="is not an export of this table: remove it"):
        export_benchmark(write_table(path), out, workers=1, progress=quiet)
    assert contents(out) == before


def test_an_unfinished_export_of_an_older_table_is_begun_anew(tmp_path: Path) -> None:
    path, out = tmp_path / "digits.arrow", tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        export_benchmark(write_table(path, seed="1"), out, workers=1, progress=interrupted_at(BLOCK))
    export_benchmark(write_table(path), out, workers=1, progress=quiet)
    export_benchmark(write_table(path), tmp_path / "straight", workers=1, progress=quiet)
    assert contents(out) == contents(tmp_path / "straight")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_table_that_official_files_cannot_hold_leaves_nothing(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "digits.arrow"
    columns = [Column("digits", "2", split, "accuracy", ("0",), (1, 2)) for split in ("train", "valid")]
    preallocate(path, TableInfo("digits", "tss", {}, {}), columns, np.arange(ROWS, dtype=np.int32))
    with RowWriter(path) as writer:
        curves = np.ones((1, 1, 2))
        for row in range(ROWS):
            cut = np.where(row == ROWS - 1, [1, np.nan], curves)
            writer.write(row, {columns[0].name: cut, columns[1].name: curves})
    with pytest.raises(InputError, match=f"architecture {ROWS - 1}, .* no training accuracy after its last epoch, 2"):
        export_benchmark(BenchmarkTable.open(path), tmp_path / "out", workers=workers, progress=quiet)
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_without_trainings_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "costs.arrow"
    column = Column("digits", "2", "network", "params", ("0",))
    preallocate(path, TableInfo("costs", "tss", {}, {}), [column], np.arange(3, dtype=np.int32))
    with pytest.raises(InputError, match="holds no training"):
        export_benchmark(BenchmarkTable.open(path), tmp_path / "out", workers=1, progress=quiet)
    assert list(tmp_path.iterdir()) == [path]


def test_two_processes_do_not_write_the_same_export(table: BenchmarkTable, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        export_benchmark(table, tmp_path / "out", workers=1, progress=interrupted_at(BLOCK))
    with exclusive_lock(tmp_path / "out.partial"):
        for wanted in (table, write_table(tmp_path / "other.arrow", provenance="there")):
            with pytest.raises(InputError, match=r"another process is writing to .*out\.partial"):
                export_benchmark(wanted, tmp_path / "out", workers=1, progress=quiet)
    assert export_benchmark(table, tmp_path / "out", workers=1, progress=quiet) == EXPORTED


def test_an_export_needs_a_process(table: BenchmarkTable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one worker process, got 0"):
        export_benchmark(table, tmp_path / "out", workers=0, progress=quiet)


# The command.


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of tables, with the table 'digits' and an empty working directory."""
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_table(tmp_path / "home" / "digits.arrow")
    return tmp_path / "home"


@pytest.mark.usefixtures("home")
def test_the_command_says_how_to_read_the_export(capsys: pytest.CaptureFixture[str]) -> None:
    nats_bench = pytest.importorskip("nats_bench", reason="reads the export with the PyPI package nats_bench 1.8")
    for _ in range(2):
        assert main(["export", "digits"]) == 0
        output, errors = capsys.readouterr()
        assert output.splitlines() == [
            "exported digits to digits-simple: 36 of 15,625 architectures",
            'read it with: nats_bench.create("digits-simple", "tss", fast_mode=True)',
        ]
        assert errors == ""
    api = eval(output.splitlines()[1].partition(": ")[2], {"nats_bench": nats_bench})
    assert api.get_more_info(8, "digits", hp="1")["train-accuracy"] == 4


def test_an_exported_release_is_imported_under_its_name(home: Path, shared_data: Path, tmp_path: Path) -> None:
    first = BenchmarkTable.open(
        import_benchmark(shared_data / "nats_bench" / f"{RELEASE}-simple", home, progress=quiet)
    )
    assert main(["export", RELEASE, "--workers", "1"]) == 0
    assert main(["verify", f"{RELEASE}-simple"]) == 0
    again = BenchmarkTable.open(import_benchmark(Path(f"{RELEASE}-simple"), tmp_path / "other", progress=quiet))
    assert again.info == replace(first.info, provenance=again.info.provenance)
    assert again.columns == first.columns
    for name in first.columns:
        np.testing.assert_array_equal(again.values(name), first.values(name))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits", "--out", "full"], "full already exists"),
        (["digits", "--out", "full/thesis.tex/deeper"], "Not a directory"),
        (["digits", "--workers", "0"], "at least one worker process"),
        (["absent"], "unknown table 'absent'"),
        (["sizes"], "separate training seeds"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    arguments: list[str], message: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sizes.csv").write_text("arch,c_valid_accuracy_12,c_test_accuracy_12\n8:8:8:8:8,50,60\n")
    import_benchmark(Path("sizes.csv"), home, progress=quiet)
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("text")
    assert main(["export", *arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("nas-bench: error: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert sorted(os.listdir()) == ["full", "sizes.csv"]


@pytest.mark.usefixtures("home")
def test_an_interrupted_command_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.tables.exporting.write_atomically", interrupt)
    assert main(["export", "digits"]) == 130
    assert "repeat the command to resume it" in capsys.readouterr().err
