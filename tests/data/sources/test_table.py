"""The source `table`: columns guessed and named, paths resolved or refused with the reason."""

import re

import pytest

from aru.core.errors import InputError, explained
from aru.data.archive import open_archive
from aru.data.faults import Faults
from aru.data.sources.found import Columns, Found
from aru.data.sources.table import find_by_table
from tests.helpers.own_photos import folder

GUESSED = Columns()


def find(tmp_path, files: dict[str, str], columns: Columns = GUESSED) -> Found:
    """What the source finds in a folder of these files; all its faults as one InputError."""
    own = folder(tmp_path / "own", {name: content.encode() for name, content in files.items()})
    faults, found = Faults("own"), Found([])
    with open_archive(own, faults) as archive, faults.collected("own"):
        found = find_by_table(archive, columns, faults)
    faults.raise_if_any()
    return found


IMAGES = {f"{name}.jpg": "" for name in "abcd"}


def test_several_binary_labels_are_guessed_and_what_can_be_no_label_is_passed_over(tmp_path):
    rows = ["a.jpg,1,0,note 1,x,", "b.jpg,0,0,note 2,x,y", "c.jpg,1,1,note 3,x,", "d.jpg,0,1,note 4,x,y"]
    found = find(tmp_path, IMAGES | {"t.csv": "\n".join(["image,hat,glasses,text,camera,gaps", *rows])})
    assert found.labels == ("hat", "glasses") and found.photos[0].labels == ("1", "0")
    assert "labels are 'hat', 'glasses' (not 'text', 'camera', 'gaps'" in found.notes[0]


def test_columns_can_be_named(tmp_path):
    columns = Columns(file="bild", person="wer", family="haus", split="teil", labels=("art",))
    found = find(tmp_path, IMAGES | {"t.csv": "bild,wer,haus,teil,art,label\na.jpg,Ann,H1,train,x,1\n"}, columns)
    assert found.photos == [("a.jpg", "Ann", "H1", "train", ("x",))] and found.labels == ("art",)


def test_people_without_labels_are_found(tmp_path):
    found = find(tmp_path, IMAGES | {"t.csv": "path,identity\na.jpg,Ann\nb.jpg,Bo\n"})
    assert found.labels == () and [photo.person for photo in found.photos] == ["Ann", "Bo"]


def test_hugging_faces_folders_are_the_split(tmp_path):
    files = {f"top/{split}/{name}.jpg": "" for split in ("train", "test") for name in "ab"}
    tables = {f"top/{split}/metadata.csv": "file_name,label\na.jpg,x\nb.jpg,y\n" for split in ("train", "test")}
    found = find(tmp_path, files | tables)
    assert [photo.split for photo in found.photos] == ["test", "test", "train", "train"]
    assert "The folders are the split: test, train." in found.notes


@pytest.mark.parametrize(
    "path",
    ["photos/a.jpg", "./photos/a.jpg", "photos\\a.jpg", "../photos/a.jpg", "top/photos/a.jpg"],
)
def test_paths_are_relative_to_the_table_or_to_the_top(tmp_path, path):
    found = find(tmp_path, {"top/photos/a.jpg": "", "top/tables/t.csv": f"file,label\n{path},x\n"})
    assert [photo.path for photo in found.photos] == ["top/photos/a.jpg"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/home/a.jpg", "is an absolute path"),
        ("C:\\photos\\a.jpg", "is an absolute path"),
        ("../../a.jpg", "leads out of the folder"),
        ("A.JPG", "is there with other capitals .*there it is a.jpg"),
        ("none.jpg", "none.jpg is not there"),
        ("", "line 2: file is empty"),
    ],
)
def test_paths_that_lead_to_no_photo_are_refused_with_the_reason(tmp_path, path, message):
    with pytest.raises(InputError) as refused:
        find(tmp_path, IMAGES | {"t.csv": f"file,label\n{path},x\n"})
    assert re.search(message, explained(refused.value))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no table"),
        ({"people.xlsx": ""}, "spreadsheet: save the sheet as 'CSV UTF-8'"),
        ({"a.csv": "file\n", "b.csv": "file\n"}, "has 2 tables"),
        ({"t.csv": "who,label\nAnn,x\n"}, "has no column that names the files"),
        ({"t.csv": "file,label\n"}, "has a heading and no rows"),
        ({"a/metadata.csv": "file,x\n", "b/metadata.csv": "file,y\n"}, "other columns than the first table"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, files, message):
    with pytest.raises(InputError, match=message):
        find(tmp_path, IMAGES | files)
