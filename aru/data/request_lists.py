"""Lists of people or photos to forget, as files: a name a line, or a table with a column for it."""

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from aru.core.errors import InputError
from aru.data.ids import filing_key

PERSON_COLUMNS = ("person", "person_id", "subject", "subject_id", "identity", "name")
FILE_COLUMNS = ("file_name", "filename", "file", "path", "image_path", "image", "photo")
_FAMILY_COLUMNS = ("family", "family_id", "group", "household")
_TABLES = {".csv": ",;\t", ".tsv": "\t"}


def read_people(path: Path) -> list[str]:
    """The people whom a file names, each once: FAMILY/PERSON, a person or a subject id a line, or in the column of a table.

    A table has the ending .csv or .tsv, a column of `PERSON_COLUMNS` and maybe one of families; a table of one column may
    lack the heading. Raises InputError.
    """
    return _read(Path(path), PERSON_COLUMNS, _FAMILY_COLUMNS)


def read_files(path: Path) -> list[str]:
    """The photos that a file names, each once: a path a line, or in a column of `FILE_COLUMNS`. Raises InputError."""
    return _read(Path(path), FILE_COLUMNS, ())


def _read(path: Path, columns: Sequence[str], families: Sequence[str]) -> list[str]:
    text = _text(path)
    signs = _TABLES.get(path.suffix.lower())
    names = text.splitlines() if signs is None else _column(path, text, signs, columns, families)
    found = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not found:
        raise InputError(f"{path} names nothing to forget: write one name a line, or a table with the column {columns[0]!r}")
    return found


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): name a file with one name a line") from None
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8: save it in UTF-8, or its names would be read as others") from None


def _column(path: Path, text: str, signs: str, columns: Sequence[str], families: Sequence[str]) -> list[str]:
    """The names in a table. A first line that is no heading names somebody, too, and is never passed over."""
    try:
        first = text.partition("\n")[0]
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(signs, key=first.count), strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file ({error}): correct it, or write one name a line in a .txt file") from None
    lines = [[cell.strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    heading = [cell.lower() for cell in lines[0]] if lines else []
    column = next((heading.index(name) for name in columns if name in heading), None)
    if column is None:
        if all(len(line) == 1 for line in lines):
            return [line[0] for line in lines]
        raise InputError(
            f"{path} has the columns {', '.join(heading)}: give the one with the names the heading {columns[0]!r}"
        )
    if short := [number for number, line in enumerate(lines, start=1) if len(line) != len(heading)]:
        raise InputError(
            f"{path}: row {short[0]} has {len(lines[short[0] - 1])} cells, the heading {len(heading)}: correct it"
        )
    if empty := [number for number, line in enumerate(lines, start=1) if not line[column]]:
        raise InputError(f"{path}: row {empty[0]} names nobody ({len(empty)} such rows): fill the column {heading[column]!r}")
    family = next((heading.index(name) for name in families if name in heading), None)
    return [line[column] if family is None else filing_key(line[family], line[column]) for line in lines[1:]]
