"""What an erasure takes out of params.yaml: people and photos, however they are written there."""

from pathlib import Path

import pytest

from aru.data.own_photos import convert
from aru.data.sources.found import Columns
from aru.stages.runner import run
from flows.requests.erasing import data_areas
from flows.requests.erasing.target import Target
from tests.helpers.own_photos import folder, photos

PARAMS = """benchmarks: {team: data/team.zip}
team:
  data:
    layout: table
    task: label
    resolution: 24
    forget: FORGET
"""


def test_names_go_as_they_were_imported_and_as_subject_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "in", photos())
    pattern = Columns(pattern="{person}/{label}_{n}.jpg")
    rows = convert("folder", tmp_path / "in", tmp_path / "data" / "team.zip", pattern).rows
    gone, stays = rows["person"][rows["split"] == "train"].unique()[:2]
    (tmp_path / "params.yaml").write_text(PARAMS.replace("FORGET", f"{{subjects: [{gone}]}}"))
    run("prepare", "team", root=tmp_path)
    files = [f"{gone}/cat_0.jpg", f"photos/{gone}/dog_1.jpg", f"{stays}/cat_0.jpg"]
    forget = f"{{files: [{', '.join(files)}], subjects: [{_subject(tmp_path, gone)}, {gone}, {stays}]}}"
    (tmp_path / "params.yaml").write_text(PARAMS.replace("FORGET", forget))
    monkeypatch.setattr(data_areas, "in_production", lambda *_: None)
    own = rows[rows["person"] == gone]
    target = Target(
        tmp_path, "R-000001", "team", "data/team.zip", tuple(own["path"]), frozenset(own["digest"]), (gone,), True, None
    )
    assert data_areas._settings(target) == [("data.forget.files", [files[2]]), ("data.forget.subjects", [stays])]


def _subject(root: Path, person: str) -> str:
    from aru.data.manifest import read_manifest

    rows = read_manifest(root / "work" / "team" / "prepared" / "manifest.csv")
    return str(rows["subject"][rows["person"] == person].iloc[0])
