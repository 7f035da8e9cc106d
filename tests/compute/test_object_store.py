"""The store of objects in a folder and behind the S3 protocol: what goes in comes out, and nothing else does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aru.compute import object_store
from aru.compute.object_store import FOLDER, ObjectStore, check_files, check_store_url
from aru.core.errors import InputError
from aru.core.file_digest import file_sha256
from tests.helpers.clusters import BUCKET, s3_server

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of ``abc`` (FIPS 180-4, the first example)."""


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, s3_server() as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "store"), "toy")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"abc")
    return path


def place_of(store: ObjectStore, digest: str) -> Path:
    return Path(store.url) / FOLDER / store.benchmark / "objects" / digest[:2] / digest


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_what_is_put_comes_back_is_counted_and_goes_when_it_is_cleared(
    kind: str, tmp_path: Path, source: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "s3":
        request.getfixturevalue("s3")
    store = ObjectStore(f"s3://{BUCKET}/some/where" if kind == "s3" else str(tmp_path / "store"), "toy")
    other = ObjectStore(store.url, "other")
    store.check()
    assert store.size() == (0, 0) and store.clear() == 0 and store.result("ab") is None
    assert store.put(source) == ABC == store.put(source) == other.put(source)
    store.get(ABC, tmp_path / "deep" / "target")
    assert (tmp_path / "deep" / "target").read_bytes() == b"abc"
    store.write_result("ab", {"a/b": ABC})
    store.write_result("cd", {"a/b": ABC, "a/c": "0" * 64})
    assert store.result("ab") == {"a/b": ABC} and other.result("ab") is None
    assert store.result("cd") is None, "an object of it is not there"
    assert store.size()[0] == 3 and store.clear() == 3
    with pytest.raises(InputError, match=f"{ABC} is not there any more"):
        store.get(ABC, tmp_path / "again")
    assert not (tmp_path / "again").exists() and other.size() == (1, 3)


def test_a_bucket_that_is_not_there_is_named(s3: None, source: Path) -> None:
    store = ObjectStore("s3://nowhere/prefix", "toy")
    with pytest.raises(InputError, match="there is no bucket 'nowhere'"):
        store.check()
    with pytest.raises(InputError, match="s3://nowhere/prefix cannot be written"):
        store.put(source)


def test_clearing_leaves_everything_beside_the_store_alone(folder: ObjectStore, source: Path) -> None:
    beside = Path(folder.url) / "toy" / "photo.png"
    beside.parent.mkdir(parents=True)
    beside.touch()
    folder.put(source)
    assert folder.clear() == 1 and beside.is_file()


def test_a_damaged_object_is_refused_and_the_file_in_its_way_stays(folder: ObjectStore, source: Path, tmp_path: Path) -> None:
    folder.put(source)
    place_of(folder, ABC).write_bytes(b"abd")
    target = tmp_path / "target"
    target.write_text("before")
    with pytest.raises(InputError, match=f"{ABC} is damaged"):
        folder.get(ABC, target)
    assert target.read_text() == "before" and not list(tmp_path.glob(".target*"))


def test_an_upload_that_was_cut_off_leaves_no_object_and_a_cut_object_is_written_anew(
    folder: ObjectStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(path: Path, target: Path) -> None:
        target.write_bytes(b"a")
        raise ConnectionResetError("the disk went away")

    with monkeypatch.context() as patch:
        patch.setattr(object_store.shutil, "copyfile", cut)
        with pytest.raises(InputError, match="cannot be written .ConnectionResetError: the disk went away"):
            folder.put(source)
    assert folder.size() == (0, 0)
    place_of(folder, ABC).write_bytes(b"a")  # as another program would leave it
    folder.put(source)
    folder.get(ABC, tmp_path / "target")
    assert file_sha256(tmp_path / "target") == ABC


def test_what_is_there_is_not_uploaded_again(folder: ObjectStore, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put(source)
    monkeypatch.setattr(object_store.shutil, "copyfile", lambda *paths: pytest.fail("uploaded again"))
    assert folder.put(source) == ABC


@pytest.mark.parametrize("name", ["", "../x", "AB", ABC[:-1], f"{ABC}/../x", "abc\n"])
def test_names_that_are_no_digests_reach_no_file(folder: ObjectStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="64 hex digits"):
        folder.get(name, tmp_path / "target")
    if name != ABC[:-1]:
        with pytest.raises(InputError, match="made of hex digits"):
            folder.result(name)


@pytest.mark.parametrize(
    "files",
    [
        [ABC],
        "text",
        {"../up": ABC},
        {"/etc/passwd": ABC},
        {"a/../../b": ABC},
        {"a\\b": ABC},
        {"c:": ABC},
        {"a\nb": ABC},
        {"": ABC},
        {"a": "../b"},
        {"a": ABC.upper()},
        {"a": 3},
    ],
)
def test_lists_that_lead_out_of_their_folder_or_name_no_object_are_refused(folder: ObjectStore, files: object) -> None:
    with pytest.raises(InputError, match="from elsewhere: "):
        check_files(files, "from elsewhere")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b'{"../a": "b"}', b"\x80\x04K\x01."])
def test_a_list_of_results_that_is_none_names_the_file_to_remove(folder: ObjectStore, content: bytes) -> None:
    folder.write_result("ab", {})
    (place := Path(folder.url) / FOLDER / "toy" / "results" / "ab.json").write_bytes(content)
    with pytest.raises(InputError, match=f"{place}, to be removed"):
        folder.result("ab")


@pytest.mark.parametrize(
    "url", ["", " ", "s3://", "s3:///x", "s3://bucket/../x", "s3://bucket//x", "gs://bucket/x", "http://host/x", "s3://b?x=1"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"s3://BUCKET/PREFIX"):
        check_store_url(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        check_store_url("s3://key:hidden@bucket/x")
    assert "hidden" not in str(caught.value) and "AWS_SECRET_ACCESS_KEY" in str(caught.value)


def test_folders_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_store_url("a/../b") == check_store_url(f"file://{tmp_path}/b") == str(tmp_path / "b")
    assert check_store_url("s3://bucket/x/") == "s3://bucket/x"


def test_without_the_extra_s3_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object, **options: object) -> None:
        raise ImportError("s3fs")

    monkeypatch.setattr(object_store.fsspec, "filesystem", missing)
    with pytest.raises(InputError, match=r"pip install 'aru\[s3\]'"):
        ObjectStore("s3://bucket/x", "toy")
