"""The copy for a demonstration: what it needs, nothing that leads back, and the project as it was."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aru.core.errors import InputError
from flows.project import versioning
from flows.project.params import configured
from flows.requests.demo.project_copy import check_finished, copy_project, free_folder, own_environment
from flows.requests.erasing.target import stores_of
from flows.requests.processing.policy import read_policy
from tests.flows.requests.demo.conftest import Place, contents

pytest_plugins = ["tests.helpers.tracking_fixtures"]


def test_the_copy_has_what_stages_read_and_wrote_and_no_link(place: Place) -> None:
    copied = contents(place.copy)
    assert (place.project / "data" / "faces.zip").is_symlink() and (
        place.project / "work/faces/prepared/images.npy"
    ).is_symlink()
    for name in ("data/faces.zip", "work/faces/prepared/images.npy", "work/faces/report/figures/loss.svg", "dvc.lock"):
        assert copied[name] == (place.project / name).read_bytes()
    assert not [path for path in place.copy.rglob("*") if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1)]
    assert not [name for name in copied if name.startswith(".aru/") or "shadows" in name]


def test_an_erasure_in_the_copy_reaches_nothing_else(place: Place) -> None:
    cache, folders, elsewhere = stores_of(place.copy)
    assert cache.own and cache.objects.is_relative_to(place.copy) and cache.runs.is_relative_to(place.copy)
    assert (folders, elsewhere) == ({}, {})
    assert set(stores_of(place.project)[1]) == {"mine", "everywhere"}  # which the same look at the project finds
    cache.remove(cache.digests())
    assert not cache.digests() and (place.project / "data" / "faces.zip").read_bytes()[:2] == b"PK"


def test_runs_are_copied_and_lead_to_the_copied_files(place: Place) -> None:
    assert (place.copy / "mlruns" / "artifacts" / "faces" / "run" / "note.txt").read_text() == "of a run"
    with closing(sqlite3.connect(place.copy / "mlruns" / "mlflow.db")) as database:
        locations = [row[0] for row in database.execute("SELECT artifact_location FROM experiments")]
    assert len(locations) > 1 and all(location.startswith((place.copy / "mlruns").as_uri()) for location in locations)


def test_the_copy_is_a_repository_with_one_commit_in_which_no_photo_is(place: Place) -> None:
    from flows.project.git_history import paths_of_objects

    paths = {*paths_of_objects(place.copy).values()}
    assert {"params.yaml", "dvc.lock", "requests.yaml", "data/faces.zip.dvc"} <= paths
    assert not [path for path in paths if path.endswith(".zip") or path.startswith(("work", "mlruns"))]
    config = configured(place.copy / "params.yaml", "faces")
    assert (config.audit.release, config.evaluate.retrained) == ("not-failed", False)
    assert read_policy(place.copy).batching.at_least == 2


def test_the_project_its_remote_and_its_cache_stay_as_they_were(place_once: Path, place: Place) -> None:
    for name in ("project", "remote", "cache"):
        assert contents(place.project.parent / name) == contents(place_once / name)


def test_a_folder_must_be_new_or_empty_and_outside(place: Place, tmp_path: Path) -> None:
    assert free_folder(place.project, tmp_path / "new") == tmp_path / "new"
    (tmp_path / "file").write_text("")
    for taken in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match="is not an empty folder"):
            free_folder(place.project, taken)
    with pytest.raises(InputError, match="lies in the project"):
        free_folder(place.project, place.project / "copy")
    made = free_folder(place.project, None)
    made.rmdir()
    assert made.name.startswith("aru-demo-")


def test_without_a_finished_run_or_with_forgotten_people_nothing_is_made(place: Place, tmp_path: Path) -> None:
    root = Path(shutil.copytree(place.copy, tmp_path / "project"))
    assert "work/faces/report/figures" in check_finished(root, "faces")
    listed = (root / "suppression.jsonl").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.requests.demo.project_copy.read_list", lambda path: type("List", (), {"entries": (1, 2)}))
        with pytest.raises(InputError, match="has 2 entries, and the demonstration takes no key"):
            copy_project(root, "faces", tmp_path / "copy")
    assert (root / "suppression.jsonl").read_text() == listed
    shutil.rmtree(root / "work" / "faces" / "report")
    with pytest.raises(InputError, match=r"work/faces/report/figures is not there: .*`aru run`"):
        copy_project(root, "faces", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_ledger_keys_and_servers_of_the_user_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"ARU_REQUESTS_URL": "postgresql://x/y", "MLFLOW_TRACKING_URI": "http://x", "PREFECT_HOME": "/x", "GIT_DIR": "/x"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    with own_environment():
        assert theirs.keys().isdisjoint(os.environ)
    assert theirs.items() <= os.environ.items()


def test_a_remote_without_a_place_stays_one(place: Place) -> None:
    assert set(versioning.remotes(place.copy).values()) == {versioning.NO_PLACE}
