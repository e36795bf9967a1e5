"""Files that name an algorithm and some of its options: nas-sweep writes them, nas-run --config reads them.

algorithm = "regularized_ea"

[options]
population_size = 60
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_origin, get_type_hints

from benchmarks.errors import InputError, unknown_name
from experiments.storage.atomic import write_atomically
from nas_algos.config import Config


@dataclass(frozen=True)
class ConfigFile:
    """An algorithm and some of its options; the others have their defaults."""

    algorithm: str
    options: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> ConfigFile:
        """Read a file; InputError if it is missing or has another form."""
        shape = 'algorithm = "NAME" and a table [options] of the algorithm\'s options, as nas-sweep writes them'
        try:
            content = tomllib.loads(path.read_text())
        except FileNotFoundError:
            raise InputError(f"there is no file {path}: name one that nas-sweep wrote") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not TOML ({error}): it should hold {shape}") from error
        algorithm, options = content.pop("algorithm", None), content.pop("options", {})
        if not isinstance(algorithm, str) or not isinstance(options, dict) or content:
            what = f"an unknown key {next(iter(content))!r}" if content else "something else"
            raise InputError(f"{path} holds {shape}; found {what}")
        return cls(algorithm.replace("-", "_"), options)

    def checked(self, path: Path, config: type[Config]) -> Mapping[str, Any]:
        """The options; InputError that names `path` if `config` lacks an option or it has another type."""
        kinds = get_type_hints(config)
        for name, value in self.options.items():
            if name not in kinds:
                raise InputError(f"{path}: {unknown_name(f'option of {self.algorithm}', name, list(kinds))}")
            kind = str if get_origin(kinds[name]) is Literal else kinds[name]
            if type(value) is not kind and not (kind is float and type(value) is int):
                raise InputError(f"{path}: {name} is of type {kind.__name__}, got {value!r}")
        return self.options

    def write(self, path: Path, comment: str) -> None:
        """Replace or create the file.

        Args:
            comment: its first line.
        """
        lines = [f"# {comment}", f"algorithm = {json.dumps(self.algorithm)}", "", "[options]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in self.options.items()]
        write_atomically(path, "\n".join([*lines, ""]).encode())
