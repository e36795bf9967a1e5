"""The one root of errors that are the input's fault, not ours."""

from __future__ import annotations


class InputError(ValueError):
    """What was given cannot be used; the message says what was expected, what came, and what to do.

    Commands print it without a traceback and exit with code 2. Anything else that escapes is a defect of this project.
    """
