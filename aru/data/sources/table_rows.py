"""The rows of a user's own table: CSV, TSV, JSON Lines or Parquet, in whatever encoding and with whatever delimiter."""

import codecs
import csv
import importlib.util
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress

from aru.data.archive import Archive
from aru.data.faults import Fault, Faults
from aru.data.sources.tables import lines_of
from aru.data.text_encodings import OLD_TEXT, guess_encoding, utf_16_of

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
DELIMITERS = ",;\t|"
_SHARED = 1 << 17  # distinct values of a column that are looked up to be one object
_BATCH = 4096  # rows of a Parquet file that are objects at once
Cells = dict[str, str]


@dataclass(frozen=True)
class TableRows:
    """A table: its columns, the lines of its rows, the values of each column, and how it was read, where that was guessed.

    Values have no blanks around them; blank rows, columns without a name, and columns of lists or records are left out.
    """

    columns: tuple[str, ...]
    lines: list[int]
    values: dict[str, list[str]]
    remark: str = ""

    def rows(self) -> Iterator[tuple[int, Cells]]:
        """The rows by the number of the line."""
        for place, line in enumerate(self.lines):
            yield line, {name: self.values[name][place] for name in self.columns}


class _Columns:
    """The values of a table by column while it is read; equal ones are one object, as far as there are not too many."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.values: dict[str, list[str]] = {}
        self._known: dict[str, dict[str, str]] = {}

    def add(self, line: int, cells: Iterable[tuple[str, str]]) -> None:
        """Add a row; a column that it lacks is empty."""
        for name, value in cells:
            column = self.values.setdefault(name, [])
            column += [""] * (len(self.lines) - len(column))
            known = self._known.setdefault(name, {})
            column.append(known.setdefault(value, value) if len(known) < _SHARED else known.get(value, value))
        self.lines.append(line)

    def table(self, columns: Iterable[str], remark: str) -> TableRows:
        """The table of these columns."""
        values = {name: self.values.get(name, []) for name in columns}
        for column in values.values():
            column += [""] * (len(self.lines) - len(column))
        return TableRows(tuple(values), self.lines, values, remark)


def read_table(archive: Archive, name: str, encoding: str | None, faults: Faults) -> TableRows:
    """Read one table; faulty rows are added to `faults` and left out. Fault where the file is no table."""
    content = archive.read(name)
    if name.lower().endswith(".parquet"):
        return _of_records(_parquet(content))
    text, remark = _text(content, encoding)
    if name.lower().endswith((".jsonl", ".ndjson")):
        return _of_records(_json_lines(text, name, faults), remark)
    return _csv(text, name, faults, remark)


def _text(content: bytes, encoding: str | None) -> tuple[str, str]:
    marked = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else utf_16_of(content)
    certain = encoding or marked
    tried = certain or guess_encoding([content], OLD_TEXT)
    try:
        if tried is not None:
            text = content.decode(tried).removeprefix("\ufeff")
            if certain:
                return text, f" (read as {tried})"
            return text, "" if tried == OLD_TEXT[0] else f" (not in UTF-8, read as {tried}: --encoding names another one)"
    except (UnicodeDecodeError, LookupError):
        pass
    raise Fault(f"is not text in {tried or 'a known encoding'}", "name its encoding by --encoding, or save it in UTF-8")


def _csv(text: str, table: str, faults: Faults, remark: str) -> TableRows:
    first = next((line for line in lines_of(text) if line.strip()), "")
    named = re.fullmatch(r"sep=(.)", first.strip(" \r\n"), re.IGNORECASE)  # Excel's own line before the header
    unquoted = re.sub(r'"[^"]*"', "", first)
    delimiter = named[1] if named else max(DELIMITERS, key=unquoted.count)
    reader = csv.reader(lines_of(text), delimiter=delimiter, strict=True, skipinitialspace=True)
    header: list[str] = []
    found = _Columns()
    try:
        if named:
            while not "".join(next(reader)).strip():
                pass
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not header:
                header = cells
                _check_header(header)
                continue
            while len(cells) > len(header) and not cells[-1]:
                cells.pop()
            if len(cells) == len(header):
                found.add(reader.line_num, zip(header, cells, strict=True))
            else:
                faults.add(
                    f"{table}, line {reader.line_num}:",
                    "the row has not as many cells as the header",
                    f"put cells that hold the delimiter {delimiter!r} into double quotes; remove what is too much",
                    f"{len(cells)}, the header {len(header)}",
                )
    except csv.Error as error:
        faults.add(table, "is not a CSV file", "correct the line", f"line {reader.line_num}: {error}")
    return found.table(filter(None, header), remark)


def _check_header(header: list[str]) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise Fault("has two columns of one name", "rename one of them", ", ".join(twice))


Records = Iterable[tuple[int, dict[str, object]]]


def _of_records(records: Records, remark: str = "") -> TableRows:
    """A table of records, whose columns are all of their keys."""
    found = _Columns()
    nested: set[str] = set()
    for line, record in records:
        nested |= {name for name, value in record.items() if isinstance(value, dict | list | bytes)}
        found.add(line, ((name, _plain(value)) for name, value in record.items() if name not in nested))
    table = found.table([name for name in found.values if name not in nested], remark)
    filled = [any(row) for row in zip(*table.values.values(), strict=True)]
    values = {name: list(compress(column, filled)) for name, column in table.values.items()}
    return TableRows(table.columns, list(compress(table.lines, filled)), values, remark)


def _plain(value: object) -> str:
    return "" if value is None else str(value).strip()


def _json_lines(text: str, table: str, faults: Faults) -> Records:
    for number, line in _filled_lines(text):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            faults.add(f"{table}, line {number}:", "the line is not JSON", "correct it", str(error))
            continue
        if isinstance(record, dict):
            yield number, record
        else:
            faults.add(f"{table}, line {number}:", "the line is no JSON object", "correct it")


def _filled_lines(text: str) -> Iterator[tuple[int, str]]:
    lines: Iterable[str] = text.split("\n")  # `splitlines` would split at signs that may stand inside a string of JSON
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _parquet(content: bytes) -> Records:
    if importlib.util.find_spec("pyarrow") is None:
        raise Fault("is a Parquet file, which needs pyarrow", "`pip install pyarrow`, or save it as CSV")
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError) as error:
        raise Fault("is not a complete Parquet file", "save it again", str(error)) from None
    records = (record for batch in table.to_batches(max_chunksize=_BATCH) for record in batch.to_pylist())
    return enumerate(records, start=1)
