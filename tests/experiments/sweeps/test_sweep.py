"""Sweeps without Ray: what may be tuned, what is evaluated and kept, what is best, on which seeds it is confirmed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.errors import InputError
from benchmarks.metrics import ACCURACY, METRICS
from benchmarks.table import BenchmarkTable
from experiments.execution.resources import Resources
from experiments.records.budgets import Budget
from experiments.records.domains import Choice, Domain, Range
from experiments.records.headers import SweepHeader, SweepSettings, TableIdentity, TableSettings
from experiments.records.runs import Runs, runs_by_group
from experiments.records.study import StudyRecords
from experiments.records.sweep import (
    Configuration,
    Evaluation,
    SweepRecords,
    folder_of,
    ranked,
    read_evaluation,
)
from experiments.reports.section import SectionInput
from experiments.reports.sections import sensitivity as sensitivity_section
from experiments.statistics.aggregates import final
from experiments.statistics.objectives import run_values
from experiments.storage.directories import RecordError, exclusive_lock
from experiments.studies.config_files import ConfigFile
from experiments.studies.jobs import Job
from experiments.studies.runner import run_study
from experiments.studies.table_study import TableStudy, run_job
from experiments.sweeps.confirmation import Confirmed, confirm, fresh_seeds, p_values
from experiments.sweeps.evaluator import rungs_to
from experiments.sweeps.knobs import plain, tuned_knobs
from experiments.sweeps.table_evaluator import TableEvaluator
from experiments.sweeps.tune import Sweep, evaluator_for, run_sweep
from nas_algos.config import Config
from nas_algos.multi_trial import BOHB, Hyperband, RegularizedEA, Reinforce

EA = RegularizedEA.Config


def a_header(rungs: tuple[int, ...] = (10, 30), **tuned: Domain) -> SweepHeader:
    """The header of a sweep of an algorithm called mine on a data set called toy."""
    study = TableSettings(
        space="tss", algorithms={"mine": {}}, datasets=("toy",), runs=rungs[-1], seed=1, report_fidelity={}, budgets={},
        cost_model="nats", seed_policy="sampled", fidelity={}, table=TableIdentity(name="made-up"),
    )  # fmt: skip
    settings = SweepSettings(
        algorithm="mine", tuned=tuned or {"a": Choice((1, 2))}, unit="runs", rungs=rungs, study=study,
        objective="final_validation", search="random", scheduler="asha",
    )  # fmt: skip
    return SweepHeader(settings, {}, "none")


def run_here(study: TableStudy, directory: Path) -> StudyRecords:
    return run_study(study, directory, Resources(0), lambda *_: None)


def study_on(table: BenchmarkTable, runs: int = 9, algorithm: str = "regularized_ea") -> TableStudy:
    return TableStudy(
        table.path,
        algorithms={algorithm: EA()},
        budgets={"made-up": Budget(800.0)},
        runs=runs,
        seed=1,
        cost_model="nats",
        seed_policy="sampled",
    )


@pytest.mark.parametrize(
    ("config", "text", "domain"),
    [
        (EA, "population_size=5:100", Range(5, 100, whole=True, log=True)),
        (EA, "population-size=5:100:linear", Range(5, 100, whole=True, log=False)),
        (EA, "sample_size=2:50", Range(2, 50, whole=True, log=False)),
        (EA, "sample_size=2:50:log", Range(2, 50, whole=True, log=True)),
        (EA, "sample_size=3,5,10", Choice((3, 5, 10))),
        (EA, "mutation", Choice(("uniform", "official"))),
        (Reinforce.Config, "learning_rate=1e-3:1", Range(1e-3, 1.0, whole=False, log=True)),
        (Reinforce.Config, "ema_momentum", Range(0.0, 0.9999, whole=False, log=False)),
        (BOHB.Config, "top_n_percent", Range(1, 99, whole=True, log=False)),
    ],
)
def test_a_knob_is_tuned_over_a_range_or_a_choice(config: type[Config], text: str, domain: Range | Choice) -> None:
    assert list(tuned_knobs(config, [text]).values()) == [domain]


@pytest.mark.parametrize(
    ("config", "text", "message"),
    [
        (EA, "sample=2:3", "unknown knob of RegularizedEA 'sample'.*did you mean 'sample_size'"),
        (EA, "population_size", r"lies in \[1, inf\): give a range, population_size=LOW:HIGH"),
        (EA, "population_size=0:10", r"must be in \[1, inf\), got 0"),
        (EA, "population_size=10:5", "from a smaller number to a larger"),
        (EA, "population_size=5:nan", "takes a whole number, got 'nan'"),
        (EA, "sample_size=2.5:3", "takes a whole number, got '2.5'"),
        (EA, "sample_size=2:3:sqrt", "LOW:HIGH:log or LOW:HIGH:linear"),
        (EA, "sample_size=5", "a fixed value is given as --sample-size 5"),
        (EA, "sample_size=5,5", "several different values"),
        (EA, "mutation=uniform,offical", "one of uniform, official, got 'offical'"),
        (Reinforce.Config, "ema_momentum=0:1", r"must be in \[0, 0.9999\], got 1.0"),
        (
            Reinforce.Config,
            "ema_momentum=0:0.9:log",
            "begins above 0.*or ema_momentum=0:0.9:linear",
        ),
    ],
)
def test_a_knob_that_cannot_be_tuned_so_is_refused(config: type[Config], text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tuned_knobs(config, [text])


def test_a_knob_is_tuned_once_and_not_if_it_is_the_fidelity() -> None:
    with pytest.raises(InputError, match="sample_size is tuned twice"):
        tuned_knobs(EA, ["sample_size=2:3", "sample-size=2:4"])
    with pytest.raises(InputError, match="min_epochs cannot be tuned: because"):
        tuned_knobs(Hyperband.Config, ["min_epochs=1:4"], {"min_epochs": "because"})


def test_equal_suggestions_are_equal_whatever_they_are_made_of() -> None:
    suggested = {"mutation": np.str_("official"), "population_size": np.float64(7.0)}
    assert json.dumps(plain(EA, suggested)) == '{"population_size": 7, "mutation": "official"}'
    with pytest.raises(InputError, match="unknown knob of RegularizedEA 'size'"):
        plain(EA, {"size": 3})


@pytest.mark.parametrize(
    ("last", "first", "rungs"),
    [
        (90, None, (10, 30, 90)),
        (90, 10, (10, 30, 90)),
        (50, None, (6, 17, 50)),
        (27, 1, (1, 3, 9, 27)),
        (9, 9, (9,)),
        (2, None, (1, 2)),
        (1, None, (1,)),
    ],
)
def test_rungs_are_thirds_of_each_other(last: int, first: int | None, rungs: tuple[int, ...]) -> None:
    assert rungs_to(last, first) == rungs


def test_a_first_rung_above_the_last_is_refused() -> None:
    with pytest.raises(InputError, match="between 1 and the last, which is 9, got 10"):
        rungs_to(9, 10)


def test_objectives_of_runs_by_hand() -> None:
    """Run 0: 50 % from 10 s, 80 % from 60 s, 90 % told at 120 s, beyond the budget of 100 s. Run 1: no answer."""
    runs = Runs(
        number=np.array([0, 1], np.int32),
        first=np.array([0, 4, 5]),
        order=np.array([1, 2, 3, 4, 1], np.int32),
        elapsed=np.array([10.0, 30.0, 60.0, 120.0, 50.0]),
        incumbent=np.array([True, False, True, True, False]),
        architecture=np.zeros(5, np.int32),
        score=np.array([50.0, 40.0, 80.0, 90.0, math.nan]),
        validation=np.full(5, math.nan),
        test=np.full(5, math.nan),  # nothing here depends on it
    )
    np.testing.assert_allclose(run_values(runs, "final_validation", Budget(100), ACCURACY), [90, 0])
    areas = run_values(runs, "validation_area", Budget(100), ACCURACY)
    np.testing.assert_allclose(areas, [(50 * 50 + 80 * 40) / 100, 0])
    areas = run_values(runs, "validation_area", Budget(10, "evaluations"), ACCURACY)
    np.testing.assert_allclose(areas, [(50 * 2 + 80 * 1 + 90 * 6) / 10, 0])  # answers told as 1st, 3rd and 4th of 10


def test_objectives_of_a_smaller_is_better_metric_begin_at_the_worst_value() -> None:
    """An error of 30 % from the 2nd of 4 evaluations; the other run has no answer, which is as bad as 100 %."""
    runs = Runs(
        number=np.array([0, 1], np.int32),
        first=np.array([0, 4, 5]),
        order=np.array([1, 2, 3, 4, 1], np.int32),
        elapsed=np.zeros(5),
        incumbent=np.array([False, True, False, False, False]),
        architecture=np.zeros(5, np.int32),
        score=np.array([math.nan, -30.0, -40.0, -50.0, math.nan]),
        validation=np.full(5, math.nan),
        test=np.full(5, math.nan),
    )
    budget, error = Budget(4, "evaluations"), METRICS["error"]
    np.testing.assert_allclose(run_values(runs, "final_validation", budget, error), [-30, -100])
    np.testing.assert_allclose(run_values(runs, "validation_area", budget, error), [(-100 * 2 - 30 * 2) / 4, -100])
    assert run_values(runs, "final_validation", budget, METRICS["loss"]).tolist() == [-30, -math.inf]
    with pytest.raises(InputError, match=r"loss has no worst value .*final_validation"):
        run_values(runs, "validation_area", budget, METRICS["loss"])


def test_a_rung_adds_runs_to_those_of_the_rung_before(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    evaluator = evaluator_for(study_on(tss_table), "regularized_ea")
    options = {"population_size": 5}
    evaluator.evaluate(options, 3, tmp_path / "a")
    first = json.loads((tmp_path / "a" / "values.json").read_text())
    step_by_step = evaluator.evaluate(options, 9, tmp_path / "a")
    values = json.loads((tmp_path / "a" / "values.json").read_text())
    assert (len(first), values[:3]) == (3, first)
    study = replace(study_on(tss_table), algorithms={"regularized_ea": EA(population_size=5)})
    trials, _ = run_job(study, Job("regularized_ea", "made-up", 0, 9))
    (runs,) = runs_by_group(trials).values()
    assert step_by_step.objectives == {3: np.mean(first), 9: pytest.approx(final(runs).score.mean, abs=1e-9)}
    assert evaluator.evaluate(options, 9, tmp_path / "b").objectives[9] == step_by_step.objectives[9]


def test_what_is_known_is_not_searched_again(
    tss_table: BenchmarkTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = evaluator_for(study_on(tss_table), "regularized_ea")
    known = evaluator.evaluate({"sample_size": 4}, 3, tmp_path)
    monkeypatch.setattr(TableEvaluator, "score", None)
    assert evaluator.evaluate({"sample_size": 4}, 3, tmp_path) == known == read_evaluation(tmp_path)


def test_a_study_of_several_algorithms_cannot_be_tuned(tss_table: BenchmarkTable) -> None:
    with pytest.raises(InputError, match=r"a sweep tunes one algorithm, .*; this study has regularized_ea"):
        evaluator_for(study_on(tss_table), "bohb")
    with pytest.raises(InputError, match="on one data set, got a, b"):
        evaluator_for(replace(study_on(tss_table), budgets={"a": Budget(1), "b": Budget(1)}), "regularized_ea")


def row(options: dict[str, Any], **objectives: float) -> Configuration:
    known = {int(name.removeprefix("at")): value for name, value in objectives.items()}
    return Configuration(options, "complete", Evaluation(options, known, 1.0))


def test_the_best_is_chosen_among_those_evaluated_furthest() -> None:
    lucky, good, twice, bad = {"a": 1}, {"a": 2}, {"a": 2}, {"a": 3}
    rows = [row(lucky, at10=99), row(good, at10=80, at30=85), row(bad, at10=90, at30=70), row(twice, at10=80, at30=85)]
    rows.append(Configuration({"a": 4}, "failed"))
    assert [found.options["a"] for found in ranked(rows)] == [2, 3, 1]


def test_confirmations_have_seeds_of_their_own(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    assert len({1, *fresh_seeds(1), *fresh_seeds(2)}) == 5
    study = study_on(tss_table)
    confirmed = confirm(study, EA(sample_size=9), 4, tmp_path / "confirmation", run_here)
    headers = {label: json.loads((found.records / "study.json").read_text()) for label, found in confirmed.items()}
    assert [headers[label]["settings"]["seed"] for label in ("best", "default")] == list(fresh_seeds(1))
    sizes = [headers[label]["settings"]["algorithms"]["regularized_ea"]["sample_size"] for label in ("best", "default")]
    assert sizes == [9, 3]
    (runs,) = runs_by_group(
        run_job(replace(study, seed=fresh_seeds(1)[1]), Job("regularized_ea", "made-up", 0, 4))[0]
    ).values()
    assert confirmed["default"].test.mean() == pytest.approx(final(runs).test.mean)
    assert confirmed["default"].validation.mean() == pytest.approx(final(runs).score.mean)
    np.testing.assert_array_equal(
        confirmed["default"].validation_area, run_values(runs, "validation_area", Budget(800), ACCURACY)
    )


def test_a_confirmation_in_which_no_evaluation_ends_says_so(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    study = replace(study_on(tss_table), crossing="drop", budgets={"made-up": Budget(0.1)})
    with pytest.raises(InputError, match=r"no evaluation of the runs in .*best-.* ended within the budget"):
        confirm(study, EA(sample_size=9), 2, tmp_path / "confirmation", run_here)


def test_confirmations_of_what_was_best_before_are_set_apart(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    def names(folder: str) -> set[str]:
        return {path.name for path in (tmp_path / folder).iterdir()}

    study, directory = study_on(tss_table), tmp_path / "confirmation"
    first = confirm(study, EA(sample_size=9), 2, directory, run_here)
    assert names("earlier_confirmations") == set()
    second = confirm(study, EA(sample_size=8), 2, directory, run_here)
    assert names("confirmation") == {found.records.name for found in second.values()}
    assert names("earlier_confirmations") == {first["best"].records.name}

    def kept(_: TableStudy, path: Path) -> StudyRecords:
        assert len(StudyRecords(path).finished()) == 1
        return StudyRecords(path)

    again = confirm(study, EA(sample_size=9), 2, directory, kept)
    assert {found.records.name for found in again.values()} == names("confirmation")
    assert names("earlier_confirmations") == {second["best"].records.name}


def test_significance_needs_runs_and_numbers() -> None:
    def of(validation: list[float], test: list[float]) -> Confirmed:
        return Confirmed(Path(), np.array(validation), np.array(test), np.array(validation) / 2)

    apart = {"best": of([5, 6, 7, 8], [math.nan] * 4), "default": of([1, 2, 3, 4], [math.nan] * 4)}
    p = p_values(apart, "final_validation")
    assert list(p) == ["validation", "test"]
    assert list(p_values(apart, "validation_area")) == ["validation_area", "validation", "test"]
    assert p["validation"] == pytest.approx(2 / 70)  # both extreme orders, of 8 choose 4
    assert math.isnan(p["test"])
    assert math.isnan(p_values({"best": of([5], [5]), "default": of([1], [1])}, "final_validation")["validation"])


def test_a_sweep_s_table_tells_every_configuration_and_rung(tmp_path: Path) -> None:
    records = SweepRecords(tmp_path / "s")
    records.begin(a_header())
    evaluation = Evaluation({"a": 1}, {10: 80.5}, 2.0)
    folder = folder_of(records.store, {"a": 1})
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text(json.dumps(vars(evaluation)))
    records.write([Configuration({"a": 1}, "stopped", evaluation), Configuration({"a": 2}, "running")])
    assert records.configurations() == [
        Configuration({"a": 1}, "stopped", evaluation),
        Configuration({"a": 2}, "running"),
    ]
    (folder / "evaluation.json").write_text('{"objectives": 3')
    with pytest.raises(RecordError, match=r"evaluation.json is damaged .*: delete it and run the command again"):
        records.configurations()
    with pytest.raises(RecordError, match=r"another sweep: rungs is \[10, 30\], but \[10\]"):
        records.begin(a_header(rungs=(10,)))
    with pytest.raises(RecordError, match=r"holds no sweep.json"):
        SweepRecords(tmp_path / "nothing").header()
    records.header_path.write_text('{"format": 99, "new": 1}')
    with pytest.raises(RecordError, match=r"sweep.json has format 99; this version reads formats up to 2"):
        records.header()
    records.header_path.write_text('{"format": 2, "settings": {}, "versions": {}, "git_commit": "none"}')
    with pytest.raises(
        RecordError, match=r"sweep.json is damaged \(Object missing required field `algorithm` - at `\$.settings`\)"
    ):
        records.header()


def test_configurations_are_kept_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    """Tune's names of trials are random."""
    from experiments.sweeps.tune import _Watch

    records = SweepRecords(tmp_path / "s")
    records.begin(a_header((10,), sample_size=Range(2, 9, whole=True, log=False)))
    evaluator = SimpleNamespace(base=EA(), unit="runs")
    sweep: Any = SimpleNamespace(evaluator=evaluator, rungs=(10,), trials=3)
    watch = _Watch(sweep, records, [], lambda what, done, total: None)
    trials: list[Any] = [
        SimpleNamespace(trial_id=name, config={"sample_size": size}) for name, size in (("c", 2), ("a", 3), ("b", 4))
    ]
    for trial in trials:
        watch.on_trial_start(trial=trial)
    watch.on_trial_error(trial=trials[0])
    assert [(row.options["sample_size"], row.status) for row in records.configurations()] == [
        (2, "failed"), (3, "running"), (4, "running")
    ]  # fmt: skip


def test_two_processes_do_not_write_to_one_sweep(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    sweep = Sweep(
        evaluator=evaluator_for(study_on(tss_table), "regularized_ea"),
        tuned=tuned_knobs(EA, ["sample_size=2:5"]),
        rungs=(1,),
        search="random",
        scheduler="none",
        trials=1,
    )
    (tmp_path / "s").mkdir()
    SweepRecords(tmp_path / "s").begin(sweep.header())
    with exclusive_lock(tmp_path / "s"), pytest.raises(InputError, match="another process is writing to"):
        run_sweep(sweep, tmp_path / "s", Resources(1), lambda *_: None)


def test_a_config_file_comes_back_as_it_was(tmp_path: Path) -> None:
    options = {"population_size": 60, "learning_rate": 1e-05, "mutation": "official", "affine": True}
    path = tmp_path / "best.toml"
    ConfigFile("regularized_ea", options).write(path, "of a test")
    assert ConfigFile.read(path) == ConfigFile("regularized_ea", options)
    assert path.read_text().startswith("# of a test\n")


def test_the_figure_shows_ranges_choices_and_outliers(tmp_path: Path) -> None:
    from experiments.reports.figures import report_style, save
    from experiments.reports.sections.sensitivity import sensitivity

    tuned = {"size": Range(1, 100, whole=True, log=True), "rate": Range(0, 1, whole=False, log=False)}
    domains = {**tuned, "kind": Choice(("one", "other"))}
    rng = np.random.default_rng(0)
    rows = [
        row({"size": 1 + i, "rate": rng.random(), "kind": "one"}, at10=float(80 + rng.random())) for i in range(39)
    ] + [
        row({"size": 50, "rate": 0.5, "kind": "other"}, at10=10.0, at30=85.0),
        row({"size": 2, "rate": 0, "kind": "other"}, at10=1),
    ]
    with report_style():
        figure = sensitivity(ranked(rows), a_header((10, 30, 90), **domains).settings)
        files = save(figure, tmp_path / "sensitivity")
    assert [file.suffix for file in files] == [".png", ".svg", ".pdf"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["size", "rate", "kind"]
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear", "linear"]
    assert figure.axes[0].get_ylim()[0] > 70, "one bad configuration does not squeeze the others"


def test_a_report_shows_the_sensitivity_to_each_option(tmp_path: Path) -> None:
    records = SweepRecords(tmp_path / "s")
    records.begin(a_header(a=Range(1.0, 9.0, whole=True, log=False), b=Choice(("x", "y"))))
    with pytest.raises(RecordError, match="holds no configuration that was evaluated: repeat its nas-sweep command"):
        sensitivity_section.section(SectionInput([], [], tmp_path, sweeps=[records.path]))
    tried = {1: {10: 80.0}, 2: {10: 81.0, 30: 82.5}, 3: {10: 79.0}}
    for a, objectives in tried.items():
        options = {"a": a, "b": "xy"[a % 2]}
        folder = folder_of(records.store, options)
        folder.mkdir(parents=True)
        (folder / "evaluation.json").write_text(json.dumps(vars(Evaluation(options, objectives, 2.0))))
    rows = [records.configuration({"a": a, "b": "xy"[a % 2]}, "stopped") for a in tried]
    records.write(rows)
    text = sensitivity_section.section(SectionInput([], [], tmp_path, sweeps=[records.path]))
    assert text.startswith("## Sensitivity to options\n\n### mine: s\n")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert cells[0] == ["a", "b", "10 runs (%)", "30 runs (%)"]
    assert cells[2:] == [["2", "x", "81.00", "82.50"], ["1", "y", "80.00", "–"], ["3", "y", "79.00", "–"]]
    assert "3 configurations of mine on toy, suggested by random" in text
    assert "![Objective over each option of mine](sweep1.png)" in text
    assert {path.name for path in tmp_path.glob("sweep1*")} == {
        "sweep1.png", "sweep1.svg", "sweep1.pdf", "sweep1_best.csv", "sweep1_best.md", "sweep1_best.tex"
    }  # fmt: skip
    assert sensitivity_section.section(SectionInput([], [], tmp_path)) == ""


@pytest.mark.parametrize("search", ["bohb", "optuna"])
def test_what_was_tried_is_suggested_again_first_and_then_something_else(
    search: Any, tss_table: BenchmarkTable
) -> None:
    from experiments.sweeps.tune import Sweep, _quiet_tune, _search_algorithm, _space

    sweep = Sweep(
        evaluator=evaluator_for(study_on(tss_table), "regularized_ea"),
        tuned=tuned_knobs(EA, ["population_size=2:1000", "mutation"]),
        rungs=(3, 9),
        search=search,
        scheduler="hyperband" if search == "bohb" else "asha",
        trials=4,
    )

    def suggested(tried: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
        algorithm = _search_algorithm(sweep, list(tried))
        algorithm.set_search_properties("objective", "max", _space(sweep))
        return [plain(EA, algorithm.suggest(str(number))) for number in range(count)]

    with _quiet_tune():
        tried = suggested([], 2)
        again = suggested(tried, 4)
    assert again[:2] == tried
    assert not [options for options in again[2:] if options in tried]


@pytest.fixture(scope="module")
def gdas_study() -> Any:
    from experiments.factory.images import Images
    from experiments.studies.weight_sharing_study import WeightSharingStudy
    from nas_algos.weight_sharing import method_named
    from nas_algos.weight_sharing.configs import MethodConfig
    from supernets.settings import NetworkScale

    config = method_named("gdas").Config(epochs=3, batch_size=200)
    assert isinstance(config, MethodConfig)
    return WeightSharingStudy(
        space="tss",
        algorithms={"gdas": config},
        dataset="digits",
        images=Images("digits", None, 0),
        scale=NetworkScale(width=2, depth=1),
        runs=2,
        seed=0,
        threads=1,
        device="cpu",
        table=None,
    )


def test_a_rung_of_weight_sharing_is_the_beginning_of_a_whole_search(gdas_study: Any, tmp_path: Path) -> None:
    from experiments.execution.resources import Resources
    from experiments.studies.runner import run_study

    evaluator = evaluator_for(gdas_study, "gdas")
    objectives = [evaluator.evaluate({"tau_max": 5.0}, epochs, tmp_path / "c").objectives[epochs] for epochs in (1, 3)]
    study = replace(gdas_study, algorithms={"gdas": replace(gdas_study.algorithms["gdas"], tau_max=5.0)})
    trials = run_study(study, tmp_path / "s", Resources(0), lambda what, done, total: None).trials().to_pylist()
    expected = [np.mean([trial["validation"] for trial in trials if trial["epoch"] == epoch]) for epoch in (1, 3)]
    assert objectives == pytest.approx(expected, abs=1e-12)


def test_a_run_that_diverges_counts_as_nothing(gdas_study: Any, tmp_path: Path) -> None:
    assert evaluator_for(gdas_study, "gdas").evaluate({"learning_rate": 1e30}, 1, tmp_path).objectives == {1: 0.0}
    with pytest.raises(InputError, match="the objective of weight sharing is final_validation"):
        evaluator_for(gdas_study, "gdas", "validation_area")
