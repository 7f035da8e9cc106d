"""The layout "table": the archive that `aru data import` writes of photos in any other layout.

table.csv     path,person,family,split and a column for each label: the name of a class, as in labels.json; split is train,
              test or unseen; person is empty where nobody knows whom the photo shows, family where there are no groups
labels.json   label column -> the names of its classes, in the order of their numbers
exif.json     only where the photos are to be read without their EXIF orientation: {"ignore": true}
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TextIO

from aru.core.label_columns import MULTILABEL
from aru.data.archive import Archive, open_archive
from aru.data.archive_names import normalized_path
from aru.data.classes import FIXED, LABELS_FILE, Classes, parse_classes
from aru.data.faults import Fault, Faults
from aru.data.manifest import IDENTITY
from aru.data.sources.source import Listing, Row, Source, Split
from aru.data.sources.tables import csv_with, read_csv, read_text

TABLE = "table.csv"
EXIF_FILE = "exif.json"
EXIF_TEXT = json.dumps({"ignore": True})
PHOTOS = "photos/"
"""The folder of the archive that an import puts the photos in."""
COLUMNS = ("path", "person", "family", "split")
SPLITS: Mapping[str, Split] = {"train": "train", "test": "val", "unseen": "test"}
"""The words of the table for the splits of `aru.data.sources.source`."""
_RESERVED = {*IDENTITY, MULTILABEL, "key", "suspect"}


def archive_classes(layout: str, path: Path) -> Classes:
    """The classes of an archive before it is read as a whole; those of MUFAC and MUCAC are fixed."""
    if layout != CANONICAL.name:
        return FIXED
    with open_archive(path) as archive:
        return parse_classes(read_text(archive, LABELS_FILE).encode(), f"{path}: {LABELS_FILE}")


def ignores_exif(archive: Archive) -> bool:
    """Whether the photos of an archive are to be read without their EXIF orientation: where it has exif.json."""
    return EXIF_FILE in archive.names()


def usable_label(name: str) -> bool:
    """Whether a label column can have this name: not one of the manifest's own, without a comma, which joins labels."""
    return bool(name) and name == name.strip() and name not in _RESERVED and "," not in name


def write_table(file: TextIO, rows: Iterable[Row], classes: Classes) -> None:
    """Write the content of table.csv."""
    words = {split: word for word, split in SPLITS.items()}
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, *classes])
    for row in rows:
        names = [names[number] for names, number in zip(classes.values(), row.labels, strict=True)]
        writer.writerow([row.path, row.person, row.family, words[row.split], *names])


def _read(archive: Archive, faults: Faults) -> Listing:
    classes: Classes = {}
    with faults.collected(LABELS_FILE):
        classes = parse_classes(read_text(archive, LABELS_FILE).encode(), LABELS_FILE)
        for name in classes:
            if not usable_label(name):
                raise Fault(f"has the label {name!r}, a name that is not free", "import the photos again with another name")
    return Listing(list(_rows(archive, classes, faults)), classes)


def _only(archive: Archive, photos: Set[str]) -> dict[str, str]:
    return {TABLE: csv_with(archive, TABLE, "path", photos)}


def _rows(archive: Archive, classes: Classes, faults: Faults) -> Iterator[Row]:
    numbers = {label: {name: number for number, name in enumerate(names)} for label, names in classes.items()}
    for line, cells in read_csv(archive, TABLE, (*COLUMNS, *classes), faults, filled=("path", "split", *classes)):
        where = f"{TABLE}, line {line}:"
        unknown: Sequence[str] = [label for label in classes if cells[label] not in numbers[label]]
        for label in unknown:
            faults.add(f"{where} {label} {cells[label]!r}", f"is no class of {LABELS_FILE}", "correct it")
        if cells["split"] not in SPLITS:
            faults.add(f"{where} split {cells['split']!r}", f"is none of {', '.join(SPLITS)}", "correct it")
        elif not unknown:
            labels = tuple(numbers[label][cells[label]] for label in classes)
            path = normalized_path(cells["path"])
            yield Row(path, cells["family"], cells["person"], SPLITS[cells["split"]], labels)


CANONICAL = Source(name="table", title="table", received="zip file", tables=TABLE, read=_read, only=_only)
