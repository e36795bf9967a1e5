"""Parser for the domains of the knobs that a sweep tunes: NAME=LOW:HIGH, NAME=A,B,C or just NAME."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from benchmarks.errors import InputError, unknown_name
from benchmarks.options import describe_range
from experiments.records.domains import Choice, Domain, Range
from nas_algos.config import Config

SCALES = ("log", "linear")


def tuned_knobs(
    config: type[Config], texts: Iterable[str], fixed: Mapping[str, str] | None = None
) -> dict[str, Domain]:
    """Read domains from `texts` such as 'population_size=10:100'.

    Args:
        fixed: knob -> the reason why it cannot be tuned.

    Raises:
        InputError: a knob is unknown, or cannot take the values.
    """
    kinds, options = get_type_hints(config), {option.name: option for option in fields(config)}
    if not options:
        raise InputError(f"{config.__name__.removesuffix('Config')} has no options that could be tuned")
    tuned: dict[str, Domain] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if name not in options:
            raise InputError(unknown_name(f"knob of {config.__name__.removesuffix('Config')}", name, list(options)))
        if name in (fixed or {}):
            raise InputError(f"{name} cannot be tuned: {(fixed or {})[name]}")
        if name in tuned:
            raise InputError(f"the knob {name} is tuned twice")
        domain = _domain(options[name], kinds[name], values.strip() if equals else None)
        for value in (domain.low, domain.high) if isinstance(domain, Range) else domain.values:
            replace(config(), **{name: value})  # raises InputError for a value out of range
        if isinstance(domain, Range) and domain.log and domain.low <= 0:
            raise InputError(
                f"a logarithmic range begins above 0, got {text}; give another LOW, or "
                f"{name}={domain.low:g}:{domain.high:g}:linear"
            )
        tuned[name] = domain
    if not tuned:
        raise InputError(f"nothing is tuned: give knobs such as {next(iter(options), 'NAME')}=LOW:HIGH")
    return tuned


def _domain(option: Field[Any], kind: Any, text: str | None) -> Domain:
    if kind is bool or get_origin(kind) is Literal:
        known = {"true": True, "false": False} if kind is bool else {value: value for value in get_args(kind)}
        return _choice(option.name, text.split(",") if text is not None else list(known), known)
    if text is None:
        low, high = option.metadata["low"], option.metadata["high"]
        if low is None or high is None:
            raise InputError(f"{option.name} lies in {describe_range(option)}: give a range, {option.name}=LOW:HIGH")
        return _range(option, kind, [f"{low:g}", f"{high:g}"])
    if ":" in text:
        return _range(option, kind, text.split(":"))
    return _choice(option.name, text.split(","), {part: _number(option.name, kind, part) for part in text.split(",")})


def _choice(name: str, parts: list[str], known: Mapping[str, Any]) -> Choice:
    for part in parts:
        if part not in known:
            raise InputError(f"{name} is one of {', '.join(known)}, got {part!r}")
    values = tuple(known[part] for part in parts)
    if len(values) < 2 or len(set(values)) < len(values):
        raise InputError(
            f"{name} needs a range LOW:HIGH or several different values A,B to choose from, got {','.join(parts)!r}; a "
            f"fixed value is given as --{name.replace('_', '-')} {parts[0]}"
        )
    return Choice(values)


def _range(option: Field[Any], kind: Any, parts: list[str]) -> Range:
    name, scale = option.name, parts[2] if len(parts) == 3 else None
    if len(parts) not in (2, 3) or (len(parts) == 3 and scale not in SCALES):
        raise InputError(f"a range is LOW:HIGH, LOW:HIGH:log or LOW:HIGH:linear, got {name}={':'.join(parts)}")
    low, high = (_number(name, kind, part) for part in parts[:2])
    if not low < high:
        raise InputError(f"a range goes from a smaller number to a larger one, got {name}={':'.join(parts)}")
    log = scale == "log" or (scale is None and bool(option.metadata["log"]))
    return Range(low, high, kind is int, log)


def _number(name: str, kind: Any, text: str) -> float:
    try:
        number: float = kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"{name} takes {what}, got {text!r}") from None
    return number


def plain(config: type[Config], suggested: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a suggestion of a search algorithm to the types of the knobs, so that equal ones compare equal.

    Raises:
        InputError: an unknown knob.
    """
    kinds = get_type_hints(config)
    known = [option.name for option in fields(config) if option.name in suggested]
    if len(known) < len(suggested):
        unknown = next(name for name in suggested if name not in known)
        raise InputError(unknown_name(f"knob of {config.__name__.removesuffix('Config')}", unknown, list(kinds)))
    return {name: (str if get_origin(kinds[name]) is Literal else kinds[name])(suggested[name]) for name in known}
