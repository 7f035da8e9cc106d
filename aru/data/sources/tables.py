"""Tables of an archive, read with every fault named."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator

import pandas as pd

from aru.data.archive import Archive
from aru.data.faults import Fault, Faults
from aru.data.ids import normalized_id

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif")
_SAVE_AGAIN = "save it in UTF-8 ('CSV UTF-8' in a spreadsheet)"


def folder_of(source: Archive, table: str) -> str:
    """The folder that holds the tables, as a prefix of names: the archive's top, or wherever below it they lie."""
    return next((name.removesuffix(table) for name in source.names() if f"/{name}".endswith(f"/{table}")), "")


def read_text(source: Archive, name: str) -> str:
    """A text member. In another encoding than UTF-8, which could only be guessed, it is a Fault that says how to save it."""
    if name not in source.names():
        raise Fault(f"is missing: there is no {name} in the archive", "is it the right archive, with this layout?")
    content = source.read(name)
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


def read_csv(source: Archive, name: str, columns: tuple[str, ...], faults: Faults) -> pd.DataFrame:
    """A CSV member with at least these columns, every cell a text that is not empty, and the number of its line in `line`.

    What is wrong with it is noted; the rows at fault are left out.
    """
    rows: list[list] = []
    with faults.collected(name):
        lines = csv.reader(io.StringIO(read_text(source, name), newline=""), strict=True)
        try:
            rows = list(_rows(lines, name, columns, faults))
        except csv.Error as error:
            raise Fault(
                "is not a CSV file", "mend the line, or fetch the archive again", f"line {lines.line_num}: {error}"
            ) from error
    return pd.DataFrame(rows, columns=["line", *columns])


def _rows(lines: "csv._reader", name: str, columns: tuple[str, ...], faults: Faults) -> Iterator[list]:
    header = next(lines, [])
    for column in columns:
        if column not in header:
            raise Fault(
                f"lacks the column {column!r}",
                "name its columns as docs/operation.md has them",
                f"it has {', '.join(header) or 'none'}",
            )
    for cells in filter(None, lines):
        where = f"{name}, line {lines.line_num}:"
        if len(cells) != len(header):
            faults.add(
                where,
                "the row has not as many cells as the header",
                "put cells that hold a comma into double quotes; remove what is too much",
                f"{len(cells)}, the header {len(header)}",
            )
            continue
        row = dict(zip(header, cells, strict=True))
        empty = [column for column in columns if not normalized_id(row[column])]
        for column in empty:
            faults.add(where, f"{column} is empty", "fill it in")
        if not empty:
            yield [lines.line_num, *(row[column] for column in columns)]


def check_files(named: Iterable[str], source: Archive, tables: str, faults: Faults) -> set[str]:
    """Note rows without a file, files with two rows and image files without one; returns the paths that can be read.

    Files without a row are not noted where a table has faults of its own: its rows are not all known then.
    """
    whole = not faults
    present = set(source.names())
    images = {name for name in present if name.lower().endswith(IMAGE_ENDINGS) and not _is_shadow(name)}
    alike = {name.casefold(): name for name in images}
    seen: set[str] = set()
    for path in named:
        other = alike.get(path.casefold())
        if path in seen:
            faults.add(path, f"has two rows in {tables}", "keep one row an image")
        elif path in present:
            seen.add(path)
        elif other:
            faults.add(
                path,
                f"has a row in {tables} and is in the archive with other capitals",
                "write both alike",
                f"there it is {other}",
            )
            images.discard(other)
        else:
            faults.add(
                path,
                f"has a row in {tables} but is not in the archive",
                "add the file or remove the row; fetch the archive again if the file should be there",
            )
    for path in sorted(images - seen) if whole else ():
        faults.add(path, f"is in the archive without a row in {tables}", "add the row or leave the file out")
    return seen


def _is_shadow(name: str) -> bool:
    """Whether macOS put this file beside another one, with what its own file system knows of it."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith("._")


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
