"""An archive that holds somebody of the list: as if they had never been in it, by whatever they are recognised."""

import io
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from aru.core.errors import InputError
from aru.core.files import bytes_md5
from aru.data.archive import open_archive
from aru.data.own_photos import convert
from aru.data.prepare import read_archive
from aru.data.rewriting import photo_names, write_archive_with
from aru.data.sources.found import Columns
from aru.data.suppression.keyed_hashes import KEY_FILE, Keys, new_keys, write_keys
from aru.data.suppression.screening import Screen, open_screen
from aru.data.suppression.suppression_list import Entry, SuppressionList, photo_entries, subject_entry, write_list
from tests.helpers.archives import mucac_files, mucac_folder, mufac_members, write_zip
from tests.helpers.own_photos import as_csv, folder, photos

KEYS = new_keys()
GONE = "train_images/F0002_AGE_M_18_f1.jpg"


def screen(entries: list[Entry], *, action="drop", scope: str = "small", keys: Keys = KEYS) -> Screen:
    return Screen(SuppressionList().with_entries(entries, keys), keys, scope=scope, action=action)


def entries(content: bytes) -> list[Entry]:
    return photo_entries(bytes_md5(content), Image.open(io.BytesIO(content)).convert("RGB"), KEYS, "R-1")


def without(members: dict[str, bytes], gone: set[str]) -> dict[str, bytes]:
    """The archive by hand: no member of these names, and no line of a table that ends with one."""
    names = tuple(path.split("/")[1].encode() for path in gone)
    return {
        name: b"\n".join(line for line in content.split(b"\n") if not line.endswith(names))
        if name.endswith(".csv")
        else content
        for name, content in members.items()
        if name not in gone
    }


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    found = mufac_members(side=64)
    assert GONE in found
    return found


@pytest.fixture
def archive(tmp_path: Path, members: dict[str, bytes]) -> Path:
    return write_zip(tmp_path / "whole.zip", members)


@pytest.mark.parametrize("kind", ["digest", "pixels", "perceptual"])
def test_a_photo_is_left_out_by_each_kind_of_entry(tmp_path, archive, members, kind):
    one = [entry for entry in entries(members[GONE]) if entry.kind == kind]
    read = read_archive("mufac", archive, screen=screen(one))
    wanted = read_archive("mufac", write_zip(tmp_path / "by-hand.zip", without(members, {GONE})))
    pd.testing.assert_frame_equal(read.rows, wanted.rows)
    assert read.suppressed == {"rows": 1, "photos": 1, "files": {kind: 1}}
    assert read.notes[-1] == f"On the suppression list, left out: 1 rows of 1 photos (files: 1 by {kind})."
    assert wanted.suppressed is None and GONE not in str(read.notes)


def test_a_photo_that_is_being_forgotten_stays_with_its_copies_and_nobody_else(archive, members):
    listed = [*entries(members[GONE]), subject_entry("F0002/M", KEYS, scope="small")]
    one = Screen(SuppressionList().with_entries(listed, KEYS), KEYS, scope="small", action="drop", forgetting=[GONE])
    read = read_archive("mufac", archive, screen=one)
    assert read.rows["path"][read.rows["path"].str.contains("F0002_AGE_M")].tolist() == [GONE]
    assert read.suppressed is not None and read.suppressed["rows"] == 3


def test_a_copy_among_the_test_photos_goes_where_the_photo_itself_is_being_forgotten(archive, members):
    place = next(name for name in members if name.startswith("test_images/"))
    copied = write_zip(archive.with_name("copied.zip"), members | {place: members[GONE]})
    one = Screen(
        SuppressionList().with_entries(entries(members[GONE]), KEYS), KEYS, scope="small", action="drop", forgetting=[GONE]
    )
    rows = read_archive("mufac", copied, screen=one).rows
    assert GONE in set(rows["path"]) and place not in set(rows["path"])
    assert one.found is not None and one.found["rows"] == 1


@pytest.mark.parametrize("scope, left_out", [("", 4), ("small", 4), ("other", 0)])
def test_a_person_is_left_out_where_the_id_means_them(archive, scope, left_out):
    listed = screen([subject_entry("F0002/M", KEYS, scope=scope)])
    read = read_archive("mufac", archive, screen=listed)
    assert len(read.rows) == 64 - left_out
    assert read.suppressed is not None and read.suppressed["rows"] == left_out
    assert not read.rows["path"].str.contains("F0002_AGE_M").any() or not left_out


def test_a_photo_goes_with_its_copies_whoever_they_are_filed_under(tmp_path, members):
    copy = "val_images/F0006_AGE_M_18_a9.jpg"
    picture = Image.open(io.BytesIO(members[GONE]))
    again = io.BytesIO()
    picture.save(again, "JPEG", quality=40)
    table = members["custom_val_dataset.csv"] + b"F0006,M,a,F0006_AGE_M_18_a9.jpg\n"
    both = write_zip(tmp_path / "both.zip", members | {copy: again.getvalue(), "custom_val_dataset.csv": table})
    read = read_archive("mufac", both, screen=screen(entries(members[GONE])[:1]))
    assert read.suppressed == {"rows": 2, "photos": 1, "files": {"digest": 1}}
    assert not {GONE, copy} & {*read.rows["path"]}


def test_refusing_names_digests_and_the_remedy_but_nobody(archive, members):
    with pytest.raises(InputError, match="1 photos .1 rows. are on the suppression list") as error:
        read_archive("mufac", archive, screen=screen(entries(members[GONE]), action="refuse"))
    assert bytes_md5(members[GONE]) in str(error.value) and "F0002" not in str(error.value)
    assert "data.suppression=drop" in str(error.value)


def test_an_archive_of_suppressed_people_alone_is_refused(archive):
    everybody = [subject_entry(f"F{family:04d}/{person}", KEYS) for family in range(1, 9) for person in "DM"]
    with pytest.raises(InputError, match="names no images: all of them are on the suppression list"):
        read_archive("mufac", archive, screen=screen(everybody))


def test_own_photos_are_written_without_those_of_the_list(tmp_path):
    given = photos()
    folder(tmp_path / "in", given)
    listed = screen([*entries(given["Bo/cat_0.jpg"]), subject_entry("Cy", KEYS)])
    read = convert("folder", tmp_path / "in", tmp_path / "out.zip", Columns(pattern="person"), screen=listed)
    left = {f"photos/{path}" for path in given if not path.startswith("Cy/") and path != "Bo/cat_0.jpg"}
    assert {*read.rows["path"]} == left == {*read_archive("table", tmp_path / "out.zip").rows["path"]}
    assert read.suppressed == {"rows": 5, "photos": 5, "files": {"digest": 1, "subject": 4}}
    everybody = screen([subject_entry(name, KEYS) for name in {path.split("/")[0] for path in given}])
    with pytest.raises(InputError, match="all photos are on the suppression list"):
        convert("folder", tmp_path / "in", tmp_path / "none.zip", Columns(pattern="person"), screen=everybody)


def test_archives_of_all_layouts_are_written_again_with_some_photos_alone(tmp_path, archive):
    mucac_folder(tmp_path / "mucac", mucac_files())
    folder(tmp_path / "in", photos())
    convert("folder", tmp_path / "in", tmp_path / "own.zip", Columns())
    for layout, path in (("mufac", archive), ("mucac", tmp_path / "mucac"), ("table", tmp_path / "own.zip")):
        rows = read_archive(layout, path).rows
        wanted = rows[rows.index % 5 != 2]
        target = tmp_path / f"{layout}-some.zip"
        write_archive_with(layout, path, target, {*wanted["path"]})
        again = read_archive(layout, target).rows
        columns = ["path", "family", "person", "split", "digest"]
        pd.testing.assert_frame_equal(again[columns], wanted[columns].reset_index(drop=True))
        first = target.read_bytes()
        write_archive_with(layout, target, target, {*wanted["path"]})
        assert target.read_bytes() == first


def test_a_projects_screen_needs_the_key_of_its_list_and_none_without_one(tmp_path):
    def opened() -> Screen | None:
        return open_screen(tmp_path, scope="small", action="drop", environment={})

    assert opened() is None, "no list, no key"
    path = tmp_path / "suppression.jsonl"
    write_list(path, SuppressionList())
    assert opened() is None
    write_list(path, SuppressionList().with_entries([subject_entry("7", KEYS)], KEYS))
    with pytest.raises(InputError, match="cannot be read without its key"):
        opened()
    write_keys(tmp_path / KEY_FILE, new_keys())
    with pytest.raises(InputError, match="was made under the keys"):
        opened()
    write_keys(tmp_path / KEY_FILE, KEYS)
    assert opened() is not None
    path.unlink()
    with pytest.raises(InputError, match="is gone, and .* says that there was a list"):
        opened()


def test_photos_whose_names_do_not_end_as_images_do_go_and_stay_as_the_others(tmp_path):
    folder(tmp_path / "in", {path.removesuffix(".jpg"): content for path, content in photos().items()})
    table = as_csv().replace(".jpg", "")
    (tmp_path / "in" / "photos.csv").write_text(table)
    path = tmp_path / "own.zip"
    rows = convert("table", tmp_path / "in" / "photos.csv", path, Columns()).rows
    gone = {*rows["path"][rows["person"] == "Bo"]}
    assert len(gone) == 4
    with open_archive(path) as archive:
        assert photo_names("table", archive) == {*rows["path"]}
        others = {*archive.names()} - {*rows["path"]}
    write_archive_with("table", path, path, {*rows["path"]} - gone)
    assert {*read_archive("table", path).rows["path"]} == {*rows["path"]} - gone
    with open_archive(path) as archive:
        assert {*archive.names()} == others | ({*rows["path"]} - gone)
