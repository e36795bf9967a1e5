"""Importing: all or nothing, resumable, in bounded memory, one import at a time."""

from __future__ import annotations

import bz2
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.convert import nats
from benchmarks.errors import InputError
from benchmarks.safe_pickle import DamagedFileError, UnsafePickleError
from benchmarks.spaces import SPACES
from benchmarks.table import BenchmarkTable, checksum_path, sha256
from benchmarks.verify import verify_table
from experiments.tables.importing import import_benchmark, scratch_directory

SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
MANY = 300
"""Architectures of the release that is interrupted: ten blocks."""


def quiet(_what: str, _done: int, _total: int) -> None:
    pass


def made_results(index: int) -> OrderedDict[str, Any]:
    """An official record of sss at its one-epoch schedule; every number tells the index."""
    trainings = {}
    for position, (record, names) in enumerate(SETS.items()):
        evaluations = {f"{name}@0": index / 1000 + position for name in names}
        trainings[record, 777] = {
            "train_acc1es": {0: index / 500},
            "train_acc5es": {0: index / 400},
            "train_losses": {0: 1 / (1 + index)},
            "train_times": OrderedDict({0: 4.0 + index}),
            "params": np.float64(index),
            "flop": 2.0 * index,
            "latency": [np.float64(0.01)],
            "eval_acc1es": evaluations,
            "eval_losses": evaluations,
            "eval_times": evaluations,
        }
    string = SPACES["sss"].to_string(SPACES["sss"].arch(index))
    return OrderedDict({"01": {"arch_index": index, "arch_str": string, "all_results": trainings}})


def write_pickle(path: Path, content: Any) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(content, 4), compresslevel=1))


def write_release(folder: Path, count: int) -> Path:
    """A '-simple' directory of the first `count` architectures of sss."""
    folder.mkdir()
    for index in range(count):
        write_pickle(folder / f"{index:06d}.pickle.pbz2", made_results(index))
    return folder


def write_tar(folder: Path) -> Path:
    path = folder.with_name(folder.name + ".tar")
    with tarfile.open(path, "w") as archive:
        archive.add(folder, folder.name)
    return path


def write_monolith(path: Path, count: int) -> Path:
    strings = [SPACES["sss"].to_string(SPACES["sss"].arch(index)) for index in range(len(SPACES["sss"]))]
    results = {index: made_results(index) for index in range(count)}
    write_pickle(path, {"meta_archs": strings, "arch2infos": results, "evaluated_indexes": set(results)})
    return path


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("releases") / "many-simple", MANY)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Seventy architectures: three blocks."""
    return write_release(tmp_path / "made-simple", 70)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "data" / "home"


def files(home: Path) -> list[str]:
    """What lies in `home`, without the lock that every import leaves."""
    return sorted(path.name for path in home.glob("*") if path.name != ".lock") if home.exists() else []


# What an import makes.


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["directory", "tar", "monolith"])
def test_an_import_leaves_a_checked_table_and_nothing_else(
    kind: str, workers: int, release: Path, home: Path, tmp_path: Path
) -> None:
    path = {"directory": lambda: release, "tar": lambda: write_tar(release)}.get(
        kind, lambda: write_monolith(tmp_path / "made.pickle.pbz2", 70)
    )()
    table_path = import_benchmark(path, home, workers=workers, progress=quiet)
    assert table_path == home / "made.arrow"
    assert files(home) == ["made.arrow", "made.arrow.sha256"]
    table = BenchmarkTable.open(table_path)
    assert table.architectures.tolist() == list(range(70))
    for row in range(70):
        assert table.values("cifar10/01/train/seconds")[row].item() == 4.0 + row
        assert table.values("cifar100/01/test/accuracy")[row].item() == row / 1000 + 2
    assert all(finding.ok for finding in verify_table(table))


def test_a_table_says_where_it_came_from(release: Path, home: Path) -> None:
    info = BenchmarkTable.open(import_benchmark(release, home, workers=1, progress=quiet)).info
    assert info.provenance["source"] == "made-simple"
    assert info.provenance["imported_by"].startswith("nas-algos ")
    assert "NATS-Bench" in info.provenance["citation"]
    assert len(info.provenance["sha256"]) == 64
    assert (info.name, info.space) == ("made", "sss")


@pytest.mark.parametrize("space", ["tss", "sss"])
def test_official_files_import_to_the_same_bytes_in_one_and_two_processes(
    space: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats, "BLOCK", 1)
    base = {"tss": "NATS-tss-v1_0-3ffb9", "sss": "NATS-sss-v1_0-50262"}[space]
    tables = [
        import_benchmark(
            shared_data / "nats_bench" / f"{base}-simple", tmp_path / str(workers), workers=workers, progress=quiet
        )
        for workers in (1, 2)
    ]
    assert [table.name for table in tables] == [f"{base}.arrow"] * 2
    assert tables[0].read_bytes() == tables[1].read_bytes()
    assert BenchmarkTable.open(tables[0]).architectures.tolist() == [0, 11, 284]


def test_the_real_csv_is_imported_whole(shared_data: Path, home: Path) -> None:
    table = BenchmarkTable.open(import_benchmark(shared_data / "nasbench201_accuracies.csv", home, progress=quiet))
    assert len(table) == 15_625
    assert all(finding.ok for finding in verify_table(table))
    assert files(home) == ["nasbench201_accuracies.arrow", "nasbench201_accuracies.arrow.sha256"]


def test_progress_counts_up_to_every_architecture(release: Path, home: Path) -> None:
    told: list[tuple[str, int, int]] = []
    import_benchmark(release, home, workers=1, progress=lambda *told_now: told.append(told_now))
    assert told == [("converting", done, 70) for done in (0, 32, 64, 70)]


def test_a_second_import_does_nothing(release: Path, home: Path) -> None:
    first = import_benchmark(release, home, workers=1, progress=quiet)
    before = first.stat()
    told: list[tuple[str, int, int]] = []
    assert import_benchmark(release, home, progress=lambda *told_now: told.append(told_now)) == first
    assert told == []
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_source_replaces_a_table_only_by_force(release: Path, home: Path) -> None:
    path = import_benchmark(release, home, workers=1, progress=quiet)
    before = BenchmarkTable.open(path)
    write_pickle(release / "000070.pickle.pbz2", made_results(70))
    with pytest.raises(InputError, match=r"imported from another source, made-simple, .*--name OTHER.*--force"):
        import_benchmark(release, home, workers=1, progress=quiet)
    assert BenchmarkTable.open(path).info == before.info
    assert files(home) == ["made.arrow", "made.arrow.sha256"]
    assert len(BenchmarkTable.open(import_benchmark(release, home, name="other", workers=1, progress=quiet))) == 71
    assert import_benchmark(release, home, workers=1, force=True, progress=quiet) == path
    assert len(BenchmarkTable.open(path)) == 71
    assert len(before) == 70
    assert before.values("cifar10/01/train/seconds")[69].item() == 73  # what was open stays readable
    assert sha256(path) == checksum_path(path).read_text().split()[0]


def test_a_damaged_table_is_replaced(release: Path, home: Path) -> None:
    path = import_benchmark(release, home, workers=1, progress=quiet)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    import_benchmark(release, home, workers=1, progress=quiet)
    assert path.read_bytes() == whole


def test_a_table_of_an_older_version_is_replaced(release: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr("experiments.tables.importing.version", lambda: "0.0.1")
        path = import_benchmark(release, home, workers=1, progress=quiet)
    assert BenchmarkTable.open(path).info.provenance["imported_by"] == "nas-algos 0.0.1"
    import_benchmark(release, home, workers=1, progress=quiet)
    assert BenchmarkTable.open(path).info.provenance["imported_by"] != "nas-algos 0.0.1"


def test_an_impossible_number_leaves_nothing(release: Path, home: Path) -> None:
    results = made_results(65)
    results["01"]["all_results"]["cifar10", 777]["train_times"][0] = 0.0
    write_pickle(release / "000065.pickle.pbz2", results)
    with pytest.raises(InputError, match=r"cifar10/01/train/seconds: 1 values .* first in architecture 65"):
        import_benchmark(release, home, workers=2, progress=quiet)
    assert files(home) == []


def test_a_table_can_be_given_a_name(release: Path, home: Path) -> None:
    path = import_benchmark(release, home, name="mine v2", workers=1, progress=quiet)
    assert path == home / "mine v2.arrow"
    assert BenchmarkTable.open(path).info.name == "mine v2"


@pytest.mark.parametrize("name", ["", "../elsewhere", "a/b", ".hidden", "/root"])
def test_a_name_that_leaves_the_directory_is_refused(name: str, release: Path, home: Path) -> None:
    with pytest.raises(InputError, match="file name that does not begin with a dot"):
        import_benchmark(release, home, name=name, progress=quiet)
    assert not home.exists()


@pytest.mark.parametrize("workers", [0, -1])
def test_an_import_needs_a_worker(workers: int, release: Path, home: Path) -> None:
    with pytest.raises(InputError, match=f"at least one worker process, got {workers}"):
        import_benchmark(release, home, workers=workers, progress=quiet)


def test_imports_in_this_process_leave_no_file_open(release: Path, home: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for name in ("a", "b", "c"):
        import_benchmark(release, home, name=name, workers=1, progress=quiet)
    assert len(os.listdir("/proc/self/fd")) == before


# Bad data.


def hostile(release: Path) -> Path:
    (release / "000040.pickle.pbz2").write_bytes(bz2.compress(b"cos\nsystem\n(S'touch executed'\ntR."))
    return release


def truncated(release: Path) -> Path:
    file = release / "000065.pickle.pbz2"
    file.write_bytes(file.read_bytes()[:-40])
    return release


def flipped(release: Path) -> Path:
    file = release / "000065.pickle.pbz2"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    return release


def renamed(release: Path) -> Path:
    (release / "000065.pickle.pbz2").rename(release / "000099.pickle.pbz2")
    return release


def of_another_space(release: Path) -> Path:
    results = made_results(65)
    results["01"]["arch_str"] = SPACES["tss"].to_string(SPACES["tss"].arch(65))
    write_pickle(release / "000065.pickle.pbz2", results)
    return release


def outside_the_layout(release: Path) -> Path:
    results = made_results(65)
    results["01"]["all_results"]["cifar10", 3] = results["01"]["all_results"]["cifar10", 777]
    write_pickle(release / "000065.pickle.pbz2", results)
    return release


def with_changing_times(release: Path) -> Path:
    results = made_results(65)
    results["01"]["all_results"]["cifar10", 777]["train_times"][1] = 1.0
    write_pickle(release / "000065.pickle.pbz2", results)
    return release


def empty(release: Path) -> Path:
    shutil.rmtree(release)
    release.mkdir()
    return release


def bad_csv(release: Path) -> Path:
    path = release.with_name("bad.csv")
    path.write_text("arch,a_valid_accuracy_1,a_test_accuracy_1\n8:8:8:8:8,1,2\n8:8:8:8:8,1,2\n")
    return path


def bad_monolith(release: Path) -> Path:
    path = write_monolith(release.with_name("bad.pickle.pbz2"), 70)
    path.write_bytes(path.read_bytes()[:-50])
    return path


BAD: dict[Callable[[Path], Path], tuple[type[Exception], str]] = {
    hostile: (UnsafePickleError, r"000040\.pickle.*os\.system"),
    truncated: (DamagedFileError, "000065"),
    flipped: (DamagedFileError, "000065"),
    renamed: (InputError, "architecture 99 of sss is .*, the file says 65"),
    of_another_space: (InputError, "belongs to another space"),
    outside_the_layout: (InputError, "seed 3: no such training"),
    with_changing_times: (InputError, "times differ between epochs"),
    empty: (InputError, r"holds no file like 000000\.pickle\.pbz2"),
    lambda release: release / "absent": (FileNotFoundError, "no such file or directory"),
    bad_csv: (InputError, "occurs twice"),
    bad_monolith: (DamagedFileError, "truncated or damaged"),
}


@pytest.mark.parametrize(("spoil", "expected"), BAD.items(), ids=[spoil.__name__ for spoil in BAD])
def test_bad_data_is_refused_and_leaves_nothing_behind(
    spoil: Callable[[Path], Path], expected: tuple[type[Exception], str], release: Path, home: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    path = spoil(release)
    with pytest.raises(expected[0], match=expected[1]):
        import_benchmark(path, home, workers=1, progress=quiet)
    assert files(home) == []
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("spoil", [hostile, truncated], ids=lambda spoil: spoil.__name__)
def test_bad_data_found_by_a_worker_process_leaves_nothing_behind(
    spoil: Callable[[Path], Path], release: Path, home: Path
) -> None:
    with pytest.raises(BAD[spoil][0], match=BAD[spoil][1]):
        import_benchmark(spoil(release), home, workers=2, progress=quiet)
    assert files(home) == []


def test_bad_data_leaves_the_table_that_was_there(release: Path, home: Path) -> None:
    path = import_benchmark(release, home, workers=1, progress=quiet)
    before = path.read_bytes()
    with pytest.raises(DamagedFileError):
        import_benchmark(truncated(release), home, workers=1, force=True, progress=quiet)
    assert path.read_bytes() == before
    assert files(home) == ["made.arrow", "made.arrow.sha256"]


def test_a_file_that_crashes_its_reader_is_reported(release: Path, home: Path) -> None:
    nested = b")" + b"\x85" * 2_000_000  # a tuple so deep that hashing it overflows the stack
    (release / "000040.pickle.pbz2").write_bytes(bz2.compress(b"\x80\x04}" + nested + b"Ns."))
    with pytest.raises(InputError, match=r"a worker process died|not readable"):
        import_benchmark(release, home, workers=2, progress=quiet)
    assert not (home / "made.arrow").exists()


# Interruption.

INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from experiments.tables.importing import import_benchmark

def progress(what, done, total):
    if done >= 128:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    import_benchmark(Path(sys.argv[1]), Path(sys.argv[2]), workers=2, progress=progress)
"""


@pytest.fixture
def killed(many: Path, home: Path) -> Path:
    """`home` after an import of `many` was killed at 128 of its 300 architectures."""
    silent = subprocess.DEVNULL  # a pipe would stay open as long as a worker does
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, many, home], check=False, stdout=silent, stderr=silent)
    assert done.returncode == -signal.SIGKILL
    return home


def test_a_killed_import_goes_on_where_it_stopped(
    many: Path, killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"many.arrow.journal", "many.arrow.partial"} < set(files(killed))
    assert "many.arrow" not in files(killed)
    finished = {int(line) for line in (killed / "many.arrow.journal").read_text().splitlines()[1:]}
    assert len(finished) >= 4

    told: list[tuple[str, int, int]] = []
    read: set[int] = set()
    reader = nats.NatsFiles.read

    def noted(source: nats.NatsFiles, rows: range) -> Any:
        read.add(rows.start)
        return reader(source, rows)

    monkeypatch.setattr(nats.NatsFiles, "read", noted)
    resumed = import_benchmark(many, killed, workers=1, progress=lambda *told_now: told.append(told_now))
    assert told[0] == ("converting", 32 * len(finished), MANY)
    assert read == set(range(0, MANY, 32)) - finished
    assert files(killed) == ["many.arrow", "many.arrow.sha256"]

    undisturbed = import_benchmark(many, tmp_path / "undisturbed", workers=1, progress=quiet)
    assert resumed.read_bytes() == undisturbed.read_bytes()


def test_the_workers_of_a_killed_import_end_with_it(killed: Path) -> None:
    partial = str(killed / "many.arrow.partial")
    deadline = time.monotonic() + 10
    while holders_of(partial) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert holders_of(partial) == []


def holders_of(path: str) -> list[str]:
    """The processes that hold `path` open."""
    holders = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(entry) == path:
                holders.append(entry.parts[2])
        except OSError:
            continue
    return holders


def blocks_ctrl_c(process: str) -> bool:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return bool(int(status["SigBlk"], 16) >> (signal.SIGINT - 1) & 1)


def test_a_changed_source_does_not_go_on_with_what_was_begun(many: Path, killed: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(many, tmp_path / "many-simple")
    results = made_results(3)
    results["01"]["all_results"]["cifar10", 777]["flop"] = 1.0
    write_pickle(changed / "000003.pickle.pbz2", results)
    told: list[tuple[str, int, int]] = []
    import_benchmark(changed, killed, workers=1, progress=lambda *told_now: told.append(told_now))
    assert told[0] == ("converting", 0, MANY)


def test_a_journal_without_its_table_is_not_believed(many: Path, killed: Path) -> None:
    (killed / "many.arrow.partial").unlink()
    told: list[tuple[str, int, int]] = []
    import_benchmark(many, killed, workers=1, progress=lambda *told_now: told.append(told_now))
    assert told[0] == ("converting", 0, MANY)


def test_an_import_that_is_interrupted_before_its_journal_starts_anew(
    release: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(parents=True)
    stamp = json.dumps(["of an import long ago"])
    (home / "made.arrow.journal").write_text(f"{stamp}\n0\n32\n64\n")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.tables.importing.preallocate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        import_benchmark(release, home, workers=1, progress=quiet)
    assert files(home) == []


def test_ctrl_c_is_one_line_and_keeps_what_was_done(many: Path, home: Path) -> None:
    command = "import sys; from experiments.cli.bench import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "import", many, "--workers", "2"],
        env={**os.environ, "NAS_BENCH_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    journal = home / "many.arrow.journal"
    while process.poll() is None and not (journal.exists() and journal.read_text().count("\n") > 1):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGSTOP)  # while it is looked at
    workers = set(holders_of(str(home / "many.arrow.partial"))) - {str(process.pid)}
    assert workers
    assert all(blocks_ctrl_c(worker) for worker in workers)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and its workers
    os.killpg(process.pid, signal.SIGCONT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert errors == "nas-bench: interrupted; repeat the command to resume it\n"
    assert files(home) == ["many.arrow.journal", "many.arrow.partial"]


# One at a time.


def test_imports_into_one_home_wait_for_each_other(release: Path, home: Path) -> None:
    with scratch_directory(home):
        waiting = threading.Thread(
            target=import_benchmark, args=(release, home), kwargs={"workers": 1, "progress": quiet}, daemon=True
        )
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert files(home) == [".scratch"]
    waiting.join(30)
    assert files(home) == ["made.arrow", "made.arrow.sha256"]


def test_what_a_killed_process_left_in_the_scratch_directory_is_removed(home: Path) -> None:
    (home / ".scratch").mkdir(parents=True)
    (home / ".scratch" / "huge.spool").write_bytes(b"rows")
    with scratch_directory(home) as scratch:
        assert list(scratch.iterdir()) == []
        (scratch / "file").touch()
    assert files(home) == []


def test_the_scratch_directory_goes_even_after_an_error(home: Path) -> None:
    with pytest.raises(FileNotFoundError), scratch_directory(home) as scratch:
        (scratch / "absent").unlink()
    assert files(home) == []


# Memory.

PEAKS = """
import multiprocessing, os, re, sys
from pathlib import Path
from experiments.tables.importing import import_benchmark

peaks = {}

def progress(what, done, total):
    for process in (os.getpid(), *(child.pid for child in multiprocessing.active_children())):
        status = Path(f"/proc/{process}/status").read_text()  # unlike ru_maxrss, without what ran before exec
        peaks[process] = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])

if __name__ == "__main__":
    import_benchmark(Path(sys.argv[1]), Path(sys.argv[2]), workers=2, progress=progress)
    parent = peaks.pop(os.getpid())
    print(parent, max(peaks.values()))
"""


def peak_megabytes(release: Path, home: Path) -> tuple[float, float]:
    """The largest memory of an import's main process, and that of its largest worker process."""
    done = subprocess.run([sys.executable, "-c", PEAKS, release, home], check=True, capture_output=True, text=True)
    parent, worker = (int(kilobytes) / 1024 for kilobytes in done.stdout.split())
    return parent, worker


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    large = write_release(tmp_path / "large", 1_000)
    small = tmp_path / "small"
    small.mkdir()
    for file in sorted(large.iterdir())[:200]:
        shutil.copy(file, small)
    few, many = (peak_megabytes(release, tmp_path / "home") for release in (small, large))
    assert many[0] < few[0] + 8
    assert many[1] < few[1] + 8
