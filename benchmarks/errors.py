"""The one root of errors that are the input's fault, not ours."""

from __future__ import annotations

import difflib


class InputError(ValueError):
    """What was given cannot be used; the message says what was expected, what came, and what to do.

    Commands print it without a traceback and exit with code 2. Anything else that escapes is a defect of this project.
    """


class TableError(InputError):
    """A table cannot be read, or does not hold what was asked of it."""


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The message for a name that is not in a registry: lists the names and the nearest one."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}: choose from {', '.join(known)}{hint}"
