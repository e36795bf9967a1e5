"""Keeping calls under way: the same results in this process and on Ray, and few keys taken ahead of the results."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments.execution.calls import Calls
from experiments.execution.resources import Resources
from experiments.execution.tasks import run_tasks


def times(factor: int, file: Path, key: int) -> int:
    return factor * key + len(file.read_text())


def halves(key: int, beat: Callable[[float], None]) -> str:
    beat(0.5)
    beat(1.0)
    return f"{key} done"


@pytest.mark.parametrize("workers", [0, 2])
def test_every_key_gets_its_result(workers: int, tmp_path: Path) -> None:
    (tmp_path / "five").write_text("12345")
    calls: Calls[int, int] = Calls(function=times, shared=(10,), files=(tmp_path / "five",))
    results = dict(run_tasks(calls, range(7), Resources(workers)))
    assert results == {key: 10 * key + 5 for key in range(7)}


@pytest.mark.parametrize(("workers", "ahead"), [(0, 1), (2, 4)])
def test_few_keys_are_taken_ahead_of_the_results(workers: int, ahead: int, tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    taken = 0

    def keys() -> Iterator[int]:
        nonlocal taken
        for key in range(1, 13):
            taken = key
            yield key

    calls: Calls[int, int] = Calls(function=times, shared=(1,), files=(tmp_path / "none",))
    results = []
    for key, _ in run_tasks(calls, keys(), Resources(workers)):
        assert taken <= len(results) + ahead + (workers > 0)  # on Ray, the next key follows before the result is used
        results.append(key)
    assert sorted(results) == list(range(1, 13))


def test_beats_are_reported_as_they_come_in_this_process() -> None:
    reported: list[tuple[int, float]] = []
    calls: Calls[int, str] = Calls(function=halves, beats=True)
    for key, result in run_tasks(calls, (1, 2), Resources(0), lambda *beat: reported.append(beat)):
        assert result == f"{key} done"
        assert reported[-1] == (key, 1.0)
    assert reported == [(1, 0.5), (1, 1.0), (2, 0.5), (2, 1.0)]


def test_ray_is_imported_only_when_a_worker_has_something_to_do() -> None:
    code = (
        "import sys\n"
        "from experiments.execution.calls import Calls\n"
        "from experiments.execution.resources import Resources\n"
        "from experiments.execution.tasks import run_tasks\n"
        "assert list(run_tasks(Calls(function=abs), [-1], Resources(0))) == [(-1, 1)]\n"
        "assert list(run_tasks(Calls(function=abs), [], Resources(2))) == []\n"
        "assert 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
