"""The search after an erasure finds names and photos wherever they are, and nothing where they are not."""

import gzip
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np

from flows.project.git import commit_files, make_repository
from flows.requests.demo.traces import marks_of, search
from flows.requests.demo.volunteers import choose_volunteers
from tests.flows.requests.demo.conftest import Place

pytest_plugins = ["tests.helpers.tracking_fixtures"]


def test_what_is_there_is_found_in_every_form(place: Place, tmp_path: Path) -> None:
    people = choose_volunteers(place.copy, "faces")
    marks = marks_of(place.copy, "faces", people)
    assert len(marks.files) == 8 and len(marks.pixels) == 8 and people[0].name.encode() in marks.texts
    assert {"data/faces.zip", "work/faces/prepared/images.npy", "work/faces/prepared/manifest.csv"} <= {
        *search(place.copy, marks)
    }

    name, photo = people[0].name, people[0].paths[0]
    with zipfile.ZipFile(place.copy / "data" / "faces.zip") as archive:
        content = archive.read(photo)
    image = np.load(place.copy / "work" / "faces" / "prepared" / "images.npy")[people[0].rows[0]]
    make_repository(tmp_path)
    (tmp_path / "clean.txt").write_text("nobody")
    np.savez_compressed(tmp_path / "clean.npz", np.zeros(9))
    (tmp_path / "begins.zip").write_bytes(b"PK and no zip file")
    commit_files(tmp_path, ["clean.txt"], "Nobody")
    assert search(tmp_path, marks) == []

    (tmp_path / Path(photo).name).touch()
    (tmp_path / "photo.bin").write_bytes(b"before" + content + b"after")
    np.savez_compressed(tmp_path / "array.npz", image)
    (tmp_path / "rows.gz").write_bytes(gzip.compress(f"{photo},1\n".encode()))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", zipfile.ZIP_DEFLATED) as outer:
        outer.write(tmp_path / "array.npz", "inner.npz")
    with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
        database.execute("CREATE TABLE log (message TEXT)")
        database.execute("INSERT INTO log VALUES (?)", (f"of {name}",))
    (tmp_path / "note.txt").write_text(name)
    commit_files(tmp_path, ["note.txt"], "A note")
    (tmp_path / "note.txt").unlink()
    found = search(tmp_path, marks)
    assert {Path(photo).name, "photo.bin", "array.npz", "rows.gz", "outer.zip", "log.db"} == {*found[:-1]}
    assert found[-1].startswith("git object ")
    shutil.rmtree(tmp_path / ".git")
    assert search(tmp_path, marks) == found[:-1]
