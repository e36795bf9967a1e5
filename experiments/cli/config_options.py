"""Command-line options generated from data classes, and how commands fail."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rich_argparse import RichHelpFormatter

from benchmarks.errors import InputError
from benchmarks.options import default_of
from nas_algos.config import Config


def new_parser(name: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """A parser without abbreviations of options, whose help is coloured on a terminal."""
    RichHelpFormatter.group_name_formatter = str
    return argparse.ArgumentParser(
        prog=name, description=description, epilog=epilog, formatter_class=RichHelpFormatter, allow_abbrev=False
    )


def guarded(name: str, body: Callable[[], int]) -> int:
    """Run a command; bad input and unreadable or unwritable files give one line on stderr and exit code 2.

    Ctrl-C gives exit code 130. Any other exception is a defect of nas-algos and keeps its traceback.
    """
    try:
        code = body()
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` closes the pipe early
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python prints an error at exit
        return 1
    except (InputError, OSError) as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted; repeat the command to resume it", file=sys.stderr)
        return 130


def import_from_working_directory(names: Sequence[str]) -> None:
    """Find MODULE:CLASS in the working directory, which the import path of an installed command lacks."""
    if any(":" in name for name in names):
        sys.path.insert(0, str(Path.cwd()))


def first_pass(arguments: Sequence[str], flag: str) -> list[str]:
    """The values of one list option, on which other options depend; the other arguments are ignored."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(flag, nargs="*", action="extend", dest="values", default=[])
    values: list[str] = parser.parse_known_args(arguments)[0].values
    return values


def add_config_options(parser: argparse.ArgumentParser, configs: Mapping[str, type[Config]]) -> None:
    """Add one option per knob of the chosen algorithms; knobs of the same name share an option."""
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
            raise InputError(
                f"the knob {name} of {algorithms[0]} has the name of an option of the command: rename it"
            ) from error


def add_options(
    group: Any, config: type[Any], names: Iterable[str] = (), *, prefix: str = "", help: Mapping[str, str] | None = None
) -> None:
    """Add one option per `option` field of a data class; their defaults are None, which marks options not given.

    Args:
        names: the fields, in this order; empty for all.
        prefix: prefix of the flags.
        help: field -> text that replaces the field's own help.
    """
    options = {option.name: option for option in fields(config) if "help" in option.metadata}
    kinds = get_type_hints(config)
    for name in names or options:
        _add_option(group, options[name], kinds[name], prefix, (help or {}).get(name))


def given_options(config: type[Any], given: argparse.Namespace, *, prefix: str = "") -> dict[str, Any]:
    """Field -> value of the given ones among the options that `add_options` added."""
    found = {
        option.name: getattr(given, _flag(option, prefix)[2:].replace("-", "_"), None)
        for option in fields(config)
        if "help" in option.metadata
    }
    return {name: _parsed(value) for name, value in found.items() if value is not None}


def _parsed(value: Any) -> Any:
    """Convert lists to tuples, and paths to absolute ones, since workers run in other directories."""
    if isinstance(value, Path):
        return value.absolute()
    return tuple(value) if isinstance(value, list) else value


def _flag(option: Field[Any], prefix: str) -> str:
    return f"--{prefix}{option.metadata['flag'] or option.name.replace('_', '-')}"


def _add_option(group: Any, option: Field[Any], kind: Any, prefix: str = "", text: str | None = None) -> None:
    flag, kind = _flag(option, prefix), _without_none(kind)
    choices = get_args(kind) if get_origin(kind) is Literal else option.metadata["choices"]
    text = f"{text or _described(option)}{_default_and_range(option)}".replace("%", "%%")
    if choices:
        group.add_argument(flag, choices=choices, help=text)
    elif kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
    elif get_origin(kind) is tuple:
        count, item = len(default_of(option)), get_args(kind)[0]
        group.add_argument(flag, nargs=count, type=item, metavar=item.__name__.upper(), help=text)
    else:
        metavar = option.metadata["metavar"] or ("NAME" if kind is str else kind.__name__.upper())
        group.add_argument(flag, type=kind, metavar=metavar, help=text)


def _without_none(kind: Any) -> Any:
    """The type of the values of `kind` other than None."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (item for item in get_args(kind) if item is not type(None))
    return kind


def _described(option: Field[Any]) -> str:
    symbol = f" ({option.metadata['symbol']})" if option.metadata["symbol"] else ""
    unit = f" [{option.metadata['unit']}]" if option.metadata["unit"] else ""
    return f"{option.metadata['help']}{symbol}{unit}"


def _default_and_range(option: Field[Any]) -> str:
    """Text such as ' (default: 16; at least 1)'; empty for an option without default and bounds."""
    default = default_of(option)
    shown = {True: "on", False: "off"}[default] if isinstance(default, bool) else default
    if isinstance(default, tuple):
        shown = " ".join(map(str, default))
    text = option.metadata["unset"] if default is None else str(shown)
    parts = [f"default: {text}"] if text else []
    low, high = option.metadata["low"], option.metadata["high"]
    if low is not None and high is not None:
        parts.append(f"from {low:g} to {high:g}")
    elif low is not None or high is not None:
        parts.append(f"at least {low:g}" if high is None else f"at most {high:g}")
    return f" ({'; '.join(parts)})" if parts else ""
