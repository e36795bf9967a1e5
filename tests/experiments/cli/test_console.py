"""What commands show where nobody watches."""

from __future__ import annotations

import math
from io import StringIO

import pytest
from rich.console import Console

from experiments.cli import console


def test_a_log_gets_a_line_of_progress_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 59.0, 61.0, 61.0, 100.0, 130.0, 130.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.progress_bar() as progress:
        for done in (1, 2000, 2001, 3000):
            progress("runs", done, 5000)
    lines = capsys.readouterr().err.splitlines()
    assert [line[20:] for line in lines] == ["runs: 2,000 of 5,000", "runs: 3,000 of 5,000"]


def test_what_goes_on_at_the_same_time_has_its_own_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with console.progress_bar() as progress:
        for now in (30.0, 61.0, 90.0, 122.0):
            for run in (1, 2):
                progress(f"run {run}", int(now), 200)
    lines = capsys.readouterr().err.splitlines()
    assert [line[20:] for line in lines] == [f"run {run}: {now} of 200" for now in (61, 122) for run in (1, 2)]


def test_a_count_without_a_known_end_is_shown_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with console.progress_bar() as progress:
        now = 61.0
        progress("new trainings", 1234, math.inf)
        progress("run 1, seconds", 2.7, 12.0)
    lines = capsys.readouterr().err.splitlines()
    assert [line[20:] for line in lines] == ["new trainings: 1,234", "run 1, seconds: 3 of 12"]


def test_finished_bars_make_room_for_new_ones_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "Console", lambda stderr: Console(file=StringIO(), force_terminal=True))
    with console.progress_bar() as progress:
        assert isinstance(progress, console._Bars)
        for run in range(25):
            progress(f"run {run}", 1, 2)
            progress(f"run {run}", run != 3, 1)  # the fourth is not finished
        shown = [task.description for task in progress._bars.tasks]
        progress("run 3", 1, 1)
    assert len(shown) == console.MOST_BARS
    assert shown == ["run 3", *(f"run {run}" for run in range(16, 25))]
