"""What the stage `prepare` wrote, read once a process for as long as its files stay what they are."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from aru.data.classes import LABELS_FILE
from aru.data.images import load_images
from aru.data.manifest import read_manifest

MANIFEST, IMAGES = "manifest.csv", "images.npy"

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Time of change in ns, size in bytes and inode of each file; None of one that is not there."""


def stamp_of(prepared: Path) -> Stamp:
    """What changes with a new manifest, new images or new classes: a process outlives imports."""
    return tuple(_stamp(Path(prepared) / name) for name in (MANIFEST, IMAGES, LABELS_FILE))


def manifest_of(prepared: Path) -> pd.DataFrame:
    """The manifest. Raises InputError as `read_manifest` does."""
    return _manifest(Path(prepared), stamp_of(prepared))


def pixels_of(prepared: Path) -> np.ndarray:
    """A digest of the decoded pixels of each row. Shape: (N,) of 32 hex digits.

    The digest of a file does not say how it was decoded: by which decoder, and whether turned as its EXIF says.
    """
    return _pixels(Path(prepared), stamp_of(prepared))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


@lru_cache(maxsize=2)
def _manifest(prepared: Path, stamp: Stamp) -> pd.DataFrame:
    return read_manifest(prepared / MANIFEST)


@lru_cache(maxsize=2)
def _pixels(prepared: Path, stamp: Stamp) -> np.ndarray:
    images = load_images(prepared / IMAGES, len(_manifest(prepared, stamp)))
    return np.array([hashlib.sha256(image.tobytes()).hexdigest()[:32] for image in images], dtype=object)
