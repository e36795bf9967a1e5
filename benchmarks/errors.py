"""The base class of all errors in the user's input."""

from __future__ import annotations

import difflib


class InputError(ValueError):
    """Invalid input; the message says what was expected, what was given, and what to do.

    Commands print it without a traceback and exit with code 2. Any other exception that escapes is a bug.
    """


class TableError(InputError):
    """A table cannot be read, or does not hold the requested data."""


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The message for a name that is not in a registry: it lists the known names and suggests the closest one."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}: choose from {', '.join(known)}{hint}"
