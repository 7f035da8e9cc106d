"""From an archive to a manifest with roles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from aru.core.config import MergeConfig
from aru.core.errors import InputError
from aru.core.files import bytes_md5
from aru.core.progress import Progress, silent
from aru.data.archive import open_archive
from aru.data.decoding import decode_photo
from aru.data.faults import Faults
from aru.data.ids import normalized_id
from aru.data.photos import photo_ids, thumbnail
from aru.data.sources.mucac import read_mucac
from aru.data.sources.mufac import read_mufac
from aru.data.splits import assign_roles
from aru.data.subjects import DEFAULT_MERGE, subject_ids

_READERS = {"mufac": read_mufac, "mucac": read_mucac}


def build_manifest(
    layout: str,
    archive: Path,
    *,
    protocol: str,
    forget: dict[str, Any],
    seed: int = 0,
    merge: MergeConfig = DEFAULT_MERGE,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Check the whole archive and say of every image what it is, whose it is and which set it is in."""
    return assign_people_and_roles(
        read_rows(layout, archive, progress=progress), layout=layout, protocol=protocol, forget=forget, seed=seed, merge=merge
    )


def assign_people_and_roles(
    rows: pd.DataFrame,
    *,
    layout: str,
    protocol: str,
    forget: dict[str, Any],
    seed: int = 0,
    merge: MergeConfig = DEFAULT_MERGE,
) -> pd.DataFrame:
    """The rows of `read_rows` with their columns `subject` and `role`."""
    people = rows.assign(subject=subject_ids(rows, merge))
    return assign_roles(people, layout=layout, protocol=protocol, forget=forget, seed=seed, merge=merge)


def read_rows(layout: str, archive: Path, *, progress: Progress = silent) -> pd.DataFrame:
    """Check the whole archive and say of every image what it is: its file, photo, filing, split and labels.

    All that is wrong with tables, names and images is one InputError.
    """
    if layout not in _READERS:
        raise InputError(f"unknown layout {layout!r}: the layouts are {', '.join(_READERS)}")
    faults = Faults(str(archive))
    with open_archive(archive) as source:
        rows = _READERS[layout](source, faults)
        rows = rows.assign(**{name: rows[name].map(normalized_id) for name in ("family", "person")})
        digests: list[str] = []
        thumbnails: dict[str, np.ndarray] = {}
        for number, path in enumerate(rows["path"], start=1):
            with faults.collected(path):
                content = source.read(path)
                digest = bytes_md5(content)
                digests.append(digest)
                if digest not in thumbnails:
                    thumbnails[digest] = thumbnail(decode_photo(content))
            if number % 256 == 0 or number == len(rows):
                progress(number, len(rows), "check")
    faults.raise_if_any()
    if rows.empty:
        raise InputError(f"{archive} names no images: its tables have no rows")
    rows.insert(0, "row", range(len(rows)))
    rows["digest"] = digests
    rows["photo"], rows["note"] = photo_ids(digests, thumbnails)
    return rows


def read_images(layout: str, archive: Path, paths: list[str]) -> Iterator[Image.Image]:
    """The images of an archive that `build_manifest` has checked, as they are seen, in the order of `paths`."""
    with open_archive(archive) as source:
        for path in paths:
            yield decode_photo(source.read(path))
