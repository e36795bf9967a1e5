"""Evaluation of configurations of a weight-sharing method by supernets, trained further from rung to rung."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.errors import InputError
from experiments.records.headers import Objective
from experiments.storage.atomic import write_atomically
from experiments.studies.weight_sharing_study import WeightSharingStudy, resume_from
from experiments.sweeps.evaluator import Evaluator
from nas_algos.config import Config
from nas_algos.weight_sharing.configs import MethodConfig
from nas_algos.weight_sharing.search import DivergedError
from supernets.training.devices import threads


@dataclass(frozen=True)
class WeightSharingEvaluator(Evaluator):
    """Trains supernets of a weight-sharing method; a rung is a number of epochs.

    The objective is the validation accuracy, with the shared weights, of the architecture derived by the last epoch of
    the rung, mean over the runs of the study. Learning rate and temperature fall as in a complete search: a search that
    is stopped early equals the start of a complete one. A run that diverges counts as 0 percent.
    """

    unit: ClassVar[str] = "epochs"
    study: WeightSharingStudy
    algorithm: str
    objective: Objective

    def __post_init__(self) -> None:
        if self.objective != "final_validation":
            raise InputError(f"the objective of weight sharing is final_validation, got {self.objective}")

    @property
    def cpus(self) -> int:
        return self.study.threads

    def score(self, config: Config, rung: int, folder: Path) -> float:
        return float(np.mean([self._validation(config, rung, folder, run) for run in range(self.study.runs)]))

    def _validation(self, config: Config, epochs: int, folder: Path, run: int) -> float:
        """The accuracy in percent after `epochs`; the run resumes from its checkpoint, renewed after every epoch."""
        assert isinstance(config, MethodConfig)
        study = replace(self.study, algorithms={self.algorithm: config})
        search = study.search(self.algorithm, run)
        checkpoint = folder / f"{run:03d}.pt"
        if checkpoint.exists():
            resume_from(checkpoint, search)
        try:
            with threads(study.threads):
                left = search.epochs()
                while len(search.records) < epochs:
                    next(left)
                    write_atomically(checkpoint, search.to_bytes())
        except DivergedError:
            return 0.0
        return search.records[epochs - 1].validation
