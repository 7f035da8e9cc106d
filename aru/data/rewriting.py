"""An archive again, with some of its photos alone: what is left when people are taken out of it."""

import zipfile
from collections.abc import Set
from pathlib import Path

from aru.core.files import atomic_path
from aru.data.archive import Archive, open_archive
from aru.data.faults import Faults
from aru.data.sources.found import image_names
from aru.data.sources.registry import source_by_name

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


def photo_names(layout: str, archive: Archive) -> set[str]:
    """The photos of an archive: the files that its tables name, with whatever ending, and image files without a row."""
    rows = source_by_name(layout).read(archive, Faults(layout)).rows
    return {*image_names(archive), *({row.path for row in rows} & {*archive.names()})}


def write_archive_with(layout: str, path: Path, target: Path, photos: Set[str]) -> None:
    """Write the zip `target`, which may be `path`: these photos of an archive, their rows in its tables, its other files.

    The same content gives the same bytes. `path` is an archive that `aru.data.prepare.read_archive` reads without faults.
    """
    with open_archive(path) as archive, atomic_path(target) as temporary:
        tables, all_photos = source_by_name(layout).only(archive, photos), photo_names(layout, archive)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as written:
            for name in archive.names():
                if name in photos or name not in all_photos:
                    entry = zipfile.ZipInfo(name, _EPOCH)
                    entry.external_attr = 0o644 << 16
                    written.writestr(entry, tables[name] if name in tables else archive.read(name))
