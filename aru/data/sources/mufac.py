"""The archive layout of MUFAC, the Machine Unlearning for Facial Age Classifier benchmark (arXiv 2311.02240).

custom_train_dataset.csv   family_id,person_id,age_class,image_path     the images are in train_images/
custom_val_dataset.csv     likewise                                     val_images/, the test set
custom_test_dataset.csv    likewise                                     test_images/, the unseen set
"""

from collections.abc import Iterator, Set
from typing import get_args

from aru.data.archive import Archive
from aru.data.archive_names import normalized_path
from aru.data.classes import FIXED
from aru.data.faults import Faults
from aru.data.sources.source import Listing, Row, Source, Split
from aru.data.sources.tables import csv_with, folder_of, read_csv

AGES = "abcdefgh"  # 0-6, 7-12, 13-19, 20-30, 31-45, 46-55, 56-66, 67-80 years
COLUMNS = ("family_id", "person_id", "age_class", "image_path")


def _read(archive: Archive, faults: Faults) -> Listing:
    splits: tuple[Split, ...] = get_args(Split)
    prefix = folder_of(archive, _table(splits[0]))
    return Listing([row for split in splits for row in _rows(archive, prefix, split, faults)], {"age": FIXED["age"]})


def _rows(archive: Archive, prefix: str, split: Split, faults: Faults) -> Iterator[Row]:
    name = prefix + _table(split)
    for line, cells in read_csv(archive, name, COLUMNS, faults):
        family, person, age, path = (cells[column] for column in COLUMNS)
        if age in tuple(AGES):
            yield Row(_folder(prefix, split) + normalized_path(path), family, person, split, (AGES.index(age),))
        else:
            faults.add(f"{name}, line {line}: age_class {age!r}", f"is none of {', '.join(AGES)}", "correct it")


def _only(archive: Archive, photos: Set[str]) -> dict[str, str]:
    splits: tuple[Split, ...] = get_args(Split)
    prefix = folder_of(archive, _table(splits[0]))
    found = {}
    for split in splits:
        folder, table = _folder(prefix, split), prefix + _table(split)
        within = {path.removeprefix(folder) for path in photos if path.startswith(folder)}
        found[table] = csv_with(archive, table, "image_path", within)
    return found


def _folder(prefix: str, split: Split) -> str:
    return f"{prefix}{split}_images/"


def _table(split: Split) -> str:
    return f"custom_{split}_dataset.csv"


MUFAC = Source(name="mufac", title="MUFAC", received="zip file", tables="the CSV files", read=_read, only=_only)
