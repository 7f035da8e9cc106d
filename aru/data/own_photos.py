"""A user's own photos -> one archive of the layout "table": found, checked as a whole, split by person, written."""

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from aru.compute.kernels.memory import return_freed_memory
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from aru.data.archive import Archive, open_archive
from aru.data.classes import LABELS_FILE, MAX_CLASSES, MIN_CLASSES, Classes
from aru.data.faults import Faults
from aru.data.ids import UNKNOWN_PERSON
from aru.data.manifest import IDENTITY_LABEL, people_are_classes
from aru.data.prepare import ArchiveRows, checked_rows, listed_rows
from aru.data.sources.canonical import EXIF_FILE, EXIF_TEXT, PHOTOS, SPLITS, TABLE, usable_label, write_table
from aru.data.sources.cifar10 import open_package
from aru.data.sources.found import CIFAR10, Columns, Found, Photo, finder
from aru.data.sources.source import Listing, Row, Split
from aru.data.sources.table_rows import ENDINGS
from aru.data.subjects import split_groups, subject_ids
from aru.data.suppression.screening import Screen

LEAST_GROUPS = 4
"""People, or groups of people who may be one, that train, test and unseen need: two of them are trained on."""
TEST_AND_UNSEEN = 0.4
"""Share of the people who are not trained on, half of them in each set; where people are the classes, of each one's photos."""
LEAST_PHOTOS = 3
"""Photos of a person who is a class that train, test and unseen need; of one with fewer all are trained on."""
MOST_KINDS = 5
"""Endings that are named of the files that are left out."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
    "unseen": ("unseen", "holdout"),
}

Announce = Callable[[Sequence[str]], None]


def _nothing(notes: Sequence[str]) -> None:
    """Announce nothing."""


def convert(
    source: str,
    path: Path,
    target: Path,
    columns: Columns,
    *,
    seed: int = 0,
    screen: Screen | None = None,
    project: Path | None = None,
    announce: Announce = _nothing,
    progress: Progress = silent,
) -> ArchiveRows:
    """Read the photos at `path` (zip, folder, table, or package of CIFAR-10) by a source, and write the archive `target`.

    All faults of files, tables, names and photos are one InputError. Rows come back as `read_archive` gives them. `announce`
    gets the sentences about how the photos were found before the first of them is read; what it raises ends the import.
    Photos that `screen` keeps out are not written. The folder `project` is passed over where it lies among the photos.
    """
    return_freed_memory()
    find = finder(source)
    if not path.exists():
        raise InputError(f"{path} does not exist: name the folder, the zip file or the table that holds the photos")
    table_alone = path.is_file() and path.name.lower().endswith(ENDINGS)
    if table_alone:
        columns, path = Columns(**vars(columns) | {"table": path.name}), path.parent
    faults = Faults(str(path))
    encoding = columns.name_encoding
    with (
        open_package(path)
        if source == CIFAR10
        else open_archive(path, faults, name_encoding=encoding, named_only=table_alone, project=project)
    ) as archive:
        found = Found([])
        with faults.collected(str(path)):
            found = find(archive, columns, faults)
        notes, tables = (*found.notes, *archive.notes), set(found.tables)
        announce(notes)
        _check_paths(found, faults)
        found, classes, labels_note = _with_classes(found, faults)
        words = _words(found.photos, faults)
        listing = Listing(_rows(found, classes), classes)
        del found  # of a million photos each list is a part of the memory
        photos = _Only(archive, {row.path for row in listing.rows})
        rows, _, _ = listed_rows(listing, photos, "the table", faults)
        rows, remarks = checked_rows(rows, photos, faults, ignore_exif=columns.ignore_exif, screen=screen, progress=progress)
        faults.raise_if_any()
        suppressed = screen.found if screen is not None else None
        if rows.empty and suppressed and suppressed["rows"]:
            raise InputError(f"{path}: all photos are on the suppression list")
        if rows.empty:
            raise InputError(f"{path}: no photo was found; is it the right folder, and the right source?")
        listing = replace(listing, rows=[listing.rows[place] for place in rows.index])
        words = [words[place] for place in rows.index]
        rows = rows.reset_index(drop=True)
        splits, split_note = _splits(words, rows, seed, progress)
        rows["split"] = splits
        _write(target, photos, listing, splits, ignore_exif=columns.ignore_exif, progress=progress)
        rows["path"] = PHOTOS + rows["path"]
        unknown = rows["person"].str.startswith(UNKNOWN_PERSON)
        rows.loc[unknown, "person"] = UNKNOWN_PERSON + PHOTOS + rows["person"].str.removeprefix(UNKNOWN_PERSON)
        passed = _left_out([name for name in archive.names() if name not in photos.chosen and name not in tables])
    said = tuple(note for note in (*notes, labels_note, *remarks, split_note, passed) if note)
    return ArchiveRows(rows, classes, said, suppressed)


def _left_out(names: Sequence[str]) -> str:
    """A sentence about the files that no row and no pattern names, with the kinds that are most frequent."""
    if not names:
        return ""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in names).most_common(MOST_KINDS)
    return f"Other files, left out: {len(names)} ({', '.join(f'{kind}: {count}' for kind, count in kinds)})."


def _check_paths(found: Found, faults: Faults) -> None:
    """Photos whose names differ in capitals alone are one file on many systems."""
    names: dict[str, str] = {}
    for photo in found.photos:
        folded = photo.path.casefold()
        key = photo.path if folded == photo.path else folded  # one object, not two equal ones
        if names.setdefault(key, photo.path) != photo.path:
            faults.add(photo.path, "has the name of another photo but for capitals", "rename one, also in the table")


@dataclass(frozen=True)
class _Only:
    """The photos that were found, of an archive."""

    archive: Archive
    chosen: set[str]

    def names(self) -> list[str]:
        return [name for name in self.archive.names() if name in self.chosen]

    def read(self, name: str) -> bytes:
        return self.archive.read(name)


def _with_classes(found: Found, faults: Faults) -> tuple[Found, Classes, str]:
    """The classes of each label column in natural order; where there is no label, people are the classes, and a note says so.

    Values that are missing are faults already.
    """
    note = ""
    if not found.labels and found.photos:
        if not all(photo.person for photo in found.photos):
            faults.add("the photos", "have neither a label nor a person", "name a column by --label-column or --person-column")
            return found, {}, note
        photos = [photo._replace(labels=(photo.person,)) for photo in found.photos]
        note = f"No label is there: people are the classes ({IDENTITY_LABEL}), and photos of each are trained on and apart."
        found = replace(found, photos=photos, labels=(IDENTITY_LABEL,))
    classes = {
        label: tuple(sorted({photo.labels[place] for photo in found.photos} - {""}, key=_natural))
        for place, label in enumerate(found.labels)
    }
    for label, names in classes.items() if found.photos else ():
        if not usable_label(label) or (label == IDENTITY_LABEL and not note):
            faults.add(f"label column {label!r}", "has a name that is taken here, or a comma in it", "rename it")
        if not MIN_CLASSES <= len(names) <= MAX_CLASSES:
            faults.add(
                f"label column {label!r}",
                f"has {len(names)} classes, the limits are {MIN_CLASSES} and {MAX_CLASSES}",
                "name other columns by --label-column",
            )
    return found, classes, note


def _natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sort key: 2 before 10, and -1 before 1; names of one number, such as 1 and 01, by their text."""
    if re.fullmatch(r"-?\d+", name):
        return [(False, int(name), "")], name
    parts = [part for part in re.split(r"(\d+)", name) if part]
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts], name


def _rows(found: Found, classes: Classes) -> list[Row]:
    numbers = [{name: number for number, name in enumerate(names)} for names in classes.values()]
    rows: list[Row] = []
    known: dict[tuple[int, ...], tuple[int, ...]] = {}  # equal labels are one object
    for photo in found.photos:
        labels = tuple(own.get(name, 0) for own, name in zip(numbers, photo.labels, strict=False))
        rows.append(Row(photo.path, photo.family, photo.person, "train", known.setdefault(labels, labels)))
    return rows


def _words(photos: Sequence[Photo], faults: Faults) -> list[str | None]:
    """The split that is given for each photo, as a key of `_WORDS`; None where none is."""
    words = [_word(photo) for photo in photos]
    if not any(photo.split for photo in photos):
        return words
    for photo, word in zip(photos, words, strict=True):
        if word is None:
            faults.add(photo.path, "has an unknown split", "write train, test or unseen (also: validation)", repr(photo.split))
    there = {word for word in words if word}
    if there and ("train" not in there or len(there) == 1):
        faults.add("the splits", f"are {', '.join(sorted(there))} alone", "give photos of train and of test")
    return words


def _word(photo: Photo) -> str | None:
    return next((word for word, names in _WORDS.items() if photo.split.lower() in names), None)


def _splits(words: Sequence[str | None], rows: pd.DataFrame, seed: int, progress: Progress) -> tuple[list[Split], str]:
    """The split of every row: its own, or by person; and a sentence about it."""
    people = rows.assign(subject=subject_ids(rows, progress=progress))
    groups = split_groups(people)
    there = {word for word in words if word}
    within = people_are_classes(rows)
    if not there and within:
        return _within_people(rows, seed), (
            f"No split is given: of each person of at least {LEAST_PHOTOS} photos, 60 % are drawn into train, 20 % each into "
            f"test and unseen, by seed {seed}; of others all are trained on."
        )
    if not there:
        return _by_person(groups, np.arange(len(rows)), seed), (
            f"No split is given: people are drawn into train (60 %), test and unseen (20 % each) by seed {seed}."
        )
    if {"test", "val"} <= there and "unseen" not in there:
        names: dict[str, Split] = {"train": "train", "test": SPLITS["test"], "val": SPLITS["unseen"]}
        return [names[str(word)] for word in words], "The split 'validation' is the unseen set."
    if "unseen" in there:
        names = {"train": "train", "test": SPLITS["test"], "val": SPLITS["test"], "unseen": SPLITS["unseen"]}
        return [names[str(word)] for word in words], ""
    rest = np.flatnonzero([word != "train" for word in words])
    if within:
        return _halves_of_people(rows, rest, seed), (
            f"There is no unseen set: half of each person's photos of the test split are drawn for it by seed {seed}."
        )
    if len(set(groups[rest])) < 2:
        raise InputError("the test split shows one person: two at least are needed, for test and for unseen")
    halves = next(GroupShuffleSplit(1, test_size=0.5, random_state=seed).split(rest, groups=groups[rest]))
    splits: list[Split] = ["train"] * len(rows)
    for name, half in zip((SPLITS["test"], SPLITS["unseen"]), halves, strict=True):
        for place in rest[half]:
            splits[place] = name
    return splits, f"There is no unseen set: half of the people of the test split are drawn for it by seed {seed}."


def _within_people(rows: pd.DataFrame, seed: int) -> list[Split]:
    """Splits of each person's photos, where people are the classes."""
    drawn: dict[str, Split] = {}
    people = [own for own in _photos_of_people(rows, seed) if len(own) >= LEAST_PHOTOS]
    if len(people) < 2:
        raise InputError(
            f"people are the classes, and {len(people)} of them have {LEAST_PHOTOS} different photos or more: two are needed, "
            "for train, test and unseen; add photos, or name labels by --label-column"
        )
    for own in people:
        each = max(1, round(len(own) * TEST_AND_UNSEEN / 2))
        drawn |= dict.fromkeys(own[:each], SPLITS["test"]) | dict.fromkeys(own[each : 2 * each], SPLITS["unseen"])
    return [drawn.get(photo, SPLITS["train"]) for photo in rows["photo"]]


def _halves_of_people(rows: pd.DataFrame, rest: np.ndarray, seed: int) -> list[Split]:
    """The splits where people are the classes and the rows `rest` are to be halved into test and unseen."""
    drawn: dict[str, Split] = {}
    for number, own in enumerate(_photos_of_people(rows.iloc[rest], seed)):
        half = (len(own) + number % 2) // 2  # of people of one photo every other one has it in test
        drawn |= dict.fromkeys(own[:half], SPLITS["test"]) | dict.fromkeys(own[half:], SPLITS["unseen"])
    splits: list[Split] = [SPLITS["train"]] * len(rows)
    for place in rest:
        splits[place] = drawn[rows["photo"].iloc[place]]
    return splits


def _photos_of_people(rows: pd.DataFrame, seed: int) -> list[list[str]]:
    """Each person's photos in a random order; a photo of several people is that of the first."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(own).tolist() for _, own in rows.drop_duplicates("photo").groupby("person", sort=False)["photo"]]


def _by_person(groups: np.ndarray, rows: np.ndarray, seed: int) -> list[Split]:
    """Splits that separate nobody from himself; groups are of `split_groups`."""
    count = len(set(groups))
    if count < LEAST_GROUPS:
        raise InputError(
            f"the photos show {count} people who are surely different, {LEAST_GROUPS} are needed for train, test and unseen: "
            "add photos of others"
        )
    train, rest = next(GroupShuffleSplit(1, test_size=TEST_AND_UNSEEN, random_state=seed).split(rows, groups=groups))
    test, _ = next(GroupShuffleSplit(1, test_size=0.5, random_state=seed).split(rest, groups=groups[rest]))
    splits: list[Split] = [SPLITS["unseen"]] * len(rows)
    for name, chosen in ((SPLITS["train"], train), (SPLITS["test"], rest[test])):
        for place in chosen:
            splits[place] = name
    return splits


def _write(
    target: Path, photos: Archive, listing: Listing, splits: Sequence[Split], *, ignore_exif: bool, progress: Progress
) -> None:
    """The archive, the same bytes for the same content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    count = len(listing.rows)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for number, row in enumerate(listing.rows, start=1):
            archive.writestr(_entry(PHOTOS + row.path), photos.read(row.path))
            if number % 256 == 0 or number == count:
                progress(number, count, "write")
        placed = (row._replace(path=PHOTOS + row.path, split=to) for row, to in zip(listing.rows, splits, strict=True))
        with archive.open(_entry(TABLE), "w") as file, io.TextIOWrapper(file, "utf-8", newline="") as table:
            write_table(table, placed, listing.classes)
        labels = {label: list(names) for label, names in listing.classes.items()}
        archive.writestr(_entry(LABELS_FILE), json.dumps(labels, ensure_ascii=False, indent=1))
        if ignore_exif:
            archive.writestr(_entry(EXIF_FILE), EXIF_TEXT)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    return entry
