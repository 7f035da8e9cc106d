"""Photos named by a table: CSV, TSV, JSON Lines or Parquet; Hugging Face's `metadata.csv` and `metadata.jsonl` as they are."""

import codecs
import csv
import importlib.util
import io
import json
from collections.abc import Mapping

from aru.data.archive import Archive
from aru.data.archive_names import normalized_path
from aru.data.faults import Fault, Faults
from aru.data.ids import normalized_id
from aru.data.sources.found import Columns, Found, Photo

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
_LEGACY = "cp1252"
_GUESSES: Mapping[str, tuple[str, ...]] = {
    "file": ("file_name", "filename", "file", "path", "image_path", "image", "img", "photo"),
    "person": ("person", "person_id", "subject", "subject_id", "identity", "identity_id", "user_id"),
    "family": ("family", "family_id", "group", "household"),
    "split": ("split", "set", "subset", "partition"),
}
_LABELS = ("label", "labels", "class", "category", "target")

Cells = dict[str, str]


def find_by_table(archive: Archive, columns: Columns, faults: Faults) -> Found:
    """The photos of every table; paths are relative to the table's folder, or to the top of the archive."""
    photos: list[Photo] = []
    labels: tuple[str, ...] = ()
    notes: list[str] = []
    names = set(archive.names())
    for table in _tables(archive, columns):
        with faults.collected(table):
            rows, remark = _rows(archive, table, columns.encoding)
            chosen = _chosen(list(rows[0][1]) if rows else [], columns)
            if photos and chosen[1] != labels:
                raise Fault("has other label columns than the table before it", "give all tables the same columns")
            labels = chosen[1]
            notes.append(f"{table}{remark}: {_shown(*chosen)}.")
            folder = table.rpartition("/")[0]
            for line, cells in rows:
                photos += _photo(f"{table}, line {line}:", cells, *chosen, f"{folder}/" if folder else "", names, faults)
    return Found(photos, labels, tuple(notes))


def _tables(archive: Archive, columns: Columns) -> list[str]:
    found = [name for name in archive.names() if name.lower().endswith(ENDINGS)]
    if columns.table is not None:
        if columns.table not in found:
            raise Fault(f"has no table {columns.table}", f"it has {', '.join(sorted(found)) or 'none'}")
        return [columns.table]
    metadata = sorted(name for name in found if name.rpartition("/")[2].startswith("metadata."))
    if metadata or len(found) == 1:
        return metadata or found
    raise Fault(f"has {len(found)} tables ({', '.join(sorted(found)[:5])})", "name one by --table-file")


def _rows(archive: Archive, table: str, encoding: str | None) -> tuple[list[tuple[int, Cells]], str]:
    """The rows with the numbers of their lines, blank ones left out, values without blanks around them; and a remark."""
    content = archive.read(table)
    if table.lower().endswith(".parquet"):
        return _parquet(content), ""
    text, remark = _text(content, encoding)
    if table.lower().endswith(".jsonl"):
        return _json_lines(text), remark
    return _csv(text), remark


def _text(content: bytes, encoding: str | None) -> tuple[str, str]:
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    tried = encoding or ("utf-16" if marked else "utf-8-sig")
    try:
        return content.decode(tried), f" (read as {tried})" if encoding or marked else ""
    except (UnicodeDecodeError, LookupError):
        if encoding or marked:
            raise Fault(f"is not text in {tried}", "name its encoding by --encoding, or save it in UTF-8") from None
    try:
        return content.decode(_LEGACY), f" (not in UTF-8, read as {_LEGACY}: --encoding names another one)"
    except UnicodeDecodeError:
        raise Fault("is text in an unknown encoding", "name it by --encoding, or save it in UTF-8") from None


def _csv(text: str) -> list[tuple[int, Cells]]:
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    rows: list[tuple[int, Cells]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise Fault("has a row with more or fewer cells than the header", "correct it", f"line {reader.line_num}")
            rows.append((reader.line_num, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}))
    except csv.Error as error:
        raise Fault("is not a CSV file", "correct the line", f"line {reader.line_num}: {error}") from error
    return rows


def _json_lines(text: str) -> list[tuple[int, Cells]]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except ValueError as error:
            raise Fault("is not JSON Lines", "correct the line", f"line {number}: {error}") from None
        if not isinstance(cells, dict):
            raise Fault("has a line that is no JSON object", "correct the line", f"line {number}")
        rows.append((number, {name: _plain(value) for name, value in cells.items()}))
    return rows


def _parquet(content: bytes) -> list[tuple[int, Cells]]:
    if importlib.util.find_spec("pyarrow") is None:
        raise Fault("is a Parquet file, which needs pyarrow", "`pip install pyarrow`, or save it as CSV")
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(content))
    except pyarrow.ArrowException as error:
        raise Fault("is not a complete Parquet file", "save it again", str(error)) from None
    return [(number, {name: _plain(value) for name, value in row.items()}) for number, row in enumerate(table.to_pylist(), 1)]


def _plain(value: object) -> str:
    return "" if value is None else str(value).strip()


def _chosen(header: list[str], columns: Columns) -> tuple[dict[str, str], tuple[str, ...]]:
    """The columns of the file, the person, the family and the split, where there are any; and the label columns."""
    roles: dict[str, str] = {}
    lower = {name.lower(): name for name in header}
    for role, guesses in _GUESSES.items():
        given = getattr(columns, role)
        if given is not None and given not in header:
            raise Fault(f"lacks the column {given!r}", f"name one of {', '.join(header)} by --{role}-column")
        there = (lower[guess] for guess in guesses if guess in lower)
        name = given or next((name for name in there if name not in columns.labels), None)
        if name is not None:
            roles[role] = name
    if "file" not in roles:
        raise Fault("has no column that names the files", "name it by --file-column", f"it has {', '.join(header) or 'none'}")
    for label in columns.labels:
        if label not in header:
            raise Fault(f"lacks the column {label!r}", f"name some of {', '.join(header)} by --label-column")
    rest = [name for name in header if name not in roles.values()]
    return roles, columns.labels or tuple(name for name in rest if name.lower() in _LABELS) or tuple(rest)


def _shown(roles: Mapping[str, str], labels: tuple[str, ...]) -> str:
    named = [f"{role} is column {name!r}" for role, name in roles.items()]
    return ", ".join([*named, f"labels are {', '.join(map(repr, labels)) or 'none'}"])


def _photo(
    where: str,
    cells: Cells,
    roles: Mapping[str, str],
    labels: tuple[str, ...],
    folder: str,
    names: set[str],
    faults: Faults,
) -> list[Photo]:
    """The photo of a row; none where the row has a fault."""
    path = normalized_path(cells[roles["file"]]).removeprefix("./")
    found = next((name for name in (folder + path, path) if name in names), None)
    empty = [label for label in labels if not cells.get(label)]
    for label in empty:
        faults.add(where, f"{label} is empty", "fill it in, or leave the column out")
    if found is None:
        faults.add(f"{where} {path}", "is not there", "add the file, or remove the row")
    if found is None or empty:
        return []
    person, family, split = (normalized_id(cells.get(roles.get(role, ""), "")) for role in ("person", "family", "split"))
    return [Photo(found, person, family, split, tuple(cells[label] for label in labels))]
