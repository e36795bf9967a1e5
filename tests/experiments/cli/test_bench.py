"""nas-bench: what it prints, how it exits, and no traceback on bad input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.errors import InputError
from benchmarks.table import BenchmarkTable
from experiments.cli.bench import main
from experiments.execution.resources import ResourceRequest
from experiments.tables.quality import qualities

CSV = """arch,cifar10_valid_accuracy_12,cifar10_train_seconds_12,cifar10_test_accuracy_90
8:8:8:8:8,50,120,60
8:8:8:8:16,55.5,132,
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for tables, a wide terminal, and `sizes.csv` in the working directory."""
    for variable in ("NAS_BENCH_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    monkeypatch.setattr("experiments.tables.store.EMBEDDED", tmp_path / "embedded")
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("sizes.csv").write_text(CSV)
    return tmp_path / "nas_bench_home"


@pytest.fixture
def imported(home: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The table of sizes.csv."""
    assert main(["import", "sizes.csv"]) == 0
    capsys.readouterr()
    return home / "sizes.arrow"


def test_import_says_where_the_table_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for done in ("imported", "already imported"):
        assert main(["import", "sizes.csv"]) == 0
        output, errors = capsys.readouterr()
        assert output == f"{done} sizes.csv as the table sizes: 2 of 32,768 architectures ({home / 'sizes.arrow'})\n"
        assert errors == ""


@pytest.mark.usefixtures("imported")
def test_import_of_another_source_of_the_same_name_takes_force(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sizes.csv").write_text(CSV + "8:8:8:8:24,50,120,60\n")
    assert main(["import", "sizes.csv"]) == 2
    assert "--name OTHER" in capsys.readouterr().err
    assert main(["import", "sizes.csv", "--force"]) == 0
    assert capsys.readouterr().out.startswith("imported sizes.csv as the table sizes: 3 of 32,768 architectures (")


def test_import_takes_a_name_and_a_number_of_processes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "sizes.csv", "--name", "mine", "--workers", "2"]) == 0
    assert "as the table mine" in capsys.readouterr().out
    assert (home / "mine.arrow").exists()


def test_list_without_tables_says_how_to_get_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out == f"no tables in {home}; import one with: nas-bench import PATH\n"


@pytest.mark.usefixtures("imported")
def test_list_names_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["import", "sizes.csv", "--name", "copy"])
    capsys.readouterr()
    assert main(["list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "cifar10" in line]
    assert [row[1] for row in rows] == ["copy", "sizes"]
    assert all("sss" in row and "2" in row for row in rows)


def test_info_tells_how_well_two_seeds_agree(tss_table: BenchmarkTable, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tss_table.path)]) == 0
    shown = [line.replace("│", "").split() for line in capsys.readouterr().out.splitlines() if "│ made-up" in line]
    for quality in qualities(tss_table):
        numbers = (*(f"{value:.2f}" for value in quality.percentiles), f"{quality.seed_agreement:.3f}")
        assert any(
            row[1:3] == [quality.column.schedule, quality.column.split] and row[3:7] == [*numbers] for row in shown
        )


@pytest.mark.usefixtures("imported")
def test_info_tells_tasks_provenance_and_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "sizes"]) == 0
    output = capsys.readouterr().out
    assert "sizes: 2 of 32,768 architectures of sss" in output
    assert "cifar10: searched on the validation accuracy of cifar10 at schedule 12" in output
    assert "source: sizes.csv" in output
    assert "format: CSV with named columns" in output
    rows = [line.split("│")[1:-1] for line in output.splitlines() if line.count("│") == 7]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["cifar10", "12", "valid", "accuracy", "mean", "12"],
        ["cifar10", "12", "train", "seconds", "mean", "any"],
        ["cifar10", "90", "test", "accuracy", "mean", "90"],
    ]


def test_info_takes_a_file_too(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(imported)]) == 0
    assert "2 of 32,768" in capsys.readouterr().out


@pytest.mark.usefixtures("imported")
def test_verify_of_a_sound_table_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "sizes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok      SHA-256 matches sizes.arrow.sha256",
        "ok      2 of 32768 architectures of sss; missing: 2, 3, 4, 5, 6, ...",
        "ok      cifar10/90/test/accuracy: 1 of 2 values not measured",
        "sizes: no defects",
    ]


def test_verify_of_a_changed_table_exits_1(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = imported.read_bytes()
    at = content.index(b"sizes.csv")
    imported.write_bytes(content[:at] + b"SIZES" + content[at + 5 :])
    assert main(["verify", "sizes"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "DEFECT  SHA-256 differs from sizes.arrow.sha256"
    assert lines[-1] == "sizes: 1 defects"


def test_verify_of_a_file_outside_checks_it_without_importing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "sizes.csv"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "sizes.csv: no defects"
    assert [path.name for path in home.iterdir()] == [".lock"]
    Path("bad.csv").write_text(CSV + "8:8:8:8:16,1,2,3\n")
    assert main(["verify", "bad.csv"]) == 1
    assert "DEFECT  bad.csv: an architecture occurs twice" in capsys.readouterr().out


def test_verify_of_official_files_finds_what_is_wrong(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = shared_data / "nats_bench" / "NATS-sss-v1_0-50262-simple"
    assert main(["verify", str(release)]) == 0
    assert "3 of 32768 architectures of sss" in capsys.readouterr().out
    copy = Path("copy-simple")
    copy.mkdir()
    for file in release.iterdir():
        (copy / file.name).write_bytes(file.read_bytes()[: None if "284" not in file.name else -100])
    assert main(["verify", str(copy)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines] == ["ok    ", "ok    ", "DEFECT", "copy-s"]
    assert "000284.pickle.pbz2" in lines[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "absent"], "absent: no such file or directory"),
        (["import", "notes.txt"], "not a known benchmark format"),
        (["import", "fake.tar"], "not a readable tar"),
        (["import", "fake.pickle.pbz2"], "not readable as a benchmark pickle"),
        (["import", "fake.csv"], "needs a column 'arch'"),
        (["import", "."], "holds no file like 000000.pickle.pbz2"),
        (["import", "sizes.csv", "--workers", "0"], "at least one worker process, got 0"),
        (["import", "sizes.csv", "--name", "../x"], "a table's name is a file name"),
        (["info", "absent"], "unknown table 'absent'"),
        (["info", "fake.arrow"], "not a benchmark table"),
        (["verify", "absent"], "unknown table 'absent'"),
        (["verify", "fake.arrow"], "not a benchmark table"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    arguments: list[str], message: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("notes.txt", "fake.tar", "fake.pickle.pbz2", "fake.csv", "fake.arrow"):
        Path(name).write_text("text\n")
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("nas-bench: error: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert not home.exists() or [path.name for path in home.iterdir()] in ([], [".lock"])


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["import"], ["info"], ["import", "a", "--work", "2"]])
def test_a_wrong_command_line_shows_the_usage_and_exits_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: nas-bench" in capsys.readouterr().err.lower()


@pytest.mark.parametrize("arguments", [["--help"], ["import", "--help"], ["verify", "--help"]])
def test_help_exits_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "usage: nas-bench" in capsys.readouterr().out.lower()


BEST_ON_CIFAR100 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
DISCONNECTED = "|none~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|nor_conv_1x1~1|none~2|"


def rows(output: str, columns: int) -> list[list[str]]:
    """The cells of every table row of so many columns in what was printed."""
    lines = (line.split("│")[1:-1] for line in output.splitlines())
    return [[cell.strip() for cell in line] for line in lines if len(line) == columns]


def test_show_takes_strings_and_indices(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["9930"], ["9930", "--space", "tss"], [BEST_ON_CIFAR100], [BEST_ON_CIFAR100, "--space", "tss"]):
        assert main(["show", *arguments]) == 0
        assert capsys.readouterr().out.startswith(f"tss 9930: {BEST_ON_CIFAR100}\n")
    for arguments in (["988", "--space", "sss"], ["8:16:64:32:40"], ["8:16:64:32:40", "--space", "sss"]):
        assert main(["show", *arguments]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "sss 988: 8:16:64:32:40"
        assert lines[1] == f"cell of every sss network: {BEST_ON_CIFAR100} (tss 9930)"


def test_show_tells_which_edges_matter(capsys: pytest.CaptureFixture[str]) -> None:
    dead = "no: on no path from input to output"
    assert main(["show", "|none~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|none~2|"]) == 0
    output = capsys.readouterr().out
    assert "canonical form: #+#+(0)@nor_conv_1x1\n" in output
    assert "the output is connected to the input\n" in output
    assert rows(output, 3) == [
        ["1<-0", "none", "no: no connection"],
        ["2<-0", "skip_connect", dead],
        ["2<-1", "nor_conv_3x3", dead],
        ["3<-0", "nor_conv_1x1", "yes"],
        ["3<-1", "avg_pool_3x3", dead],
        ["3<-2", "none", "no: no connection"],
    ]
    assert main(["show", DISCONNECTED]) == 0
    assert "the output is not connected to the input\n" in capsys.readouterr().out


@pytest.mark.parametrize("columns", ["80", "50"])
def test_show_cuts_nothing_off_on_a_narrow_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["show", "1462", "--width", "64", "--image-size", "64"]) == 0
    output = capsys.readouterr().out
    assert output.count("|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|\n") == 1
    assert "…" not in output
    if columns == "80":
        assert rows(output, 5)[-1] == ["total", "", "", "24,404,554", "14,066,387,466"]


@pytest.mark.parametrize(
    ("arguments", "parameters", "flops"),
    [
        (["9930"], 1288506, 184730250),
        (["9930", "--classes", "120", "--image-size", "16"], 1295656, 46190200),
        (["1462", "--width", "16", "--depth", "5", "--in-channels", "3"], 1531546, 220119690),
        (["8:8:8:16:32"], 49202, 6840650),
        (["64:64:64:64:64", "--classes", "120", "--image-size", "16"], 720824, 68607608),
    ],
)
def test_show_adds_the_layers_up_to_the_published_cost(
    arguments: list[str], parameters: int, flops: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", *arguments]) == 0
    *layers, total = rows(capsys.readouterr().out, 5)
    for column, expected in ((3, parameters), (4, flops)):
        assert int(total[column].replace(",", "")) == expected
        assert sum(int(layer[column].replace(",", "")) for layer in layers) == expected


def test_show_lists_the_published_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", DISCONNECTED, "--width", "4", "--depth", "1", "--in-channels", "1", "--classes", "7"]) == 0
    output = capsys.readouterr().out
    assert "network for 1×32×32 images and 7 classes" in output
    assert rows(output, 5)[:-1] == [
        ["stem", "3×3 convolution", "4×32×32", "44", "36,864"],
        ["cells.0", "stage 1: cell", "4×32×32", "176", "163,840"],
        ["cells.1", "reduction block", "8×16×16", "928", "229,376"],
        ["cells.2", "stage 2: cell", "8×16×16", "672", "163,840"],
        ["cells.3", "reduction block", "16×8×8", "3,648", "229,376"],
        ["cells.4", "stage 3: cell", "16×8×8", "2,624", "163,840"],
        ["lastact", "normalisation, ReLU", "16×8×8", "32", "0"],
        ["classifier", "pooling, linear", "7", "119", "119"],
    ]


def test_show_draws_into_every_file_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "988", "--space", "sss", "--out", "a.png", "b.svg", "--out", "c.pdf"]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == ["a.png", "b.svg", "c.pdf"]
    starts = [Path(name).read_bytes()[:4] for name in ("a.png", "b.svg", "c.pdf")]
    assert starts == [b"\x89PNG", b"<?xm", b"%PDF"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["|none~0|+|skip~0|none~1|+|none~0|none~1|none~2|"], "'OPERATION~0' with OPERATION one of none,"),
        (["15625"], "tss holds architectures 0..15624, got 15625"),
        (["-1"], "tss holds architectures 0..15624, got -1"),
        (["32768", "--space", "sss"], "sss holds architectures 0..32767, got 32768"),
        (["9" * 5000], "an architecture is an official index or an official string"),
        (["skip_connect"], "an architecture is an official index or an official string"),
        (["8:8:8:8:9"], "layer-4 of sss is one of 8, 16, 24, 32, 40, 48, 56, 64; got '9'"),
        (["8:8:8:8:8", "--space", "tss"], "is a string of sss, but --space is tss"),
        ([DISCONNECTED, "--space", "sss"], "is a string of tss, but --space is sss"),
        (["8:8:8:8:8", "--depth", "3"], "--depth does not apply to the networks of sss"),
        (["7", "--depth", "0"], "--depth is at least 1, got 0"),
        (["7", "--classes", "-1"], "--classes is at least 1, got -1"),
        (["7", "--image-size", "0"], "--image-size is at least 1, got 0"),
        (["7", "--out", "a.jpg"], "a drawing is a file *.png, *.svg, *.pdf, got 'a.jpg'"),
        (["7", "--out", "sizes.csv/a.png"], "cannot write sizes.csv/a.png (Not a directory)"),
        (["7", "--out", "absent/a.png"], "cannot write absent/a.png (No such file or directory)"),
    ],
)
def test_show_refuses_bad_input_with_one_message_and_writes_nothing(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [] if "--out" in arguments else ["--out", "drawing.png"]
    assert main(["show", *arguments, *out]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("nas-bench: error: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["sizes.csv"]


def test_the_help_of_show_says_whose_index_it_is_and_the_published_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["show", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "space of an index (default: tss" in text
    for default in (16, 5, 10, 3, 32):
        assert f"(default: {default})" in text


def test_the_installed_command_works_from_a_fresh_process(home: Path) -> None:
    command = Path(sys.executable).with_name("nas-bench")
    if not command.exists():
        pytest.skip("the project is not installed, so there is no command nas-bench")
    for arguments, code, expected in (
        (["import", "sizes.csv"], 0, "imported sizes.csv"),
        (["verify", "sizes"], 0, "no defects"),
        (["info", "siez"], 2, "did you mean 'sizes'"),
    ):
        done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == code
        assert expected in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert (home / "sizes.arrow").exists()


def test_looking_at_tables_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys; from experiments.cli.bench import main; main(['import', 'sizes.csv']); main(['list']);"
        "print([name for name in ('torch', 'ray', 'matplotlib', 'ConfigSpace') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("options", "gpus", "found"),
    [
        ({}, 2, (2, "cuda", 1.0)),
        ({"gpus_per_training": 0.25}, 2, (8, "cuda", 0.25)),
        ({"workers": 2}, 2, (2, "cuda", 1.0)),
        ({"workers": 0, "device": "cuda:1"}, 2, (0, "cuda:1", 1.0)),
        ({"workers": 5, "ray_address": "auto"}, 2, (5, "cuda", 1.0)),
        ({"workers": 5, "device": "cpu"}, 2, (5, "cpu", 0.0)),
        ({"workers": 3}, 2, "3 workers with 1 GPUs each need 3; this machine has 2"),
        ({"workers": 3, "gpus_per_training": 0.5}, 1, "3 workers with 0.5 GPUs each need 1.5; this machine has 1"),
        ({"workers": 1, "device": "cuda:0"}, 1, "give --device cuda, or --workers 0 for cuda:0"),
        ({"gpus_per_training": 0.0}, 1, "--gpus-per-training is above 0"),
    ],
)
def test_no_more_workers_than_gpus_have_room_for(
    options: dict[str, Any], gpus: int, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if isinstance(found, str):
        with pytest.raises(InputError, match=found):
            ResourceRequest(**options).resolve()
        return
    resources = ResourceRequest(**options).resolve()
    assert (resources.workers, resources.device, resources.gpus) == found
