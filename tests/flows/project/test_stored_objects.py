"""What refers to the bytes that DVC keeps, read from its files as it writes them, and what is left when some are removed."""

from pathlib import Path

from dvc.utils.serialize import dumps_yaml

from flows.project import versioning
from flows.project.stored_objects import Reference, Store, references, workspace_references
from tests.helpers.project import shell


def test_references_of_lock_and_tracked_files() -> None:
    lock = (
        "stages:\n  a@x:\n    deps:\n    - {path: data/x.zip, md5: '1'}\n    outs:\n    - {path: work/x/f, md5: 2.dir}\n"
        "    - {path: work/x/unhashed}\n"
    )
    assert list(references(lock, "dvc.lock")) == [Reference("work/x/f", "2.dir", True), Reference("data/x.zip", "1", False)]
    tracked = "outs:\n- {path: x.zip, md5: abc, hash: md5}\n"
    assert list(references(tracked, "data/x.zip.dvc")) == [Reference("data/x.zip", "abc", True)]
    assert list(references(tracked.replace("x.zip", "data/x.zip"), "data.dvc")) == [Reference("data/x.zip", "abc", True)]
    for text in ("", "- list", "a: [", "stages: 3", "outs: {}", "outs: [1, {path: 2, md5: 3}]", "\0"):
        assert list(references(text, "x.dvc")) == []


def test_store_that_dvc_wrote_is_read_and_objects_are_removed(tmp_path: Path) -> None:
    shell(tmp_path, "git", "init", "-q")
    versioning.initialize(tmp_path, in_subfolder=False)
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / name).write_text(name)
    versioning.track(tmp_path, "data")
    [folder] = workspace_references(tmp_path)
    assert (folder.path, folder.digest[-4:]) == ("data", ".dir")
    store = Store(*versioning.cache_folders(tmp_path), own=True)
    members = store.members(folder.digest)
    assert len(members) == 2 and store.digests() == {folder.digest, *members}
    store.remove([*members, "0" * 32])
    assert store.digests() == {folder.digest} and store.members("0" * 32) == set()
    runs = store.runs / "ab" / "cd"
    runs.mkdir(parents=True)
    (runs / "one").write_text("path: work/x/f\n")
    (runs / "two").write_text("path: work/y/f\n")
    assert store.runs_with(["path: work/x/"]) == [runs / "one"]
    (runs / "three").write_text(dumps_yaml({"params": {"forget": ["Eve " + "Maria " * 14 + "Adams"]}}))
    assert "Maria \n" in (runs / "three").read_text() and store.runs_with(["Maria " * 14 + "Adams"]) == [runs / "three"]


def test_stages_of_one_benchmark_are_forgotten(tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text("schema: '2.0'\nstages:\n  code:\n    cmd: c\n  a@x:\n    cmd: a\n  a@xx:\n    cmd: b\n")
    assert versioning.forget_stages(tmp_path, "x") == 1
    assert set(versioning.locked(tmp_path)) == {"code", "a@xx"}
    before = lock.read_bytes()
    assert versioning.forget_stages(tmp_path, "x") == 0 and lock.read_bytes() == before
