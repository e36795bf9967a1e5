"""Image archives: the published formats and index lists are read back, and nothing else is accepted or executed."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import pickle
import shutil
import struct
import tarfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.safe_pickle import DamagedFileError, UnsafePickleError
from supernets.images.files import CIFAR10, CIFAR100, IMAGENET16_120, BatchArchive, read_batches, read_fashion_mnist
from supernets.images.splits import (
    CIFAR100_SPLIT,
    IMAGENET16_120_SPLIT,
    SplitFile,
    cifar10_halves,
    md5_of_indices,
    random_split,
)
from supernets.images.tasks import image_task


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2's one type of string, as in the published CIFAR files."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_string(self, text: str | bytes) -> None:
        payload = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(payload)) + payload)  # type: ignore[attr-defined]

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(value: Any) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def batch_of(archive: BatchArchive, labels: NDArray[np.int64], first_image: int) -> dict[str, Any]:
    """Image i of a data set begins with the 4 bytes of i and ends with 255; everything between is 0."""
    images = np.zeros((len(labels), 3 * archive.image_size**2), np.uint8)
    images[:, :4] = np.arange(first_image, first_image + len(labels), dtype="<i4")[:, None].view(np.uint8)
    images[:, -1] = 255
    return {"data": images, archive.label_key: (labels + archive.first_label).tolist(), "batch_label": "b"}


def numbers_of(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The i of each image of `batch_of`."""
    return np.ascontiguousarray(images.reshape(len(images), -1)[:, :4]).view("<i4")[:, 0].astype(np.int64)


def batches(archive: BatchArchive) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files of `archive` with its numbers of images, of which image i is of class i modulo the classes."""
    for names, count in ((archive.train_files, archive.train_images), (archive.test_files, archive.test_images)):
        for part, name in zip(np.array_split(np.arange(count), len(names)), names, strict=True):
            yield name, batch_of(archive, part % archive.num_classes, int(part[0]))


def write_folder(archive: BatchArchive, data_dir: Path, dump: Callable[[Any], bytes] = pickle.dumps) -> Path:
    folder = data_dir / archive.folder
    folder.mkdir()
    for name, batch in batches(archive):
        (folder / name).write_bytes(dump(batch))
    return folder


def write_tar(archive: BatchArchive, data_dir: Path) -> Path:
    assert archive.tar is not None
    with tarfile.open(data_dir / archive.tar, "w:gz", compresslevel=1) as tar:
        for name, batch in reversed(list(batches(archive))):  # the published archives are in no useful order
            payload = python2_pickle(batch)
            member = tarfile.TarInfo(f"{archive.folder}/{name}")
            member.size = len(payload)
            tar.addfile(member, io.BytesIO(payload))
    return data_dir / archive.tar


def split_lists(shared_data: Path, file: str) -> dict[str, NDArray[np.int64]]:
    """The published index lists, from their bitmaps."""
    entry = json.loads((shared_data / "dataset_splits.json").read_text())[file]
    packed = np.frombuffer(base64.b64decode(entry["packbits_big_b64"]), np.uint8)
    member = np.unpackbits(packed)[: entry["n"]].astype(bool)
    return {entry["member_set"]: np.flatnonzero(member), entry["other_set"]: np.flatnonzero(~member)}


def write_split(path: Path, lists: dict[str, NDArray[np.int64]], kind: type = str) -> None:
    path.write_text(json.dumps({name: ["int", [kind(i) for i in indices]] for name, indices in lists.items()}))


SMALL_CIFAR10 = replace(CIFAR10, train_images=23, test_images=7)
SMALL_CIFAR100 = replace(CIFAR100, train_images=210, test_images=105)
SMALL = {"cifar10": SMALL_CIFAR10, "cifar100": SMALL_CIFAR100}


# Batches.


@pytest.mark.parametrize("archive", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("dump", [python2_pickle, *(lambda v, p=p: pickle.dumps(v, p) for p in (2, 3, 4))])
def test_batches_of_every_pickle_protocol(archive: BatchArchive, dump: Callable[[Any], bytes], tmp_path: Path) -> None:
    write_folder(archive, tmp_path, dump)
    train, test = read_batches(archive, tmp_path)
    for part, size in ((train, archive.train_images), (test, archive.test_images)):
        assert part.images.shape == (size, 3, 32, 32)
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int64
        assert numbers_of(part.images).tolist() == list(range(size))
        assert part.labels.tolist() == [i % archive.num_classes for i in range(size)]
        assert (part.images[:, 2, 31, 31] == 255).all()


@pytest.mark.parametrize("archive", SMALL.values(), ids=SMALL)
def test_a_packed_archive_is_read_in_place(archive: BatchArchive, tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    tar = write_tar(archive, tmp_path / "packed")
    write_folder(archive, tmp_path)
    for packed, unpacked in zip(read_batches(archive, tar.parent), read_batches(archive, tmp_path), strict=True):
        np.testing.assert_array_equal(packed.images, unpacked.images)
        np.testing.assert_array_equal(packed.labels, unpacked.labels)
    assert os.listdir(tar.parent) == [tar.name]


def test_only_the_first_120_classes_of_imagenet16_are_kept(tmp_path: Path) -> None:
    archive = replace(IMAGENET16_120, train_images=240, test_images=1)
    folder = write_folder(archive, tmp_path)
    labels = np.array([0, 119, 120, 999, -1])  # counted from 0; in the file from 1
    (folder / "val_data").write_bytes(pickle.dumps(batch_of(archive, labels, 0)))
    with pytest.raises(InputError, match="should hold 1 test images of its 120 classes, got 2"):
        read_batches(archive, tmp_path)
    train, test = read_batches(replace(archive, test_images=2), tmp_path)
    assert train.images.shape == (240, 3, 16, 16)
    assert test.labels.tolist() == [0, 119]
    assert numbers_of(test.images).tolist() == [0, 1]


def test_a_missing_file_is_named_with_the_places_and_the_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cifar-10-batches-py/data_batch_1.*nor .*\.tar\.gz.*download it from ht"):
        read_batches(CIFAR10, tmp_path)
    (write_folder(SMALL_CIFAR10, tmp_path) / "test_batch").unlink()
    with pytest.raises(InputError, match="cifar-10-batches-py/test_batch"):
        read_batches(SMALL_CIFAR10, tmp_path)
    with pytest.raises(InputError, match="ImageNet16/train_data_batch_1: download it from"):
        read_batches(IMAGENET16_120, tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.999])
def test_a_truncated_file_is_called_damaged(keep: float, tmp_path: Path) -> None:
    path = write_folder(SMALL_CIFAR10, tmp_path) / "data_batch_3"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(DamagedFileError, match=r"data_batch_3.*download it again from https"):
        read_batches(SMALL_CIFAR10, tmp_path)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_called_damaged(keep: float, tmp_path: Path) -> None:
    tar = write_tar(SMALL_CIFAR100, tmp_path)
    tar.write_bytes(tar.read_bytes()[: int(keep * tar.stat().st_size)])
    with pytest.raises(DamagedFileError, match=r"cifar-100-python\.tar\.gz.*download it again from https"):
        read_batches(SMALL_CIFAR100, tmp_path)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    assert CIFAR10.tar is not None
    shutil.move(write_tar(SMALL_CIFAR100, tmp_path), tmp_path / CIFAR10.tar)
    with pytest.raises(DamagedFileError, match=r"has no member cifar-10-batches-py/data_batch_1, "):
        read_batches(SMALL_CIFAR10, tmp_path)


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


RECONSTRUCT = np.zeros(1).__reduce__()[0]


@pytest.mark.parametrize(
    "hostile",
    [
        Calls(os.mkdir, "executed"),
        Calls(RECONSTRUCT, np.matrix, (0,), b"b"),
        Calls(RECONSTRUCT, OrderedDict, (0,), b"b"),
        np.array([len], dtype=object),
        Calls(__import__("_codecs").encode, "executed", "rot13"),
    ],
)
def test_a_pickle_that_does_more_than_hold_numbers_is_refused(
    hostile: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_folder(SMALL_CIFAR10, tmp_path)
    (folder / "data_batch_2").write_bytes(pickle.dumps({"data": hostile, "labels": [1]}))
    with pytest.raises(UnsafePickleError, match="data_batch_2"):
        read_batches(SMALL_CIFAR10, tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1, 2], "expected a dict"),
        ({"labels": [1]}, "expected a dict"),
        ({"data": [1], "labels": [1]}, "expected a dict"),
        ({"data": np.zeros((2, 3072), np.uint8)}, "expected a dict"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, "1 x 3072 bytes, one row per label, got"),
        ({"data": np.zeros((1, 768), np.uint8), "labels": [1]}, r"got \(1, 768\) of uint8"),
        ({"data": np.zeros((1, 3072), np.float32), "labels": [1]}, "of float32"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": ["cat"]}, "list of whole numbers"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [1]}, "should hold 23 training images .* got 19"),
    ],
)
def test_a_batch_of_something_else_is_refused(batch: Any, message: str, tmp_path: Path) -> None:
    folder = write_folder(SMALL_CIFAR10, tmp_path)
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch))
    with pytest.raises(InputError, match=message):
        read_batches(SMALL_CIFAR10, tmp_path)


def test_labels_may_be_an_array_and_data_in_fortran_order(tmp_path: Path) -> None:
    folder = write_folder(SMALL_CIFAR10, tmp_path)
    batch = batch_of(SMALL_CIFAR10, np.arange(5), 0)
    batch = batch | {"data": np.asfortranarray(batch["data"]), "labels": np.array(batch["labels"], ">i4")}
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch))
    train, _test = read_batches(SMALL_CIFAR10, tmp_path)
    assert numbers_of(train.images).tolist() == list(range(23))
    assert train.labels[:5].tolist() == list(range(5))


# IDX files.


def idx(data: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">4B{data.ndim}i", 0, 0, 8, data.ndim, *data.shape) + data.tobytes()


@pytest.fixture(scope="module")
def fashion_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Image i begins with i modulo 251; its class is i modulo 10."""
    folder = tmp_path_factory.mktemp("data") / "fashion-mnist"
    folder.mkdir()
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 0, 0] = np.arange(count) % 251
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images), 1))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels), 1))
    return folder


def test_fashion_mnist(fashion_mnist: Path) -> None:
    task = image_task("fashion-mnist", fashion_mnist.parent, seed=3)
    assert (task.split, task.image_shape, task.num_classes) == ("own-seed-3", (1, 28, 28), 10)
    train, valid, test = task.train, task.evaluation["valid"], task.evaluation["test"]
    assert (len(train), len(valid), len(test)) == (50_000, 10_000, 10_000)
    assert test.images[:, 0, 0, 0].tolist() == [i % 251 for i in range(10_000)]
    assert test.labels.tolist() == [i % 10 for i in range(10_000)]
    expected = random_split(60_000, 10_000, seed=3)
    for part, indices in zip((valid, train), expected, strict=True):
        assert part.images[:, 0, 0, 0].tolist() == (indices % 251).tolist()
        assert part.labels.tolist() == (indices % 10).tolist()
    assert image_task("fashion-mnist", fashion_mnist.parent, seed=4).fingerprint() != task.fingerprint()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, InputError),
        (b"", DamagedFileError),
        (b"not gzip", DamagedFileError),
        (gzip.compress(b""), DamagedFileError),
        (gzip.compress(b"\0\0\x08"), DamagedFileError),
        (gzip.compress(idx(np.zeros((10, 28, 27), np.uint8))), DamagedFileError),
        (gzip.compress(idx(np.zeros((10, 28, 28), np.uint8))[:-1]), DamagedFileError),
        (gzip.compress(b"\0\0\x09" + idx(np.zeros((10, 28, 28), np.uint8))[3:]), DamagedFileError),
        (gzip.compress(idx(np.zeros((10, 28, 28), np.uint8)))[:-9], DamagedFileError),
        (gzip.compress(idx(np.zeros((9_999, 28, 28), np.uint8))), InputError),
    ],
    ids=["absent", "empty", "no gzip", "no header", "header", "width", "short", "type", "cut", "too few"],
)
def test_a_bad_idx_file_is_refused(
    fashion_mnist: Path, tmp_path: Path, content: bytes | None, error: type[InputError]
) -> None:
    for path in fashion_mnist.iterdir():
        (tmp_path / path.name).symlink_to(path)
    bad = tmp_path / "t10k-images-idx3-ubyte.gz"
    bad.unlink()
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(error, match=r"download (it|it again|the files again) from https"):
        read_fashion_mnist(tmp_path)


# Index lists.


def test_the_official_halves_of_cifar10(shared_data: Path) -> None:
    train, valid = cifar10_halves()
    assert train[:10].tolist() == [0, 5, 7, 11, 13, 15, 16, 17, 20, 24]
    assert md5_of_indices(train) == "33271aabb5cacdf1c47132344207b167"
    assert md5_of_indices(valid) == "bd93afc25a3cdc817687b3116cb89324"
    published = split_lists(shared_data, "cifar-split.txt")
    np.testing.assert_array_equal(train, published["train"])
    np.testing.assert_array_equal(valid, published["valid"])


@pytest.mark.parametrize("split_file", [CIFAR100_SPLIT, IMAGENET16_120_SPLIT], ids=["cifar100", "ImageNet16-120"])
@pytest.mark.parametrize("kind", [int, str])
def test_published_lists_are_read_back(split_file: SplitFile, kind: type, shared_data: Path, tmp_path: Path) -> None:
    lists = split_lists(shared_data, split_file.file)
    write_split(tmp_path / split_file.file, lists, kind)
    read = split_file.read(tmp_path)
    assert read is not None
    np.testing.assert_array_equal(read[0], lists["xvalid"])
    np.testing.assert_array_equal(read[1], lists["xtest"])


def test_changed_lists_are_refused_and_absent_ones_are_none(shared_data: Path, tmp_path: Path) -> None:
    assert CIFAR100_SPLIT.read(tmp_path) is None
    path = tmp_path / CIFAR100_SPLIT.file
    lists = split_lists(shared_data, CIFAR100_SPLIT.file)
    lists["xtest"][0] = 1
    write_split(path, lists)
    with pytest.raises(InputError, match=r"cifar100-test-split\.txt: the MD5 of the list 'xtest' should be bc3f"):
        CIFAR100_SPLIT.read(tmp_path)
    for content in ("", "[]", '{"xvalid": ["int", [1]]}', '{"xvalid": 1, "xtest": 2}', '{"xvalid": ["int", ["a"]]}'):
        path.write_text(content)
        with pytest.raises(DamagedFileError, match="expected JSON"):
            CIFAR100_SPLIT.read(tmp_path)


def test_a_random_split_is_a_partition_and_depends_on_its_seed() -> None:
    first, rest = random_split(10, 4, seed=0)
    assert (len(first), sorted([*first, *rest])) == (4, list(range(10)))
    assert list(first) == sorted(first)
    np.testing.assert_array_equal(first, random_split(10, 4, seed=0)[0])
    assert any(random_split(10, 4, seed=seed)[0].tolist() != first.tolist() for seed in range(1, 4))


# Tasks, at full size.


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data_dir = tmp_path_factory.mktemp("full_size")
    write_tar(CIFAR10, data_dir)
    write_tar(CIFAR100, data_dir)
    write_folder(IMAGENET16_120, data_dir)
    yield data_dir
    shutil.rmtree(data_dir)


def assert_images(part: Any, indices: NDArray[np.int64] | range, num_classes: int) -> None:
    expected = np.array(indices)
    np.testing.assert_array_equal(numbers_of(part.images.numpy()), expected)
    np.testing.assert_array_equal(part.labels.numpy(), expected % num_classes)


def test_cifar10_trains_on_half_or_on_all(full_size: Path, shared_data: Path) -> None:
    halves = split_lists(shared_data, "cifar-split.txt")
    task = image_task("cifar10-valid", full_size)
    assert (task.name, task.split, task.num_classes, task.image_shape) == ("cifar10-valid", "official", 10, (3, 32, 32))
    assert_images(task.train, halves["train"], 10)
    assert_images(task.evaluation["valid"], halves["valid"], 10)
    assert_images(task.evaluation["test"], range(10_000), 10)
    assert task.official_names == {"valid": "x-valid", "test": "ori-test"}
    task = image_task("cifar10", full_size)
    assert_images(task.train, range(50_000), 10)
    assert list(task.evaluation) == ["test"]
    assert_images(task.evaluation["test"], range(10_000), 10)
    assert task.official_names == {"test": "ori-test"}


@pytest.mark.parametrize(
    ("name", "split_file", "archive", "padding"),
    [("cifar100", CIFAR100_SPLIT, CIFAR100, 4), ("ImageNet16-120", IMAGENET16_120_SPLIT, IMAGENET16_120, 2)],
)
def test_cifar100_and_imagenet16_halve_their_test_images(
    full_size: Path, shared_data: Path, name: str, split_file: SplitFile, archive: BatchArchive, padding: int
) -> None:
    lists = split_lists(shared_data, split_file.file)
    write_split(full_size / split_file.file, lists)
    task = image_task(name, full_size)
    assert (task.name, task.split, task.augmentation.padding) == (name, "official", padding)
    assert_images(task.train, range(archive.train_images), archive.num_classes)
    assert_images(task.evaluation["valid"], lists["xvalid"], archive.num_classes)
    assert_images(task.evaluation["test"], lists["xtest"], archive.num_classes)
    assert task.official_names == {"valid": "x-valid", "test": "x-test", "valtest": "ori-test"}
    (full_size / split_file.file).unlink()
    task = image_task(name, full_size, seed=5)
    assert task.split == "own-seed-5"
    size = sum(len(part) for part in lists.values())
    for part, indices in zip(task.evaluation.values(), random_split(size, size // 2, seed=5), strict=True):
        assert_images(part, indices, archive.num_classes)
