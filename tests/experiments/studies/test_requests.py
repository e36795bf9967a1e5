"""Requests of studies, as a script makes them: what is left open is filled in from the table and the preset."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.errors import InputError
from benchmarks.table import BenchmarkTable
from experiments.records.budgets import Budget
from experiments.studies.evaluation_request import EvaluationRequest
from experiments.studies.requests import StudyRequest, table_study
from nas_algos.multi_trial import RandomSearch

REQUEST = StudyRequest(space="tss", algorithms={"random_search": RandomSearch.Config()}, runs=2)


def test_given_values_take_precedence_over_the_preset(tss_table: BenchmarkTable) -> None:
    evaluation = EvaluationRequest(preset="nb201-paper", budget=500, seed_policy="mean")
    study = table_study(REQUEST, evaluation, tss_table)
    assert study.budgets == {"made-up": Budget(500)}
    assert (study.seed_policy, study.crossing, study.incumbent) == ("mean", "drop", "highest_fidelity")
    assert table_study(REQUEST, EvaluationRequest(preset="nb201-paper", crossing="keep"), tss_table).crossing == "keep"


def test_a_table_without_times_gets_a_budget_in_evaluations(untimed_table: BenchmarkTable) -> None:
    study = table_study(REQUEST, EvaluationRequest(), untimed_table)
    assert study.budgets == {"made-up": Budget(200, "evaluations")}
    assert study.crossing == "keep"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 9.0, "evaluations": 3}, "give --budget SECONDS or --evaluations N, not both"),
        ({"preset": "nats"}, "unknown preset 'nats'"),
    ],
)
def test_contradictions_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EvaluationRequest(**options)


def test_a_study_that_trains_has_one_data_set() -> None:
    assert REQUEST.trained_dataset("training takes") == "digits"
    with pytest.raises(InputError, match="training takes one data set, got a, b"):
        StudyRequest(space="tss", algorithms={}, datasets=("a", "b")).trained_dataset("training takes")
