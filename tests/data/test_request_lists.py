"""Lists of names in files: every form a list comes in, and nobody passed over."""

import pytest

from aru.core.errors import InputError
from aru.data.request_lists import read_files, read_people

LISTS = {
    "plain.txt": b"Ann\n\n Bo Li \r\nAnn\n",
    "marked.txt": "Ann\nBo Li".encode("utf-8-sig"),
    "windows.txt": "Ann\r\nBo Li\r\n".encode("utf-16"),
    "headed.csv": b"when;Person\n1;Ann\n2;Bo Li\n;\n",
    "one.csv": b"name\nAnn\nBo Li\n",
    "bare.csv": b"Ann\nBo Li\n",
    "tabs.tsv": b"person\twhen\nAnn\t1\nBo Li\t\n",
    "quoted.csv": b'person,note\nAnn,"x, y"\nBo Li,z\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_every_form_names_the_same_people(tmp_path, name):
    (tmp_path / name).write_bytes(LISTS[name])
    assert read_people(tmp_path / name) == ["Ann", "Bo Li"]


def test_a_column_of_families_makes_keys(tmp_path):
    (tmp_path / "a.csv").write_text("family,person\nF1,Ann\n,Bo\n")
    assert read_people(tmp_path / "a.csv") == ["F1/Ann", "Bo"]


def test_paths_are_read_from_lines_and_from_a_column(tmp_path):
    (tmp_path / "a.txt").write_text("Ann/a, b.jpg\nBo/1.jpg\n")
    (tmp_path / "a.csv").write_text('file_name,person\n"Ann/a, b.jpg",Ann\nBo/1.jpg,Bo\n')
    assert read_files(tmp_path / "a.txt") == read_files(tmp_path / "a.csv") == ["Ann/a, b.jpg", "Bo/1.jpg"]


BAD = {
    "empty.txt": (b" \n\n", "names nothing to forget"),
    "empty.csv": (b"person\n", "names nothing to forget"),
    "legacy.txt": ("Zo\xeb\n".encode("cp1252"), "is not text in UTF-8"),
    "which.csv": (b"who,when\nAnn,1\n", "has the columns who, when: give the one with the names the heading 'person'"),
    "short.csv": (b"person,when\nAnn\n", "row 2 has 1 cells, the heading 2"),
    "gap.csv": (b"person,when\nAnn,1\n,2\n", "row 3 names nobody"),
    "open.csv": (b'person,when\n"Ann,1\n', "is not a CSV file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_list_that_could_lose_somebody_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(BAD[name][0])
    with pytest.raises(InputError, match=BAD[name][1]):
        read_people(tmp_path / name)


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="none.txt cannot be read"):
        read_people(tmp_path / "none.txt")
