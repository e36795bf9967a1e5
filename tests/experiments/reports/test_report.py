"""Reports of small made-up studies, and the command that writes them."""

from __future__ import annotations

import csv
import math
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from msgspec import convert

from experiments.cli.report import main
from experiments.records.budgets import Budget
from experiments.records.headers import Optimum, Settings, StudyHeader
from experiments.records.study import OVERHEAD_SCHEMA, TRIALS_SCHEMA, StudyRecords
from experiments.reports import figures
from experiments.reports.entries import ReportError, difference, entries_of, read_studies
from experiments.reports.report import Report, page, write_report
from experiments.reports.section import SectionInput
from experiments.reports.sections import final, notes, provenance
from experiments.reports.sections.final import final_table
from experiments.storage.directories import RecordError

NAMES = ("incumbent", "log_regret", "incumbent_log_time", "log_regret_log_time", "comparison_matrix",
         "rank_over_time", "reached", "found", "found_cells")  # fmt: skip
TABLES = ("table", "comparison", "targets", "anytime", "diversity", "found", "overhead", "checklist",
          "study1_datasets", "study1_algorithms")  # fmt: skip
FIGURE_FILES = {f"{name}.{suffix}" for name, suffix in product(NAMES, ("png", "svg", "pdf"))}
TABLE_FILES = {f"{name}.{suffix}" for name, suffix in product(TABLES, ("md", "csv", "tex"))}
FILES = FIGURE_FILES | TABLE_FILES | {"report.md", "report.html"}
WITHOUT_IMAGES = {name for name in FILES if not name.endswith((".png", ".pdf"))}
FINAL_TEST = {"random_search": [92.0, 93.0, 94.0], "bohb": [93.0, 94.0, 94.5]}
"""Of the runs 0, 1, 2: means 93 and 93.83, population standard deviations 0.82 and 0.62."""


def a_header(**settings: Any) -> StudyHeader:
    """Two algorithms, three runs each, on two data sets; 'blind' has no validation at the reporting fidelity."""
    fidelity = {"schedule": "12", "epoch": 12}
    held = {
        "space": "tss",
        "table": {"name": "made-up", "provenance": {"source": "nowhere | anywhere", "imported_by": "version 1"}},
        "algorithms": {"random_search": {}, "bohb": {"eta": 3}},
        "datasets": ["seen", "blind"],
        "runs": 3,
        "seed": 7,
        "budgets": {"seen": Budget(100), "blind": Budget(1000)},
        "preset": None,
        "cost_model": "nats",
        "seed_policy": "sampled",
        "fidelity": {"seen": fidelity, "blind": fidelity},
        "report_fidelity": {name: {"schedule": "200", "epoch": 200} for name in ("seen", "blind")},
        "crossing": "keep",
        "cache": False,
        "simulated_workers": 1,
        "incumbent": "highest_fidelity",
    }
    optima = {"seen": Optimum(6111, 95.0, 91.25), "blind": Optimum(1459, 95.0, math.nan)}
    return StudyHeader(convert({"kind": "table", **held, **settings}, Settings), optima, {"numpy": "2.0"}, "abc123")


def a_study(path: Path, header: StudyHeader | None = None, runs: int = 3, epochs: tuple[int, ...] = (12,)) -> Path:
    """Write a study: a run's answers have 80, 90 and FINAL_TEST percent; its 4th trial is worse. Returns its path."""
    header = header or a_header()
    records = StudyRecords(path)
    records.begin(header)
    for algorithm, (dataset, budget) in product(header.settings.algorithms, header.settings.budgets.items()):
        end = budget.amount
        trials, overhead = [], []
        for run in range(runs):
            answers = [80.0, 90.0, FINAL_TEST[algorithm][run], 50.0]
            for i, test in enumerate(answers):
                trials.append(
                    {
                        "algorithm": algorithm, "dataset": dataset, "run": run, "trial": i + 1, "architecture": i,
                        "schedule": "12", "epoch": epochs[i % len(epochs)], "validation": test, "seconds": end / 4,
                        "elapsed": end * (i + 1) / 4, "incumbent": i < 3, "report_test": test,
                        "report_validation": test - 1 if dataset == "seen" else math.nan,
                    }
                )  # fmt: skip
            overhead.append({"algorithm": algorithm, "dataset": dataset, "run": run, "search_seconds": 0.25})
        tables = (pa.Table.from_pylist(trials, TRIALS_SCHEMA), pa.Table.from_pylist(overhead, OVERHEAD_SCHEMA))
        records.write_job(f"{algorithm}-{dataset}", *tables)
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_study(tmp_path_factory.mktemp("studies") / "first")


@pytest.fixture
def one_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures as SVG only, in a third of the time."""
    monkeypatch.setattr(figures, "FORMATS", {"svg": figures.FORMATS["svg"]})


@pytest.fixture(scope="module")
def printed() -> StringIO:
    """What the command prints."""
    return StringIO()


@pytest.fixture(scope="module")
def report(study: Path, printed: StringIO) -> Path:
    """The report that the command writes by default."""
    with redirect_stdout(printed):
        assert main([str(study)]) == 0
    return study / "report"


def page_of(*paths: Path) -> str:
    """The notes and the description of the studies in a report."""
    studies = read_studies(paths)
    with TemporaryDirectory() as tables:
        given = SectionInput(studies, entries_of(studies), Path(tables))
        return page(given.header, [section(given) for section in (notes.section, final.section, provenance.section)])


class TestFiles:
    def test_all_are_there_and_nothing_else(self, report: Path) -> None:
        assert {path.name for path in report.iterdir()} == FILES | {".files"}
        assert {path.name for path in report.parent.iterdir()} == {"study.json", "trials", "overhead", "report"}

    @pytest.mark.parametrize("name", NAMES[:3])
    def test_figures_are_images(self, report: Path, name: str) -> None:
        assert (report / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        pixels = imread(report / f"{name}.png")
        height, width = pixels.shape[:2]
        assert width > 1000
        assert height > 500
        assert len(np.unique((pixels[..., :3] @ [1, 256, 65536]).ravel())) > 100  # something is drawn
        assert (report / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
        assert "</svg>" in (report / f"{name}.svg").read_text()

    @pytest.mark.usefixtures("one_format")
    def test_a_second_report_has_the_same_bytes_and_replaces_the_first(
        self, study: Path, report: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "report.md").write_text("old")
        (tmp_path / "mine.txt").write_text("kept")
        written = write_report([study], tmp_path)
        assert {path.name for path in written.files} == WITHOUT_IMAGES
        assert all(path.exists() for path in written.files)
        for name in WITHOUT_IMAGES:
            assert (tmp_path / name).read_bytes() == (report / name).read_bytes(), name
        assert (tmp_path / "mine.txt").read_text() == "kept"

    def test_several_processes_write_the_same_files(self, study: Path, tmp_path: Path) -> None:
        for workers in (1, 2):
            write_report([study], tmp_path / str(workers), workers=workers)
        names = {path.name for path in (tmp_path / "1").iterdir()}
        assert {"report.html", "incumbent.png", "incumbent.pdf", "comparison.csv"} <= names
        assert {path.name for path in (tmp_path / "2").iterdir()} == names
        for name in names:
            assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name

    def test_a_report_that_fails_leaves_nothing(
        self, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full_disk(*_: Any, **__: Any) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(Figure, "savefig", full_disk)
        with pytest.raises(ReportError, match="disk full"):
            write_report([study], tmp_path / "out")
        assert list(tmp_path.iterdir()) == []


class TestTables:
    def test_markdown(self, report: Path) -> None:
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in (report / "table.md").read_text().splitlines()
        ]
        assert rows[0] == ["algorithm", "runs", "seen validation accuracy (%)", "seen test accuracy (%)",
                           "blind validation accuracy (%)", "blind test accuracy (%)", "evaluations"]  # fmt: skip
        assert rows[2:] == [
            ["random_search", "3", "92.00 ± 0.82", "93.00 ± 0.82", "–", "93.00 ± 0.82", "4.0"],
            ["bohb, one fidelity", "3", "92.83 ± 0.62", "93.83 ± 0.62", "–", "93.83 ± 0.62", "4.0"],
            ["optimum", "", "91.25", "95.00", "–", "95.00", ""],
        ]

    def test_latex(self, report: Path) -> None:
        text = (report / "table.tex").read_text()
        assert [rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [True] * 3
        line = next(line for line in text.splitlines() if "random" in line)
        assert [cell.strip() for cell in line.removesuffix(r"\\").split("&")] == [
            r"random\_search", "3", r"92.00 $\pm$ 0.82", r"93.00 $\pm$ 0.82", "--", r"93.00 $\pm$ 0.82", "4.0",
        ]  # fmt: skip
        assert text.isascii()

    def test_csv_has_full_precision_and_empty_cells(self, report: Path) -> None:
        with (report / "table.csv").open() as stream:
            rows = {(row["algorithm"], row["dataset"]): row for row in csv.DictReader(stream)}
        assert len(rows) == 6
        row = rows["bohb, one fidelity", "blind"]
        assert float(row["test_mean"]) == pytest.approx(281.5 / 3, rel=1e-15)
        assert float(row["test_std"]) == pytest.approx(float(np.std(FINAL_TEST["bohb"])), rel=1e-15)
        assert float(row["test_quartile1"]) == 93.5
        assert (row["runs"], row["evaluations_mean"], row["search_host_seconds_mean"]) == ("3", "4.0", "0.25")
        assert row["validation_mean"] == row["validation_std"] == ""
        assert (rows["optimum", "seen"]["validation_mean"], rows["optimum", "seen"]["test_mean"]) == ("91.25", "95.0")
        assert rows["optimum", "blind"]["validation_mean"] == rows["optimum", "blind"]["test_std"] == ""

    def test_cells_of_data_sets_that_disagree_stand_side_by_side(self, study: Path, tmp_path: Path) -> None:
        shutil.copytree(study, tmp_path / "part")
        (tmp_path / "part" / "trials" / "bohb-blind.parquet").unlink()
        (read,) = read_studies([tmp_path / "part"])
        _, rows = final_table(SectionInput([read], entries_of([read]), tmp_path))
        assert rows[1] == ["bohb, one fidelity", "3 / 0", "92.83 ± 0.62", "93.83 ± 0.62", "–", "–", "4.0 / –"]


@pytest.mark.usefixtures("one_format")
def test_what_an_earlier_report_wrote_does_not_stay(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_report([study], out)
    (out / "mine.txt").write_text("a note")
    (out / "found.csv").rename(out / "found_earlier.csv")
    with (out / ".files").open("a") as manifest:
        manifest.write("\nfound_earlier.csv\n../first/study.json")
    write_report([study], out)
    assert {path.name for path in out.iterdir()} == WITHOUT_IMAGES | {".files", "mine.txt"}
    assert (study / "study.json").exists()


class TestTheFirstRunsOnly:
    def test_are_those_of_a_study_with_no_more(self, study: Path, tmp_path: Path) -> None:
        shorter = a_study(tmp_path / "first", a_header(runs=2), runs=2)
        (part,), (whole,) = read_studies([study], 2), read_studies([shorter])
        assert final_table(SectionInput([part], entries_of([part]), tmp_path)) == final_table(
            SectionInput([whole], entries_of([whole]), tmp_path)
        )
        assert (part.finished, part.recorded.trials, part.planned) == (whole.finished, whole.recorded.trials, 3)

    def test_are_all_that_is_opened(self, tmp_path: Path) -> None:
        path = a_study(tmp_path / "study")
        for folder in ("trials", "overhead"):
            (path / folder / "bohb-seen-0000002-0000002.parquet").write_bytes(b"of runs that nobody asked for")
        assert read_studies([path], 2)
        with pytest.raises(RecordError, match=r"bohb-seen-0000002-0000002\.parquet is damaged"):
            read_studies([path])

    @pytest.mark.usefixtures("one_format")
    def test_are_said_to_be_a_part(self, study: Path, tmp_path: Path) -> None:
        assert main([str(study), "--runs", "2", "--out", str(tmp_path / "r")]) == 0
        text = (tmp_path / "r" / "report.md").read_text()
        assert "**This report covers the first 2 runs** of each algorithm; first has 3." in text
        assert "unfinished" not in text

    def test_are_at_least_one(self, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(study), "--runs", "0"]) == 2
        assert "--runs is at least 1, got 0" in capsys.readouterr().err


class TestPage:
    def test_says_what_was_run(self, report: Path) -> None:
        text = (report / "report.md").read_text()
        for fact in ("tss", "made-up", "nowhere | anywhere", "seed: 7", "cost model: nats", "seed policy: sampled",
                     "crossing: keep", "incumbent: highest_fidelity", "numpy: 2.0", "commit: abc123", "eta: 3",
                     "epoch 12 of schedule 12", "epoch 200 of schedule 200", "6111", "interquartile",
                     "latest incumbent"):  # fmt: skip
            assert fact in text, fact
        assert (report / "table.md").read_text() in text
        assert text.startswith(page_of(report.parent)[:1000])
        linked = set(re.findall(r"\]\(([^)]*)\)", text))
        assert linked == {name for name in FILES if not name.endswith((".md", ".html"))}

    def test_tells_the_options_of_every_algorithm(self, report: Path) -> None:
        lines = (report / "study1_algorithms.csv").read_text().splitlines()
        at = "epoch 12 of schedule 12"
        assert lines == ["algorithm,trials_at,eta", f"random_search,{at},", f"bohb,{at},3"]

    def test_calls_out_a_multi_fidelity_algorithm_at_one_fidelity(self, report: Path) -> None:
        text = (report / "report.md").read_text()
        assert "**bohb searched at one fidelity** on seen, blind: all its recorded trials are at epoch 12 of" in text
        assert "random_search searched at one fidelity" not in text
        assert "bohb, one fidelity" in text

    def test_does_not_where_several_are_recorded(self, tmp_path: Path) -> None:
        text = page_of(a_study(tmp_path / "study", epochs=(1, 4, 12)))
        assert "one fidelity" not in text
        assert "epochs 1, 4, 12 of schedule 12" in text

    def test_a_batch_that_is_not_complete_counts_for_nothing(self, tmp_path: Path) -> None:
        """Its `trials` are written last: killed before that, it has `overhead` alone."""
        path = a_study(tmp_path / "study")
        overhead = StudyRecords(path).overhead()
        pq.write_table(overhead, path / "overhead" / "begun.parquet")
        assert StudyRecords(path).overhead().equals(overhead)
        assert "within the budget**" not in page_of(path)

    def test_says_what_is_missing_or_failed(self, tmp_path: Path) -> None:
        path = a_study(tmp_path / "study", runs=2)
        records = StudyRecords(path)
        trials = records.trials().to_pylist()
        for row in trials:
            if (row["algorithm"], row["dataset"], row["run"]) == ("bohb", "seen", 1):
                row.update(validation=math.nan, incumbent=False)
        overhead = records.overhead()
        for file in path.glob("*/*.parquet"):
            file.unlink()
        trials = [row for row in trials if (row["algorithm"], row["dataset"], row["run"]) != ("bohb", "blind", 0)]
        records.write_job("all", pa.Table.from_pylist(trials, TRIALS_SCHEMA), overhead)
        text = page_of(path)
        assert "**random_search on blind is unfinished: 2 of 3 runs are recorded.**" in text
        assert "**1 of 2 runs of bohb on blind ended without any evaluation within the budget**" in text
        assert "1 of 2 runs of bohb on seen have no incumbent" in text
        assert "4 of 28 evaluations in study failed" in text


class TestSeveralStudies:
    def test_are_united_and_algorithms_of_two_are_told_apart(self, study: Path, tmp_path: Path) -> None:
        settings = {"algorithms": {"random_search": {}}, "crossing": "drop", "seed": 8}
        other = a_study(tmp_path / "second", a_header(**settings))
        studies = read_studies([study, other])
        _, rows = final_table(SectionInput(studies, entries_of(studies), tmp_path))
        names = [row[0] for row in rows]
        assert names == ["random_search (first)", "bohb, one fidelity", "random_search (second)", "optimum"]
        text = page_of(study, other)
        assert "**The studies differ**: crossing is 'keep' in first, 'drop' in second." in text
        assert "seed: 7" in text
        assert "seed: 8" in text
        assert "are paired" not in text

    def test_of_one_seed_are_paired(self, study: Path, tmp_path: Path) -> None:
        text = page_of(study, a_study(tmp_path / "second", a_header(algorithms={"random_search": {}})))
        assert "**Runs of random_search (first) and random_search (second) are paired**: both studies have the" in text
        assert text.count("are paired") == 1

    def test_with_equal_directory_names_are_told_apart_by_path(self, tmp_path: Path) -> None:
        paths = [a_study(tmp_path / name / "study") for name in ("a", "b")]
        labels = [entry.label for entry in entries_of(read_studies(paths))]
        assert labels[0] == f"random_search ({tmp_path / 'a' / 'study'})"
        assert len(set(labels)) == 4

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"space": "sss"}, "space is 'tss' in one and 'sss'"),
            ({"cost_model": "train_only"}, "cost_model is 'nats' in one and 'train_only'"),
            ({"table": {"name": "made-up", "provenance": {"source": "here"}}}, "table provenance source is"),
            ({"budgets": {"seen": Budget(100), "blind": Budget(99)}}, "budgets blind amount is 1000.0 in one and 99.0"),
            ({"datasets": ["seen"], "budgets": {"seen": Budget(100)}}, r"datasets is \['blind', 'seen'\] in one and"),
        ],
    )
    def test_that_differ_in_what_must_agree_are_refused(
        self, study: Path, tmp_path: Path, settings: dict[str, Any], named: str
    ) -> None:
        other = a_study(tmp_path / "second", a_header(**settings))
        with pytest.raises(ReportError, match=f"first and second cannot share a report: {named}"):
            write_report([study, other], tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_may_differ_in_who_imported_the_table_and_the_order_of_data_sets(self, study: Path, tmp_path: Path) -> None:
        table = {"name": "made-up", "provenance": {"source": "nowhere | anywhere", "imported_by": "version 2"}}
        other = a_study(tmp_path / "second", a_header(table=table, datasets=["blind", "seen"]))
        assert len(read_studies([study, other])) == 2

    def test_given_twice_are_refused(self, study: Path) -> None:
        with pytest.raises(ReportError, match="given 2 times"):
            read_studies([study, study / "trials" / ".."])


def test_difference_names_a_setting_inside_others() -> None:
    assert difference({"a": {"b": {"c": 1}, "d": 2}}, {"a": {"b": {"c": 1}, "d": 3}}) == ("a d", 2, 3)
    assert difference({"a": 1}, {"a": 1, "b": 2}) == ("b", None, 2)
    assert difference({"a": {"b": 1}}, {"a": {"b": 1}}) is None


class TestCommand:
    def test_prints_the_table_and_the_files(self, report: Path, printed: StringIO) -> None:
        text = printed.getvalue()
        assert "93.83 ± 0.62" in text
        assert "bohb, one fidelity" in text
        assert text.index("seen") < text.index("blind")
        for name in FILES:
            assert f"{report / name}\n" in text

    def test_passes_its_options_on(self, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        passed: list[Any] = []

        def record(*arguments: Any, **options: Any) -> Report:
            passed.extend([arguments, options])
            return Report([], [], [])

        monkeypatch.setattr("experiments.reports.report.write_report", record)
        options = [
            "--band",
            "std",
            "--interpolation",
            "nats",
            "--over",
            "evaluations",
            "--runs",
            "5",
            "--sweep",
            "one",
            "two",
            "--target",
            "94",
            "a=9",
            "--workers",
            "2",
        ]
        assert main([str(study), "other", "--out", str(tmp_path), *options]) == 0
        sweeps = [Path("one"), Path("two")]
        assert passed == [
            ([study, Path("other")], tmp_path),
            {
                "band": "std",
                "interpolation": "nats",
                "over": "evaluations",
                "runs": 5,
                "sweeps": sweeps,
                "targets": [(None, 94), ("a", 9)],
                "workers": 2,
            },
        ]

    @pytest.mark.parametrize("argument", [["--band", "wide"], ["--interpolation", "cubic"], []])
    def test_refuses_bad_arguments(self, argument: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop:
            main(argument)
        assert stop.value.code == 2
        assert "usage: nas-report" in capsys.readouterr().err.lower()

    def test_needs_no_matplotlib_to_explain_itself(self) -> None:
        code = "import sys, experiments.cli.report; sys.exit('matplotlib' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0

    def test_tells_what_is_wrong_without_a_traceback(
        self, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        empty = tmp_path / "empty"
        StudyRecords(empty).begin(a_header())
        damaged = tmp_path / "damaged"
        shutil.copytree(study, damaged)
        (damaged / "study.json").write_text("{")
        broken = tmp_path / "broken"
        shutil.copytree(study, broken)
        (broken / "trials" / "bohb-seen.parquet").write_bytes(b"PAR1")
        swept = tmp_path / "swept"
        swept.mkdir()
        (swept / "sweep.json").write_text("{}")
        file = tmp_path / "file"
        file.write_text("")
        cases: list[tuple[list[str | Path], str]] = [
            ([tmp_path / "nothing"], "holds no study.json"),
            ([empty], "holds no finished run yet"),
            ([swept], "holds no study.json: it is a sweep, for --sweep"),
            ([damaged], "study.json is damaged"),
            ([broken], "bohb-seen.parquet is damaged"),
            ([study, study], "is given 2 times"),
            ([study, "--out", file], "is a file, and a report is a directory"),
            (
                [study, "--target", "seen=high"],
                "--target takes a value of the metric such as 94, or",
            ),
            ([study, "--target", "101"], "accuracy (%) on seen ranges from 0 to 100: no search can reach 101"),
            (
                [study, "--target", "unseen=94"],
                "names the data set 'unseen', but the studies have seen, blind",
            ),
        ]
        for arguments, message in cases:
            assert main([str(argument) for argument in arguments]) == 2
            printed = capsys.readouterr()
            assert printed.err.startswith("nas-report: error: "), arguments
            assert message in printed.err, arguments
            assert printed.err.count("\n") == 1, arguments
        assert not (empty / "report").exists()


def test_a_section_from_outside_is_a_function_in_the_list(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mine(given: SectionInput) -> str:
        (given.directory / "mine.csv").write_text("a file of mine")
        return f"## Mine\n\nSeed {given.header.settings.seed}, of {', '.join(given.legend)}: [mine.csv](mine.csv)."

    monkeypatch.setattr("experiments.reports.sections.SECTIONS", (final.section, mine))
    files = write_report([study], tmp_path / "report").files
    text = (tmp_path / "report" / "report.md").read_text()
    assert text.endswith("## Mine\n\nSeed 7, of random_search, bohb: [mine.csv](mine.csv).\n")
    assert '<a href="mine.csv">' in (tmp_path / "report" / "report.html").read_text()
    assert tmp_path / "report" / "mine.csv" in files


def test_the_summary_of_nas_run_imports_neither_matplotlib_nor_scipy() -> None:
    code = (
        "import sys; import experiments.reports, experiments.reports.summary, experiments.reports.entries\n"
        "heavy = {'matplotlib', 'scipy', 'markdown_it'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
