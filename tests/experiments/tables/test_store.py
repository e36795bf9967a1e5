"""Finding tables: where they live, which one is meant, and what to do where there is none."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import platformdirs
import pytest

from benchmarks.convert import SourceError
from benchmarks.errors import TableError
from experiments.tables import store as tables
from experiments.tables.importing import import_benchmark
from experiments.tables.store import (
    OFFICIAL,
    AmbiguousTableError,
    MissingTableError,
    find_table,
    home,
    installed,
    is_table,
    official_files,
    table_named,
    torch_home,
)

TOPOLOGY = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
SIZE = "8:8:8:8:8"


def quiet(_what: str, _done: int, _total: int) -> None:
    pass


def write_csv(path: Path, arch: str) -> Path:
    """A benchmark of one architecture."""
    path.write_text(f"arch,cifar10_valid_accuracy_12,cifar10_test_accuracy_12\n{arch},50,60\n")
    return path


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty homes for tables and for official files, and an empty working directory."""
    for variable in ("NAS_BENCH_HOME", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    for name in ("torch_home", "here", "embedded"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tables, "EMBEDDED", tmp_path / "embedded")
    monkeypatch.chdir(tmp_path / "here")


def install(arch: str, name: str) -> Path:
    path = write_csv(Path("source.csv"), arch)
    return import_benchmark(path, home(), name=name, progress=quiet)


# Places.


def test_tables_live_in_nas_bench_home(tmp_path: Path) -> None:
    assert home() == tmp_path / "nas_bench_home"
    assert installed() == []
    install(SIZE, "b")
    install(TOPOLOGY, "a")
    assert installed() == [tmp_path / "nas_bench_home" / "a.arrow", tmp_path / "nas_bench_home" / "b.arrow"]


@pytest.mark.parametrize("value", [None, ""])
def test_tables_live_in_the_users_data_directory_by_default(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv("NAS_BENCH_HOME")
    else:
        monkeypatch.setenv("NAS_BENCH_HOME", value)
    assert home() == Path(platformdirs.user_data_dir("nas-algos"))
    assert home().is_relative_to(os.environ["HOME"])


@pytest.mark.parametrize("value", [None, ""])
def test_official_files_lie_in_the_torch_directory_by_default(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert torch_home() == tmp_path / "torch_home"
    if value is None:
        monkeypatch.delenv("TORCH_HOME")
    else:
        monkeypatch.setenv("TORCH_HOME", value)
    assert torch_home() == tmp_path / "home" / ".torch"
    names = [path.name for path in official_files("sss")]
    assert names == [f"NATS-sss-v1_0-50262{end}" for end in ("-simple", "-simple.tar", ".pickle.pbz2")]


# By name.


def test_a_table_is_found_by_name_or_file() -> None:
    path = install(SIZE, "mine")
    elsewhere = shutil.copy(path, "elsewhere.arrow")
    assert table_named("mine").path == path
    assert table_named(str(path)).info == table_named(elsewhere).info
    assert is_table("mine")
    assert is_table(elsewhere)
    assert not is_table("source.csv")
    assert not is_table("absent.arrow")


def test_an_installed_table_comes_before_a_file_of_the_same_name() -> None:
    path = install(SIZE, "mine.arrow")
    write_csv(Path("mine.arrow"), SIZE)
    assert table_named("mine.arrow").path == path


def test_an_unknown_name_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(MissingTableError, match="unknown table 'mien': no table is installed"):
        table_named("mien")
    install(SIZE, "mine")
    with pytest.raises(MissingTableError, match=r"choose from mine; did you mean 'mine'\?") as caught:
        table_named("mien")
    assert f"looked in {tmp_path / 'nas_bench_home'}" in str(caught.value)


def test_a_file_that_is_no_table_is_refused() -> None:
    Path("fake.arrow").write_text("text")
    with pytest.raises(TableError, match=r"fake\.arrow is not a benchmark table"):
        table_named("fake.arrow")


# For a space.


def test_the_only_table_of_a_space_is_found() -> None:
    install(SIZE, "sizes")
    path = install(TOPOLOGY, "topologies")
    assert find_table("tss", None, progress=quiet).path == path


@pytest.mark.parametrize("space", ["tss", "sss"])
def test_the_official_release_comes_before_other_tables(space: str) -> None:
    arch = {"tss": TOPOLOGY, "sss": SIZE}[space]
    for name in ("a", "z"):
        install(arch, name)
    path = install(arch, OFFICIAL[space])
    assert find_table(space, None, progress=quiet).path == path


def test_several_equal_tables_are_named_not_chosen_from() -> None:
    for name in ("first", "second"):
        install(SIZE, name)
    with pytest.raises(AmbiguousTableError, match=r"several tables hold the space sss: first, second; .*--table NAME"):
        find_table("sss", None, progress=quiet)
    assert find_table("sss", "second", progress=quiet).info.name == "second"


def test_tables_are_offered_under_the_name_that_finds_them() -> None:
    for name in ("first", "second"):
        path = install(SIZE, name)
        path.rename(path.with_name(f"my-{name}.arrow"))
    with pytest.raises(AmbiguousTableError, match="sss: my-first, my-second; "):
        find_table("sss", None, progress=quiet)
    assert find_table("sss", "my-first", progress=quiet).info.name == "first"


@pytest.mark.parametrize("wanted", ["sizes", "source.csv"])
def test_a_table_of_another_space_is_refused(wanted: str) -> None:
    install(SIZE, "sizes")
    with pytest.raises(TableError, match="holds the space sss, not tss"):
        find_table("tss", wanted, progress=quiet)


def test_a_benchmark_file_is_imported_first(tmp_path: Path) -> None:
    write_csv(Path("mine.csv"), SIZE)
    table = find_table("sss", "mine.csv", progress=quiet)
    assert table.path == tmp_path / "nas_bench_home" / "mine.arrow"
    assert find_table("sss", "mine", progress=quiet).info == table.info


def test_a_file_of_unknown_format_is_refused() -> None:
    Path("notes.txt").write_text("text")
    with pytest.raises(SourceError, match="not a known benchmark format"):
        find_table("sss", "notes.txt", progress=quiet)


def test_a_missing_table_lists_every_place_and_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingTableError) as caught:
        find_table("tss", None, progress=quiet)
    lines = str(caught.value).splitlines()
    torch = tmp_path / "torch_home" / "NATS-tss-v1_0-3ffb9"
    assert lines[:5] == [
        "no table of the space tss. Looked for (in $NAS_BENCH_HOME and $TORCH_HOME):",
        f"  {tmp_path / 'nas_bench_home'}/*.arrow",
        f"  {torch}-simple",
        f"  {torch}-simple.tar",
        f"  {torch}.pickle.pbz2",
    ]
    assert lines[-1] == "  nas-bench import PATH/NATS-tss-v1_0-3ffb9-simple.tar"
    assert not (tmp_path / "nas_bench_home").exists()


# Official files under $TORCH_HOME.


@pytest.mark.parametrize("space", ["tss", "sss"])
@pytest.mark.parametrize("kind", ["directory", "tar"])
def test_official_files_are_imported_where_there_is_no_table(
    space: str, kind: str, shared_data: Path, tmp_path: Path
) -> None:
    release = shared_data / "nats_bench" / f"{OFFICIAL[space]}-simple"
    if kind == "directory":
        (torch_home() / release.name).symlink_to(release)
    else:
        with tarfile.open(torch_home() / f"{release.name}.tar", "w") as archive:
            archive.add(release, release.name)
    told: list[str] = []
    table = find_table(space, None, progress=lambda what, _done, _total: told.append(what))
    assert table.path == tmp_path / "nas_bench_home" / f"{OFFICIAL[space]}.arrow"
    assert table.architectures.tolist() == [0, 11, 284]
    assert "converting" in told
    told.clear()
    assert find_table(space, None, progress=lambda what, _done, _total: told.append(what)).info == table.info
    assert told == []


def test_an_installed_table_comes_before_official_files(shared_data: Path) -> None:
    release = shared_data / "nats_bench" / f"{OFFICIAL['tss']}-simple"
    (torch_home() / release.name).symlink_to(release)
    path = install(TOPOLOGY, "mine")
    assert find_table("tss", None, progress=quiet).path == path


def test_a_damaged_official_file_is_refused(tmp_path: Path) -> None:
    (torch_home() / "NATS-sss-v1_0-50262-simple.tar").write_bytes(b"no tar")
    with pytest.raises(SourceError, match="not a readable tar"):
        find_table("sss", None, progress=quiet)
    assert list((tmp_path / "nas_bench_home").glob("*.arrow*")) == []


# Tables that come with the package.


def embed(arch: str, dataset: str = "digits", name: str = "own") -> Path:
    source = Path("own.csv")
    source.write_text(f"arch,{dataset}_valid_accuracy_12,{dataset}_test_accuracy_12\n{arch},50,60\n")
    path = import_benchmark(source, home(), name=name, progress=quiet)
    return path.rename(tables.EMBEDDED / path.name)


def test_the_embedded_table_serves_where_nothing_else_is() -> None:
    own = embed(TOPOLOGY)
    assert find_table("tss", None, progress=quiet).path == own
    assert find_table("tss", None, ["digits"], progress=quiet).path == own
    assert table_named("own").path == own
    assert is_table("own")
    with pytest.raises(MissingTableError, match="no table of the space sss"):
        find_table("sss", None, progress=quiet)


def test_installed_tables_come_before_the_embedded_one() -> None:
    own, mine = embed(TOPOLOGY), install(TOPOLOGY, "mine")
    assert find_table("tss", None, progress=quiet).path == mine
    assert find_table("tss", None, ["cifar10"], progress=quiet).path == mine
    assert find_table("tss", None, ["digits"], progress=quiet).path == own
    assert find_table("tss", "own", progress=quiet).path == own


def test_official_files_come_before_the_embedded_table(tmp_path: Path) -> None:
    embed(TOPOLOGY)
    (tmp_path / "torch_home" / f"{OFFICIAL['tss']}-simple").mkdir()
    with pytest.raises(SourceError, match="holds no file like 000000"):  # they are opened
        find_table("tss", None, progress=quiet)
    assert find_table("tss", None, ["digits"], progress=quiet).info.name == "own"


def test_a_published_data_set_without_a_table_gives_the_way_to_one() -> None:
    embed(TOPOLOGY)
    with pytest.raises(MissingTableError, match=r"no table of the space tss with cifar10(.|\n)*nas-bench import PATH"):
        find_table("tss", None, ["cifar10"], progress=quiet)


def test_an_unknown_data_set_is_refused_with_the_nearest_one() -> None:
    embed(TOPOLOGY)
    with pytest.raises(MissingTableError, match=r"unknown data set 'digit'.*did you mean 'digits'"):
        find_table("tss", None, ["digit"], progress=quiet)


def test_an_installed_table_replaces_the_embedded_one_of_its_name() -> None:
    embed(TOPOLOGY, name="mine")
    mine = install(TOPOLOGY, "mine")
    assert table_named("mine").path == mine
