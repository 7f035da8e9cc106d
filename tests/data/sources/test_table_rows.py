"""Tables as spreadsheets and programs write them, or all of their faults."""

import json

import pytest

from aru.core.errors import InputError, explained
from aru.data.faults import Fault, Faults
from aru.data.sources.table_rows import TableRows, read_table


class OneFile:
    """An archive of one file."""

    def __init__(self, name: str, content: bytes) -> None:
        self._name, self._content = name, content

    def names(self) -> list[str]:
        return [self._name]

    def read(self, name: str) -> bytes:
        return self._content


def read(name: str, content: str | bytes, faults: Faults | None = None, encoding: str | None = None) -> TableRows:
    raw = content.encode() if isinstance(content, str) else content
    return read_table(OneFile(name, raw), name, encoding, Faults("own") if faults is None else faults)


@pytest.mark.parametrize(
    ("text", "encoding", "remark"),
    [
        ("Zoë Müller", "utf-8", ""),
        ("Zoë Müller", "utf-8-sig", ""),
        ("Zoë Müller", "utf-16", "(read as utf-16)"),
        ("Zoë Müller", "utf-16-be", "(read as utf-16-be)"),
        ("Zoë Müller", "cp1252", "read as cp1252: --encoding names another one"),
        ("Größe, Élodie, Ångström", "cp1252", "read as cp1252"),
        ("김민수", "cp949", "read as cp949"),
    ],
)
def test_the_encoding_is_found_and_a_guess_is_said(text, encoding, remark):
    table = read("t.csv", f'file,note\na.jpg,"{text}"\n'.encode(encoding))
    assert list(table.rows()) == [(2, {"file": "a.jpg", "note": text})] and table.columns == ("file", "note")
    assert remark in table.remark and bool(table.remark) == bool(remark)


def test_a_given_encoding_is_used_or_refused():
    assert read("t.csv", "file,note\na.jpg,Łódź\n".encode("cp1250"), encoding="cp1250").values["note"][0] == "Łódź"
    for encoding in ("ascii", "none"):
        with pytest.raises(Fault, match=f"is not text in {encoding}: name its encoding"):
            read("t.csv", "file,note\na.jpg,Łódź\n".encode("cp1250"), encoding=encoding)


def test_quoted_values_hold_delimiters_quotes_and_line_breaks():
    table = read("t.csv", 'file;"a;b";c\r\na.jpg; "1;2\r\n3" ;x\r\n'.replace('" ;', '";') + 'b.jpg;"say ""hi""";y\r\n')
    assert table.columns == ("file", "a;b", "c")
    assert [cells["a;b"] for _, cells in table.rows()] == ["1;2\r\n3", 'say "hi"']


def test_blank_lines_padding_and_columns_without_a_name_do_not_count():
    table = read("t.csv", "\n\n file , note ,,\n\n , , ,\n a.jpg , b ,,\nb.jpg,c,,,,\n")
    assert table.columns == ("file", "note")
    assert [cells for _, cells in table.rows()] == [{"file": "a.jpg", "note": "b"}, {"file": "b.jpg", "note": "c"}]


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(Fault, match="two columns of one name"):
        read("t.csv", "file,label,label\na.jpg,1,2\n")


def test_every_faulty_row_is_counted_and_the_first_twenty_are_named():
    faults = Faults("own")
    table = read("t.csv", "file,note\n" + "a.jpg\n" * 25 + "b.jpg,1,2\nc.jpg,good\n", faults)
    assert [cells["file"] for _, cells in table.rows()] == ["c.jpg"]
    with pytest.raises(InputError, match="26 x the row has not as many cells as the header") as refused:
        faults.raise_if_any()
    named = explained(refused.value)
    assert "t.csv, line 2:" in named and "line 21:" in named and "line 22:" not in named and "and 6 more" in named


def test_an_open_quote_is_a_fault_and_the_rows_before_it_are_still_read():
    faults = Faults("own")
    assert len(read("t.csv", 'file,note\na.jpg,1\nb.jpg,"2\n', faults).lines) == 1
    with pytest.raises(InputError, match="1 x is not a CSV file"):
        faults.raise_if_any()


def test_json_lines_have_the_columns_of_all_rows_and_nested_ones_are_left_out():
    rows = [{"file_name": "a.jpg", "objects": {"box": [1]}}, {"file_name": "b.jpg\u2028", "age": 3, "person": None}]
    faults = Faults("own")
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n{broken\n[1]\n"
    table = read("t.jsonl", text, faults)
    assert table.columns == ("file_name", "age", "person")
    assert [cells["age"] for _, cells in table.rows()] == ["", "3"]
    with pytest.raises(InputError, match="1 x the line is not JSON(.|\n)*1 x the line is no JSON object"):
        faults.raise_if_any()


def test_a_damaged_parquet_file_is_refused():
    with pytest.raises(Fault, match="is not a complete Parquet file"):
        read("t.parquet", b"PAR1 and no more")
