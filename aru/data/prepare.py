"""The manifest of an archive: every image checked, its photo and its person, and the set it belongs to."""

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from aru.compute.kernels.memory import return_freed_memory
from aru.core.config import MergeConfig
from aru.core.errors import InputError
from aru.core.files import bytes_md5
from aru.core.progress import Progress, silent
from aru.data.archive import Archive, open_archive
from aru.data.classes import Classes
from aru.data.copies import SIDE
from aru.data.decoding import decode, decode_photo
from aru.data.faults import Faults
from aru.data.ids import UNKNOWN_PERSON, normalized_id
from aru.data.photos import photo_id, photo_ids, thumbnail
from aru.data.sources.canonical import ignores_exif
from aru.data.sources.registry import source_by_name
from aru.data.sources.source import Listing, Row
from aru.data.sources.tables import check_files
from aru.data.splits import assign_roles
from aru.data.subjects import DEFAULT_MERGE, subject_ids
from aru.data.suppression.screening import Screen, Suppressed
from aru.data.thumbnails import Thumbnails


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
    """Check the whole archive and return the manifest: the file, photo, person and role of every image."""
    return assign_people_and_roles(
        read_rows(layout, archive, progress=progress),
        layout=layout,
        protocol=protocol,
        forget=forget,
        seed=seed,
        merge=merge,
        progress=progress,
    )


def assign_people_and_roles(
    rows: pd.DataFrame,
    *,
    layout: str,
    protocol: str,
    forget: dict[str, Any],
    seed: int = 0,
    merge: MergeConfig = DEFAULT_MERGE,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The rows of `read_rows` with their columns `subject` and `role`."""
    people = rows.assign(subject=subject_ids(rows, merge, progress))
    progress(0, 1, "assign sets")
    assigned = assign_roles(people, layout=layout, protocol=protocol, forget=forget, seed=seed, merge=merge)
    progress(1, 1, "assign sets")
    return assigned


def read_rows(layout: str, archive: Path, *, screen: Screen | None = None, progress: Progress = silent) -> pd.DataFrame:
    """The rows of `read_archive`."""
    return read_archive(layout, archive, screen=screen, progress=progress).rows


@dataclass(frozen=True)
class ArchiveRows:
    """A checked archive: a row for each image with its file, photo, family, person, split and labels.

    `classes` has the class names of each label column; `notes` are sentences for the user about how the tables were read;
    `suppressed` counts what the suppression list kept out, None where the project has nobody on it.
    """

    rows: pd.DataFrame
    classes: Classes
    notes: tuple[str, ...]
    suppressed: Suppressed | None = None


def read_archive(layout: str, path: Path, *, screen: Screen | None = None, progress: Progress = silent) -> ArchiveRows:
    """Check the whole archive and read its rows, without those that a screen keeps out.

    All faults of tables, names and images are one InputError.
    """
    return_freed_memory()
    source, faults = source_by_name(layout), Faults(str(path))
    with open_archive(path, faults) as archive:
        progress(0, 1, "read tables")
        rows, classes, notes = listed_rows(source.read(archive, faults), archive, source.tables, faults)
        progress(1, 1, "read tables")
        ignore_exif = ignores_exif(archive)
        rows, remarks = checked_rows(rows, archive, faults, ignore_exif=ignore_exif, screen=screen, progress=progress)
    faults.raise_if_any()
    suppressed = screen.found if screen is not None else None
    if rows.empty:
        why = "all of them are on the suppression list" if suppressed and suppressed["rows"] else "its tables have no rows"
        raise InputError(f"{path} names no images: {why}")
    notes = (*notes, *archive.notes, *remarks)
    return ArchiveRows(rows.reset_index(drop=True), classes, notes, suppressed)


def listed_rows(
    listing: Listing, archive: Archive, tables: str, faults: Faults
) -> tuple[pd.DataFrame, Classes, tuple[str, ...]]:
    """The rows of a listing whose images are there, with its classes and notes: a table, a tenth of the listing's memory."""
    readable = check_files((row.path for row in listing.rows), archive, tables, faults)
    rows = _table([row for row in listing.rows if row.path in readable], tuple(listing.classes))
    return rows, listing.classes, listing.notes


def checked_rows(
    rows: pd.DataFrame,
    archive: Archive,
    faults: Faults,
    *,
    ignore_exif: bool = False,
    screen: Screen | None = None,
    progress: Progress = silent,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows of `listed_rows` with the digest, photo and note of each image, complete only without faults; remarks.

    An image without a person is a person of its own, together with its copies, named by the path of the first of them.
    Rows that the screen keeps out are missing in the index, which is otherwise the places in the listing.
    One decoded image is held at a time, and of each a thumbnail (`Thumbnails`).
    """
    files: dict[str, int] = {}
    numbers = array("q")  # a list of a million takes a multiple
    remarks: Counter[str] = Counter()
    with Thumbnails(SIDE) as thumbnails:
        for number, name in enumerate(rows["path"], start=1):
            with faults.collected(name):
                content = archive.read(name)
                digest = bytes_md5(content)
                if digest not in files:
                    decoded = decode(content, ignore_exif=ignore_exif)
                    thumbnails.append(thumbnail(decoded.photo))
                    if screen is not None:
                        screen.see(digest, decoded.photo)
                    files[digest] = len(files)
                    remarks.update(decoded.remarks)
                numbers.append(files[digest])
            if number % 256 == 0 or number == len(rows):
                progress(number, len(rows), "check")
        notes = tuple(f"Images that are {remark}: {count}." for remark, count in remarks.items())
        if faults or rows.empty:
            return rows, notes
        photos, known = photo_ids(numbers, thumbnails, progress)
    rows["digest"] = np.array(list(files), dtype=object)[numbers]
    rows["photo"], rows["note"] = photos, known
    if screen is not None:
        rows = screen.kept(rows, numbers).copy()
        left = pd.factorize(rows["photo"])[0].tolist()  # numbered as if the others had never been there
        rows["photo"] = [photo_id(number) for number in left]
        notes = (*notes, *filter(None, [screen.note()]))
    rows.insert(0, "row", range(len(rows)))
    own = UNKNOWN_PERSON + rows.groupby("photo")["path"].transform("first").map(normalized_id)
    rows["person"] = rows["person"].where(rows["person"] != "", own)
    return rows, notes


def _table(rows: list[Row], labels: tuple[str, ...]) -> pd.DataFrame:
    """The rows of a source as a table: path, family, person, split, and a column for each label."""
    identity: dict[str, list[Any]] = {
        "path": [row.path for row in rows],
        "family": [normalized_id(row.family) for row in rows],
        "person": [normalized_id(row.person) for row in rows],
        "split": [row.split for row in rows],
    }
    return pd.DataFrame(identity | {label: [row.labels[place] for row in rows] for place, label in enumerate(labels)})


def read_images(archive: Path, paths: list[str]) -> Iterator[Image.Image]:
    """The decoded images of an archive that `build_manifest` has checked, in the order of `paths`."""
    with open_archive(archive) as opened:
        ignore_exif = ignores_exif(opened)
        for path in paths:
            yield decode_photo(opened.read(path), ignore_exif=ignore_exif)
