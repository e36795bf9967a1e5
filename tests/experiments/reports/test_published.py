"""Published numbers beside those of a report, and the reproducibility checklist."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import convert

from experiments.records.budgets import Budget
from experiments.records.domains import Range
from experiments.records.headers import Optimum, Settings, StudyHeader, SweepHeader, SweepSettings
from experiments.records.runs import RecordedTrials, Runs
from experiments.records.sweep import Evaluation, SweepRecords, folder_of
from experiments.reports.entries import RecordedStudy, entries_of
from experiments.reports.section import SectionInput
from experiments.reports.sections import checklist as checklist_section, published
from experiments.reports.sections.checklist import AUTHORS, Item, checklist
from experiments.reports.sections.published import is_published
from experiments.reports.sections.published_numbers import DATASETS, OPTIMA, SOURCES, rows_of


def a_study(
    algorithms: tuple[str, ...] = ("reinforce",), dataset: str = "cifar10", optimum: float = 94.3733, **settings: Any
) -> RecordedStudy:
    """Two runs of each algorithm, which end with 93 and 94 percent."""
    held = {
        "kind": "table", "space": "tss", "table": {"name": "a table"}, "algorithms": {name: {} for name in algorithms},
        "datasets": [dataset], "budgets": {dataset: Budget(12_000)}, "runs": 2, "seed": 7, "cost_model": "nats",
        "seed_policy": "sampled", "fidelity": {},
        "report_fidelity": {dataset: {"schedule": "200", "epoch": 200}},
    }  # fmt: skip
    header = StudyHeader(
        convert({**held, **settings}, Settings), {dataset: Optimum(6111, optimum, 91.6, 87.0)}, {"numpy": "2"}, "abc"
    )
    test, numbers, one = np.array([93.0, 94.0]), np.arange(2, dtype=np.int32), np.ones(2, np.int32)
    runs = Runs(numbers, np.arange(3), one, test, one.astype(bool), numbers, test, test - 2, test)
    groups = {(name, dataset): runs for name in algorithms}
    fidelities = {group: Counter({("12", 12): 2}) for group in groups}
    twice, seconds = dict.fromkeys(groups, 2), dict.fromkeys(groups, 0.1)
    return RecordedStudy("study", header, RecordedTrials(groups, fidelities, 0), twice, seconds, {}, {}, 2)


def section(study: RecordedStudy, directory: Path) -> str:
    return published.section(SectionInput([study], entries_of([study]), directory))


class TestPublished:
    def test_stands_beside_the_same_search_under_the_same_budget(self, tmp_path: Path) -> None:
        text = section(a_study(), tmp_path)
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line][2:]
        assert [row for row in rows if row[1] in ("RANDOM", "REINFORCE", "ResNet", "optimal")] == [
            ["cifar10", "RANDOM", "12,000", "–", "93.70 ± 0.36", "–", "–", "1"],
            ["cifar10", "REINFORCE", "12,000", "91.09 ± 0.37", "93.85 ± 0.37", "91.50 ± 0.50", "93.50 ± 0.50", "2"],
            ["cifar10", "ResNet", "", "90.83", "93.97", "–", "–", "2"],
            ["cifar10", "optimal", "", "91.61", "94.37", "91.60", "94.37", "2"],
        ]
        assert len(rows) == len(list(rows_of("tss", "cifar10"))), "what was not run here is shown, too"
        assert "2. Dong and Yang, NAS-Bench-201" in text
        assert "EEEA-Net, arXiv:2108.06156, table 9" in text
        assert "Protocols differ" not in text
        assert {path.suffix for path in tmp_path.iterdir()} == {".md", ".csv", ".tex"}

    def test_nothing_stands_beside_what_was_found_on_another_data_set(self, tmp_path: Path) -> None:
        text = section(a_study(dataset="cifar100", optimum=73.5133), tmp_path)
        (row,) = [line for line in text.splitlines() if "REINFORCE" in line]
        assert [cell.strip() for cell in row.strip("|").split("|")][4:7] == ["71.71 ± 1.09", "–", "–"]

    def test_another_budget_is_told(self, tmp_path: Path) -> None:
        text = section(a_study(budgets={"cifar10": Budget(20_000)}), tmp_path)
        (row,) = [line for line in text.splitlines() if "REINFORCE" in line]
        assert "12,000" in row
        assert "93.50 ± 0.50 (20,000)" in row

    def test_other_protocols_are_called_out(self, tmp_path: Path) -> None:
        text = section(a_study(cost_model="train_only", seed_policy="mean"), tmp_path)
        assert "**Protocols differ**" in text
        assert "here: cost model train_only, seed policy mean." in text

    @pytest.mark.parametrize("other", [a_study(optimum=99.0), a_study(dataset="digits"), a_study(space="nasbench101")])
    def test_other_tables_have_none(self, other: RecordedStudy, tmp_path: Path) -> None:
        assert section(other, tmp_path) == ""
        assert list(tmp_path.iterdir()) == []

    def test_the_size_space_is_known_by_its_mean_or_its_90_epochs(self) -> None:
        def known(dataset: str, mean: float, epoch: int) -> bool:
            fidelity = {dataset: {"schedule": str(epoch), "epoch": epoch}}
            header = a_study(space="sss", dataset=dataset, report_fidelity=fidelity).header
            return is_published(replace(header, optima={dataset: Optimum(0, 93.65, math.nan, mean)}), dataset)

        assert known("cifar10", 91.0855, 90)
        assert not known("cifar10", 80.0, 90)
        assert known("cifar100", 60.0, 90)
        assert not known("cifar100", 60.0, 12)

    def test_no_published_search_beats_the_optimum(self) -> None:
        for (space, dataset), best in OPTIMA.items():
            for row in rows_of(space, dataset):
                assert float(row.test.split("±")[0]) <= best
                assert row.source in SOURCES

    def test_the_size_space_has_seven_searches_on_each_data_set(self) -> None:
        for dataset, budget in zip(DATASETS, (20_000, 40_000, 60_000), strict=True):
            rows = list(rows_of("sss", dataset))
            assert [row.algorithm for row in rows] == [
                "regularized_ea", "reinforce", "random_search", "bohb", "tas", "mask_gumbel", "mask_rl",
            ]  # fmt: skip
            assert {row.budget for row in rows} == {budget, None}


class TestChecklist:
    def found(self, word: str, *studies: RecordedStudy) -> Item:
        (item,) = [
            item for item in checklist(SectionInput(studies, entries_of(studies), Path())) if word in item.practice
        ]
        return item

    def test_what_records_know_is_answered_and_the_rest_is_left_to_the_authors(self) -> None:
        study = a_study(("random_search", "reinforce"))
        assert self.found("Random search", study)[1:] == ("yes", "random_search")
        assert self.found("repeated", study)[1:] == ("yes", "at least 2 runs of each method on each data set")
        assert self.found("tabular", study)[1:] == ("yes", "a table")
        assert self.found("Confounding", study).answer == "yes"
        assert "seed 7" in self.found("seeds of the searches", study).because
        for word in (
            "Ablation",
            "tuned",
            "trained the architectures",
            "of that training",
            "of the search space",
            "code of the searches",
        ):
            assert self.found(word, study).answer == AUTHORS

    def test_methods_of_which_some_are_not_tested_are_partly_evaluated_by_one_protocol(self) -> None:
        study = a_study()
        entries = entries_of([study])
        runs = {dataset: replace(run, test=np.full_like(run.test, np.nan)) for dataset, run in entries[0].runs.items()}
        untested = [replace(entries[0], runs=runs)]
        for known, answer in ((entries, "yes"), ([*entries, *untested], "partly"), (untested, "no"), ([], "no")):
            told = {item.practice: item.answer for item in checklist(SectionInput([study], known, Path()))}
            assert told["All methods are evaluated by one protocol"] == answer
            assert told["Performance over time is compared"] == answer

    def test_without_random_search(self) -> None:
        assert self.found("Random search", a_study()).answer == "no"

    @pytest.mark.parametrize("commit", ["none", "abc+changes"])
    def test_code_that_is_in_no_commit_cannot_be_released(self, commit: str) -> None:
        study = a_study()
        study = replace(study, header=replace(study.header, git_commit=commit))
        assert self.found("code of the searches", study).answer == "no"
        assert self.found("code of the search space", study).answer == "no"

    def test_other_versions_are_a_confounder(self) -> None:
        study = a_study()
        other = replace(study, header=replace(study.header, versions={"numpy": "1"}), name="other")
        assert self.found("Confounding", study, other).answer == "partly"
        resumed = [{"git_commit": "def", "versions": {"numpy": "1"}}]
        again = replace(study, header=replace(study.header, resumed_with=resumed))
        assert self.found("Confounding", again).answer == "partly"
        assert "abc, def" in self.found("code of the searches", again).because

    def test_is_written_as_a_section(self, tmp_path: Path) -> None:
        study = a_study()
        text = checklist_section.section(SectionInput([study], entries_of([study]), tmp_path))
        assert text.startswith("## Reproducibility checklist\n")
        assert text.count("to be answered by the authors") == 6
        assert len((tmp_path / "checklist.csv").read_text().splitlines()) == 17


def test_the_checklist_tells_what_tuning_cost(tmp_path: Path) -> None:
    """A configuration that is suggested twice is evaluated once."""
    sweep = SweepRecords(tmp_path / "sweep")
    study = a_study(("reinforce", "bohb"))
    settings = SweepSettings(
        algorithm="reinforce",
        tuned={"sample_size": Range(2, 5, whole=True, log=False)},
        unit="runs",
        rungs=(9,),
        objective="final_validation",
        search="random",
        scheduler="asha",
        study=study.header.settings,
    )
    sweep.begin(SweepHeader(settings, {}, "abc"))
    for size in (2, 3):
        folder = folder_of(sweep.store, {"sample_size": size})
        folder.mkdir(parents=True)
        known = Evaluation({"sample_size": size}, {9: 90.0}, 3600.0 * size)
        (folder / "evaluation.json").write_text(json.dumps(vars(known)))
    sweep.write([sweep.configuration({"sample_size": size}, "complete") for size in (2, 3, 2)])
    practice = "It is reported how hyper-parameters were tuned, and at what cost"
    given = SectionInput([study], entries_of([study]), tmp_path, sweeps=[sweep.path])
    (item,) = [item for item in checklist(given) if item.practice == practice]
    assert item.answer == "partly"
    assert item.because.startswith(
        "reinforce: 2 configurations by random, 18 runs in 18,000 s of host time; for bohb, "
    )
    elsewhere = a_study(("reinforce", "bohb"), table={"name": "another table"})
    given = SectionInput([elsewhere], entries_of([elsewhere]), tmp_path, sweeps=[sweep.path])
    (item,) = [item for item in checklist(given) if item.practice == practice]
    assert item.answer == AUTHORS
