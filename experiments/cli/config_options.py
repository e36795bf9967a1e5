"""Command-line options generated from data classes, and how commands fail."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rich_argparse import RichHelpFormatter

from benchmarks.errors import InputError
from benchmarks.options import default_of, describe_range
from nas_algos.config import Config


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
        print(f"{name}: interrupted; repeat the command to resume it", file=sys.stderr)
        return 130


def import_from_working_directory(names: Sequence[str]) -> None:
    """Let MODULE:CLASS be found in the working directory, which Python leaves out where a command is installed."""
    if any(":" in name for name in names):
        sys.path.insert(0, str(Path.cwd()))


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
            raise InputError(f"the knob {name} of {algorithms[0]} has the name of an option of the command") from error


def add_options(
    group: Any, config: type[Any], names: Iterable[str] = (), *, prefix: str = "", help: Mapping[str, str] | None = None
) -> None:
    """One option per option field of a data class; none has a default, so that what is given can be told apart.

    Args:
        names: the fields, in this order; all if there are none.
        prefix: what the flags begin with.
        help: field -> help text of this command instead of the field's own.
    """
    options = {option.name: option for option in fields(config) if "help" in option.metadata}
    kinds = get_type_hints(config)
    for name in names or options:
        _add_option(group, options[name], kinds[name], prefix, (help or {}).get(name))


def given_options(config: type[Any], given: argparse.Namespace, *, prefix: str = "") -> dict[str, Any]:
    """Field -> value of those options of `add_options` that were given."""
    found = {
        option.name: getattr(given, _flag(option, prefix)[2:].replace("-", "_"), None)
        for option in fields(config)
        if "help" in option.metadata
    }
    return {name: _parsed(value) for name, value in found.items() if value is not None}


def _parsed(value: Any) -> Any:
    """Lists as tuples, and paths as absolute ones, since workers run in other directories."""
    if isinstance(value, Path):
        return value.absolute()
    return tuple(value) if isinstance(value, list) else value


def _flag(option: Field[Any], prefix: str) -> str:
    return f"--{prefix}{option.metadata['flag'] or option.name.replace('_', '-')}"


def _add_option(group: Any, option: Field[Any], kind: Any, prefix: str = "", text: str | None = None) -> None:
    flag, default = _flag(option, prefix), default_of(option)
    text = text or _described(option)
    if get_origin(kind) is Literal:
        group.add_argument(flag, choices=get_args(kind), help=f"{text} (default: {default})")
    elif kind is bool:
        state = "on" if default else "off"
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=f"{text} (default: {state})")
    elif get_origin(kind) is tuple:
        count, item = len(default), get_args(kind)[0]
        group.add_argument(flag, nargs=count, type=item, metavar=item.__name__.upper(), help=text)
    elif default is None:  # the text says what that means
        (item,) = (item for item in get_args(kind) if item is not type(None))
        group.add_argument(flag, type=item, metavar=_METAVARS.get(item, item.__name__.upper()), help=text)
    else:
        bounded = option.metadata["low"] is not None or option.metadata["high"] is not None
        limits = f"(default: {default}, in {describe_range(option)})" if bounded else f"(default: {default})"
        group.add_argument(flag, type=kind, metavar=kind.__name__.upper(), help=f"{text} {limits}")


_METAVARS = {Path: "DIR", str: "NAME"}


def _described(option: Field[Any]) -> str:
    symbol = f" ({option.metadata['symbol']})" if option.metadata["symbol"] else ""
    unit = f" [{option.metadata['unit']}]" if option.metadata["unit"] else ""
    return f"{option.metadata['help']}{symbol}{unit}".replace("%", "%%")
