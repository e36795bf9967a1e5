"""The shape of the code: imports point one way, heavy packages stay where they belong, registries keep their names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from nas_algos.multi_trial import ALGORITHMS
from nas_algos.weight_sharing import METHODS

ROOT = Path(__file__).parents[1]
OURS = ("benchmarks", "nas_algos", "supernets", "experiments")
# Room -> rooms of ours it may import; the longest matching prefix decides.
ARROWS = {
    "benchmarks": {"benchmarks"},
    "supernets": {"benchmarks", "supernets"},
    "nas_algos": {"benchmarks", "nas_algos"},
    "nas_algos.weight_sharing": {"benchmarks", "supernets", "nas_algos"},
    "nas_algos.nar": {"benchmarks", "supernets", "nas_algos"},
    "experiments": set(OURS),
}
# Room of experiments -> rooms of experiments that it may import besides itself. The factory stands beside records: it
# trains and writes its own directories, and studies that train use it.
ARROWS_OF_EXPERIMENTS: dict[str, set[str]] = {
    "storage": set(),
    "execution": {"storage"},
    "records": {"storage"},
    "statistics": {"storage", "records"},
    "tables": {"storage", "execution"},
    "factory": {"storage", "execution"},
    "studies": {"storage", "execution", "records", "statistics", "tables", "factory"},
    "sweeps": {"storage", "execution", "records", "statistics", "tables", "studies"},
    "reports": {"storage", "records", "statistics"},
    "clusters": set(),
    "cli": {
        "storage",
        "execution",
        "records",
        "statistics",
        "tables",
        "factory",
        "studies",
        "sweeps",
        "reports",
        "clusters",
    },
}
TORCH_ROOMS = ("supernets", "nas_algos.weight_sharing", "nas_algos.nar")
RAY_ROOMS = ("experiments.execution", "experiments.sweeps")


def modules() -> Iterator[tuple[str, Path]]:
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


PATHS = dict(modules())


def imported(path: Path) -> set[str]:
    """Imported modules: of ours the deepest ones, so that `from package import module` names package.module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they point"
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= deeper & PATHS.keys() or {str(node.module)}
    return names


def within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize(("module", "path"), list(modules()))
def test_imports_point_one_way(module: str, path: Path) -> None:
    room = max((room for room in ARROWS if within(module, (room,))), key=len)
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops & set(OURS) <= ARROWS[room]


@pytest.mark.parametrize(
    ("module", "path"), [(module, path) for module, path in PATHS.items() if module.startswith("experiments.")]
)
def test_imports_between_the_rooms_of_experiments_point_one_way(module: str, path: Path) -> None:
    room = module.split(".")[1]
    reached = {name.split(".")[1] for name in imported(path) if name.startswith("experiments.")}
    assert reached - {room} <= ARROWS_OF_EXPERIMENTS[room]


def test_the_rooms_of_experiments_have_an_order() -> None:
    TopologicalSorter(ARROWS_OF_EXPERIMENTS).prepare()  # raises CycleError for arrows that lead back


def test_no_module_imports_itself_through_others() -> None:
    """Imports inside functions and for type checking count, too."""
    imports = {module: (imported(path) & PATHS.keys()) - {module} for module, path in PATHS.items()}
    TopologicalSorter(imports).prepare()  # raises CycleError, whose message lists the circle


@pytest.mark.parametrize(("module", "path"), list(modules()))
def test_torch_and_ray_stay_in_their_rooms(module: str, path: Path) -> None:
    tops = {name.split(".")[0] for name in imported(path)}
    assert "torch" not in tops or within(module, TORCH_ROOMS)
    assert "ray" not in tops or within(module, RAY_ROOMS)


SLOW = {"torch", "ray", "matplotlib", "scipy", "pandas", "sklearn", "ConfigSpace"}
"""Packages that take longer to import than a short study takes."""


def assert_imports_nothing_slow(command: str, arguments: list[str], cwd: Path | None = None) -> None:
    code = (
        f"import sys; from experiments.cli.{command} import main\n"
        "try: code = main()\n"
        "except SystemExit as stop: code = stop.code\n"
        f"sys.exit(code or ' '.join({SLOW} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "command",
    ["run", "bench", "report", "sweep", *(f"bench {name}" for name in ("import", "list", "show", "one-shot", "build"))],
)
def test_help_imports_nothing_slow(command: str) -> None:
    name, *subcommand = command.split()
    assert_imports_nothing_slow(name, [*subcommand, "--help"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_study_on_a_table_imports_nothing_slow(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("NAS_BENCH_HOME", str(tmp_path / "tables"))
    arguments = ["--algo", algorithm, "--space", "tss", "--out", str(tmp_path / "study")]
    assert_imports_nothing_slow("run", arguments, cwd=tmp_path)
    assert (tmp_path / "study" / "study.json").exists()


def test_the_names_of_weight_sharing_methods_are_there_without_torch() -> None:
    code = (
        "import sys; from nas_algos.weight_sharing import METHODS, method_named\n"
        "assert len(METHODS) == 9\n"
        "try: method_named('unknown')\n"
        "except ValueError: pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_an_algorithm_has_one_name_everywhere() -> None:
    for name, searcher in ALGORITHMS.items():
        assert searcher.__module__ == f"nas_algos.multi_trial.{name}"
        assert searcher.__name__.lower() == name.replace("_", "")
        assert searcher.Config.__name__ == f"{searcher.__name__}Config"


def test_a_weight_sharing_method_has_one_name_everywhere() -> None:
    """Read from its file, which need not import PyTorch for that."""
    for name, place in METHODS.items():
        module, _, attribute = place.partition(".")
        assert module == name or (module == "darts" and name in ("darts_v1", "darts_v2"))
        assert attribute.lower() == name.replace("_", "")
        tree = ast.parse((ROOT / "nas_algos" / "weight_sharing" / f"{module}.py").read_text())
        classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        assert {attribute, "DartsConfig" if module == "darts" else f"{attribute}Config"} <= classes


ROOMS = [f"experiments.{path.parent.name}" for path in sorted((ROOT / "experiments").glob("*/__init__.pyi"))]


@pytest.mark.parametrize(
    "package", ["benchmarks", "nas_algos", "supernets", "benchmarks.spaces", "nas_algos.multi_trial", *ROOMS]
)
def test_every_public_name_of_a_package_is_there(package: str) -> None:
    module = import_module(package)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)
