"""An erasure leaves nothing of a person, wherever it was killed, and everything of the others."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import dumps_yaml

from aru.compute.object_store import ObjectStore
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.data.archive import open_archive
from flows.prediction.served_model import ServedModel
from flows.project import versioning
from flows.project.params import Edit, configured
from flows.project.pseudonyms import Pseudonyms
from flows.project.stored_objects import Store, workspace_references
from flows.project.used_stores import remember_store
from flows.requests.certificates.envelope import read_public_keys
from flows.requests.certificates.issuing import CERTIFICATES, PUBLIC_KEYS, certificates_of
from flows.requests.certificates.verifying import verify_folder
from flows.requests.erasing import data_areas, erasure, record_areas
from flows.requests.erasing.erasure import Plan, erase, planned
from flows.requests.erasing.places import erased_places, places_of
from flows.requests.ledger.ledger import Ledger, project_ledger
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.records import Actor
from flows.requests.ledger.service import deny, mark_duplicate
from flows.requests.ledger.submission import Submission, submit
from flows.requests.ledger.verification import verify_ledger
from flows.requests.resolving.recording import resolve_on_record
from flows.tracking import purge
from flows.tracking.main_runs import ensure_store
from flows.tracking.production import in_production
from tests.helpers import canaries
from tests.helpers.killing import killed_at

pytest_plugins = ["tests.helpers.tracking_fixtures"]

REQUEST, CLERK = "R-000001", Actor("clerk")
PLANTED = {
    ".aru/failure.txt",
    ".aru/requests.db",
    ".dvc/cache/files",
    ".dvc/cache/runs",
    ".dvc/tmp/replay",
    ".prefect/prefect.db",
    ".prefect/results/state",
    "data/.faces.zip.0123456789abcdef.tmp",
    "data/faces.zip",
    "dvc.lock",
    "mlruns/artifacts/faces",
    "mlruns/mlflow.db",
    "mlruns/server.log",
    "params.yaml",
    "remote/files/md5",
    "work/faces/comparison",
    "work/faces/noise",
    "work/faces/original",
    "work/faces/prepared",
    "work/faces/shadows",
    "disk/of/tuning",
}
"""Where the search finds the canary before: what it passes over, an erasure that leaves it would pass, too."""


def carry_out(root: Path, ledger: Ledger) -> Plan:
    return erase(root, ledger, REQUEST, actor=CLERK, agree=lambda plan: None)


def certificates(root: Path) -> list[str]:
    return [path.name for path in certificates_of(root / CERTIFICATES, REQUEST)]


def tree(root: Path) -> dict[str, str]:
    """All files by digest, apart from what SQLite keeps beside a database that is open."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {path.relative_to(root).as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def others(archive: Path) -> dict[str, str]:
    """The photos of everybody else by digest."""
    with open_archive(archive) as opened:
        names = [name for name in opened.names() if canaries.FAMILY not in name and name.lower().endswith(".jpg")]
        return {name: hashlib.md5(opened.read(name)).hexdigest() for name in names}


def test_nothing_of_a_person_is_left_and_all_of_the_others_is(lived: Path) -> None:
    found = canaries.found(lived)
    assert {"/".join(path.split("/")[:3]) for path in found} == PLANTED
    assert set().union(*found.values()) == set(canaries.MARKS)
    job_store = ObjectStore(str(lived.parent / "job store"), "faces")
    remember_store(lived, job_store.url, "faces")
    job_store.put(lived / "work" / "faces" / "prepared" / "manifest.csv")
    photos, before = others(lived / "data/faces.zip"), tree(lived)
    with project_ledger(lived) as ledger:
        plan = planned(lived, ledger, REQUEST)
        assert plan.left and plan.places == places_of(lived, ledger, REQUEST)
        assert tree(lived) == before, "a dry run changes nothing"
        counts = {place.name: place.found for place in plan.places}
        assert (counts["data/faces.zip"], counts["params.yaml"], counts["ledger of requests"]) == (3, 2, 3)
        assert all(counts[name] for name in ("DVC cache", "DVC remote store", "MLflow: aru-faces", "Prefect", "git"))

        places = carry_out(lived, ledger).places
        assert canaries.found(lived) == {} and job_store.size() == (0, 0) and counts[f"store {job_store.url}"] == 1
        assert {place.name: place.found for place in places} == counts, "the record says what was found"
        assert erased_places(ledger, REQUEST) == places and verify_ledger(ledger).faults == []

        after = tree(lived)
        assert carry_out(lived, ledger) == planned(lived, ledger, REQUEST) == Plan(places, {})
        assert places_of(lived, ledger, REQUEST) == places
        assert tree(lived) == after, "a second erasure finds nothing"
    assert others(lived / "data/faces.zip") == photos and len(photos) == 32
    commits = next(place.done for place in places if place.name == "git")
    assert "came with" in commits and len(commits.rpartition(" ")[2]) == 10

    production = in_production(lived, "aru-faces")
    assert production is not None and production.version == "2"
    served = ServedModel(lived, "faces").loaded
    assert served.predict(canaries.photo()).version == "2" and served.names[0] == "0-6", "the classes keep their names"
    model = configured(lived / "params.yaml", "faces").model
    assert (model.original, model.original_md5) == ("models/faces-production.safetensors", production.weights_md5)
    assert file_md5(lived / model.original) == production.weights_md5
    kept = {one.path: one.digest for one in workspace_references(lived) if one.path in ("data/faces.zip", model.original)}
    assert len(kept) == 2 and versioning.restore(lived, kept), "what is left is in the cache"
    assert set(versioning.status(lived)) == {"prepare@faces", "attack@faces"}, "the stages have to be computed anew"


def test_certificate_of_the_erasure_stands_in_the_place_of_that_of_the_fulfilment(lived: Path) -> None:
    with project_ledger(lived) as ledger:
        done = carry_out(lived, ledger)
    verified = verify_folder(lived / CERTIFICATES, read_public_keys(lived / CERTIFICATES / PUBLIC_KEYS), root=lived)
    assert [(check.name, check.text) for one in verified for check in one.checks if check.holds is False] == []
    first, second = (one.certificate for one in verified)
    assert first is not None and second is not None and done.certificate == verified[1].path
    assert second.supersedes == second.previous and first.supersedes is None
    assert list(second.places) == done.places
    was = {place.name: place for place in first.places}
    assert was["data/faces.zip"].found == 3 and was["data/faces.zip"].done == f"there until `aru erase {REQUEST}`"
    assert first.data.after != second.data.after and len(second.data.absent) == 6
    assert second.models.after == first.models.after


def test_what_would_leave_the_photos_somewhere_is_refused_before_anything_is_removed(
    lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, archive = tree(lived), lived / "data" / "faces.zip"
    with project_ledger(lived) as ledger:
        params = (lived / "params.yaml").read_text()
        (lived / "params.yaml").write_text(
            params.replace('"faces": "data/faces.zip"', '"faces": "data/faces.zip", "b": "data/faces.zip"')
        )
        (lived / "work" / "b").mkdir()
        with pytest.raises(InputError, match="the benchmark b reads data/faces.zip, too"):
            carry_out(lived, ledger)
        (lived / "work" / "b").rmdir()
        (lived / "params.yaml").write_text(params)
        archive.rename(tmp_path / "elsewhere.zip")
        with pytest.raises(InputError, match="faces.zip is not here"):
            carry_out(lived, ledger)
        archive.symlink_to(tmp_path / "elsewhere.zip")
        with pytest.raises(InputError, match="faces.zip is a link, and what it leads to would keep the photos"):
            carry_out(lived, ledger)
        archive.unlink()
        (tmp_path / "elsewhere.zip").rename(archive)
        monkeypatch.setattr("flows.requests.erasing.erasure.running_api", lambda root: "http://127.0.0.1:4200/api")
        with pytest.raises(InputError, match="a Prefect server of the project runs: stop"):
            carry_out(lived, ledger)
        assert {path for path, digest in tree(lived).items() if before.get(path) != digest} <= {".dvc/tmp/aru/flow.lock"}
        monkeypatch.undo()
        request = submit(ledger, Submission("faces", (f" {canaries.FAMILY} / D",)), actor=CLERK).request.id
        with pytest.raises(InputError, match="R-000002 is received: only a closed request is erased"):
            erase(lived, ledger, request, actor=CLERK, agree=lambda plan: None)
        for _ in range(2):  # before any search, and after it
            with pytest.raises(InputError, match="R-000002 is open and about the same person or photos"):
                carry_out(lived, ledger)
            resolve_on_record(lived, ledger, request, actor=CLERK)


def test_what_cannot_be_reached_or_removed_is_listed(lived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lived / ".dvc" / "config.local").write_text("['remote \"cloud\"']\n    url = s3://bucket/x\n")
    (lived / "letter.txt").write_text(f"of {canaries.PERSON}")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    remember_store(lived, "s3://bucket/x", "faces")
    remember_store(lived, "s3://bucket/y", "other")
    (lived / "work" / "b" / "prepared").mkdir(parents=True)
    shutil.copy(lived / "work" / "faces" / "prepared" / "manifest.csv", lived / "work" / "b" / "prepared")
    params = (lived / "params.yaml").read_text()
    (lived / "params.yaml").write_text(
        params.replace('"faces": "data/faces.zip"', '"faces": "data/faces.zip", "b": "data/b.zip"')
    )
    with project_ledger(lived) as ledger:
        found = {place.name: place for place in places_of(lived, ledger, REQUEST)}
        (lived / "work" / "b" / "prepared" / "manifest.csv").unlink()
        shutil.copy(lived / "data" / "faces.zip", lived / "data" / "b.zip")
        unprepared = {place.name: place for place in places_of(lived, ledger, REQUEST)}
    assert unprepared["benchmark b"] == found["benchmark b"], "the archive may have what the manifest lacks"
    assert (
        found["DVC remote cloud"].found is None
        and "dvc gc --workspace --cloud --remote cloud" in found["DVC remote cloud"].done
    )
    assert found["store s3://bucket/x"].found is None and "store s3://bucket/y" not in found
    assert "`aru store clean s3://bucket/x --benchmark faces`" in found["store s3://bucket/x"].done
    assert found["Prefect"].found is None and found["Prefect"].done.startswith("not reached from here")
    assert found["benchmark b"].found == 3 and "a request for the benchmark b" in found["benchmark b"].done
    assert found["other files of the folder"].found == 1


def test_store_whose_address_has_the_name_is_on_record_by_a_pseudonym(lived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"s3://jobs/{canaries.PERSON}"
    remember_store(lived, url, "faces")
    with project_ledger(lived) as ledger:
        with monkeypatch.context() as patch, pytest.raises(InputError, match=f"store {url}.* nothing was removed"):
            patch.setattr("flows.requests.erasing.places.without_names", lambda text, names, pseudonym: text)
            carry_out(lived, ledger)
        erased = carry_out(lived, ledger).places
        assert erased_places(ledger, REQUEST) == erased and verify_ledger(ledger).faults == []
        (store,) = (place for place in erased if place.name.startswith("store "))
        pseudonym = Pseudonyms(ledger.key, ()).of(canaries.PERSON)
    assert store.name == f"store s3://jobs/{pseudonym}" and f"`aru store clean s3://jobs/{pseudonym} " in store.done
    assert set(canaries.found(lived)) == {".aru/stores.json"}


def test_terminal_is_shown_the_address_of_such_a_store(lived: Path) -> None:
    remember_store(lived, f"s3://jobs/{canaries.PERSON}", "faces")
    with project_ledger(lived) as ledger:
        shown = planned(lived, ledger, REQUEST).names
    (lines,) = (lines for place, lines in shown.items() if place.startswith("store "))
    assert len(lines) == 1 and f"`aru store clean s3://jobs/{canaries.PERSON} --benchmark faces`" in lines[0]


def test_names_that_the_erasure_leaves_in_files_are_listed(lived: Path) -> None:
    (lived / "quoted.txt").write_text(f"the letter of “{canaries.PERSON}”, and {canaries.FILES[0]}’s copy")
    params = (lived / "params.yaml").read_text()
    (lived / "params.yaml").write_text(f"# letter 17: {canaries.PERSON}\n{params}")
    with project_ledger(lived) as ledger:
        assert carry_out(lived, ledger).names["other files of the folder"] == ["params.yaml", "quoted.txt"]
        (place,) = (place for place in erased_places(ledger, REQUEST) if place.name == "other files of the folder")
    assert (place.found, place.done) == (2, "not removed: look through the files that `aru erase` names")
    assert set(canaries.found(lived)) == {"params.yaml", "quoted.txt"}


def test_names_in_the_parameters_of_another_benchmark_are_listed(lived: Path) -> None:
    params = yaml.safe_load((lived / "params.yaml").read_text())
    params["benchmarks"]["b"] = "data/b.zip"
    params["b"] = {"data": {"layout": "mufac", "resolution": 32, "forget": {"subjects": [canaries.PERSON]}}}
    (lived / "params.yaml").write_text(json.dumps(params))
    lock = yaml.safe_load((lived / "dvc.lock").read_text())
    lock["stages"]["prepare@b"] = {"cmd": "x", "params": {"params.yaml": {"b.data": params["b"]["data"]}}}
    (lived / "dvc.lock").write_text(dumps_yaml(lock))
    with project_ledger(lived) as ledger:
        assert carry_out(lived, ledger).names["other files of the folder"] == ["params.yaml", "dvc.lock"]
    assert set(canaries.found(lived)) == {"params.yaml", "dvc.lock"}


STEPS: list[tuple[object, str]] = [
    (erasure, "write_journal"),
    (data_areas, "original_settings"),
    (Edit, "write"),
    (data_areas, "write_archive_with"),
    (versioning, "track_again"),
    (versioning, "forget_stages"),
    (data_areas, "remove_path"),
    (Store, "remove"),
    (purge, "_remove"),
    (purge, "_rewrite"),
    (record_areas, "purge_prefect"),
    (erasure, "record"),
    (erasure, "erase_particulars"),
    (erasure, "certify_erased"),
    (Ledger, "forget_deleted"),
]
"""What an erasure does, in its order."""


def test_killed_before_every_step_it_ends_in_the_same_state(
    lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One project, killed at one step after the other: each attempt goes on from what the ones before it left."""
    whole = Path(shutil.copytree(lived, tmp_path / "whole", symlinks=True))
    with monkeypatch.context() as patch, project_ledger(whole) as ledger:
        patch.setenv("PREFECT_HOME", str(whole / ".prefect"))
        ensure_store(whole)
        expected = carry_out(whole, ledger).places

    with project_ledger(lived) as ledger:
        for owner, name in STEPS:
            with killed_at(owner, name):
                carry_out(lived, ledger)
        done = carry_out(lived, ledger)
        assert done.places == expected == erased_places(ledger, REQUEST)
        assert done.certificate is not None and done.certificate.name == certificates(lived)[1]
        assert carry_out(lived, ledger).certificate is None and len(certificates(lived)) == 2
        assert verify_ledger(ledger).faults == []
    assert canaries.found(lived) == {}
    assert content(lived) == content(whole)


def content(root: Path) -> dict[str, str]:
    """All files but databases, locks and certificates, which have times and places in them."""
    ends, begins = (".db", ".lock", "btime", "rwlock"), (".git/", "certificates/0")
    return {path: digest for path, digest in tree(root).items() if not path.endswith(ends) and not path.startswith(begins)}


def others_named(root: Path, ledger: Ledger) -> tuple[int | None, str]:
    """What is said of the person's other requests."""
    (place,) = (place for place in places_of(root, ledger, REQUEST) if place.name == "other requests of the person")
    return place.found, place.done


def test_of_a_request_that_was_not_carried_out_the_ledger_alone_is_erased(lived: Path) -> None:
    with project_ledger(lived) as ledger:
        request, denied, other = (
            submit(ledger, Submission("faces", subjects, remark=canaries.PERSON), actor=CLERK).request.id
            for subjects in ((canaries.PERSON,), (canaries.PERSON,), ("F0001/D",))
        )
        deny(ledger, denied, Reason.IDENTITY_NOT_PROVEN, actor=CLERK)
        mark_duplicate(ledger, request, REQUEST, actor=CLERK)
        mark_duplicate(ledger, other, REQUEST, actor=CLERK)
        assert others_named(lived, ledger) == (3, "not removed: `aru erase` for each of R-000002, R-000003, R-000004")
        for closed in (denied, other):
            erase(lived, ledger, closed, actor=CLERK, agree=lambda plan: None)
        assert others_named(lived, ledger) == (1, "not removed: `aru erase` for each of R-000002")
        before = tree(lived)
        done = erase(lived, ledger, request, actor=CLERK, agree=lambda plan: None)
        assert [(place.name, place.found) for place in done.places] == [("ledger of requests", 1)]
        changed = {path for path, digest in tree(lived).items() if before.get(path) != digest}
        assert changed <= {".aru/requests.db", ".dvc/tmp/aru/flow.lock"}
        assert carry_out(lived, ledger).left is False and canaries.found(lived) == {}
