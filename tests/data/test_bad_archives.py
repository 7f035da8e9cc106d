"""Archives that are broken or hostile: refused with the fault named, before anything is written."""

import io
import os
import re
import stat
import unicodedata
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from aru.core.errors import InputError, explained
from aru.data import archive
from aru.data.prepare import build_manifest
from tests.helpers.archives import mucac_files, mucac_folder, mufac_archive, mufac_members, write_zip

CSV = "custom_train_dataset.csv"
IMAGE = "train_images/F0001_AGE_D_18_b1.jpg"


def refused(message, layout, path, forget):
    """The archive is refused with this message on the console, and no name of an image in what may be recorded."""
    with pytest.raises(InputError) as caught:
        build_manifest(layout, path, protocol="official", forget=forget)
    assert re.search(message, explained(caught.value)), explained(caught.value)
    assert not re.search(r"\.jpg|F0001", str(caught.value), re.IGNORECASE)
    return caught.value


def edit(members, name, old, new):
    members[name] = members[name].replace(old, new, 1)


FAULTS = {
    "missing table": (lambda m: m.pop(CSV), f"there is no {CSV}"),
    "missing column": (lambda m: edit(m, CSV, b"age_class", b"age"), "lacks the column 'age_class'"),
    "unknown class": (lambda m: edit(m, CSV, b"D,b,", b"D,x,"), "line 3: age_class 'x' is none of a, b"),
    "empty cell": (lambda m: edit(m, CSV, b"F0001,D,b,", b"F0001,,b,"), "line 3: person_id is empty"),
    "row without file": (lambda m: m.pop(IMAGE), f"{IMAGE} has a row .* but is not in the archive"),
    "file without row": (lambda m: m.update({"val_images/extra.jpg": m[IMAGE]}), "val_images/extra.jpg .*without a row"),
    "a row twice": (lambda m: edit(m, CSV, b"_a0.JPG", b"_b1.jpg"), "_b1.jpg has two rows"),
    "not an image": (lambda m: m.update({IMAGE: b"GIF89a nonsense"}), f"{IMAGE} cannot be read as an image"),
    "half an image": (lambda m: m.update({IMAGE: m[IMAGE][:200]}), f"{IMAGE} cannot be read as an image"),
    "table of bytes": (lambda m: m.update({CSV: b"\xff\xfe\x00\x01"}), f"{CSV} is not a CSV file"),
    "no rows": (
        lambda m: (
            [m.update({name: m[name].split(b"\n")[0]}) for name in list(m) if name.endswith(".csv")]
            + [m.pop(name) for name in list(m) if not name.endswith(".csv")]
        ),
        "names no images",
    ),
    "path out": (lambda m: m.update({"../x.jpg": b"x"}), r"\.\./x.jpg points out of the archive"),
    "absolute path": (lambda m: m.update({"/etc/x.jpg": b"x"}), "points out of the archive"),
    "backslashes": (lambda m: m.update({"..\\x.jpg": b"x"}), "points out of the archive"),
    "bomb": (lambda m: m.update({"train_images/bomb.jpg": bytes(30 << 20)}), "more than 200 times"),
    "giant": (lambda m: m.update({"train_images/giant.jpg": bytes(archive.MAX_FILE_BYTES + 1)}), "the limit is"),
}


@pytest.mark.parametrize("spoil, message", FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_named(tmp_path, spoil, message):
    members = mufac_members()
    spoil(members)
    refused(message, "mufac", write_zip(tmp_path / "a.zip", members), {"rows": 8})
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"], "nothing is unpacked"


def test_links_encryption_and_doubles_are_refused(tmp_path):
    def link(info):
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    def encrypt(info):
        info.flag_bits |= 0x1

    for number, (change, message) in enumerate(((link, "is a link"), (encrypt, "is encrypted"))):
        path = mufac_archive(tmp_path / f"{number}.zip")
        with zipfile.ZipFile(path) as opened:
            change(opened.infolist()[-1])
            with pytest.raises(InputError, match=message):
                archive.ZipArchive(opened, path)
    path = tmp_path / "double.zip"
    with zipfile.ZipFile(path, "w") as opened, pytest.warns(UserWarning):
        opened.writestr("a.jpg", b"1")
        opened.writestr("a.jpg", b"2")
    with pytest.raises(InputError, match="two members with one name") as caught, archive.open_archive(path):
        pass
    assert "a.jpg is in the archive twice" in explained(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 2000, -30])
def test_a_truncated_or_missing_archive_is_told(tmp_path, keep):
    whole = mufac_archive(tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:keep])
    with pytest.raises(InputError, match="not a complete zip file"):
        build_manifest("mufac", tmp_path / "a.zip", protocol="official", forget={"rows": 8})
    with pytest.raises(InputError, match="does not exist"):
        build_manifest("mufac", tmp_path / "b.zip", protocol="official", forget={"rows": 8})


def test_flipped_bytes_inside_a_member_are_noticed(tmp_path):
    path = mufac_archive(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as opened:
        start = opened.getinfo(IMAGE).header_offset + 60 + len(IMAGE)
    content[start : start + 20] = bytes(20)
    path.write_bytes(content)
    refused(f"{IMAGE} (is damaged|cannot be read)", "mufac", path, {"rows": 8})


MUCAC_FAULTS = {
    "no identities": (lambda f: f.pop("CelebA-HQ-identity.txt"), "there is no CelebA-HQ-identity.txt"),
    "no attributes": (lambda f: f.pop("CelebA-HQ-attribute.txt"), "there is no CelebA-HQ-attribute.txt"),
    "odd identity": (
        lambda f: edit(f, "CelebA-HQ-identity.txt", b"0.jpg 0", b"0.jpg zero"),
        "line 1: the line is not 'FILE NUMBER' .*0.jpg zero",
    ),
    "twice": (
        lambda f: edit(f, "CelebA-HQ-identity.txt", b"1.jpg 0", b"0.jpg 0"),
        "line 2: its file stands in CelebA-HQ-identity.txt twice",
    ),
    "few columns": (lambda f: edit(f, "CelebA-HQ-attribute.txt", b"0.jpg -1 ", b"0.jpg "), "line 1: .*39 columns are there"),
    "odd value": (lambda f: edit(f, "CelebA-HQ-attribute.txt", b"0.jpg -1", b"0.jpg 5"), "line 1: .* of -1, 0 or 1"),
    "no image": (lambda f: f.pop("CelebA-HQ-img/3.jpg"), "CelebA-HQ-img/3.jpg has a row .* but is not in the archive"),
    "no line": (lambda f: f.update({"CelebA-HQ-img/99.jpg": f["CelebA-HQ-img/3.jpg"]}), "99.jpg .*without a row"),
}


@pytest.mark.parametrize("spoil, message", MUCAC_FAULTS.values(), ids=MUCAC_FAULTS.keys())
def test_faults_of_a_mucac_folder_are_named(tmp_path, spoil, message):
    files = mucac_files()
    spoil(files)
    refused(message, "mucac", mucac_folder(tmp_path / "mucac", files), {})


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = mucac_folder(tmp_path / "mucac")
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"x")
    (folder / "CelebA-HQ-img" / "0.jpg").unlink()
    Path(folder / "CelebA-HQ-img" / "0.jpg").symlink_to(secret)
    with pytest.raises(InputError, match="link out of the folder"):
        build_manifest("mucac", folder, protocol="official", forget={})


def test_all_faults_are_told_at_once(tmp_path):
    members = mufac_members()
    images = [name for name in members if name.endswith("jpg")]
    for name in images[:3]:
        members[name] = members[name][:300]  # cut short
    members[images[3]] = b"GIF89a"
    del members[images[4]]
    members["val_images/extra.png"] = members[images[5]]
    edit(members, CSV, b"F0002,D,a", b"F0002,,a")
    edit(members, "custom_test_dataset.csv", b",a,", b",z,")
    error = refused("damaged", "mufac", write_zip(tmp_path / "a.zip", members), {"rows": 8})
    assert "3 x cannot be read as an image, it is damaged" in str(error)
    for name in images[:5]:
        assert name in explained(error)
    for text in ("person_id is empty", "age_class 'z' is none of a", "is not in the archive", "formats JPEG"):
        assert text in explained(error)
    assert "extra.png" not in explained(error), "the rows are not all known, so nothing is without one"


def test_many_faults_of_a_kind_are_counted_and_the_first_named(tmp_path):
    members = {name: content if name.endswith("csv") else b"" for name, content in mufac_members().items()}
    error = refused("... and 44 more of this kind", "mufac", write_zip(tmp_path / "a.zip", members), {"rows": 8})
    assert "64 x is empty" in str(error) and len(explained(error).splitlines()) < 30


def korean(encoding="utf-8", form="NFC"):
    """The members of an archive with a Hangul name in a table, and its raw bytes in the archive as `encoding` has them."""
    members = mufac_members()
    name = "가족_1.jpg"
    edit(members, CSV, IMAGE.split("/")[1].encode(), name.encode())
    return members, f"train_images/{unicodedata.normalize(form, name)}".encode(encoding)


@pytest.mark.parametrize(
    "encoding, form, flagged",
    [("utf-8", "NFC", True), ("utf-8", "NFD", True), ("utf-8", "NFC", False), ("cp949", "NFC", False)],
)
def test_hangul_names_are_found_however_the_archive_spells_them(tmp_path, encoding, form, flagged):
    members, raw = korean(encoding, form)
    stand_in = "train_images/" + "x" * (len(raw) - len("train_images/"))
    members[stand_in] = members.pop(IMAGE)
    path = write_zip(tmp_path / "a.zip", members)
    content = path.read_bytes()
    if flagged:
        content = flag_as_utf8(content, stand_in.encode())
    path.write_bytes(content.replace(stand_in.encode(), raw))
    manifest = build_manifest("mufac", path, protocol="official", forget={"rows": 8})
    assert "train_images/가족_1.jpg" in manifest["path"].tolist()


def flag_as_utf8(content, name):
    """Set the flag in both headers of the member."""
    content = bytearray(content)
    for signature, flags, start in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        place = next(
            at for at in range(len(content)) if content.startswith(signature, at) and content.startswith(name, at + start)
        )
        content[place + flags + 1] |= 0x08
    return bytes(content)


def test_backslashes_macos_shadows_and_a_folder_around_it_all_are_no_faults(tmp_path):
    members = {f"set/{name}".replace("/", "\\"): content for name, content in mufac_members().items()}
    members["__MACOSX/set/train_images/._x.jpg"] = b"what macOS knows"
    manifest = build_manifest("mufac", write_zip(tmp_path / "a.zip", members), protocol="official", forget={"rows": 8})
    assert len(manifest) == 64 and manifest["path"][0] == "set/train_images/F0001_AGE_D_18_a0.JPG"


def test_other_endings_are_read_by_their_content(tmp_path):
    members = mufac_members()
    for ending, kind in (("webp", "WEBP"), ("tif", "TIFF"), ("bmp", "BMP")):
        old = next(name for name in members if name.endswith(".jpg"))
        buffer = io.BytesIO()
        Image.open(io.BytesIO(members.pop(old))).save(buffer, kind)
        new = old.replace(".jpg", f".{ending}")
        members[new] = buffer.getvalue()
        edit(members, CSV, old.split("/")[1].encode(), new.split("/")[1].encode())
    assert len(build_manifest("mufac", write_zip(tmp_path / "a.zip", members), protocol="official", forget={"rows": 8})) == 64


REMEDIES = {
    "capitals": (
        lambda m: m.update({IMAGE.replace(".jpg", ".JPG"): m.pop(IMAGE)}),
        f"{IMAGE} has a row .* with other capitals .*b1.JPG",
        "write both alike",
    ),
    "UTF-16": (lambda m: m.update({CSV: m[CSV].decode().encode("utf-16")}), f"{CSV} is not a CSV file .*UTF-16", "CSV UTF-8"),
    "cp949": (
        lambda m: m.update({CSV: m[CSV].replace(b"F0001,", "가족,".encode("cp949"))}),
        f"{CSV} is not a CSV file .*cp949",
        "CSV UTF-8",
    ),
    "long row": (lambda m: edit(m, CSV, b"_b1.jpg\n", b"_b1.jpg,,too,much\n"), "line 3: the row .*7, the header 4", "remove"),
    "all rows long": (
        lambda m: m.update({CSV: m[CSV].replace(b".jpg\n", b".jpg,1\n").replace(b".JPG\n", b".JPG,1\n")}),
        "line 2: the row .*5, the header 4",
        "remove",
    ),
    "short row": (lambda m: edit(m, CSV, b"F0001,D,b,", b"F0001,b,"), "line 3: the row .*3, the header 4", "quotes"),
    "open quote": (lambda m: edit(m, CSV, b"F0001,D,b,", b'F0001,D,"b,'), f"{CSV} is not a CSV file", "mend the line"),
    "HEIC": (
        lambda m: m.update({IMAGE: b"\0\0\0\x18ftypheic" + bytes(40)}),
        f"{IMAGE} is a HEIC photo",
        "convert it to JPEG",
    ),
    "cut short": (lambda m: m.update({IMAGE: m[IMAGE][:300]}), f"{IMAGE} cannot be read", "remove both the file and its row"),
}


@pytest.mark.parametrize("spoil, message, remedy", REMEDIES.values(), ids=REMEDIES.keys())
def test_the_remedy_helps_against_just_this_fault(tmp_path, spoil, message, remedy):
    members = mufac_members()
    spoil(members)
    error = refused(message, "mufac", write_zip(tmp_path / "a.zip", members), {"rows": 8})
    assert remedy in str(error) and "fetch the archive again" not in str(error).replace("or fetch the archive again", "")


def test_a_method_of_compression_that_is_not_read_is_named(tmp_path):
    path = mufac_archive(tmp_path / "a.zip")
    with zipfile.ZipFile(path) as opened:
        for info in opened.infolist():
            info.compress_type = 9
        with pytest.raises(InputError, match="67 x is compressed by the method 'deflate64'.*`zip -0`"):
            archive.ZipArchive(opened, path)


def test_names_that_are_not_what_they_are_marked_as_and_newer_zips_are_told(tmp_path):
    path = write_zip(tmp_path / "names.zip", {"Jos\u00e9.jpg": b"1"})
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xe9\xe9"))
    with pytest.raises(InputError, match="a name marked as UTF-8 that is none"), archive.open_archive(path):
        pass
    path = write_zip(tmp_path / "newer.zip", {"x.jpg": b"1"})
    content = bytearray(path.read_bytes())
    place = content.find(b"PK\x01\x02") + 6
    content[place : place + 2] = (70).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="needs a newer program for zip files"), archive.open_archive(path):
        pass


def test_a_name_that_is_not_utf8_is_one_of_the_faults(tmp_path):
    folder = os.fsencode(tmp_path / "photos")
    os.makedirs(folder)
    Path(os.fsdecode(folder + b"/Jos\xe9.jpg")).write_bytes(b"1")
    with pytest.raises(InputError, match="has a name that is not UTF-8.*rename it"), archive.open_archive(tmp_path / "photos"):
        pass
