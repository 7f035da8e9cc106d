"""A project whose batches are carried out by stand-ins, and its archive."""

import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aru.data.subjects import DEFAULT_MERGE
from flows.project import versioning
from flows.requests.ledger.ledger import open_ledger
from flows.requests.processing import carrying_out, certifying
from flows.requests.resolving import resolution
from tests.helpers import tracked
from tests.helpers.batches import PRESENT, Project, manifest


@pytest.fixture(scope="session")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of drawn noise for the rows of the manifest."""
    root, draw = tmp_path_factory.mktemp("photographed"), np.random.default_rng(0)
    (root / "data").mkdir()
    with zipfile.ZipFile(root / "data" / "faces.zip", "w") as archive:
        for path in tracked.manifest()["path"]:
            photo = io.BytesIO()
            Image.fromarray(draw.integers(0, 256, (16, 16, 3), np.uint8)).save(photo, "PNG")
            archive.writestr(path, photo.getvalue())
    return root


@pytest.fixture
def batch_project(
    tracked_project: Path, photographed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    (tracked_project / "thresholds.yaml").write_text("version: 1\n")
    monkeypatch.setattr(versioning, "track", lambda root, path: f"{path}.dvc")
    shutil.copytree(photographed, tracked_project, dirs_exist_ok=True)
    for module in (carrying_out, resolution):
        monkeypatch.setattr(module, "people_of", lambda root, benchmark, **_: (manifest(root), DEFAULT_MERGE))
    monkeypatch.setattr(certifying, "places_of", lambda root, ledger, request: [PRESENT])
    ledger = open_ledger(f"sqlite:///{tmp_path / 'requests.db'}", b"k" * 32)
    made = Project(tracked_project, ledger)
    made.set_policy(batching={"wait_days": 0}, suspicion={"of_class": 1.0, "of_training": 1.0, "one_sided": 1.0})
    yield made
    ledger.close()
