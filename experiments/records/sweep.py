"""The records of a sweep, from which it can be resumed.

A sweep is a directory:

    sweep.json                 settings and provenance: SweepHeader
    trials.parquet             one row per suggested configuration, in the order of suggestion
    best.toml                  the best configuration, for nas-run --config
    sensitivity.png, ...       the objective over each knob
    evaluations/*/             the evaluations of each configuration, which are never repeated
    confirmation/              studies of the best and the default configuration with other seeds (records.study)
    earlier_confirmations/     those of the best configurations before the sweep was resumed
    ray/                       written by Ray Tune: results and TensorBoard logs of each session
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.records.headers import SweepHeader
from experiments.storage.directories import RecordedDirectory, RecordError
from experiments.storage.parquet import write_parquet

TRIALS = "trials.parquet"
COLUMNS = frozenset({"trial", "status", "seconds"})
"""Columns of trials.parquet other than the knobs and `objective_<rung>`."""


@dataclass(frozen=True)
class Configuration:
    """One suggested configuration."""

    options: Mapping[str, Any]
    """Values of the tuned knobs."""
    status: str
    """'running', 'complete' (at the last rung), 'stopped' (at an earlier rung) or 'failed' (see ray/)."""
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class SweepRecords(RecordedDirectory[SweepHeader]):
    """The directory of a sweep."""

    kind = "sweep"

    @property
    def store(self) -> Path:
        return self.path.absolute() / "evaluations"

    @property
    def best_path(self) -> Path:
        return self.path / "best.toml"

    def begin(self, header: SweepHeader) -> None:
        super().begin(header)
        self.resume(header)

    def header(self) -> SweepHeader:
        """Read the header; RecordError if this is not a sweep, is damaged, or was written by a newer version."""
        try:
            return SweepHeader.read(self.header_path)
        except FileNotFoundError:
            raise RecordError(f"{self.path} holds no sweep.json: give the --out directory of nas-sweep") from None

    def write(self, rows: Sequence[Configuration]) -> None:
        """Replace trials.parquet: trial, each knob, status, objective at each rung, seconds."""
        rungs = self.header().settings.rungs
        objectives = [row.evaluation.objectives if row.evaluation else {} for row in rows]
        columns = {
            "trial": pa.array(range(len(rows)), pa.int32()),
            **{name: [row.options[name] for row in rows] for name in rows[0].options},
            "status": [row.status for row in rows],
            **{
                f"objective_{rung}": pa.array([known.get(rung) for known in objectives], pa.float64()) for rung in rungs
            },
            "seconds": pa.array([row.evaluation.seconds if row.evaluation else 0.0 for row in rows], pa.float64()),
        }
        write_parquet(self.path / TRIALS, pa.table(columns))

    def configurations(self) -> list[Configuration]:
        """All configurations suggested so far, in the order of suggestion, with their evaluations."""
        path, knobs = self.path / TRIALS, list(self.header().settings.tuned)
        if not path.exists():
            return []
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise RecordError(f"{path} is damaged ({error}): delete it and run the command again") from error
        return [self.configuration({name: row[name] for name in knobs}, row["status"]) for row in table.to_pylist()]

    def configuration(self, options: Mapping[str, Any], status: str) -> Configuration:
        return Configuration(options, status, read_evaluation(folder_of(self.store, options)))


EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class Evaluation:
    """All evaluations of one configuration."""

    options: Mapping[str, Any]
    objectives: Mapping[int, float]
    """Rung -> score, mean over runs; percent for accuracy."""
    seconds: float
    """Host seconds of all its evaluations."""


def folder_of(store: Path, options: Mapping[str, Any]) -> Path:
    """The folder of a configuration."""
    text = json.dumps(options, sort_keys=True)
    return store / hashlib.sha256(text.encode()).hexdigest()[:16]


def read_evaluation(folder: Path) -> Evaluation | None:
    """Read the evaluations in a folder; None if there are none; RecordError if they are damaged."""
    path = folder / EVALUATION
    try:
        facts = json.loads(path.read_text())
        objectives = {int(rung): float(value) for rung, value in facts["objectives"].items()}
        return Evaluation(facts["options"], objectives, facts["seconds"])
    except FileNotFoundError:
        return None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise RecordError(f"{path} is damaged ({error}): delete it and run the command again") from error


def ranked(rows: Sequence[Configuration]) -> list[Configuration]:
    """Rank configurations by the highest rung at which they were evaluated, then by the objective there, best first.

    Configurations that were suggested twice count once; among equal ones, the first suggested comes first.
    """
    known: dict[str, Configuration] = {}
    for row in rows:
        if row.evaluation and row.evaluation.objectives:
            known.setdefault(repr(row.options), row)
    return sorted(known.values(), key=_merit, reverse=True)


def different(rows: Sequence[Configuration]) -> int:
    """The number of different configurations."""
    return len({repr(row.options) for row in rows})


def _merit(row: Configuration) -> tuple[int, float]:
    assert row.evaluation is not None
    last = max(row.evaluation.objectives)
    return last, row.evaluation.objectives[last]
