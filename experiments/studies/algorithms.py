"""The algorithms of a study with their options: defaults, a preset, files of nas-sweep, and explicit values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.errors import InputError
from experiments.studies.config_files import ConfigFile
from experiments.studies.presets import Preset
from nas_algos.config import Config
from nas_algos.registry import config_named, known_key
from nas_algos.weight_sharing import METHODS


def read_config_files(paths: Iterable[Path]) -> dict[str, tuple[Path, ConfigFile]]:
    """Algorithm -> (path, content) of its file; InputError if two files configure the same algorithm."""
    found: dict[str, tuple[Path, ConfigFile]] = {}
    for path in paths:
        file = ConfigFile.read(path)
        if file.algorithm in found:
            raise InputError(f"{found[file.algorithm][0]} and {path} both configure {file.algorithm}: give one of them")
        found[file.algorithm] = path, file
    return found


def configured(config: type[Config], options: Mapping[str, Any], explicit: Mapping[str, Any]) -> Config:
    """A config with these `options`, overridden by the `explicit` values of its fields that are not None."""
    given = {item.name: explicit.get(item.name) for item in fields(config)}
    return config(**{**options, **{name: value for name, value in given.items() if value is not None}})


def configured_algorithms(
    names: Sequence[str], preset: Preset, files: Sequence[Path], explicit: Mapping[str, Any]
) -> dict[str, Config]:
    """Name -> options of each algorithm: all are multi-trial algorithms, or all are weight-sharing methods.

    Args:
        files: config files of some of the algorithms, which take precedence over the preset.
        explicit: option of any of the algorithms -> value; these take precedence over the files.

    Raises:
        InputError: a name is unknown or given twice, an option is out of range, or both kinds are mixed.
    """
    algorithms: dict[str, Config] = {}
    read = read_config_files(files)
    for name in names:
        key = known_key(name)
        if key in algorithms:
            raise InputError(f"the algorithm {key} is given twice")
        config, options = config_named(key), dict(preset.configs.get(key, {}))
        if key in read:
            path, file = read[key]
            options |= file.checked(path, config)
        algorithms[key] = configured(config, options, explicit)
    if len({name in METHODS for name in algorithms}) > 1:
        raise InputError(
            f"{', '.join(algorithms)}: multi-trial algorithms and weight-sharing methods have different budgets. Run "
            "them with two commands and give both directories to nas-report"
        )
    return algorithms
