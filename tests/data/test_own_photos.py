"""Photos as people have them become one archive of the layout "table", or are refused with all faults at once."""

import io
import json
import re
import unicodedata
import zipfile

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from aru.core.errors import InputError, explained
from aru.data.faults import Faults
from aru.data.own_photos import _natural, _with_classes, convert
from aru.data.prepare import read_archive, read_images
from aru.data.sources.found import Columns, Found, Photo
from tests.helpers.archives import jpeg, write_zip
from tests.helpers.own_photos import PEOPLE, as_csv, folder, photos, records

PATTERN = Columns(pattern="{person}/{label}_{n}.jpg")
QUOTED = [("file_name", "person", "label"), *(tuple(row.values()) for row in records())]
TABLES = {
    "plain.csv": as_csv().encode(),
    "excel.csv": as_csv(";", "\r\n").encode("utf-8-sig"),
    "windows.csv": as_csv(";", "\r\n", " ; ;").encode("utf-16"),
    "old_mac.csv": as_csv(";", "\r").encode(),
    "marked.csv": b"sep=|\r\n" + as_csv("|", "\r\n").encode(),
    "unmarked.csv": as_csv(";", "\r\n").encode("utf-16-le"),
    "trailing.csv": as_csv().replace("\n", ",,\n").encode(),
    "quoted.csv": "\n\n".join(",".join(f'"{cell}"' for cell in cells) for cells in QUOTED).encode(),
    "tabs.tsv": as_csv("\t").encode(),
    "metadata.jsonl": "\n".join(json.dumps(row) for row in records()).encode(),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_all_kinds_are_read_alike(tmp_path, name):
    source = folder(tmp_path / "own", photos() | {name: TABLES[name]})
    read = convert("table", source / name, tmp_path / "out.zip", Columns())
    assert dict(read.classes) == {"label": ("cat", "dog")}
    assert read.rows["person"].tolist() == [name.split("/")[0] for name in photos()]
    assert "file is column 'file_name', person is column 'person', labels are 'label'" in read.notes[0]


def test_beside_a_table_only_what_it_names_has_to_be_right(tmp_path):
    source = folder(tmp_path / "own", photos() | {"t.csv": as_csv().encode()})
    (source / "environment").symlink_to("/usr")
    rows = convert("table", source / "t.csv", tmp_path / "own.zip", Columns()).rows
    assert len(rows) == len(photos())
    with pytest.raises(InputError, match="link out of the folder"):
        convert("table", source, tmp_path / "own.zip", Columns())
    photo = source / min(photos())
    photo.rename(tmp_path / "elsewhere.jpg")
    photo.symlink_to(tmp_path / "elsewhere.jpg")
    with pytest.raises(InputError, match="link out of the folder"):
        convert("table", source / "t.csv", tmp_path / "own.zip", Columns())


def test_a_project_among_the_photos_is_passed_over_and_the_table_is_no_file_left_out(tmp_path):
    source = folder(tmp_path / "own", photos() | {"t.csv": as_csv().encode(), "notes.txt": b"", "team/cat_0.jpg": jpeg(90)})
    folder(source / "team", {"data/params.csv": b"a,b"})
    for path in (source / "t.csv", source):  # in the folder alone the project's own table would be a second one
        read = convert("table", path, source / "team" / "out.zip", Columns(), project=source / "team")
        assert len(read.rows) == len(photos()) and read.notes[-1] == "Other files, left out: 1 (.txt: 1)."
    inside = convert("folder", source, tmp_path / "out.zip", Columns(pattern="{person}/{label}_{n}.jpg"), project=source)
    assert len(inside.rows) == len(photos()) + 1, "a project that is itself the folder of the photos is read"


def test_parquet_is_read(tmp_path):
    source = folder(tmp_path / "own", photos())
    parquet.write_table(pyarrow.Table.from_pylist(records()), source / "own.parquet")
    assert len(convert("table", source, tmp_path / "out.zip", Columns()).rows) == 20


def test_a_legacy_encoding_is_said_and_can_be_named(tmp_path):
    text = as_csv().replace("dog", "chien à poil")
    source = folder(tmp_path / "own", photos() | {"t.csv": text.replace("/chien à poil", "/dog").encode("cp1252")})
    read = convert("table", source, tmp_path / "out.zip", Columns())
    assert read.classes["label"] == ("cat", "chien à poil") and "read as cp1252" in read.notes[0]
    with pytest.raises(InputError, match="is not text in ascii"):
        convert("table", source, tmp_path / "out.zip", Columns(encoding="ascii"))


def test_what_is_written_reads_back_the_same_with_nobody_on_two_sides(tmp_path):
    source = write_zip(
        tmp_path / "own.zip",
        {f"top/{name}": content for name, content in photos().items()}
        | {"__MACOSX/top/._cat.jpg": b"x", "top/.DS_Store": b"x", "top/Thumbs.db": b"x", "top/notes.txt": b"x"},
    )
    read = convert("folder", source, tmp_path / "out.zip", PATTERN)
    again = read_archive("table", tmp_path / "out.zip")
    assert again.rows.equals(read.rows[again.rows.columns]) and dict(again.classes) == dict(read.classes)
    assert again.rows.groupby("split")["person"].nunique().to_dict() == {"train": 3, "val": 1, "test": 1}
    assert again.rows.groupby("person")["split"].nunique().max() == 1
    assert "Ann/cat_0.jpg: person 'Ann', label 'cat'" in read.notes[0] and read.notes[0].count("\n") == 10
    assert "Files that macOS, Windows or a network drive put there for themselves, left out: 3." in read.notes
    assert "Other files, left out: 1 (.txt: 1)." in read.notes
    first = (tmp_path / "out.zip").read_bytes()
    convert("folder", source, tmp_path / "out.zip", PATTERN)
    assert (tmp_path / "out.zip").read_bytes() == first


def test_people_are_the_classes_where_nothing_else_is_known(tmp_path):
    read = convert("folder", folder(tmp_path / "own", photos()), tmp_path / "out.zip", Columns(pattern="person"))
    assert dict(read.classes) == {"identity": PEOPLE}


def test_photos_without_people_are_people_of_their_own_with_their_copies(tmp_path):
    files = {f"{kind}/{number}.jpg": jpeg(10 * place + number) for place, kind in enumerate("ab") for number in range(4)}
    files["b/copy.jpg"] = jpeg(99, like=0, quality=60)
    read = convert("folder", folder(tmp_path / "own", files), tmp_path / "out.zip", Columns())
    assert read.rows["person"].nunique() == 8 and "photo:photos/a/0.jpg" in set(read.rows["person"])
    assert read_archive("table", tmp_path / "out.zip").rows["person"].tolist() == read.rows["person"].tolist()
    assert read.rows.groupby("photo")["split"].nunique().max() == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "train", "train", "test", "unseen"), {"train": 12, "val": 4, "test": 4}),
        (("Train", "train", "train", "validation", "test"), {"train": 12, "val": 4, "test": 4}),
        (("train", "train", "train", "test", "test"), {"train": 12, "val": 4, "test": 4}),
    ],
)
def test_splits_of_the_table_are_kept(tmp_path, words, expected):
    text = "\n".join(
        [
            "file,person,label,split",
            *(f"{row['file_name']},{row['person']},{row['label']},{words[PEOPLE.index(row['person'])]}" for row in records()),
        ]
    )
    source = folder(tmp_path / "own", photos() | {"t.csv": text.encode()})
    read = convert("table", source, tmp_path / "out.zip", Columns())
    assert read.rows["split"].value_counts().to_dict() == expected


def test_all_faults_are_one_report(tmp_path):
    files = photos() | {"t.csv": as_csv().replace(" dog \n", " \n", 1).encode()}
    files["Bo/cat_0.jpg"] = b""
    del files["Cy/cat_0.jpg"]
    with pytest.raises(InputError) as refused:
        convert("table", folder(tmp_path / "own", files), tmp_path / "out.zip", Columns())
    text = str(refused.value)
    assert "1 x label is empty" in text and "1 x is not there" in text and "1 x is empty, it has 0 bytes" in text
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize(
    ("source", "columns", "message"),
    [
        ("tabel", Columns(), "unknown source 'tabel'.*table"),
        ("table", Columns(person="who"), "lacks the column of --person-column .*'who'; it has file_name, label, person"),
        ("table", Columns(labels=("kind",)), "lacks the column of --label-column .*'kind'"),
        ("table", Columns(table="other.csv"), "has no table of this name .*'other.csv'; it has t.csv"),
        ("folder", Columns(pattern="{person}_{label}.jpg"), "20 x does not fit the pattern"),
        ("folder", Columns(pattern="all"), "has no field"),
        ("folder", Columns(pattern="{per son}/{n}.jpg"), "has a brace or a name that is not read"),
        ("folder", Columns(pattern="{person}/{person}.jpg"), "has the field 'person' twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, source, columns, message):
    own = folder(tmp_path / "own", photos() | {"t.csv": as_csv().encode()})
    with pytest.raises(InputError) as refused:
        convert(source, own, tmp_path / "out.zip", columns)
    assert re.search(message, explained(refused.value))


def test_a_path_out_of_the_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../Ann/cat_0.jpg", jpeg(0))
    with pytest.raises(InputError, match="points out of the archive"):
        convert("folder", tmp_path / "bad.zip", tmp_path / "out.zip", PATTERN)


def test_faults_of_files_and_of_the_archive_are_in_the_same_report(tmp_path):
    files = photos() | {"Ann/CAT_0.jpg": jpeg(50), "Bo/cat_0.jpg": b"", "Cy/cat_9.jpg": bytes(1 << 20)}
    with pytest.raises(InputError) as refused:
        convert("folder", write_zip(tmp_path / "own.zip", files), tmp_path / "out.zip", PATTERN)
    text = str(refused.value)
    assert "1 x has the name of another photo but for capitals" in text and "1 x is empty" in text
    assert "1 x unpacks to more than 200 times" in text


def test_what_is_found_is_announced_before_a_photo_is_read(tmp_path):
    def refuse(notes):
        assert "Ann/cat_0.jpg: person 'Ann', label 'cat'" in notes[0]
        raise InputError("another pattern")

    with pytest.raises(InputError, match="another pattern"):
        convert(
            "folder",
            folder(tmp_path / "own", photos()),
            tmp_path / "out.zip",
            PATTERN,
            announce=refuse,
            progress=lambda *now: pytest.fail("a photo was read"),
        )
    assert not (tmp_path / "out.zip").exists()


def test_exif_is_ignored_in_the_import_and_afterwards(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    buffer = io.BytesIO()
    Image.open(io.BytesIO(jpeg(3, side=48))).crop((0, 0, 48, 32)).save(buffer, "JPEG", exif=exif)
    source = folder(tmp_path / "own", photos() | {"Ann/cat_8.jpg": buffer.getvalue()})
    for ignore, size in ((False, (32, 48)), (True, (48, 32))):
        columns = Columns(pattern="{person}/{label}_{n}.jpg", ignore_exif=ignore)
        read = convert("folder", source, tmp_path / "out.zip", columns)
        assert next(read_images(tmp_path / "out.zip", ["photos/Ann/cat_8.jpg"])).size == size
        assert any("EXIF orientation ignored" in note and note.endswith(": 1.") for note in read.notes) == ignore
        assert read.notes[-1:] != () and len(read_archive("table", tmp_path / "out.zip").rows) == 21


@pytest.mark.parametrize(("count", "refused"), [(1, True), (2, False), (10_000, False), (10_001, True)])
def test_a_label_has_2_to_10000_classes(count, refused):
    faults = Faults("own")
    found = Found([Photo(f"{number}.jpg", labels=(f"class {number}",)) for number in range(count)], ("label",))
    _, classes, _ = _with_classes(found, faults)
    assert bool(faults) == refused and classes["label"][:2] == ("class 0", "class 1")[:count]


def identity(tmp_path, files):
    """An import without labels, and its rows by person."""
    read = convert("folder", folder(tmp_path / "own", files), tmp_path / "out.zip", Columns(pattern="person"))
    return read, read.rows.groupby("person")["split"].value_counts().unstack(fill_value=0)


def test_where_people_are_the_classes_each_has_photos_in_training_and_apart(tmp_path):
    files = photos() | {f"Few/{number}.jpg": jpeg(90 + number) for number in range(2)}
    files["Bo/copy.jpg"] = files["Ann/cat_0.jpg"]
    read, counts = identity(tmp_path, files)
    assert counts.loc[["Ann", "Cy"]].to_numpy().tolist() == [[1, 2, 1], [1, 2, 1]], "columns: test, train, val"
    assert counts.loc["Few", "train"] == 2
    assert read.rows.groupby("photo")["split"].nunique().max() == 1, "copies are on one side"
    assert "of each person of at least 3 photos, 60 % are drawn into train" in " ".join(read.notes)
    with pytest.raises(InputError, match="people are the classes, and 0 of them have 3 different photos or more"):
        identity(tmp_path / "few", {f"{name}/{number}.jpg": jpeg(ord(name) + number) for name in "ADG" for number in range(2)})


def test_the_splits_of_people_who_are_classes_are_kept_and_a_lone_test_set_is_halved_within_each(tmp_path):
    files = {f"{('train', 'test')[number > 1]}/{name}/{number}.jpg": jpeg(4 * place + number)
             for place, name in enumerate(PEOPLE) for number in range(4)}  # fmt: skip
    files["test/Ann/9.jpg"] = jpeg(77)
    read, counts = identity(tmp_path, files)
    assert counts["train"].tolist() == [2] * 5 and counts["val"].loc["Bo"] == 1 and counts["test"].loc["Ann"] == 2
    assert "half of each person's photos of the test split" in " ".join(read.notes)


@pytest.mark.parametrize("label", ["person", "identity"])
def test_the_column_of_people_named_as_the_label_makes_people_the_classes(tmp_path, label):
    text = as_csv().replace("person", label, 1)
    source = folder(tmp_path / "own", photos() | {"t.csv": text.encode()})
    read = convert("table", source, tmp_path / "out.zip", Columns(labels=(label,)))
    assert dict(read.classes) == {"identity": PEOPLE} and read.rows["person"].nunique() == 5


def test_a_label_cannot_take_the_name_of_the_people(tmp_path):
    with pytest.raises(InputError, match="has a name that is taken here"):
        convert(
            "folder", folder(tmp_path / "own", photos()), tmp_path / "out.zip", Columns(pattern="{person}/{identity}_{n}.jpg")
        )


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="none does not exist: name the folder, the zip file or the table"):
        convert("folder", tmp_path / "none", tmp_path / "out.zip", Columns())


def test_the_order_of_classes_is_that_of_their_names_even_where_their_numbers_are_one():
    """A set of names has another order in each process."""
    names = ["1", "01", "001", "2", "10", "-1", "a1", "a01", "a10", "a2"]
    wanted = ["-1", "001", "01", "1", "2", "10", "a01", "a1", "a2", "a10"]
    for order in (names, names[::-1], sorted(names)):
        assert sorted(order, key=_natural) == wanted


@pytest.mark.parametrize("source", ["table", "folder"])
def test_labels_are_one_class_whichever_way_their_accents_were_written(tmp_path, source):
    forms = {name: unicodedata.normalize("NFC" if number % 3 else "NFD", "café") for number, name in enumerate(photos())}
    labels = {name: forms[name] if "cat" in name else "tea" for name in forms}
    assert len(set(labels.values())) == 3
    if source == "table":
        rows = [f"{name},{name.split('/')[0]},{label}\u200b" for name, label in labels.items()]
        files = photos() | {"t.csv": "\n".join(["file_name,person,kind", *rows]).encode()}
        read = convert("table", folder(tmp_path / "own", files), tmp_path / "out.zip", Columns())
    else:
        files = {f"{labels[name]}/{name.replace('/', '_')}": content for name, content in photos().items()}
        columns = Columns(pattern="{label}/{person}_{n}.jpg")
        read = convert("folder", folder(tmp_path / "own", files), tmp_path / "out.zip", columns)
    assert list(read.classes.values()) == [("café", "tea")]
    assert read.rows[next(iter(read.classes))].value_counts().to_list() == [10, 10]
