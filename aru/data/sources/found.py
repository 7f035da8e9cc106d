"""What a source of own photos finds: the interface of `table`, `folder` and what others add by `aru.sources`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import NamedTuple

from aru.core.errors import InputError
from aru.core.suggestions import did_you_mean
from aru.data.archive import Archive
from aru.data.faults import Faults
from aru.data.sources.tables import IMAGE_ENDINGS

ENTRY_POINTS = "aru.sources"


class Photo(NamedTuple):
    """One photo: its name in the archive, and what is known of it, each "" where nothing is; `labels` by `Found.labels`."""

    path: str
    person: str = ""
    family: str = ""
    split: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The photos, the names of their label columns, and sentences for the user about how they were found."""

    photos: list[Photo]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """What the user says about his photos: names of columns, a pattern of paths; None or () where it is to be guessed.

    Args:
        table: the table's file in the archive.
        encoding: of the table.
        pattern: paths as `{person}/{label}_{n}.jpg`; for the source `folder` also `class` or `person`, what a folder is.
        name_encoding: of names in a zip that do not say theirs.
        ignore_exif: read the photos without their EXIF orientation.
    """

    file: str | None = None
    person: str | None = None
    family: str | None = None
    split: str | None = None
    labels: tuple[str, ...] = ()
    table: str | None = None
    encoding: str | None = None
    pattern: str = "class"
    name_encoding: str | None = None
    ignore_exif: bool = False


Finder = Callable[[Archive, Columns, Faults], Found]


def finder(name: str) -> Finder:
    """The source of this name: `table`, `folder`, or one that an installed package offers; InputError where there is none."""
    from aru.data.sources.folder import find_by_folder
    from aru.data.sources.table import find_by_table

    own: dict[str, Finder] = {"table": find_by_table, "folder": find_by_folder}
    added = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in own:
        return own[name]
    if name in added:
        loaded: Finder = added[name].load()
        return loaded
    known = ["mufac", "mucac", *own, *added]
    raise InputError(f"unknown source {name!r}: the sources are {', '.join(known)}{did_you_mean(name, known)}")


def image_names(archive: Archive) -> list[str]:
    """The image files of an archive, in order of their names."""
    return sorted(name for name in archive.names() if name.lower().endswith(IMAGE_ENDINGS))


def top_folder(names: list[str]) -> str:
    """The one folder that holds everything, as a prefix; "" where there is none."""
    tops = {name.partition("/")[0] for name in names}
    return f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in names) else ""
