"""nas-bench: import, list, describe, verify and export benchmark tables; show architectures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.spaces import SPACES
from experiments.cli import bench_build
from experiments.cli.config_options import guarded, new_parser
from experiments.cli.option_groups import add_device, add_images, training_options
from supernets.settings import PUBLISHED_SCALE, applies_to


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    return guarded("nas-bench", lambda: _COMMANDS[given.command](given))


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("nas-bench", "Import, make, list, check and export benchmark tables; show architectures.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    style: dict[str, Any] = {"formatter_class": parser.formatter_class, "allow_abbrev": False}
    convert = commands.add_parser("import", help="convert a benchmark file to a table", **style)
    formats = "'-simple' directory of NATS-Bench, its .tar, a monolithic .pickle.pbz2, or a .csv with named columns"
    convert.add_argument("path", type=Path, metavar="PATH", help=formats)
    convert.add_argument("--name", help="name of the table (default: that of the official release or file)")
    convert.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one per core)")
    convert.add_argument(
        "--force", action="store_true", help="replace a table of the same name that was imported from another source"
    )
    commands.add_parser("list", help="list the installed tables and those that come with nas-algos", **style)
    for name, text in (("info", "describe a table"), ("verify", "check a table or an official file")):
        command = commands.add_parser(name, help=text, **style)
        command.add_argument("table", metavar="TABLE", help="name of an installed table, or a file")
    _add_show_options(commands.add_parser("show", help="describe an architecture and its cost, or draw it", **style))
    export = commands.add_parser("export", help="write a table as files of the official nats_bench package", **style)
    export.add_argument("table", metavar="TABLE", help="name of an installed table, or a file")
    export.add_argument(
        "--out", type=Path, metavar="DIR", help="directory to write (default: TABLE-simple, in the working directory)"
    )
    export.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one per core)")
    _add_one_shot_options(
        commands.add_parser(
            "one-shot", help="compare the ranking of architectures by shared weights with that by training", **style
        )
    )
    bench_build.add_commands(commands, style)
    return parser


def _add_show_options(parser: argparse.ArgumentParser) -> None:
    arch = "official string, such as '|nor_conv_3x3~0|+|...' or '8:16:...', or official index in --space"
    parser.add_argument("arch", metavar="ARCH", help=arch)
    first = next(iter(SPACES))
    space = f"space of an index (default: {first}); a string identifies its space itself"
    parser.add_argument("--space", choices=list(SPACES), help=space)
    for name, symbol, text, default in (
        ("width", "C", "channels of the first stage", PUBLISHED_SCALE.width),
        ("depth", "N", "cells per stage", PUBLISHED_SCALE.depth),
    ):
        parser.add_argument(
            f"--{name}", type=int, metavar=symbol, help=f"{text}{applies_to(name)} (default: {default})"
        )
    for name, default, text in (
        ("classes", 10, "classes of the classifier"),
        ("in-channels", 3, "channels of the images"),
        ("image-size", 32, "height and width of the images in pixels"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar="N", default=default, help=f"{text} (default: {default})")
    out = "draw the architecture into files *.png, *.svg, *.pdf"
    parser.add_argument("--out", type=Path, nargs="+", action="extend", default=[], metavar="FILE", help=out)


def _add_one_shot_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="--out directory of nas-run with weight-sharing methods"
    )
    parser.add_argument("--table", metavar="TABLE", help="table of trained architectures (default: as in nas-run)")
    count = "number of architectures, drawn at random from the table (default: 200)"
    parser.add_argument("--architectures", type=int, metavar="N", default=200, help=count)
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="seed of the draw (default: 0)")
    add_images(parser)
    add_device(parser)
    out = "plot the accuracies with shared weights against those after training, into files *.png, *.svg, *.pdf"
    parser.add_argument("--out", type=Path, nargs="+", action="extend", default=[], metavar="FILE", help=out)


def _import(given: argparse.Namespace) -> int:
    from benchmarks.spaces import space_named
    from benchmarks.table import BenchmarkTable
    from experiments.cli.console import progress_bar
    from experiments.tables.importing import import_benchmark
    from experiments.tables.store import home, installed

    before = {path: path.stat().st_ino for path in installed()}
    with progress_bar() as progress:
        path = import_benchmark(
            given.path, home(), name=given.name, workers=given.workers, force=given.force, progress=progress
        )
    table = BenchmarkTable.open(path)
    done = "already imported" if before.get(path) == path.stat().st_ino else "imported"
    complete = f"{len(table):,} of {len(space_named(table.info.space)):,} architectures"
    print(f"{done} {given.path} as the table {path.stem}: {complete} ({path})")
    return 0


def _list(_: argparse.Namespace) -> int:
    from experiments.cli.console import show_tables
    from experiments.tables.store import embedded, home, installed

    show_tables(installed(), embedded(), home())
    return 0


def _info(given: argparse.Namespace) -> int:
    from experiments.cli.console import show_table
    from experiments.tables.store import table_named

    show_table(table_named(given.table))
    return 0


def _verify(given: argparse.Namespace) -> int:
    from experiments.tables.checking import findings

    defects = 0
    for finding in findings(given.table):
        print(f"{'ok    ' if finding.ok else 'DEFECT'}  {finding.text}", flush=True)
        defects += not finding.ok
    print(f"{given.table}: {f'{defects} defects' if defects else 'no defects'}")
    return 1 if defects else 0


def _show(given: argparse.Namespace) -> int:
    from experiments.cli.architectures import describe_architecture, network_config, read_architecture, show

    space, arch = read_architecture(given.arch, given.space)
    network = network_config(space, arch, given.width, given.depth, given.classes, given.in_channels)
    description = describe_architecture(space, arch, network, given.image_size)
    if given.out:
        from experiments.reports.drawings.painters import write_drawings

        write_drawings(space.name, arch, given.out)
    show(description)
    for file in given.out:
        print(file)
    return 0


def _export(given: argparse.Namespace) -> int:
    from benchmarks.spaces import space_named
    from experiments.cli.console import progress_bar
    from experiments.tables.exporting import export_benchmark
    from experiments.tables.store import table_named

    table = table_named(given.table)
    folder = given.out or Path(f"{table.info.name}-simple")
    with progress_bar() as progress:
        exported = export_benchmark(table, folder, workers=given.workers, progress=progress)
    space = table.info.space
    print(f"exported {table.info.name} to {folder}: {len(exported):,} of {len(space_named(space)):,} architectures")
    print(f'read it with: nats_bench.create("{folder}", "{space}", fast_mode=True)')
    return 0


def _one_shot(given: argparse.Namespace) -> int:
    from experiments.cli.console import progress_bar, show_one_shot
    from experiments.studies.one_shot import data_of, one_shot
    from supernets.training.devices import usable_device

    device = usable_device(given.device)
    if given.out:
        from experiments.reports.figures import check_paths, report_style, write_figure
        from experiments.reports.sections.one_shot import draw_one_shot

        check_paths(given.out)
    with progress_bar() as progress:
        table, images = data_of(given.directory, given.table, training_options(given), progress)
        compared = one_shot(given.directory, table, images, given.architectures, given.seed, progress, device)
    ((_, dataset), *_) = compared
    metric = table.task(dataset).metric
    show_one_shot(compared, metric)
    if given.out:
        with report_style():
            write_figure(draw_one_shot({name: runs for (name, _), runs in compared.items()}, metric), given.out)
    for file in given.out:
        print(file)
    return 0


_COMMANDS = {
    **bench_build.COMMANDS,
    "import": _import,
    "list": _list,
    "info": _info,
    "verify": _verify,
    "show": _show,
    "export": _export,
    "one-shot": _one_shot,
}


if __name__ == "__main__":
    sys.exit(main())
