"""Memory of an import of many files of the real size, on demand: pytest tests/performance."""

from __future__ import annotations

import bz2
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.spaces import SPACES

FEW, MANY = 100, 700
IMPORT = """
import multiprocessing, os, sys
from pathlib import Path
from experiments.tables.importing import import_benchmark

peaks = {}

def progress(what, done, total):
    for process in (os.getpid(), *(child.pid for child in multiprocessing.active_children())):
        status = Path(f"/proc/{process}/status").read_text()  # unlike ru_maxrss, without what ran before exec
        peaks[process] = int(status.partition("VmHWM:")[2].split()[0])

if __name__ == "__main__":
    import_benchmark(Path(sys.argv[1]), Path(sys.argv[2]), workers=2, progress=progress)
    parent = peaks.pop(os.getpid())
    print(parent, max(peaks.values()))
"""


def copies(sample: Path, folder: Path, count: int) -> Path:
    """A '-simple' directory of `count` architectures with the numbers of `sample`, whose size they have too."""
    folder.mkdir()
    with bz2.open(sample) as stream:
        results: dict[str, dict[str, Any]] = pickle.load(stream)
    space = SPACES["sss"]
    for index in range(count):
        for result in results.values():
            result.update(arch_index=index, arch_str=space.to_string(space.arch(index)))
        content = bz2.compress(pickle.dumps(results, 4), compresslevel=1)
        (folder / f"{index:06d}.pickle.pbz2").write_bytes(content)
    return folder


def peak_megabytes(release: Path, home: Path) -> tuple[float, float]:
    """The largest memory of an import's main process, and that of its largest worker process."""
    done = subprocess.run([sys.executable, "-c", IMPORT, release, home], check=True, capture_output=True, text=True)
    parent, worker = (int(kilobytes) / 1024 for kilobytes in done.stdout.split())
    return parent, worker


def test_memory_does_not_grow_with_the_number_of_real_files(shared_data: Path, tmp_path: Path) -> None:
    sample = shared_data / "nats_bench" / "NATS-sss-v1_0-50262-simple" / "000284.pickle.pbz2"
    large = copies(sample, tmp_path / "large", MANY)
    small = tmp_path / "small"
    small.mkdir()
    for file in sorted(large.iterdir())[:FEW]:
        shutil.copy(file, small)
    few, many = (peak_megabytes(release, tmp_path / "home") for release in (small, large))
    assert many[0] < few[0] + 8
    assert many[1] < few[1] + 8
