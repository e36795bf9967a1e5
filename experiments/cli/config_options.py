"""Command-line options out of config dataclasses, and how commands fail."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rich_argparse import RichHelpFormatter

from benchmarks.errors import InputError
from nas_algos.config import Config, default_of, describe_range


def new_parser(name: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """A parser in this project's manner: no abbreviations, coloured help on a terminal."""
    RichHelpFormatter.group_name_formatter = str
    return argparse.ArgumentParser(
        prog=name, description=description, epilog=epilog, formatter_class=RichHelpFormatter, allow_abbrev=False
    )


def guarded(name: str, body: Callable[[], int]) -> int:
    """Run a command; bad input and files that cannot be read or written give one line on stderr and exit code 2.

    Ctrl-C gives exit code 130. Anything else is a defect of ours and keeps its traceback.
    """
    try:
        code = body()
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # of `| head`, which has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at the end
        return 1
    except (InputError, OSError) as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130


def first_pass(arguments: Sequence[str], flag: str) -> list[str]:
    """The values of one list option, which decide what other options there are; the rest is ignored."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(flag, nargs="*", action="extend", dest="values", default=[])
    values: list[str] = parser.parse_known_args(arguments)[0].values
    return values


def add_config_options(parser: argparse.ArgumentParser, configs: Mapping[str, type[Config]]) -> None:
    """One option per knob of the chosen algorithms; those that share a knob's name share the option."""
    owners: dict[str, list[str]] = {}
    for algorithm, config in configs.items():
        for option in fields(config):
            owners.setdefault(option.name, []).append(algorithm)
    groups: dict[str, Any] = {}
    for name, algorithms in owners.items():
        title = f"options of {' and '.join(algorithms)}"
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        config = configs[algorithms[0]]
        option = next(item for item in fields(config) if item.name == name)
        try:
            _add_option(groups[title], option, get_type_hints(config)[name])
        except argparse.ArgumentError as error:
            raise InputError(f"the knob {name} of {algorithms[0]} is called as an option of the command is") from error


def _add_option(group: Any, option: Field[Any], kind: Any) -> None:
    flag = f"--{option.name.replace('_', '-')}"
    symbol = f" ({option.metadata['symbol']})" if option.metadata["symbol"] else ""
    unit = f" [{option.metadata['unit']}]" if option.metadata["unit"] else ""
    text = f"{option.metadata['help']}{symbol}{unit}".replace("%", "%%")
    if get_origin(kind) is Literal:
        group.add_argument(flag, choices=get_args(kind), help=f"{text} (default: {default_of(option)})")
        return
    if kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=f"{text} (default: {_switch(option)})")
        return
    limits = f"(default: {default_of(option)}, in {describe_range(option)})"
    group.add_argument(flag, type=kind, metavar=kind.__name__.upper(), help=f"{text} {limits}")


def _switch(option: Field[Any]) -> str:
    return "on" if default_of(option) else "off"


def build_config(config: type[Config], preset: Mapping[str, Any], given: argparse.Namespace) -> Config:
    """Defaults, then the preset's values, then what was given explicitly; InputError if one is out of range."""
    explicit = {option.name: getattr(given, option.name) for option in fields(config)}
    return config(**{**preset, **{name: value for name, value in explicit.items() if value is not None}})
