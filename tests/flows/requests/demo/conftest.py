"""A finished project whose DVC settings, links and keys lead to places of its owner's: made once, and copied."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aru.stages.runner import run as run_stage
from flows.project import versioning
from flows.project.git import make_repository
from flows.requests.demo.project_copy import copy_project
from flows.tracking.store import ensure_store
from tests.helpers.archives import mufac_members, write_zip
from tests.helpers.made_once import made_once
from tests.helpers.prepare_stage import PREPARE
from tests.helpers.project import CHECKOUT

STAGES = (
    PREPARE
    + """\
  report:
    foreach: ${benchmarks}
    do:
      cmd: python -m aru report
      deps: ["work/${key}/prepared/manifest.csv"]
      outs:
        - "work/${key}/report/figures": {remote: store}
"""
)


@dataclass(frozen=True)
class Place:
    """The owner's project, the folder of a remote and the cache that others share, and a copy of the project."""

    project: Path
    remote: Path
    cache: Path
    copy: Path


@pytest.fixture(scope="session")
def place_once(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished project in it; tests only copy it."""
    return made_once(tmp_path_factory, "demo-place", lambda folder: _make(folder, empty_store))


@pytest.fixture(scope="module")
def place(place_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """That project with a copy for a demonstration, whose user has a remote in DVC's global settings."""
    folder = Path(shutil.copytree(place_once, tmp_path_factory.mktemp("place") / "place", symlinks=True))
    settings = folder / "settings"
    settings.mkdir()
    cache = f"[cache]\n    dir = {folder / 'cache'}\n    type = symlink\n"
    (settings / "config").write_text(f"{cache}['remote \"everywhere\"']\n    url = {folder / 'remote'}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_GLOBAL_CONFIG_DIR", str(settings))
        yield Place(
            folder / "project",
            folder / "remote",
            folder / "cache",
            copy_project(folder / "project", "faces", folder / "copy"),
        )


def contents(folder: Path) -> dict[str, bytes | str]:
    """{path: bytes} of all files of a folder, of a link where it leads; without what DVC writes whenever it looks."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file() and ".dvc/tmp/" not in name:
            found[name] = path.read_bytes()
    return found


def _make(folder: Path, empty_store: Path) -> None:
    root = folder / "project"
    root.mkdir(parents=True)
    make_repository(root)
    versioning.initialize(root, in_subfolder=False)
    (folder / "remote" / "files").mkdir(parents=True)
    (folder / "remote" / "files" / "object").write_text("of others")
    (root / ".dvc" / "config.local").write_text(
        "[cache]\n    dir = ../../cache\n    type = symlink\n['remote \"mine\"']\n    url = ../../remote\n"
    )
    (root / "dvc.yaml").write_text(STAGES)
    (root / "thresholds.yaml").write_text("version: 1\n")
    shutil.copy(CHECKOUT / "suppression.jsonl", root)
    data = {"layout": "mufac", "resolution": 32, "forget": {"rows": 2}}
    (root / "params.yaml").write_text(json.dumps({"benchmarks": {"faces": "data/faces.zip"}, "faces": {"data": data}}))
    write_zip(root / "data" / "faces.zip", mufac_members())
    versioning.track(root, "data/faces.zip")
    (root / ".aru").mkdir()
    (root / ".aru" / "pseudonyms.key").write_text("of the owner")
    run_stage("prepare", "faces", root=root, progress=lambda *_: None)
    (root / "work" / "faces" / "original").mkdir()
    (root / "work" / "faces" / "original" / "model.safetensors").write_bytes(b"weights")
    figures = root / "work" / "faces" / "report" / "figures"
    figures.mkdir(parents=True)
    (figures / "loss.svg").write_text("<svg/>")
    versioning.commit(root, ["prepare@faces", "report@faces"])
    (root / "work" / "faces" / "shadows").mkdir()
    (root / "work" / "faces" / "shadows" / "scores.npz").write_text("not of a stage")
    shutil.copytree(empty_store / "mlruns", root / "mlruns")
    ensure_store(root)
    artifact = root / "mlruns" / "artifacts" / "faces" / "run" / "note.txt"
    artifact.parent.mkdir(parents=True)
    artifact.write_text("of a run")
