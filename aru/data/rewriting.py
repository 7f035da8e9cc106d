"""An archive again, with some of its photos alone: what is left when people are taken out of it."""

import zipfile
from collections.abc import Set
from pathlib import Path

from aru.core.files import atomic_path
from aru.data.archive import open_archive
from aru.data.sources.registry import source_by_name
from aru.data.sources.tables import IMAGE_ENDINGS

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


def write_archive_with(layout: str, path: Path, target: Path, photos: Set[str]) -> None:
    """Write the zip `target`, which may be `path`: these photos of an archive, their rows in its tables, its other files.

    The same content gives the same bytes. `path` is an archive that `aru.data.prepare.read_archive` reads without faults.
    """
    with open_archive(path) as archive, atomic_path(target) as temporary:
        tables = source_by_name(layout).only(archive, photos)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as written:
            for name in archive.names():
                if name in photos or not name.lower().endswith(IMAGE_ENDINGS):
                    entry = zipfile.ZipInfo(name, _EPOCH)
                    entry.external_attr = 0o644 << 16
                    written.writestr(entry, tables[name] if name in tables else archive.read(name))
