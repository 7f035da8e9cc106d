"""Photos named by a table; Hugging Face's `metadata.csv` and `metadata.jsonl` as they are."""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from aru.data.archive import Archive
from aru.data.archive_names import normalized_path
from aru.data.classes import MAX_CLASSES, MIN_CLASSES
from aru.data.faults import Fault, Faults
from aru.data.ids import normalized_id
from aru.data.sources.found import SPLIT_FOLDERS, Columns, Found, Photo, top_folder
from aru.data.sources.table_rows import ENDINGS, Cells, TableRows, read_table

_SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_SAVE_AS_CSV = "save the sheet as 'CSV UTF-8' beside the photos"
_GUESSES: Mapping[str, tuple[str, ...]] = {
    "file": ("file_name", "filename", "file", "path", "image_path", "image", "img", "photo"),
    "person": ("person", "person_id", "subject", "subject_id", "identity", "identity_id", "user_id"),
    "family": ("family", "family_id", "group", "household"),
    "split": ("split", "set", "subset", "partition"),
}
_LABELS = ("label", "labels", "class", "category", "target")


@dataclass(frozen=True)
class _Chosen:
    """The columns of the file, the person, the family and the split, where there are any; and the label columns."""

    roles: Mapping[str, str]
    labels: tuple[str, ...]
    passed_over: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = [f"{role} is column {name!r}" for role, name in self.roles.items()]
        text = ", ".join([*named, f"labels are {', '.join(map(repr, self.labels)) or 'none'}"])
        if not self.passed_over:
            return text
        return f"{text} (not {', '.join(map(repr, self.passed_over))}: empty cells, one value, or another in each row)"

    def of(self, cells: Cells, role: str) -> str:
        """The value of a row in the column of this role; "" where there is none."""
        return normalized_id(cells.get(self.roles.get(role, ""), ""))


def find_by_table(archive: Archive, columns: Columns, faults: Faults) -> Found:
    """The photos of every table; paths are relative to the table's folder, or to the top of the archive."""
    tables: dict[str, TableRows] = {}
    for name in _tables(archive, columns):
        with faults.collected(name):
            tables[name] = read_table(archive, name, columns.encoding, faults)
    if not tables:
        return Found([])
    header = next(iter(tables.values())).columns
    for name, table in tables.items():
        if set(table.columns) != set(header):
            faults.add(name, "has other columns than the first table", "give all tables the same columns")
    chosen = _choose(header, list(tables.values()), columns)
    files = _Files(archive.names())
    photos = [
        photo
        for name, table in tables.items()
        for line, cells in table.rows()
        for photo in _photo(f"{name}, line {line}:", cells, chosen, name.rpartition("/")[0], files, faults)
    ]
    if not photos and not faults:
        faults.add(", ".join(tables), "has a heading and no rows", "name the table that lists the photos by --table-file")
    notes = tuple(f"{name}{table.remark}: {chosen}." for name, table in tables.items())
    found = Found(photos, chosen.labels, notes, tuple(tables))
    if "split" in chosen.roles or not photos:
        return found
    folders = [photo.path.removeprefix(files.top).partition("/")[0].lower() for photo in photos]
    if not set(folders) <= SPLIT_FOLDERS:
        return found
    placed = [photo._replace(split=split) for photo, split in zip(photos, folders, strict=True)]
    return replace(found, photos=placed, notes=(*notes, f"The folders are the split: {', '.join(sorted(set(folders)))}."))


def _tables(archive: Archive, columns: Columns) -> list[str]:
    found = [name for name in archive.names() if name.lower().endswith(ENDINGS)]
    if columns.table is not None:
        table = normalized_path(columns.table)
        if table not in found:
            raise Fault("has no table of this name", "name one of its tables by --table-file", _listed(columns.table, found))
        return [table]
    metadata = sorted(name for name in found if name.rpartition("/")[2].startswith("metadata."))
    if metadata or len(found) == 1:
        return metadata or found
    if "[Content_Types].xml" in archive.names() or (
        not found and any(name.lower().endswith(_SPREADSHEETS) for name in archive.names())
    ):
        raise Fault("has its table as a spreadsheet", _SAVE_AS_CSV)
    if not found:
        raise Fault(f"has no table ({', '.join(ENDINGS)})", "put the table beside the photos, or import by `folder`")
    raise Fault(f"has {len(found)} tables", "name one by --table-file", ", ".join(sorted(found)[:5]))


def _listed(given: str, found: Sequence[str]) -> str:
    return f"{given!r}; it has {', '.join(sorted(found)[:20]) or 'none'}"


def _choose(header: Sequence[str], tables: Sequence[TableRows], columns: Columns) -> _Chosen:
    """What the user says, the rest by common names. Of labels that are guessed, those that can be none are passed over."""
    roles: dict[str, str] = {}
    lower = {name.lower(): name for name in header}
    for role, guesses in _GUESSES.items():
        given = getattr(columns, role)
        if given is not None and given not in header:
            raise Fault(f"lacks the column of --{role}-column", "name a column that is there", _listed(given, header))
        there = (lower[guess] for guess in guesses if guess in lower)
        own_class = role == "person" and len(columns.labels) == 1  # the person as the label: people are the classes
        name = given or next((name for name in there if own_class or name not in columns.labels), None)
        if name is not None:
            roles[role] = name
    if "file" not in roles:
        raise Fault("has no column that names the files", "name it by --file-column", f"it has {', '.join(header) or 'none'}")
    for label in columns.labels:
        if label not in header:
            raise Fault("lacks the column of --label-column", "name a column that is there", _listed(label, header))
    rest = [name for name in header if name not in roles.values()]
    if columns.labels == (roles.get("person"),):
        return _Chosen(roles, ())  # people are the classes
    named = columns.labels or tuple(name for name in rest if name.lower() in _LABELS)
    if named:
        return _Chosen(roles, named)
    count = sum(len(table.lines) for table in tables)
    usable = tuple(
        name
        for name in rest
        if all(name in table.values for table in tables)
        and _can_be_label(chain.from_iterable(table.values[name] for table in tables), count)
    )
    return _Chosen(roles, usable, tuple(name for name in rest if name not in usable))


def _can_be_label(values: Iterable[str], rows: int) -> bool:
    distinct = {normalized_id(value) for value in set(values)}
    return "" not in distinct and MIN_CLASSES <= len(distinct) <= min(MAX_CLASSES, rows - 1)


class _Files:
    """The files of an archive, found by the paths of a table."""

    def __init__(self, names: list[str]) -> None:
        self._names = {name: name for name in names}
        self.top = top_folder(names)

    @cached_property
    def _by_lower_case(self) -> dict[str, str]:
        return {name.casefold(): name for name in self._names}

    def find(self, path: str, folder: str) -> str:
        """The name of the file that a path means, relative to the table's folder or to the top; Fault where there is none."""
        if path.startswith("/") or re.match(r"[A-Za-z]:", path):
            raise Fault("is an absolute path", "write paths relative to the table, or to the top of the folder or zip")
        tried = [posixpath.normpath(posixpath.join(base, path)) for base in (folder, "", self.top)]
        if all(name.startswith("../") for name in tried):
            raise Fault("leads out of the folder or zip", "write paths relative to the table, or to the top")
        for name in tried:
            if name in self._names:
                return self._names[name]  # the archive's own object, so that a million names are there once
        for name in tried:
            if name.casefold() in self._by_lower_case:
                other = self._by_lower_case[name.casefold()]
                raise Fault("is there with other capitals", "write both alike", f"there it is {other}")
        raise Fault(
            "is not there", "add the file, or remove the row; where letters of names are wrong, --encoding or --name-encoding"
        )


def _photo(where: str, cells: Cells, chosen: _Chosen, folder: str, files: _Files, faults: Faults) -> list[Photo]:
    """The photo of a row; none where its file is not there. A missing label is a fault, the photo is still looked at."""
    labels = tuple(normalized_id(cells.get(label, "")) for label in chosen.labels)
    for label, value in zip(chosen.labels, labels, strict=True):
        if not value:
            faults.add(where, f"{label} is empty", "fill it in, or leave the column out")
    path = normalized_path(cells.get(chosen.roles["file"], ""))
    if not path:
        faults.add(where, f"{chosen.roles['file']} is empty", "fill it in, or remove the row")
        return []
    try:
        name = files.find(path, folder)
    except Fault as fault:
        faults.add(f"{where} {path}", fault.what, fault.remedy, fault.reason)
        return []
    return [Photo(name, chosen.of(cells, "person"), chosen.of(cells, "family"), chosen.of(cells, "split"), labels)]
