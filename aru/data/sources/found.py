"""What a source of own photos finds: the interface of `table`, `folder`, `cifar10` and what others add by `aru.sources`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from aru.core.errors import InputError
from aru.core.suggestions import did_you_mean
from aru.data.archive import Archive
from aru.data.faults import Faults
from aru.data.sources.tables import IMAGE_ENDINGS

ENTRY_POINTS = "aru.sources"
PUBLISHED = ("mufac", "mucac")
CIFAR10 = "cifar10"
SPLIT_FOLDERS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "unseen", "holdout"}
"""Names of folders that say the split of what is in them."""


class Photo(NamedTuple):
    """One photo: its name in the archive, and what is known of it, each "" where nothing is; `labels` by `Found.labels`."""

    path: str
    person: str = ""
    family: str = ""
    split: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The photos, the names of their label columns, sentences for the user about how they were found, and other files read."""

    photos: list[Photo]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


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


_OPTIONS = {
    "file": "--file-column",
    "person": "--person-column",
    "family": "--family-column",
    "split": "--split-column",
    "labels": "--label-column",
    "table": "--table-file",
    "encoding": "--encoding",
}


def check_options(source: str, columns: Columns) -> None:
    """Raise InputError where an option is of another source of this project than the one that is used."""
    if source in (*PUBLISHED, CIFAR10) and columns != Columns():
        raise InputError(f"the source {source} is read as it is published: leave out what describes your own photos")
    if source == "folder":
        wrong = next((option for name, option in _OPTIONS.items() if getattr(columns, name)), None)
        if wrong is not None:
            raise InputError(f"{wrong} is an option of the source table, not of {source}: leave it out, or import by `table`")
    if source == "table" and columns.pattern != Columns.pattern:
        raise InputError("--pattern is an option of the source folder, not of table: leave it out, or import by `folder`")


def finder(name: str) -> Finder:
    """The source of this name: `table`, `folder`, `cifar10`, or one that an installed package offers.

    Raises InputError where there is none.
    """
    from aru.data.sources.cifar10 import find_in_package
    from aru.data.sources.folder import find_by_folder
    from aru.data.sources.table import find_by_table

    own: dict[str, Finder] = {"table": find_by_table, "folder": find_by_folder, CIFAR10: find_in_package}
    added = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in own:
        return own[name]
    if name in added:
        return _checked(name, added[name])
    known = [*PUBLISHED, *own, *added]
    raise InputError(f"unknown source {name!r}: the sources are {', '.join(known)}{did_you_mean(name, known)}")


def _checked(name: str, point: EntryPoint) -> Finder:
    """The source of another package; InputError where it cannot be loaded, or does not find what a source finds."""
    try:
        find = point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"the source {name!r} of {point.value} cannot be loaded ({error}): install its package again"
        ) from error

    def checked(archive: Archive, columns: Columns, faults: Faults) -> Found:
        found = find(archive, columns, faults)
        if not isinstance(found, Found) or any(len(photo.labels) != len(found.labels) for photo in found.photos):
            raise InputError(f"the source {name!r} of {point.value} gives no Found with a label of each column for each photo")
        return found

    return checked


def image_names(archive: Archive) -> list[str]:
    """The image files of an archive, in order of their names."""
    return sorted(name for name in archive.names() if name.lower().endswith(IMAGE_ENDINGS))


def top_folder(names: list[str]) -> str:
    """The one folder that holds everything, as a prefix; "" where there is none."""
    tops = {name.partition("/")[0] for name in names}
    return f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in names) else ""
