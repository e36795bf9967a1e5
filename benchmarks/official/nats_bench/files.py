"""Reading and writing the official NATS-Bench files (`.pickle.pbz2`: a bz2 stream of one Python pickle)."""

from __future__ import annotations

import bz2
import os
import pickle
from pathlib import Path
from typing import Any

from benchmarks import safe_pickle

EXTENSION = "pickle.pbz2"


def pickle_save(obj: Any, file_path: str | Path, ext: str = ".pbz2", protocol: int = 4) -> None:
    """Write `obj` as a bz2-compressed pickle to `file_path` + `ext`."""
    with bz2.open(f"{file_path}{ext}", "wb") as stream:
        pickle.dump(obj, stream, protocol=protocol)


def pickle_load(file_path: str | Path, ext: str = ".pbz2") -> Any:
    """The object in the file `file_path`, or in `file_path` + `ext` if there is no such file.

    Nothing in the file is executed: only containers and numbers can be read.

    Raises:
        FileNotFoundError: neither file exists.
        UnsafePickleError: the file asks for anything but containers and numbers.
        DamagedFileError: the file is truncated or not a bz2-compressed pickle.
    """
    path, extended = Path(file_path), Path(f"{file_path}{ext}")
    if path.is_file():
        return safe_pickle.load_bz2(path)
    if extended.is_file():
        return safe_pickle.load_bz2(extended)
    tried = f"{path} is not a file" if path.name.endswith(ext) else f"neither {path} nor {extended} is a file"
    raise FileNotFoundError(f"{tried}. Official archives must be unpacked first: tar -xf NATS-...-simple.tar")


def torch_home() -> str:
    """The folder of the default paths: $TORCH_HOME, else $HOME/.torch; ValueError if neither variable is set."""
    if "TORCH_HOME" in os.environ:
        return os.environ["TORCH_HOME"]
    if "HOME" in os.environ:
        return os.path.join(os.environ["HOME"], ".torch")
    raise ValueError("no default directory for benchmark files: set TORCH_HOME or HOME, or pass a path")


def read_meta(archive_dir: str) -> list[str]:
    """The architecture strings of an unpacked archive, by official index; raises what `pickle_load` raises."""
    meta: dict[str, list[str]] = pickle_load(f"{archive_dir}/meta.{EXTENSION}")
    return list(meta["meta_archs"])


def read_architecture(archive_dir: str, index: int) -> dict[str, dict[str, Any]]:
    """{schedule: archresult} of one architecture of an unpacked archive.

    Raises:
        AssertionError: its file is missing or holds no dict (the official type for both).
        UnsafePickleError, DamagedFileError: see `pickle_load`.
    """
    names = (f"{index:06d}.{EXTENSION}", f"{index:d}.{EXTENSION}")
    paths = [path for path in (Path(archive_dir, name) for name in names) if path.is_file()]
    if not paths:
        raise AssertionError(f"invalid data path : {archive_dir} holds neither {names[0]} nor {names[1]}")
    content = pickle_load(paths[0])
    if not isinstance(content, dict):
        raise AssertionError(f"invalid format of data in {paths[0]} : expected a dict, got {type(content)}")
    return content
