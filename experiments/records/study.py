"""Writer and reader of the results of studies.

A study is a directory:

    study.json                 settings and provenance: StudyHeader
    trials/*.parquet           one row per trial (TRIALS_SCHEMA), one file per job of whole runs: one Parquet dataset
    overhead/*.parquet         host seconds of the search algorithm (OVERHEAD_SCHEMA), one row per run
    epochs/*.parquet           weight-sharing searches only: one row per epoch (EPOCHS_SCHEMA), one file per run
    checkpoints/*.pt           weight-sharing searches only: the state of each run after its last epoch
    one_shot.parquet           written by nas-bench one-shot: accuracies of random architectures with shared weights
                               and in a table (ONE_SHOT_SCHEMA)
    evaluations/               studies by training only: the trainings (studies.training_records)

The `settings` in study.json, together with `evaluations` if there are any, determine everything in `trials`: two
executions of one study agree in content. Host times never agree and are therefore kept apart, except for weight-sharing
searches, whose `seconds` and `elapsed` are measured. Files appear completely or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from experiments.records.headers import StudyHeader
from experiments.storage.atomic import write_atomically
from experiments.storage.directories import RecordedDirectory, RecordError
from experiments.storage.parquet import parquet, read_parquet, write_parquet

EVALUATIONS, CHECKPOINTS = "evaluations", "checkpoints"
"""Folders of trainings and supernets. A new study may start in a directory that holds them, and reuses them."""

TRIALS_SCHEMA = pa.schema(
    [
        ("algorithm", pa.dictionary(pa.int8(), pa.string())),
        ("dataset", pa.dictionary(pa.int8(), pa.string())),
        ("run", pa.int32()),  # 0, 1, ...
        ("trial", pa.int32()),  # the searcher's trial id; rows of a run are in the order in which the searcher was told
        ("architecture", pa.int32()),  # official index in the space
        ("schedule", pa.dictionary(pa.int8(), pa.string())),
        ("epoch", pa.int32()),  # epochs trained of this schedule
        ("validation", pa.float64()),  # the score told: percent validation accuracy; NaN for a failed evaluation
        ("seconds", pa.float64()),  # charged for this trial: simulated, or measured if it was trained
        ("elapsed", pa.float64()),  # seconds on the search's clock when the searcher was told
        ("incumbent", pa.bool_()),  # whether it becomes the run's incumbent
        # Scores of the architecture at the reporting fidelity, mean over seeds. No searcher sees them.
        ("report_validation", pa.float64()),  # percent; NaN if the benchmark has none
        ("report_test", pa.float64()),  # percent; NaN if the run did not train the architecture to this fidelity
    ]
)
OVERHEAD_SCHEMA = pa.schema(
    [
        ("algorithm", pa.dictionary(pa.int8(), pa.string())),
        ("dataset", pa.dictionary(pa.int8(), pa.string())),
        ("run", pa.int32()),
        ("search_seconds", pa.float64()),  # host seconds inside ask and tell; for weight sharing, of the whole search
    ]
)
EPOCHS_SCHEMA = pa.schema(
    [
        ("algorithm", pa.dictionary(pa.int8(), pa.string())),
        ("dataset", pa.dictionary(pa.int8(), pa.string())),
        ("run", pa.int32()),
        ("epoch", pa.int32()),  # epoch of the supernet: 1, 2, ...
        ("weight_loss", pa.float64()),  # cross entropy in nats, mean over the training images at their steps
        ("weight_accuracy", pa.float64()),  # percent of these images, with the path or mixture that each step trained
        ("architecture_loss", pa.float64()),  # mean over the architecture steps; NaN if there were none
        ("architecture", pa.int32()),  # derived at the end of the epoch: official index in the space
        ("rank", pa.int32()),  # rank of its test accuracy in the table, 1 is best; null without a table
        ("one_shot_validation", pa.float64()),  # percent validation accuracy with the shared weights
        ("entropy", pa.float64()),  # entropy of the distribution over options in nats, mean over decisions
        ("probabilities", pa.list_(pa.float64())),  # shape (decisions, options), row by row
        ("weights_seconds", pa.float64()),  # measured seconds of the phases of this epoch
        ("architecture_seconds", pa.float64()),
        ("controller_seconds", pa.float64()),
        ("derivation_seconds", pa.float64()),
    ]
)

ONE_SHOT_SCHEMA = pa.schema(
    [
        ("algorithm", pa.string()),
        ("dataset", pa.string()),
        ("run", pa.int32()),
        ("architecture", pa.int32()),  # random, but the same for all runs: official index in the space
        ("shared", pa.float64()),  # percent validation accuracy with the shared weights at the end of the run
        ("trained", pa.float64()),  # percent validation accuracy at the reporting fidelity of the table
    ]
)


class JobFiles(NamedTuple):
    """The records of one job as Parquet files."""

    trials: pa.Buffer
    overhead: pa.Buffer
    epochs: pa.Buffer | None = None
    """EPOCHS_SCHEMA; None for other studies than weight sharing."""

    @classmethod
    def of(cls, trials: pa.Table, overhead: pa.Table, epochs: pa.Table | None = None) -> JobFiles:
        return cls(parquet(trials), parquet(overhead), None if epochs is None else parquet(epochs))


@dataclass(frozen=True)
class StudyRecords(RecordedDirectory[StudyHeader]):
    """The directory of a study."""

    kind = "study"
    may_be_there = (EVALUATIONS, CHECKPOINTS)

    @property
    def evaluations_path(self) -> Path:
        return self.path / EVALUATIONS

    def begin(self, header: StudyHeader) -> None:
        """Begin or resume the study, and remove the incomplete files of a killed process."""
        super().begin(header)
        for folder in ("trials", "overhead"):
            (self.path / folder).mkdir(exist_ok=True)
        for folder in (".", "trials", "overhead"):
            for leftover in (self.path / folder).glob(".*.partial"):
                leftover.unlink()

    def header(self) -> StudyHeader:
        """Read the header; RecordError if this is not a study, is damaged, or was written by a newer version."""
        try:
            return StudyHeader.read(self.header_path)
        except FileNotFoundError:
            swept = (self.path / "sweep.json").exists()
            advice = "it is a sweep, for --sweep" if swept else "give the --out directory of nas-run"
            raise RecordError(f"{self.path} holds no study.json: {advice}") from None

    def finished(self) -> set[str]:
        """Names of the jobs whose records are complete."""
        return {file.stem for file in (self.path / "trials").glob("*.parquet")}

    def write_job(self, name: str, trials: pa.Table, overhead: pa.Table, epochs: pa.Table | None = None) -> None:
        """Add the records of a job, which is one or more whole runs."""
        self.write_job_files(name, JobFiles.of(trials, overhead, epochs))

    def write_job_files(self, name: str, files: JobFiles) -> None:
        """Add the records of a job; the file of its trials, written last, marks it as finished."""
        if files.epochs is not None:
            (self.path / "epochs").mkdir(exist_ok=True)
            write_atomically(self.path / "epochs" / f"{name}.parquet", files.epochs)
        for folder, file in (("overhead", files.overhead), ("trials", files.trials)):
            write_atomically(self.path / folder / f"{name}.parquet", file)

    def trials(self, runs: int | None = None) -> pa.Table:
        """All trials, sorted by the name of their job; the trials of a run are in the order of telling.

        Args:
            runs: read only the first `runs` runs of each algorithm on each data set.
        """
        return _joined(self.trials_by_job(runs), TRIALS_SCHEMA)

    def trials_by_job(self, runs: int | None = None) -> Iterator[pa.Table]:
        """Yield the trials of one job after the other; `runs` as in `trials`."""
        return self._read("trials", TRIALS_SCHEMA, runs)

    def overhead(self, runs: int | None = None) -> pa.Table:
        """Host seconds of every run of a finished job; `runs` as in `trials`."""
        finished = self.finished()
        found = self._read("overhead", OVERHEAD_SCHEMA, runs, lambda file: file.stem in finished)
        return _joined(found, OVERHEAD_SCHEMA)

    def epochs(self, runs: int | None = None) -> pa.Table:
        """All epochs of weight-sharing searches, sorted by run; empty for other studies; `runs` as in `trials`."""
        return _joined(self._read("epochs", EPOCHS_SCHEMA, runs), EPOCHS_SCHEMA)

    def write_one_shot(self, table: pa.Table) -> None:
        """Replace the comparison of shared weights with a table (ONE_SHOT_SCHEMA)."""
        write_parquet(self.one_shot_path, table)

    def one_shot(self, runs: int | None = None) -> pa.Table:
        """The comparison of shared weights with a table; empty if there is none; `runs` as in `trials`."""
        return _joined(self._read(self.one_shot_path.name, ONE_SHOT_SCHEMA, runs), ONE_SHOT_SCHEMA)

    @property
    def one_shot_path(self) -> Path:
        return self.path / "one_shot.parquet"

    @property
    def checkpoints_path(self) -> Path:
        return self.path / CHECKPOINTS

    def _read(
        self, name: str, schema: pa.Schema, runs: int | None, wanted: Callable[[Path], bool] = lambda _: True
    ) -> Iterator[pa.Table]:
        """Read a file, or all `wanted` files of a folder."""
        place = self.path / name
        files = [place] if place.is_file() else filter(wanted, sorted(place.glob("*.parquet")))
        for file in files:
            if runs is not None and _first_run(file) >= runs:
                continue
            try:
                table = read_parquet(file, schema)
            except (pa.ArrowInvalid, OSError) as error:
                raise RecordError(f"{file} is damaged ({error}): delete it and run again") from error
            yield table if runs is None else table.filter(pa.array(table["run"].to_numpy() < runs))


def _first_run(file: Path) -> int:
    """The first run of a job with the name NAME-FIRST-LAST; 0 for any other name."""
    first = file.stem.split("-")[-2:][0]
    return int(first) if first.isdecimal() else 0


def _joined(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    found = list(tables)
    return pa.concat_tables(found).unify_dictionaries() if found else schema.empty_table()
