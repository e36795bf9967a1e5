"""From the epochs of weight-sharing searches to numbers: what was derived, how sure the search was, what it took.

Pure functions; no files, no figures. All runs of a method have equally many epochs, so its numbers are arrays of shape
(runs, epochs).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.spaces import Space, space_named
from experiments.records.headers import WeightSharingSettings
from experiments.records.runs import Floats, Group, Runs
from experiments.statistics.aggregates import Aggregate, aggregate, regret
from experiments.statistics.traits import traits
from experiments.storage.directories import RecordError
from nas_algos.weight_sharing import PHASES


@dataclass(frozen=True)
class WeightSharingRuns:
    """Every epoch of one method on one data set; shape (runs, epochs) but for `number`, (runs,)."""

    number: NDArray[np.int32]
    architecture: NDArray[np.int32]
    """Official index of what was derived at the end of the epoch."""
    test: Floats
    """Its percent at the reporting fidelity; NaN where no table knows it."""
    rank: Floats
    """Of that in the table, 1 is best; NaN likewise."""
    one_shot_validation: Floats
    """Its percent with the shared weights."""
    weight_loss: Floats
    """Of training images as the steps saw them, nats."""
    weight_accuracy: Floats
    """Percent of them."""
    entropy: Floats
    """Of the distribution over options, nats, mean over decisions."""
    seconds: Mapping[str, Floats]
    """Measured in this epoch, by phase."""

    @property
    def epochs(self) -> int:
        return len(self.architecture[0])


_COLUMNS = ("architecture", "one_shot_validation", "weight_loss", "weight_accuracy", "entropy")


def weight_sharing_runs(epochs: pa.Table, groups: Mapping[Group, Runs]) -> dict[Group, WeightSharingRuns]:
    """The epochs (EPOCHS_SCHEMA) of the runs in `groups`; those of runs that have no trials yet are left out.

    Raises:
        RecordError: a run's epochs are not the same as its trials, or as the other runs'.
    """
    return {group: _weight_sharing_runs(epochs, group, runs) for group, runs in groups.items()}


def _weight_sharing_runs(epochs: pa.Table, group: Group, runs: Runs) -> WeightSharingRuns:
    import pyarrow.compute as pc  # slow to import, and studies on tables do not need it

    algorithm, dataset = group
    rows = epochs.filter(
        pc.and_(
            pc.and_(pc.equal(epochs["algorithm"], algorithm), pc.equal(epochs["dataset"], dataset)),
            pc.is_in(epochs["run"], pa.array(runs.number)),
        )
    ).sort_by([("run", "ascending"), ("epoch", "ascending")])
    shape = len(runs), len(runs.elapsed) // len(runs)
    expected: dict[str, NDArray[Any]] = {
        "run": np.repeat(runs.number, np.diff(runs.first)),
        "epoch": np.tile(np.arange(1, shape[1] + 1), shape[0]),
        "architecture": runs.architecture,
    }
    if not all(np.array_equal(rows[name].to_numpy(), values) for name, values in expected.items()):
        raise RecordError(
            f"the epochs of {' on '.join(group)} do not fit its trials: the files of a run under epochs/ and trials/ "
            "are damaged. Delete both and complete the study with nas-run"
        )
    columns = {name: rows[name].to_numpy().reshape(shape) for name in _COLUMNS}
    seconds = {phase: rows[f"{phase}_seconds"].to_numpy().reshape(shape) for phase in PHASES}
    rank = rows["rank"].to_numpy().astype(float).reshape(shape)  # null becomes NaN
    return WeightSharingRuns(number=runs.number, test=runs.test.reshape(shape), rank=rank, seconds=seconds, **columns)


@dataclass(frozen=True)
class OneShotRanking:
    """What one run's supernet says at the end of its search of some architectures, beside a table."""

    run: int
    architectures: NDArray[np.int32]  # official indices
    shared: Floats  # percent validation accuracy of each with the shared weights
    trained: Floats  # percent validation accuracy of each by itself, at the table's reporting fidelity

    @property
    def spearman(self) -> float:
        from scipy.stats import spearmanr  # slow to import

        return float(spearmanr(self.shared, self.trained).statistic)

    @property
    def kendall(self) -> float:
        from scipy.stats import kendalltau

        return float(kendalltau(self.shared, self.trained).statistic)


def one_shot_rankings(rows: pa.Table) -> dict[Group, list[OneShotRanking]]:
    """The runs of a table of ONE_SHOT_SCHEMA."""
    import pyarrow.compute as pc

    runs: dict[Group, list[OneShotRanking]] = {}
    names = ("algorithm", "dataset", "run")
    for key in rows.group_by(names, use_threads=False).aggregate([]).to_pylist():
        algorithm, dataset, run = (key[name] for name in names)
        chosen = (pc.field("algorithm") == algorithm) & (pc.field("dataset") == dataset) & (pc.field("run") == run)
        architecture, shared, trained = (
            column.to_numpy() for column in rows.filter(chosen).select(["architecture", "shared", "trained"]).columns
        )
        runs.setdefault((algorithm, dataset), []).append(OneShotRanking(run, architecture, shared, trained))
    return runs


def relative_entropy(space: Space, entropy: Floats) -> Floats:
    """Entropy in nats as a part of the greatest: 1 of a uniform distribution over options, 0 of a certain choice."""
    return entropy / math.log(max(space.options))


def weight_sharing_finals(
    runs: WeightSharingRuns, settings: WeightSharingSettings, optimum: float = math.nan, architectures: int = 0
) -> dict[str, Aggregate]:
    """How the runs of a method ended, over runs: name -> scalars.

    Args:
        settings: of the study's header.
        optimum: percent test accuracy; NaN if it is unknown.
        architectures: how many the table ranks; 0 if that is unknown.

    Returns: test, regret, rank and one_shot_validation of the last architecture (percent, percentage points), and
    beats, the percentage of the other architectures that have a higher rank: 50 of a random one, on average;
    search_seconds and those of each phase; relative_entropy of the last distribution; and the last architecture's
    traits.
    """
    space = space_named(settings.space)
    spent = {f"{phase}_seconds": seconds.sum(axis=1) for phase, seconds in runs.seconds.items()}
    last = runs.architecture[:, -1]
    values: dict[str, Floats] = {
        "test": runs.test[:, -1],
        "regret": regret(optimum, runs.test[:, -1]),
        "rank": runs.rank[:, -1],
        "beats": 100 * (architectures - runs.rank[:, -1]) / (architectures - 1 if architectures > 1 else math.nan),
        "one_shot_validation": runs.one_shot_validation[:, -1],
        "search_seconds": sum(spent.values(), np.zeros(len(runs.number))),
        **spent,
        "relative_entropy": relative_entropy(space, runs.entropy[:, -1]),
        **traits(space, settings.scale, last),
    }
    return {name: aggregate(of_runs) for name, of_runs in values.items()}


def most_frequent(architectures: Sequence[int]) -> tuple[int, int]:
    """(architecture, how often) that occurs most often; the one that occurs first if several do."""
    (found,) = Counter(architectures).most_common(1)
    return found
