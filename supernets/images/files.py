"""Readers of published image archives: pickled CIFAR and ImageNet16 batches, and IDX files.

Reading executes nothing and unpacks nothing to disk: pickles are restricted to an allow-list whose entries only build
arrays of numbers, and `.tar.gz` archives are read in place.

CIFAR: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. ImageNet16: Chrabaszcz, Loshchilov,
Hutter, "A Downsampled Variant of ImageNet as an Alternative to the CIFAR datasets", https://arxiv.org/abs/1707.08819.
"""

from __future__ import annotations

import gzip
import math
import pickle
import reprlib
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.safe_pickle import ALLOWED, DamagedFileError, RestrictedUnpickler, UnsafePickleError


class ImageArrays(NamedTuple):
    """Images, uint8 of shape (N, channels, height, width), and their classes, int64 of shape (N,), counted from 0."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class BatchArchive:
    """A data set published as pickled batches of colour images: dicts with the keys 'data' and `label_key`."""

    folder: str  # relative to the data directory
    tar: str | None  # the archive of `folder`, relative to the data directory; None if none was published
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    label_key: str
    first_label: int
    num_classes: int  # images of further classes are skipped
    image_size: int  # height and width, pixels
    train_images: int
    test_images: int
    url: str


CIFAR10 = BatchArchive(
    folder="cifar-10-batches-py",
    tar="cifar-10-python.tar.gz",
    train_files=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test_files=("test_batch",),
    label_key="labels",
    first_label=0,
    num_classes=10,
    image_size=32,
    train_images=50_000,
    test_images=10_000,
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)
CIFAR100 = BatchArchive(
    folder="cifar-100-python",
    tar="cifar-100-python.tar.gz",
    train_files=("train",),
    test_files=("test",),
    label_key="fine_labels",
    first_label=0,
    num_classes=100,
    image_size=32,
    train_images=50_000,
    test_images=10_000,
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
)
IMAGENET16_120 = BatchArchive(
    folder="ImageNet16",
    tar=None,
    train_files=tuple(f"train_data_batch_{number}" for number in range(1, 11)),
    test_files=("val_data",),
    label_key="labels",
    first_label=1,
    num_classes=120,
    image_size=16,
    train_images=151_700,
    test_images=6_000,
    url="https://image-net.org (Imagenet16_train.zip and Imagenet16_val.zip)",
)


def read_batches(archive: BatchArchive, data_dir: Path) -> tuple[ImageArrays, ImageArrays]:
    """Read the training and the test images of `archive` from its folder or its `.tar.gz` in `data_dir`.

    Raises:
        InputError: a file is missing, damaged, or does not have the published content.
    """
    parts = {file.name: _read_batch(archive, stream, file) for file, stream in _open_batches(archive, data_dir)}
    train = _joined(archive, [parts[name] for name in archive.train_files], archive.train_images, "training")
    test = _joined(archive, [parts[name] for name in archive.test_files], archive.test_images, "test")
    return train, test


def _open_batches(archive: BatchArchive, data_dir: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield every file of `archive` once, in any order: its path, possibly inside the `.tar.gz`, and an open stream."""
    folder = data_dir / archive.folder
    names = archive.train_files + archive.test_files
    tar = None if archive.tar is None else data_dir / archive.tar
    if tar is not None and tar.is_file() and not folder.is_dir():
        yield from _open_members(tar, {f"{archive.folder}/{name}" for name in names}, archive.url)
        return
    for name in names:
        if not (folder / name).is_file():
            packed = "" if tar is None else f" (nor {tar})"
            raise InputError(f"there is no file {folder / name}{packed}: download it from {archive.url}")
        with (folder / name).open("rb") as stream:
            yield folder / name, stream


def _open_members(tar: Path, names: set[str], url: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield the members `names` of a `.tar.gz`, in their order in the archive."""
    missing = set(names)
    try:
        with tarfile.open(tar, "r:gz") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.name in missing else None
                if stream is not None:
                    missing.remove(member.name)
                    yield tar / member.name, stream
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DamagedFileError(f"{tar}: damaged ({reason}); download it again from {url}") from error
    if missing:
        raise DamagedFileError(f"{tar} has no member {', '.join(sorted(missing))}: download it again from {url}")


def _read_batch(archive: BatchArchive, stream: IO[bytes], source: Path) -> ImageArrays:
    batch = _unpickle(stream, source, archive.url)
    data = batch.get("data") if isinstance(batch, dict) else None
    if not isinstance(data, _Array) or archive.label_key not in batch:
        got = reprlib.repr(batch)
        raise InputError(f"{source}: expected a dict with an array 'data' and '{archive.label_key}', got {got}")
    images, labels = data.array, _label_array(batch[archive.label_key], source)
    pixels = 3 * archive.image_size**2
    if images.dtype != np.uint8 or images.shape != (len(labels), pixels):
        raise InputError(
            f"{source}: expected 'data' of {len(labels)} x {pixels} bytes, one row per label, "
            f"got {images.shape} of {images.dtype}: download the file again from {archive.url}"
        )
    labels -= archive.first_label
    kept = (labels >= 0) & (labels < archive.num_classes)
    shape = (-1, 3, archive.image_size, archive.image_size)
    return ImageArrays(images[kept].reshape(shape), labels[kept])


def _label_array(labels: Any, source: Path) -> NDArray[np.int64]:
    """Copy a list of numbers, or a pickled array of numbers, into a new array."""
    try:
        return np.array(labels.array if isinstance(labels, _Array) else labels, dtype=np.int64).reshape(-1)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{source}: the labels should be a list of whole numbers ({error})") from error


def _joined(archive: BatchArchive, parts: list[ImageArrays], expected: int, kind: str) -> ImageArrays:
    images, labels = zip(*parts, strict=True)
    joined = ImageArrays(np.concatenate(images), np.concatenate(labels))
    if len(joined.labels) != expected:
        raise InputError(
            f"{archive.folder} should hold {expected} {kind} images of its {archive.num_classes} classes, "
            f"got {len(joined.labels)}: download the files again from {archive.url}"
        )
    return joined


class _Array:
    """Replaces `numpy.ndarray` while unpickling; `array` is an array of plain numbers."""

    array: NDArray[Any] = np.empty(0)

    def __setstate__(self, state: tuple[int, tuple[int, ...], Any, bool, bytes | str]) -> None:
        _version, shape, dtype, fortran_order, payload = state
        if not isinstance(dtype, ALLOWED["numpy", "dtype"]):
            raise UnsafePickleError(f"a pickled array must have a plain dtype, got {type(dtype).__name__}")
        raw = payload.encode("latin1") if isinstance(payload, str) else payload  # Python 2 has one type for both
        self.array = np.frombuffer(raw, dtype.dtype).reshape(shape, order="F" if fortran_order else "C")


class _Reconstruct:
    """Replaces `numpy.core.multiarray._reconstruct`, which creates the array that `__setstate__` then fills."""

    __slots__ = ()

    def __call__(self, kind: Any, _shape: Any, _typecode: Any) -> _Array:
        if kind is not _Array:
            raise UnsafePickleError(f"only plain arrays can be reconstructed from image batches, got {kind!r}")
        return _Array()


class _Encode:
    """Replaces `_codecs.encode`, which Python 3 uses to write bytes into a pickle for Python 2."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str) -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise UnsafePickleError(f"only str can be encoded, in latin1; got {type(text).__name__} in {encoding!r}")
        return text.encode("latin1")


_ALLOWED_IN_BATCHES: Mapping[tuple[str, str], Any] = {
    **ALLOWED,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct(),
    ("_codecs", "encode"): _Encode(),
}


class _BatchUnpickler(RestrictedUnpickler):
    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, _ALLOWED_IN_BATCHES)
        pickle.Unpickler.__init__(self, stream, encoding="latin1")  # CIFAR was pickled by Python 2


def _unpickle(stream: IO[bytes], source: Path, url: str) -> Any:
    try:
        return _BatchUnpickler(stream).load()
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{source}: {error}") from None
    except (EOFError, OSError, pickle.UnpicklingError, ValueError, KeyError, IndexError, AttributeError, TypeError,
            RecursionError, MemoryError, OverflowError, ImportError, zlib.error) as error:  # fmt: skip
        # A damaged pickle can fail in any opcode, with any of these errors.
        raise DamagedFileError(
            f"{source}: not readable as a batch of images ({type(error).__name__}: {error}). "
            f"The file is truncated or damaged: download it again from {url}"
        ) from error


FASHION_MNIST_URL = "https://github.com/zalandoresearch/fashion-mnist (data/fashion)"


def read_fashion_mnist(folder: Path) -> tuple[ImageArrays, ImageArrays]:
    """Read the 60,000 training and 10,000 test images of Fashion-MNIST from the four `.gz` files in `folder`.

    Xiao, Rasul, Vollgraf, https://arxiv.org/abs/1708.07747.

    Raises:
        InputError: a file is missing, damaged, or does not have the published content.
    """
    train, test = (
        ImageArrays(
            _read_idx(folder / f"{part}-images-idx3-ubyte.gz", (28, 28), FASHION_MNIST_URL)[:, None],
            _read_idx(folder / f"{part}-labels-idx1-ubyte.gz", (), FASHION_MNIST_URL).astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    for part, size in ((train, 60_000), (test, 10_000)):
        if not len(part.images) == len(part.labels) == size or part.labels.max() > 9:
            raise InputError(
                f"{folder}: expected {size} images and as many labels of classes 0 to 9, got {len(part.images)} images "
                f"and {len(part.labels)} labels up to {part.labels.max(initial=0)}: download the files again from "
                f"{FASHION_MNIST_URL}"
            )
    return train, test


def _read_idx(path: Path, item_shape: tuple[int, ...], url: str) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes.

    Its layout: the bytes 0, 0, 8 (the type), number of dimensions; each dimension as a big-endian int32; the data.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}: download it from {url}")
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedFileError(f"{path}: damaged ({error}); download it again from {url}") from error
    item_bytes = math.prod(item_shape)
    start = 4 + 4 * (1 + len(item_shape))
    count = (len(content) - start) // item_bytes
    header = struct.pack(f">4B{1 + len(item_shape)}i", 0, 0, 8, 1 + len(item_shape), max(count, 0), *item_shape)
    if content[:start] != header or len(content) != start + count * item_bytes:
        raise DamagedFileError(
            f"{path}: {len(content)} bytes of an IDX file with items of shape {item_shape} should begin with "
            f"{header.hex()}, got {content[:start].hex()}; download it again from {url}"
        )
    return np.frombuffer(content, np.uint8)[start:].reshape(-1, *item_shape).copy()
