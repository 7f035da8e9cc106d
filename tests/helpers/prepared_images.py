"""Images that are decoded otherwise than before, from the same files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from aru.core.files import atomic_path


def turn_images(prepared: Path, rows: Iterable[int]) -> None:
    """Write images.npy anew with these rows upside down, as another decision about EXIF leaves them."""
    images = np.load(prepared / "images.npy")
    for row in rows:
        images[row] = images[row, ::-1]
    with atomic_path(prepared / "images.npy") as temporary, temporary.open("wb") as file:
        np.save(file, images)
