"""Archives that are broken or hostile: refused with the fault named, before anything is written."""

import stat
import zipfile
from pathlib import Path

import pytest

from aru.data import archive
from aru.data.prepare import build_manifest
from aru.errors import InputError
from tests.archives import mucac_files, mucac_folder, mufac_archive, mufac_members, write_zip

CSV = "custom_train_dataset.csv"
IMAGE = "train_images/F0001_AGE_D_18_b1.jpg"


def edit(members, name, old, new):
    members[name] = members[name].replace(old, new, 1)


FAULTS = {
    "missing table": (lambda m: m.pop(CSV), f"has no {CSV}"),
    "missing column": (lambda m: edit(m, CSV, b"age_class", b"age"), "lacks the column 'age_class'"),
    "unknown class": (lambda m: edit(m, CSV, b"D,b,", b"D,x,"), "line 3: age_class 'x' is none of a, b"),
    "empty cell": (lambda m: edit(m, CSV, b"F0001,D,b,", b"F0001,,b,"), "line 3: person_id is empty"),
    "row without file": (lambda m: m.pop(IMAGE), f"names {IMAGE}, which the archive does not have"),
    "file without row": (lambda m: m.update({"val_images/extra.jpg": m[IMAGE]}), "val_images/extra.jpg .*without a row"),
    "a row twice": (lambda m: edit(m, CSV, b"_a0.JPG", b"_b1.jpg"), "names .* twice"),
    "not an image": (lambda m: m.update({IMAGE: b"GIF89a nonsense"}), f"{IMAGE} cannot be read as an image"),
    "half an image": (lambda m: m.update({IMAGE: m[IMAGE][:200]}), f"{IMAGE} cannot be read as an image"),
    "table of bytes": (lambda m: m.update({CSV: b"\xff\xfe\x00\x01"}), f"{CSV} is not a CSV file"),
    "no rows": (lambda m: [m.update({name: m[name].split(b"\n")[0]}) for name in list(m) if name.endswith(".csv")]
                + [m.pop(name) for name in list(m) if not name.endswith(".csv")], "names no images"),
    "path out": (lambda m: m.update({"../x.jpg": b"x"}), r"'../x.jpg' points out of the archive"),
    "absolute path": (lambda m: m.update({"/etc/x.jpg": b"x"}), "points out of the archive"),
    "backslashes": (lambda m: m.update({"..\\x.jpg": b"x"}), "points out of the archive"),
    "bomb": (lambda m: m.update({"train_images/bomb.jpg": bytes(30 << 20)}), "more than 200 times"),
    "giant": (lambda m: m.update({"train_images/giant.jpg": bytes(archive.MAX_MEMBER_BYTES + 1)}), "the limit is"),
}


@pytest.mark.parametrize("spoil, message", FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_named(tmp_path, spoil, message):
    members = mufac_members()
    spoil(members)
    with pytest.raises(InputError, match=message):
        build_manifest("mufac", write_zip(tmp_path / "a.zip", members), protocol="official", forget={"rows": 8})
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
                archive.Zip(opened, path)
    path = tmp_path / "double.zip"
    with zipfile.ZipFile(path, "w") as opened, pytest.warns(UserWarning):
        opened.writestr("a.jpg", b"1")
        opened.writestr("a.jpg", b"2")
    with pytest.raises(InputError, match="two members named 'a.jpg'"), archive.open_source(path):
        pass


@pytest.mark.parametrize("keep", [0, 10, 2000, -30])
def test_a_truncated_or_missing_archive_is_told(tmp_path, keep):
    whole = mufac_archive(tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:keep])
    with pytest.raises(InputError, match="not a whole zip file"):
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
    with pytest.raises(InputError, match=f"{IMAGE} (is damaged|cannot be read)"):
        build_manifest("mufac", path, protocol="official", forget={"rows": 8})


MUCAC_FAULTS = {
    "no identities": (lambda f: f.pop("CelebA-HQ-identity.txt"), "there is no CelebA-HQ-identity.txt"),
    "no attributes": (lambda f: f.pop("CelebA-HQ-attribute.txt"), "there is no CelebA-HQ-attribute.txt"),
    "odd identity": (lambda f: edit(f, "CelebA-HQ-identity.txt", b"0.jpg 0", b"0.jpg zero"),
                     "line 1: .* is not 'FILE NUMBER'"),
    "twice": (lambda f: edit(f, "CelebA-HQ-identity.txt", b"1.jpg 0", b"0.jpg 0"), "line 2: 0.jpg stands there twice"),
    "few columns": (lambda f: edit(f, "CelebA-HQ-attribute.txt", b"0.jpg -1 ", b"0.jpg "), "line 1: .*39 columns are there"),
    "odd value": (lambda f: edit(f, "CelebA-HQ-attribute.txt", b"0.jpg -1", b"0.jpg 5"), "line 1: .* of -1, 0 or 1"),
    "no image": (lambda f: f.pop("CelebA-HQ-img/3.jpg"), "CelebA-HQ-img/3.jpg, which the archive does not have"),
    "no line": (lambda f: f.update({"CelebA-HQ-img/99.jpg": f["CelebA-HQ-img/3.jpg"]}), "99.jpg .*without a row"),
}


@pytest.mark.parametrize("spoil, message", MUCAC_FAULTS.values(), ids=MUCAC_FAULTS.keys())
def test_faults_of_a_mucac_folder_are_named(tmp_path, spoil, message):
    files = mucac_files()
    spoil(files)
    with pytest.raises(InputError, match=message):
        build_manifest("mucac", mucac_folder(tmp_path / "mucac", files), protocol="official", forget={})


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = mucac_folder(tmp_path / "mucac")
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"x")
    (folder / "CelebA-HQ-img" / "0.jpg").unlink()
    Path(folder / "CelebA-HQ-img" / "0.jpg").symlink_to(secret)
    with pytest.raises(InputError, match="link out of the folder"):
        build_manifest("mucac", folder, protocol="official", forget={})
