"""The photos of an archive of which an uploaded one is a copy: the same bytes, another encoding, an edit.

This finds copies of the photo itself, and no other photos of the person in it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from aru.core.errors import InputError
from aru.core.files import bytes_md5
from aru.core.progress import Progress, silent
from aru.data.alignment import Window
from aru.data.archive import open_archive
from aru.data.copies import SIDE, find_copies
from aru.data.decoding import decode_photo
from aru.data.descriptors import MIN_CORRELATION, VIEWS, Pictures, descriptors
from aru.data.faults import Fault
from aru.data.photos import thumbnail
from aru.data.sources.canonical import ignores_exif
from aru.data.thumbnails import Thumbnails


def photos_of_upload(upload: bytes, archive: Path, manifest: pd.DataFrame, *, progress: Progress = silent) -> list[str]:
    """The ids of the photos of which the uploaded file is a copy, by its bytes or by its picture; nothing is stored.

    Raises InputError where the upload is no photo.
    """
    files = manifest.drop_duplicates("digest")
    same = set(files["photo"][files["digest"] == bytes_md5(upload)])
    with open_archive(archive) as source, Thumbnails(SIDE) as pictures:
        ignore_exif = ignores_exif(source)
        try:
            pictures.append(thumbnail(decode_photo(upload, ignore_exif=ignore_exif)))
        except Fault as fault:
            raise InputError(f"the uploaded file is no photo that can be read: {fault}") from None
        for number, path in enumerate(files["path"], start=1):
            pictures.append(thumbnail(decode_photo(source.read(path), ignore_exif=ignore_exif)))
            if number % 256 == 0 or number == len(files):
                progress(number, len(files), "compare")
        similar = np.flatnonzero(_alike(pictures)[1:]) + 1
        chosen = np.concatenate([[0], similar]).astype(np.int64)
        copies = [copy.other for copy in find_copies(pictures[chosen]) if copy.one == 0]
        return sorted(same | {str(files["photo"].iloc[int(chosen[place]) - 1]) for place in copies})


def _alike(pictures: Pictures) -> np.ndarray:
    """Whether each picture correlates with the first one in some view of either, as `find_copies` searches. (N,) bool."""
    upright = descriptors(pictures, Window())
    alike = np.zeros(len(pictures), bool)
    for view in VIEWS:
        turned = descriptors(pictures, view)
        alike |= (upright @ turned[0] >= MIN_CORRELATION) | (turned @ upright[0] >= MIN_CORRELATION)
    return alike
