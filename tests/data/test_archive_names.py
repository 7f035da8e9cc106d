"""Names in archives as Finder, Explorer and 7-Zip write them: resolved, or refused with the reason."""

import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aru.core.errors import InputError, explained
from aru.data.archive import open_archive
from aru.data.archive_names import is_junk
from tests.helpers.archives import write_zip
from tests.helpers.own_photos import folder


def with_raw_name(path: Path, raw: bytes) -> Path:
    """A zip file whose one member has this name, without the flag of UTF-8."""
    stand_in = "x" * len(raw)
    content = write_zip(path, {stand_in: b"1"}).read_bytes()
    path.write_bytes(content.replace(stand_in.encode(), raw))
    return path


@pytest.mark.parametrize(
    ("name", "encoding", "said"),
    [
        ("Müller.jpg", "utf-8", ""),
        ("Müller.jpg", "cp437", "read as cp437"),
        ("Jørgen.jpg", "cp850", "read as cp850"),
        ("Müller.jpg", "cp1252", "read as cp1252"),
        ("Zoé.jpg", "cp1252", "read as cp1252"),
        ("김민수.jpg", "cp949", "read as cp949"),
    ],
)
def test_old_encodings_of_names_are_found_and_a_guess_is_said(tmp_path, name, encoding, said):
    with open_archive(with_raw_name(tmp_path / "a.zip", name.encode(encoding))) as archive:
        assert archive.names() == [name] and archive.read(name) == b"1"
        assert said in " ".join(archive.notes) and bool(archive.notes) == bool(said)


def test_an_encoding_of_names_can_be_given(tmp_path):
    path = with_raw_name(tmp_path / "a.zip", "Łódź.jpg".encode("cp852"))
    with open_archive(path, name_encoding="cp852") as archive:
        assert archive.names() == ["Łódź.jpg"] and archive.notes == ()
    for wrong, message in (("ascii", "are not in it"), ("none", "is no encoding")):
        with pytest.raises(InputError, match=message), open_archive(path, name_encoding=wrong):
            pass


JUNK = (
    "__MACOSX/a/._1.jpg",
    "a/._1.jpg",
    "a/.DS_Store",
    "a/Thumbs.db",
    "Desktop.ini",
    "@eaDir/1.jpg/SYNO.jpg",
    ".Trashes/1.jpg",
)


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_files_that_systems_add_are_left_out_and_counted(tmp_path, kind):
    files = dict.fromkeys(JUNK, b"x") | {"a/1.jpg": b"1", "a/thumbs.jpg": b"2"}
    path = write_zip(tmp_path / "a.zip", files) if kind == "zip" else folder(tmp_path / "a", files)
    with open_archive(path) as archive:
        assert sorted(archive.names()) == ["a/1.jpg", "a/thumbs.jpg"]
        assert archive.notes[0].endswith(f"left out: {len(JUNK)}.")
    assert all(map(is_junk, JUNK))


def test_links_and_twins_of_a_folder_are_one_report(tmp_path):
    root = folder(
        tmp_path / "own", {"a/1.jpg": b"1", "a/e\u0301.jpg": b"2", "a/\u00e9.jpg": b"3", "b\\2.jpg": b"4", "b/2.jpg": b"5"}
    )
    (root / "lost.jpg").symlink_to(root / "none.jpg")
    (root / "again").symlink_to(root / "a")
    (root / "out.jpg").symlink_to("/etc/hostname")
    (root / "inside.jpg").symlink_to(root / "a" / "1.jpg")
    with pytest.raises(InputError) as refused, open_archive(root):
        pass
    text = explained(refused.value)
    assert "2 x is there twice" in text and "lost.jpg is a link to nothing" in text
    assert "again is a link to a folder" in text and "out.jpg is a link out of the folder" in text and "inside" not in text


def test_a_colon_in_a_name_is_no_drive(tmp_path):
    with open_archive(write_zip(tmp_path / "a.zip", {"12:30.jpg": b"1"})) as archive:
        assert archive.names() == ["12:30.jpg"]
    with (
        pytest.raises(InputError, match="points out of the archive"),
        open_archive(write_zip(tmp_path / "b.zip", {"C:x": b""})),
    ):
        pass


def test_another_kind_of_archive_is_named_with_the_remedy(tmp_path):
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(40))
    (tmp_path / "a.tar").write_bytes(bytes(10240))
    for name, kind in (("a.7z", "7z"), ("a.tar", "tar")):
        with pytest.raises(InputError, match=f"is a {kind} archive: unpack it"), open_archive(tmp_path / name):
            pass


def test_more_than_an_archive_may_hold_is_refused(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", {"1.jpg": bytes(8000), "2.jpg": bytes(8000)})
    assert zipfile.is_zipfile(path)
    monkeypatch.setattr("aru.data.archive.MAX_TOTAL_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to 16000 bytes"), open_archive(path):
        pass
    monkeypatch.setattr("aru.data.archive.MAX_MEMBERS", 1)
    with pytest.raises(InputError, match="has 2 members, the limit is 1"), open_archive(path):
        pass


@settings(max_examples=80, deadline=None)
@given(raw=st.one_of(st.binary(min_size=3, max_size=24), st.text("aé김/\\.:\0 ", min_size=3, max_size=12).map(str.encode)))
def test_a_member_of_any_name_is_one_file_below_the_archive_or_refused(tmp_path_factory, raw):
    path = with_raw_name(tmp_path_factory.getbasetemp() / "any.zip", raw)
    try:
        with open_archive(path) as archive:
            names = archive.names()
            assert all(archive.read(name) == b"1" for name in names) and len(names) <= 1
    except InputError as error:
        assert re.search("points out of the archive|without a name", explained(error)) or "is not a complete zip file" in str(
            error
        )
    else:
        assert not any(name.startswith("/") or ".." in name.split("/") or "\\" in name for name in names)
