"""Studies: the same records come out whatever is killed, resumed, added or spread over processes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.errors import InputError, TableError
from benchmarks.outcomes import Fidelity
from benchmarks.table import BenchmarkTable, RowWriter
from experiments.execution.resources import Resources
from experiments.records.budgets import Budget
from experiments.records.headers import StudyHeader
from experiments.records.study import StudyRecords
from experiments.storage.directories import RecordError
from experiments.studies.jobs import RUNS_PER_JOB, Job
from experiments.studies.runner import default_directory, run_study
from experiments.studies.table_study import TableStudy, run_job
from nas_algos.multi_trial import ALGORITHMS, BOHB, RandomSearch, RegularizedEA


def quiet(what: str, done: int, total: int) -> None:
    """No progress bar."""


def study_on(table: BenchmarkTable, *algorithms: str, runs: int = 3) -> TableStudy:
    configs = {name: ALGORITHMS[name].Config() for name in algorithms or ("random_search",)}
    return TableStudy(
        table.path,
        algorithms=configs,
        budgets={"made-up": Budget(800.0)},
        runs=runs,
        seed=1,
        cost_model="nats",
        seed_policy="sampled",
    )


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((directory / "trials").iterdir())}


def test_jobs_cover_every_run_once(tss_table: BenchmarkTable) -> None:
    study = study_on(tss_table, "random_search", "bohb", runs=2 * RUNS_PER_JOB + 1)
    covered = [(job.algorithm, number) for job in study.jobs() for number in range(job.first, job.stop)]
    assert sorted(covered) == sorted((name, n) for name in ("random_search", "bohb") for n in range(study.runs))
    assert len({job.name for job in study.jobs()}) == len(study.jobs())


@pytest.mark.parametrize(("runs", "jobs", "first"), [(30, 2, 25), (99_999, 1000, 100), (999_999, 2000, 500)])
def test_large_studies_have_large_jobs(runs: int, jobs: int, first: int, tss_table: BenchmarkTable) -> None:
    cut = study_on(tss_table, runs=runs).jobs()
    assert (len(cut), cut[0].stop, cut[-1].stop) == (jobs, first, runs)


def test_streams_depend_on_seed_algorithm_dataset_and_run_alone(tss_table: BenchmarkTable) -> None:
    study = study_on(tss_table)
    firsts = [
        stream.random()
        for seed in (1, 2)
        for algorithm in ("random_search", "bohb")
        for dataset in ("a", "b")
        for run in (0, 1)
        for stream in replace(study, seed=seed).streams(algorithm, dataset, run)
    ]
    assert len(set(firsts)) == len(firsts) == 32
    assert study.streams("bohb", "a", 1)[0].random() == firsts[study_order("bohb", "a", 1)]


def study_order(algorithm: str, dataset: str, run: int) -> int:
    """Position of the searcher's stream in the list above, for seed 1."""
    return 2 * (4 * ("random_search", "bohb").index(algorithm) + 2 * ("a", "b").index(dataset) + run)


def test_an_added_algorithm_changes_no_other_record(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    run_study(study_on(tss_table, "regularized_ea"), tmp_path / "one", Resources(0), quiet)
    run_study(study_on(tss_table, "random_search", "regularized_ea"), tmp_path / "two", Resources(0), quiet)
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one.items() < two.items()


def test_runs_differ_from_each_other(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    trials = run_study(study_on(tss_table, runs=4), tmp_path / "s", Resources(0), quiet).trials()
    runs = trials["run"].to_numpy()
    sequences = {tuple(trials["architecture"].to_numpy()[runs == number].tolist()) for number in range(4)}
    assert len(sequences) == 4


def test_records_tell_the_whole_run(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    study = study_on(tss_table, "bohb", runs=2)
    records = run_study(study, tmp_path / "s", Resources(0), quiet)
    trials, oracle = records.trials(), study.oracle("made-up")
    assert set(trials["epoch"].to_pylist()) == {1, 4, 12}
    np.testing.assert_array_equal(
        trials["report_test"].to_numpy(), oracle.final_test[trials["architecture"].to_numpy()]
    )
    for number in range(2):
        one = trials.filter(pa.compute.equal(trials["run"], number))
        np.testing.assert_allclose(one["elapsed"].to_numpy(), np.cumsum(one["seconds"].to_numpy()))
        assert one["elapsed"].to_numpy()[-2] < 800 <= one["elapsed"].to_numpy()[-1]
        assert one["trial"].to_pylist() == list(range(1, len(one) + 1))
    overhead = records.overhead()
    assert overhead["run"].to_pylist() == [0, 1]
    assert min(overhead["search_seconds"].to_pylist()) > 0
    header = records.header()
    assert header.settings.algorithms["bohb"]["eta"] == 3
    assert header.settings.fidelity["made-up"] == Fidelity("12", 12)
    assert header.settings.report_fidelity["made-up"] == Fidelity("200", 200)
    assert header.optima["made-up"].test == np.max(oracle.final_test)
    assert header.versions["numpy"] == np.__version__
    (tmp_path / "copy.json").write_text(header.to_json())
    assert StudyHeader.read(tmp_path / "copy.json") == header


def test_ray_gives_the_same_records_as_one_process(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    study = study_on(tss_table, "random_search", "bohb", runs=RUNS_PER_JOB + 2)
    run_study(study, tmp_path / "here", Resources(0), quiet)
    run_study(study, tmp_path / "ray", Resources(2), quiet)
    assert files(tmp_path / "here") == files(tmp_path / "ray")
    assert len(files(tmp_path / "ray")) == 4


def test_ray_passes_the_table_s_error_on(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    study = replace(study_on(tss_table), budgets={"nowhere": Budget(1.0)})
    with pytest.raises(TableError, match="no data set 'nowhere'"):
        list(study.execute([Job("random_search", "nowhere", 0, 1)], StudyRecords(tmp_path), Resources(1), quiet))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_study_goes_on_to_the_same_records(workers: int, tss_table: BenchmarkTable, tmp_path: Path) -> None:
    runs = 8 * RUNS_PER_JOB
    study = replace(study_on(tss_table, "bohb", runs=runs), budgets={"made-up": Budget(4000.0)})
    out = tmp_path / "killed"
    command = [
        sys.executable, "-c", "import sys; from experiments.cli.run import main; sys.exit(main())",
        "--algo", "bohb", "--space", "tss", "--table", str(tss_table.path), "--dataset", "made-up", "--budget", "4000",
        "--runs", str(runs), "--seed", "1", "--workers", str(workers), "--out", str(out),
    ]  # fmt: skip
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not list(out.glob("trials/*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = files(out)
    assert 0 < len(before) < 8, "killed in the middle"
    told: list[int] = []
    run_study(study, out, Resources(0), lambda what, done, total: told.append(done))
    run_study(study, tmp_path / "undisturbed", Resources(0), quiet)
    after = files(out)
    assert told[0] >= RUNS_PER_JOB, "finished batches are not run again"
    assert {name: content for name, content in after.items() if not name.startswith(".")} == files(
        tmp_path / "undisturbed"
    )


def test_a_finished_study_is_not_run_again(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    study = study_on(tss_table)
    run_study(study, tmp_path / "s", Resources(0), quiet)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*.parquet")}
    run_study(study, tmp_path / "s", Resources(0), quiet)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "s").rglob("*.parquet")}


def test_two_commands_do_not_write_to_one_study(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    study = study_on(tss_table)

    def another(what: str, done: int, total: int) -> None:
        with pytest.raises(InputError, match=r"another process is writing to .*s: wait for it, or stop it"):
            run_study(study, tmp_path / "s", Resources(0), quiet)

    run_study(study, tmp_path / "s", Resources(0), another)
    assert run_study(study, tmp_path / "s", Resources(0), quiet).trials().num_rows


def test_of_two_studies_that_begin_at_once_one_has_the_directory(
    tss_table: BenchmarkTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other begins, and ends, after this one has looked whether the directory is free."""
    one, other, checked = study_on(tss_table), replace(study_on(tss_table), seed=2), StudyRecords.check

    def check(records: StudyRecords, header: StudyHeader) -> None:
        checked(records, header)
        monkeypatch.setattr(StudyRecords, "check", checked)
        run_study(other, tmp_path / "s", Resources(0), quiet)

    monkeypatch.setattr(StudyRecords, "check", check)
    with pytest.raises(RecordError, match="holds another study: seed is 2, but 1 was requested"):
        run_study(one, tmp_path / "s", Resources(0), quiet)
    assert StudyRecords(tmp_path / "s").header().settings.seed == 2


def test_a_file_system_without_locks_does_for_one_command(
    tss_table: BenchmarkTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("experiments.storage.directories.fcntl.flock", flock)
    assert run_study(study_on(tss_table), tmp_path / "s", Resources(0), quiet).trials().num_rows


def test_a_directory_of_another_study_is_refused(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    run_study(study_on(tss_table), tmp_path / "s", Resources(0), quiet)
    with pytest.raises(RecordError, match="another study: runs is 3, but 5 was requested"):
        run_study(study_on(tss_table, runs=5), tmp_path / "s", Resources(0), quiet)


def test_a_directory_with_other_files_is_refused_and_untouched(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("keep")
    with pytest.raises(RecordError, match="not empty"):
        run_study(study_on(tss_table), tmp_path, Resources(0), quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "{", '{"settings": {}}', "[]"])
def test_a_damaged_header_is_named(text: str, tss_table: BenchmarkTable, tmp_path: Path) -> None:
    run_study(study_on(tss_table), tmp_path / "s", Resources(0), quiet)
    (tmp_path / "s" / "study.json").write_text(text)
    with pytest.raises(RecordError, match=r"study\.json is damaged"):
        StudyRecords(tmp_path / "s").header()


def test_a_damaged_batch_is_named(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    records = run_study(study_on(tss_table), tmp_path / "s", Resources(0), quiet)
    batch = next((tmp_path / "s" / "trials").iterdir())
    batch.write_bytes(batch.read_bytes()[:100])
    with pytest.raises(RecordError, match="damaged"):
        records.trials()


def test_the_default_directory_follows_the_settings(tss_table: BenchmarkTable) -> None:
    study = study_on(tss_table, "bohb")
    assert default_directory(study) == default_directory(study_on(tss_table, "bohb"))
    assert default_directory(study) != default_directory(replace(study, seed=2))
    assert default_directory(study).name.startswith("tss-bohb-")


def test_what_a_run_would_lack_is_said_before_it_starts(tss_table: BenchmarkTable) -> None:
    with pytest.raises(TableError, match="no validation score of made-up at schedule '90'"):
        replace(study_on(tss_table), schedule="90").check()
    with pytest.raises(TableError, match=r"no validation score of made-up at epoch 2 of schedule 200.*min-epochs 200"):
        replace(study_on(tss_table, "bohb"), schedule="200").check()
    with pytest.raises(InputError, match="at least 1 run"):
        study_on(tss_table, runs=0)


def test_a_job_is_a_pure_function(tss_table: BenchmarkTable) -> None:
    study = study_on(tss_table, "regularized_ea")
    job = Job("regularized_ea", "made-up", 5, 7)
    assert run_job(study, job)[0].equals(run_job(study, job)[0])


def test_config_reaches_the_searcher(tss_table: BenchmarkTable) -> None:
    study = replace(study_on(tss_table), algorithms={"regularized_ea": RegularizedEA.Config(population_size=33)})  # type: ignore[call-arg]
    searcher = study.searcher("regularized_ea", study.oracle("made-up"), np.random.default_rng(0))
    assert searcher.config.population_size == 33
    assert {RandomSearch, BOHB} <= set(ALGORITHMS.values())


def test_a_running_cluster_gives_the_same_records(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    study = study_on(tss_table, "regularized_ea")
    run_study(study, tmp_path / "here", Resources(0), quiet)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        run_study(study, tmp_path / "cluster", Resources(1, address=cluster.address), quiet)
    finally:
        cluster.shutdown()
    assert files(tmp_path / "cluster") == files(tmp_path / "here")


def test_an_optimum_without_validation_is_written_as_json_null(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    header = study_on(tss_table).header()
    unknown = replace(header, optima={"made-up": replace(header.optima["made-up"], validation=float("nan"))})
    text = unknown.to_json()
    assert '"validation": null' in text
    (tmp_path / "study.json").write_text(text)
    assert np.isnan(StudyHeader.read(tmp_path / "study.json").optima["made-up"].validation)


def test_a_cluster_that_does_not_answer_is_named(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no Ray cluster answers at '127\.0\.0\.1:9'"):
        run_study(study_on(tss_table), tmp_path / "s", Resources(1, address="127.0.0.1:9"), quiet)


def test_other_code_that_completes_a_study_is_named(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    study = study_on(tss_table, "random_search", "regularized_ea")
    records = run_study(study, tmp_path / "s", Resources(0), quiet)
    text = records.header_path.read_text()
    records.header_path.write_text(text.replace(study.header().git_commit, "0ld"))
    run_study(study, tmp_path / "s", Resources(0), quiet)
    assert not records.header().resumed_with, "nothing was left to do"
    (tmp_path / "s" / "trials" / f"{study.jobs()[0].name}.parquet").unlink()
    run_study(study, tmp_path / "s", Resources(0), quiet)
    assert records.header().git_commit == "0ld"
    assert list(records.header().resumed_with) == [study.header().made_by]


def test_evaluations_that_cost_nothing_are_refused(tss_table: BenchmarkTable, tmp_path: Path) -> None:
    path = tmp_path / "free.arrow"
    shutil.copy(tss_table.path, path)
    values = {name: tss_table.values(name).copy() for name in tss_table.columns}
    values["made-up/12/train/seconds"][3] = values["made-up/12/valid/seconds"][3] = 0
    with RowWriter(path) as writer:
        writer.write(0, values)
    with pytest.raises(TableError, match="cost 0 s or less"):
        replace(study_on(tss_table), table=path).check()
