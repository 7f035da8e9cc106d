"""The source cifar10 on packages of a few made-up images, laid out as the published one."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aru.core.errors import InputError
from aru.data.own_photos import convert
from aru.data.sources.cifar10 import CLASSES, open_package
from aru.data.sources.found import Columns, check_options

Members = dict[str, bytes]


def picture(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def members(train: int = 4, test: int = 20) -> tuple[Members, np.ndarray, np.ndarray]:
    """The files of a package of five pictures of `train` images each and one of `test`; its images and labels."""
    rng = np.random.default_rng(0)
    count = 5 * train + test
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(count) % 10
    parts = np.split(images.reshape(count, 1024, 3), [train * number for number in range(1, 6)])
    names = [*(f"data_batch_{number}.png" for number in range(1, 6)), "test_batch.png"]
    files = {name: picture(part) for name, part in zip(names, parts, strict=True)}
    files |= {"train_lables.json": json.dumps(labels[: 5 * train].tolist()).encode()}
    files |= {"test_lables.json": json.dumps(labels[5 * train :].tolist()).encode()}
    return files | {"package.json": b"{}", "index.bundle.js": b"throw 'nothing of a package is run'"}, images, labels


def package(path: Path, files: Members) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_images_of_a_package_are_in_the_archive_with_their_splits_and_classes(tmp_path: Path) -> None:
    files, images, labels = members()
    given = package(tmp_path / "given.tgz", files)
    targets = [tmp_path / "one.zip", tmp_path / "two.zip"]
    first, _ = (convert("cifar10", given, target, Columns()) for target in targets)
    rows = first.rows
    assert targets[0].read_bytes() == targets[1].read_bytes()
    assert (rows["split"] == "train").sum() == 20 and set(rows["split"][20:]) == {"val", "test"}
    assert rows["path"].tolist() == [f"photos/train/{n:05d}.png" for n in range(20)] + [
        f"photos/test/{n:05d}.png" for n in range(20)
    ]
    assert rows["object"].tolist() == labels.tolist()
    with zipfile.ZipFile(targets[0]) as archive:
        assert json.loads(archive.read("labels.json")) == {"object": list(CLASSES)}
        stored = [np.asarray(Image.open(io.BytesIO(archive.read(path)))) for path in rows["path"]]
    assert np.array_equal(np.stack(stored), images)


def without(name: str) -> Callable[[Members], Members]:
    return lambda files: {key: value for key, value in files.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("test_batch.png"), "has no test_batch.png: this is not the package; `npm pack"),
        (lambda files: files | {"test_lables.json": b"[1, 2]"}, "20 images of test are there, and 2 labels of it"),
        (lambda files: files | {"test_lables.json": b"[1, 10]"}, "not a list of whole numbers from 0 to 9"),
        (lambda files: files | {"test_lables.json": b"[true]"}, "not a list of whole numbers from 0 to 9"),
        (lambda files: files | {"test_lables.json": b"[" * 100_000}, "test_lables.json is not JSON"),
        (lambda files: files | {"test_batch.png": b"no picture"}, "test_batch.png is not a whole PNG picture"),
        (
            lambda files: files | {"test_batch.png": files["test_batch.png"][:-900]},
            "test_batch.png is not a whole PNG picture",
        ),
        (
            lambda files: files | {"test_batch.png": picture(np.zeros((2, 512, 3), dtype=np.uint8))},
            "512 x 2 pixels of mode RGB: rows of 1024",
        ),
        (lambda files: files | {"test_batch.png": picture(np.zeros((2, 1024), dtype=np.uint8))}, "pixels of mode L"),
        (
            lambda files: files | {"test_batch.png": picture(np.zeros((2, 1024, 3), dtype=np.uint8), "BMP")},
            "not a whole PNG picture",
        ),
    ],
)
def test_what_is_no_such_package_is_named(change: Callable[[Members], Members], said: str, tmp_path: Path) -> None:
    given = package(tmp_path / "given.tgz", change(members()[0]))
    with pytest.raises(InputError, match=said), open_package(given):
        pass


def test_links_members_twice_and_what_unpacks_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = members()[0]
    with tarfile.open(tmp_path / "linked.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("package/test_lables.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(member)
    with (
        pytest.raises(InputError, match=r"package/test_lables.json is there twice, no file"),
        open_package(tmp_path / "linked.tgz"),
    ):
        pass
    twice = tmp_path / "twice.tgz"
    with tarfile.open(twice, "w:gz") as archive:
        for _ in range(2):
            member = tarfile.TarInfo("package/test_lables.json")
            archive.addfile(member)
    with pytest.raises(InputError, match="is there twice"), open_package(twice):
        pass
    monkeypatch.setattr("aru.data.sources.cifar10._MAX_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to more than 1000 bytes"), open_package(package(tmp_path / "a.tgz", files)):
        pass


def test_another_file_is_no_package(tmp_path: Path) -> None:
    given = tmp_path / "given.zip"
    with zipfile.ZipFile(given, "w") as archive:
        archive.writestr("a.png", b"")
    with pytest.raises(InputError, match=r"is not a complete .tgz file .*npm pack"), open_package(given):
        pass
    whole = package(tmp_path / "whole.tgz", members()[0])
    given.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"is not a complete .tgz file"), open_package(given):
        pass


def test_options_of_own_photos_are_refused() -> None:
    with pytest.raises(InputError, match="read as it is published"):
        check_options("cifar10", Columns(pattern="person"))
    check_options("cifar10", Columns())
