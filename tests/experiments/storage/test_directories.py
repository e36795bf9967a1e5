"""Resumable directories: begun once, resumed with the same settings, never mixed with anything else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import InputError
from experiments.storage.directories import RecordError, ResumableDirectory, exclusive_lock


@dataclass(frozen=True)
class Survey:
    seed: int
    runs: int

    @property
    def identity(self) -> Mapping[str, Any]:
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class SurveyDirectory(ResumableDirectory[Survey]):
    kind = "survey"
    may_be_there = ("photographs",)

    def header(self) -> Survey:
        return Survey(**json.loads(self.header_path.read_text()))


@pytest.fixture
def directory(tmp_path: Path) -> SurveyDirectory:
    return SurveyDirectory(tmp_path / "s")


def test_a_new_directory_gets_the_header_and_keeps_it(directory: SurveyDirectory) -> None:
    for _ in range(2):
        with directory.writing(Survey(1, 10)):
            assert directory.header() == Survey(1, 10)


def test_other_settings_are_refused_with_both_values(directory: SurveyDirectory) -> None:
    directory.begin(Survey(1, 10))
    with pytest.raises(RecordError, match="holds another survey: runs is 10, but 20 was requested: choose another"):
        directory.begin(Survey(1, 20))
    assert directory.header() == Survey(1, 10)


def test_a_directory_of_something_else_is_refused_and_left_as_it_is(directory: SurveyDirectory) -> None:
    directory.path.mkdir()
    (directory.path / "thesis.tex").write_text("mine")
    with pytest.raises(RecordError, match=r"is not empty and holds no survey\.json"), directory.writing(Survey(1, 10)):
        pass
    assert [path.name for path in directory.path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("remains", [".lock", ".survey.json.partial", "photographs"])
def test_what_may_be_there_does_not_stand_in_the_way(remains: str, directory: SurveyDirectory) -> None:
    directory.path.mkdir()
    (directory.path / remains).touch()
    directory.begin(Survey(1, 10))
    assert directory.header() == Survey(1, 10)


@contextmanager
def another_process_in(folder: Path) -> Iterator[subprocess.Popen[str]]:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom experiments.storage.directories import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1])):\n    print('locked', flush=True)\n    time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


def test_one_process_at_a_time_writes_until_it_ends_or_is_killed(directory: SurveyDirectory) -> None:
    directory.begin(Survey(1, 10))
    with another_process_in(directory.path) as process:
        with pytest.raises(InputError, match="another process is writing to"), directory.writing(Survey(1, 10)):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with directory.writing(Survey(1, 10)):
            pass


def test_a_lock_can_be_waited_for(tmp_path: Path) -> None:
    with another_process_in(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)  # it still holds the lock
        with pytest.raises(InputError), exclusive_lock(tmp_path):
            pass
        process.kill()
        with exclusive_lock(tmp_path, wait=True):
            pass
