"""The README's Python example runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.importing import import_benchmark

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path))
    import_benchmark(shared_data / "nasbench201_accuracies.csv", tmp_path, progress=lambda *_: None)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(example, str(README), "exec"), {})
    assert re.match(r"\|.+\| FinalReport\(validation=nan, test=9\d\.\d+, rank=\d+\)\n$", capsys.readouterr().out)
