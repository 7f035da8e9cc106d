"""A search looks through the whole archive: whom the suppression list keeps out of the manifest is there until the erasure."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aru.data.manifest import read_manifest
from aru.stages.runner import run as run_stage
from flows.project import versioning
from flows.project.checks import prepared_rows
from flows.project.plan import plan
from flows.requests.ledger import service
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.states import State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.resolving import whole_archive
from flows.requests.resolving.hashed_lists import Item, Outcome, answer_list
from flows.requests.resolving.recording import resolve_on_record
from flows.requests.resolving.resolution import people_of
from flows.requests.suppression.entering import lift, suppress
from tests.helpers.archives import mufac_members, write_zip
from tests.helpers.ledgers import CLERK
from tests.helpers.prepare_stage import PREPARE
from tests.helpers.project import shell

TABLE, FOLDER = "custom_train_dataset.csv", "train_images/"
FORGOTTEN, ALIKE, OTHER = "F9001_P_a0.png", "F9002_Q_a0.png", "F9002_Q_b1.png"
"""A photo of F9001/P, who is forgotten; one of F9002/Q that only looks like it, and one that does not."""


def picture(*seeds: int) -> bytes:
    """A blurred drawing; of two seeds four parts of the first and one of the second."""
    drawn = [np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8) for seed in seeds]
    first, last = (
        np.asarray(Image.fromarray(one).resize((64, 64), Image.Resampling.BICUBIC), float) for one in drawn[:1] + drawn[-1:]
    )
    buffer = io.BytesIO()
    Image.fromarray((0.8 * first + 0.2 * last).round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


PHOTOS = {FORGOTTEN: picture(1), ALIKE: picture(1, 2), OTHER: picture(7)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose `prepare` ran after F9001/P was forgotten, for the next people to forget."""
    root = tmp_path / "project"
    root.mkdir()
    shell(root, "git", "init", "-q")
    versioning.initialize(root, in_subfolder=False)
    (root / "dvc.yaml").write_text(PREPARE)
    data = {"layout": "mufac", "resolution": 32, "forget": {"rows": 2}}
    (root / "params.yaml").write_text(json.dumps({"benchmarks": {"faces": "data/faces.zip"}, "faces": {"data": data}}))
    members = mufac_members(photos=2)
    members[TABLE] += f"F9001,P,a,{FORGOTTEN}\nF9002,Q,a,{ALIKE}\nF9002,Q,b,{OTHER}\n".encode()
    write_zip(root / "data" / "faces.zip", members | {FOLDER + name: content for name, content in PHOTOS.items()})
    path = root / "data" / "faces.zip"
    suppress(root, "R-000009", archive=path, paths=[FOLDER + FORGOTTEN], people=["F9001/P"], benchmark="faces")
    run_stage("prepare", "faces", root=root, progress=lambda *_: None)
    versioning.commit(root, ["prepare@faces"])
    found, current = prepared_rows(root, "faces", plan(root, "faces"))
    assert (
        found is not None
        and current
        and {*read_manifest(root / "work/faces/prepared/manifest.csv")["path"]} & {FOLDER + name for name in PHOTOS}
        == {FOLDER + OTHER}
    ), "the manifest is that of this archive, and lacks two of the photos"
    return root


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (Submission("faces", ("F9001/P",)), {FORGOTTEN}),
        (Submission("faces", ("F9002/Q",)), {ALIKE, OTHER}),
        (Submission("faces", photos=(FOLDER + FORGOTTEN,)), {FORGOTTEN}),
        (Submission("faces", upload=PHOTOS[ALIKE]), {ALIKE}),
    ],
    ids=["forgotten before", "who looks like them", "by path", "by the photo itself"],
)
def test_photos_on_the_suppression_list_are_found(root: Path, ledger: Ledger, asked: Submission, names: set[str]) -> None:
    request = submit(ledger, asked, actor=CLERK).request.id
    service.identify(ledger, request, actor=CLERK)
    found, done = resolve_on_record(root, ledger, request, actor=CLERK)
    assert done.state is State.PENDING and {match.path for match in found.found.matches} == {FOLDER + name for name in names}
    assert found.evidence.counts["searched files"] == 35


def test_hashed_list_is_matched_with_everybody_in_the_archive(root: Path, ledger: Ledger) -> None:
    items = [Item(name, hashlib.sha256(name.encode()).hexdigest()) for name in ("F9001/P", "F9002/Q", "F9003/R")]
    answers = answer_list(ledger, "faces", people_of(root, "faces")[0], items, "sha256", "id")
    assert [answer.outcome for answer in answers] == [Outcome.OPEN, Outcome.OPEN, Outcome.NOT_FOUND]


def test_archive_is_read_once_while_it_is_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, read = [], whole_archive.read_rows
    monkeypatch.setattr(whole_archive, "read_rows", lambda *some, **more: reads.append(some) or read(*some, **more))
    first, again = (people_of(root, "faces", progress=lambda *_: None)[0] for _ in range(2))
    assert again is first and len(reads) == 1
    write_zip(root / "data" / "faces.zip", mufac_members(photos=1))
    assert len(people_of(root, "faces")[0]) < len(first) and len(reads) == 2


def test_manifest_is_taken_where_nobody_is_on_the_list(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lift(root, "R-000009")
    run_stage("prepare", "faces", root=root, progress=lambda *_: None)
    versioning.commit(root, ["prepare@faces"])
    monkeypatch.setattr(whole_archive, "read_rows", lambda *_, **__: pytest.fail("the archive was read"))
    assert len(people_of(root, "faces")[0]) == 35
