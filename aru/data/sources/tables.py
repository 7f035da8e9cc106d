"""Reading the tables of an archive: CSV files and text, with every fault collected."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Set
from functools import cache

from aru.data.archive import Archive
from aru.data.archive_names import normalized_path
from aru.data.faults import Fault, Faults
from aru.data.ids import normalized_id

IMAGE_ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif"),  # Windows writes .jfif
    *(".png", ".apng", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"),
)
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_SAVE_AGAIN = "save it in UTF-8 ('CSV UTF-8' in a spreadsheet)"


def folder_of(archive: Archive, table: str) -> str:
    """The folder that holds the tables, as a prefix of names: the archive's top, or wherever below it they lie."""
    return next((name.removesuffix(table) for name in archive.names() if f"/{name}".endswith(f"/{table}")), "")


def read_text(archive: Archive, name: str) -> str:
    """A text member. In another encoding than UTF-8, which could only be guessed, it is a Fault that says how to save it."""
    if name not in archive.names():
        raise Fault(f"is missing: there is no {name} in the archive", "is it the right archive, with this layout?")
    content = archive.read(name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            found, remedy = "UTF-16", _SAVE_AGAIN
        elif _decodes(content, "cp949"):
            found, remedy = "cp949, as Korean Windows writes it", _SAVE_AGAIN
        else:
            found, remedy = "no encoding known here", f"{_SAVE_AGAIN}, or fetch the archive again"
    raise Fault(f"is not a CSV file or text in UTF-8, it seems to be in {found}", remedy)


def lines_of(text: str) -> Iterator[str]:
    """The lines of a text with their ends, one after another, as `csv.reader` takes them.

    io.StringIO would hold four bytes a letter.
    """
    return (line[0] for line in _LINE.finditer(text))


def read_csv(
    archive: Archive, name: str, columns: tuple[str, ...], faults: Faults, *, filled: tuple[str, ...] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV member with at least these columns: the number of the line, and the cells by column.

    No cell of the columns `filled`, by default all, is empty. Faults of the table are added to `faults`, their rows left out.
    """
    with faults.collected(name):
        reader = csv.reader(lines_of(read_text(archive, name)), strict=True)
        try:
            header = _header(next(reader, []), columns)
            for cells in filter(None, reader):
                row = _row(f"{name}, line {reader.line_num}:", header, cells, columns if filled is None else filled, faults)
                if row is not None:
                    yield reader.line_num, row
        except csv.Error as error:
            raise Fault(
                "is not a CSV file", "mend the line, or fetch the archive again", f"line {reader.line_num}: {error}"
            ) from error


def csv_with(archive: Archive, name: str, column: str, paths: Set[str]) -> str:
    """The text of a CSV member without faults, with the rows alone that have one of these paths in a column."""
    header, *rows = filter(None, csv.reader(io.StringIO(read_text(archive, name), newline=""), strict=True))
    place, text = header.index(column), io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *(row for row in rows if normalized_path(row[place]) in paths)])
    return text.getvalue()


def _header(cells: list[str], columns: tuple[str, ...]) -> list[str]:
    for column in columns:
        if column not in cells:
            raise Fault(
                f"lacks the column {column!r}",
                "name its columns as docs/operation.md has them",
                f"it has {', '.join(cells) or 'none'}",
            )
    return cells


def _row(where: str, header: list[str], cells: list[str], columns: tuple[str, ...], faults: Faults) -> dict[str, str] | None:
    if len(cells) != len(header):
        faults.add(
            where,
            "the row has not as many cells as the header",
            "put cells that hold a comma into double quotes; remove what is too much",
            f"{len(cells)}, the header {len(header)}",
        )
        return None
    row = dict(zip(header, cells, strict=True))
    empty = [column for column in columns if not normalized_id(row[column])]
    for column in empty:
        faults.add(where, f"{column} is empty", "fill it in")
    return None if empty else row


def check_files(named: Iterable[str], archive: Archive, tables: str, faults: Faults) -> set[str]:
    """Add the faults of rows without a file, files with two rows and image files without one; returns the readable paths.

    Image files without a row are no fault where a table has faults of its own: then not all of its rows are known.
    """
    complete = not faults
    present = set(archive.names())
    readable: set[str] = set()
    otherwise: set[str] = set()

    @cache
    def by_lower_case() -> dict[str, str]:
        return {name.casefold(): name for name in present if name.lower().endswith(IMAGE_ENDINGS)}

    for path in named:
        if path in readable:
            faults.add(path, f"has two rows in {tables}", "keep one row an image")
        elif path in present:
            readable.add(path)
        elif other := by_lower_case().get(path.casefold()):
            faults.add(
                path,
                f"has a row in {tables} and is in the archive with other capitals",
                "write both alike",
                f"there it is {other}",
            )
            otherwise.add(other)
        else:
            faults.add(
                path,
                f"has a row in {tables} but is not in the archive",
                "add the file or remove the row; fetch the archive again if the file should be there",
            )
    without_row = (name for name in present - readable - otherwise if name.lower().endswith(IMAGE_ENDINGS))
    for path in sorted(without_row) if complete else ():
        faults.add(path, f"is in the archive without a row in {tables}", "add the row or leave the file out")
    return readable


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
