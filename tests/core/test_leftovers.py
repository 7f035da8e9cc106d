"""Temporary files: no name comes twice, and what a kill leaves is cleared by whoever is alone there next."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.leftovers import locked_folder, remove_leftovers, remove_path
from flows.project.folder import project_lock


def test_what_a_process_of_the_same_number_left_is_in_nobodys_way(tmp_path):
    (tmp_path / f".models.{os.getpid()}.tmp").mkdir()
    names = set()
    for _ in range(3):
        with atomic_path(tmp_path / "models") as temporary:
            temporary.mkdir()
            names.add(temporary.name)
    assert len(names) == 3 and (tmp_path / "models").is_dir()


def test_leftovers_alone_are_cleared(tmp_path):
    kept = [tmp_path / name for name in ("images.npy", ".hidden", ".notes.tmp", "a.0123.tmp")]
    left = [tmp_path / name for name in (".images.npy.0123456789abcdef.tmp", ".old.4711.tmp")]
    for path in [*kept, *left]:
        path.write_text("content")
    folder = tmp_path / "cells" / ".abcd.0123456789abcdef.tmp"
    folder.mkdir(parents=True)
    (folder / ".record.json.0123456789abcdef.tmp").write_text("{}")
    remove_leftovers(tmp_path, of="images.npy.*")
    assert not left[0].exists() and left[1].exists()
    remove_leftovers(tmp_path)
    assert not any(path.exists() for path in [*left, folder]) and all(path.exists() for path in kept)


HOLD = """
import sys
from aru.core.leftovers import locked_folder
with locked_folder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time_and_a_killed_one_does_not_count(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="another process is writing"), locked_folder(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with locked_folder(tmp_path):
        pass


def test_the_holder_of_the_project_clears_what_nobody_else_works_at(tmp_path):
    folders = [tmp_path / "work" / "faces" / name for name in ("comparison", "prepared")]
    left = [folder / "cells" / ".abcd.0123456789abcdef.tmp" for folder in folders]
    for path in left:
        path.mkdir(parents=True)
    with locked_folder(folders[1]), project_lock(tmp_path):
        assert [Path(path).exists() for path in left] == [False, True]
    with project_lock(tmp_path):
        assert not left[1].exists()


def test_two_processes_may_remove_the_same_folder(tmp_path, monkeypatch):
    """As two stages that end at once do with the report that is out of date."""
    rmdir, folder = os.rmdir, tmp_path / "report"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "roc.png").write_text("png")
    (folder / "page.html").write_text("page")

    def outrun(path, **options):
        rmdir(path, **options)  # by the other process
        rmdir(path, **options)

    monkeypatch.setattr(os, "rmdir", outrun)
    remove_path(folder)
    assert not folder.exists()
