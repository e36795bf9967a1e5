"""What commands show where nobody watches."""

from __future__ import annotations

import pytest

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
