"""Whatever a table holds, it gives rows or a fault that says what to do: no bytes and no names end in another error."""

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from aru.core.errors import InputError
from aru.data.archive_names import normalized_path
from aru.data.faults import Faults
from aru.data.request_lists import read_files, read_people
from aru.data.sources.found import Columns, Found
from aru.data.sources.table import find_by_table
from aru.data.sources.table_rows import read_table
from tests.data.sources.test_table_rows import OneFile

QUICK = settings(max_examples=60, deadline=None)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp949", "utf-32", "latin-1"])
FRAGMENTS = st.lists(
    st.sampled_from(
        [*'",;\t|\r\n\0\ufeff \u2028é김{}[]:', "file", "label", "sep=;", "null", '"file":', "\r\n\r\n", "a.jpg", "PAR1"]
    )
).map("".join)
RAW = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda text, name: text.encode(name, "replace"), FRAGMENTS, ENCODINGS),
    st.builds(lambda text, tail: text.encode() + tail, FRAGMENTS, st.binary(max_size=8)),
)
NAMES = st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.parquet"])


class Files:
    """An archive of these files."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def names(self) -> list[str]:
        return list(self._files)

    def read(self, name: str) -> bytes:
        return self._files[name]


def found_in(files: dict[str, bytes], columns: Columns) -> tuple[Found, str]:
    """What the source finds, and its faults as one message."""
    faults, found = Faults("own"), Found([])
    with faults.collected("own"):
        found = find_by_table(Files(files), columns, faults)
    try:
        faults.raise_if_any()
    except InputError as error:
        return found, str(error)
    return found, ""


@QUICK
@given(name=NAMES, content=RAW, encoding=st.sampled_from([None, "utf-8", "utf-16", "cp1252", "no such one"]))
def test_any_bytes_are_rows_or_a_fault(name, content, encoding):
    found, message = found_in({name: content, "a.jpg": b""}, Columns(encoding=encoding))
    assert found.photos or message
    assert all(photo.path == "a.jpg" and len(photo.labels) == len(found.labels) for photo in found.photos)


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(str.strip)


@QUICK
@given(
    rows=st.lists(st.tuples(CELLS.filter(bool), CELLS), min_size=1, max_size=6),
    sign=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_spreadsheet_writes_is_read_as_it_was(rows, sign, end, encoding):
    text = io.StringIO()
    csv.writer(text, delimiter=sign, lineterminator=end).writerows([("file", "note"), *rows])
    faults = Faults("own")
    table = read_table(OneFile("t.csv", text.getvalue().encode(encoding)), "t.csv", None, faults)
    assert [(cells["file"], cells["note"]) for _, cells in table.rows()] == rows and not faults


@QUICK
@given(
    rows=st.lists(st.dictionaries(CELLS, st.one_of(st.none(), st.integers(), CELLS, st.lists(CELLS)), max_size=4), max_size=4)
)
def test_json_lines_of_any_records_are_read(rows):
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    table = read_table(OneFile("t.jsonl", text.encode()), "t.jsonl", "utf-8", Faults("own"))
    for _, cells in table.rows():
        assert set(cells) == set(table.columns) and all(isinstance(value, str) for value in cells.values())


PATHS = st.lists(
    st.sampled_from(["..", ".", "", "a", "b.jpg", "é.jpg", "e\u0301.jpg", "C:", "~", "A"]), min_size=1, max_size=5
)


@QUICK
@given(
    path=st.tuples(PATHS, st.sampled_from("/\\")).map(lambda parts: parts[1].join(parts[0])), top=st.sampled_from(["", "top/"])
)
def test_a_path_leads_to_a_file_of_the_archive_or_to_a_fault(path, top):
    files = {normalized_path(f"{top}{name}"): b"" for name in ("b.jpg", "a/b.jpg", "a/é.jpg")}
    table = f"{top}t/t.csv"
    text = io.StringIO()
    csv.writer(text).writerows([("file", "label"), (path, "x")])
    found, message = found_in(files | {table: text.getvalue().encode()}, Columns())
    assert bool(found.photos) != bool(message)
    assert all(photo.path in files for photo in found.photos)


@QUICK
@given(content=RAW, ending=st.sampled_from(["txt", "csv", "tsv"]))
def test_any_list_of_people_or_files_is_names_or_a_message(tmp_path_factory, content, ending):
    path = tmp_path_factory.getbasetemp() / f"list.{ending}"
    path.write_bytes(content)
    for read in (read_people, read_files):
        try:
            names = read(path)
        except InputError as error:
            assert path.name in str(error)
        else:
            assert names and all(name == name.strip() != "" for name in names)
