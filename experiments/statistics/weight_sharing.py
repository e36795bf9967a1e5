"""Statistics of weight-sharing searches by epoch: derived architectures, entropy of the distribution over options,
training of the supernet, and time.

Pure functions without files or figures. All runs of a method have the same number of epochs, so that its numbers are
arrays of shape (runs, epochs).
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
    """Every epoch of one method on one data set; shape (runs, epochs), except `number` with shape (runs,)."""

    number: NDArray[np.int32]
    architecture: NDArray[np.int32]
    """Official index of the architecture derived at the end of the epoch."""
    final: Floats
    """Its final score (`Runs.final`); NaN without a table."""
    rank: Floats
    """Its rank in the table by final score, 1 being best; NaN without a table."""
    one_shot_validation: Floats
    """Its validation accuracy with the shared weights, percent."""
    weight_loss: Floats
    """Mean training loss of the epoch, nats."""
    weight_accuracy: Floats
    """Training accuracy of the epoch, percent."""
    entropy: Floats
    """Entropy of the distribution over options, nats, mean over decisions."""
    seconds: Mapping[str, Floats]
    """Phase -> measured seconds of the epoch."""

    @property
    def epochs(self) -> int:
        return len(self.architecture[0])


_COLUMNS = ("architecture", "one_shot_validation", "weight_loss", "weight_accuracy", "entropy")


def weight_sharing_runs(epochs: pa.Table, groups: Mapping[Group, Runs]) -> dict[Group, WeightSharingRuns]:
    """The epochs (EPOCHS_SCHEMA) of the runs in `groups`, without those of runs that have no trials yet.

    Raises:
        RecordError: the epochs of a run do not match its trials, or differ in number from those of other runs.
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
            f"the epochs of {' on '.join(group)} do not match its trials: the files of a run under epochs/ and trials/ "
            "are damaged. Delete both and complete the study with nas-run"
        )
    columns = {name: rows[name].to_numpy().reshape(shape) for name in _COLUMNS}
    seconds = {phase: rows[f"{phase}_seconds"].to_numpy().reshape(shape) for phase in PHASES}
    rank = rows["rank"].to_numpy().astype(float).reshape(shape)  # null becomes NaN
    return WeightSharingRuns(number=runs.number, final=runs.final.reshape(shape), rank=rank, seconds=seconds, **columns)


@dataclass(frozen=True)
class OneShotRanking:
    """One-shot accuracies of some architectures at the end of one run, and their accuracies after training."""

    run: int
    architectures: NDArray[np.int32]
    """Official indices."""
    shared: Floats
    """Validation accuracy of each with the shared weights, percent."""
    trained: Floats
    """Validation score of each after stand-alone training, at the table's reporting fidelity."""

    @property
    def spearman(self) -> float:
        """Spearman's rank correlation between the two."""
        from scipy.stats import spearmanr  # slow to import

        return float(spearmanr(self.shared, self.trained).statistic)

    @property
    def kendall(self) -> float:
        """Kendall's rank correlation between the two."""
        from scipy.stats import kendalltau

        return float(kendalltau(self.shared, self.trained).statistic)


def one_shot_rankings(rows: pa.Table) -> dict[Group, list[OneShotRanking]]:
    """The runs in a table of ONE_SHOT_SCHEMA, by algorithm and data set."""
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
    """Entropy (nats, mean over decisions) divided by the greatest possible one: 1 if all distributions over options are
    uniform, 0 for a certain choice."""
    greatest = math.fsum(math.log(options) for options in space.options) / len(space.options)
    return entropy / greatest


def weight_sharing_finals(
    runs: WeightSharingRuns, settings: WeightSharingSettings, optimum: float = math.nan, architectures: int = 0
) -> dict[str, Aggregate]:
    """Statistics over runs of the final results of a method: name -> scalars.

    Args:
        settings: the settings of the study.
        optimum: final score of the best architecture; NaN if unknown.
        architectures: number of architectures that the table ranks; 0 if unknown.

    Returns: final (score), regret, rank and one_shot_validation (percent) of the last architecture; beats, the
    percentage of the table's other architectures that it outranks, 50 on average for a random one; search_seconds and
    the seconds of each phase; relative_entropy of the last distribution; and the traits of the last architecture.
    """
    space = space_named(settings.space)
    spent = {f"{phase}_seconds": seconds.sum(axis=1) for phase, seconds in runs.seconds.items()}
    last = runs.architecture[:, -1]
    values: dict[str, Floats] = {
        "final": runs.final[:, -1],
        "regret": regret(optimum, runs.final[:, -1]),
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
    """(architecture, number of occurrences) of the most frequent one; of several, the one that occurs first."""
    (found,) = Counter(architectures).most_common(1)
    return found
