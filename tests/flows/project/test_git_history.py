"""Everything that git stores is seen: commits, branches, what was added and never committed, names of files."""

import os
import subprocess
from pathlib import Path

from flows.project.git import commit_files, git_state, make_repository
from flows.project.git_history import commits_with, paths_of_objects, stored_objects
from tests.helpers.project import commit_all, shell


def with_word(root: Path, word: bytes) -> set[str]:
    return {stored.id for stored in stored_objects(root) if word in stored.content}


def test_objects_of_every_kind_are_found_with_their_commits(tmp_path: Path) -> None:
    root = tmp_path / "inner"
    root.mkdir()
    shell(tmp_path, "git", "init", "-q")
    for key, value in (("user.email", "tests@example.org"), ("user.name", "tests")):
        shell(tmp_path, "git", "config", key, value)
    (root / "params.yaml").write_text("who: Quixley\n")
    commit_all(tmp_path)
    first = shell(tmp_path, "git", "rev-parse", "HEAD").strip()
    (root / "params.yaml").write_text("who: nobody\n")
    (root / "Wobbling.jpg").write_bytes(bytes(range(256)))
    commit_all(tmp_path)
    second = shell(tmp_path, "git", "rev-parse", "HEAD").strip()
    (root / "staged.txt").write_text("Zanzibar\n")
    shell(tmp_path, "git", "add", "-A")
    shell(tmp_path, "git", "rm", "-q", "--cached", "inner/staged.txt")

    [blob] = with_word(root, b"Quixley")
    assert paths_of_objects(root)[blob] == "params.yaml" and paths_of_objects(tmp_path)[blob] == "inner/params.yaml"
    assert commits_with(root, {blob}) == [second[:10], first[:10]], "that brought it in, and that took it out"
    [tree] = with_word(root, b"Wobbling.jpg")
    assert commits_with(root, {tree}) == [second[:10]]
    [never_committed] = with_word(root, b"Zanzibar")
    assert commits_with(root, {never_committed}) == []


def test_a_folder_outside_of_git_has_nothing(tmp_path: Path) -> None:
    assert list(stored_objects(tmp_path)) == [] and paths_of_objects(tmp_path) == {} and commits_with(tmp_path, {"0"}) == []


def test_a_name_that_is_not_utf8_stops_nothing(tmp_path: Path) -> None:
    make_repository(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    commit_files(tmp_path, ["a.txt"], "a")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/Jos\xe9.txt")).write_text("b")
    assert git_state(tmp_path)["git_changes"] == "1 new files or folders"
    subprocess.run(["git", "-C", str(tmp_path), "add", "-A"], check=True)
    assert len(paths_of_objects(tmp_path)) == 2
