"""Whom the demonstration chooses: people kept by the model, the same each time, and named in no file under git."""

from pathlib import Path

import pytest

from aru.core.errors import InputError
from aru.data.manifest import read_manifest, write_manifest
from flows.project.git import commit_files
from flows.requests.demo.volunteers import choose_volunteers
from tests.flows.requests.demo.conftest import Place

pytest_plugins = ["tests.helpers.tracking_fixtures"]


def test_two_people_who_are_kept_the_same_each_time_and_named_in_no_file(place: Place) -> None:
    chosen = choose_volunteers(place.copy, "faces")
    assert chosen == choose_volunteers(place.copy, "faces")
    assert [one.name for one in chosen] == ["F0001/M", "F0002/D"]  # two photos of F0001/D are forgotten already
    rows = read_manifest(place.copy / "work" / "faces" / "prepared" / "manifest.csv")
    assert [set(rows["role"].iloc[list(one.rows)]) for one in chosen] == [{"retain"}, {"retain"}]
    assert all(len(one.paths) == 4 and "F000" in one.paths[0] for one in chosen)

    (place.copy / "people.txt").write_text("F0001/M\n")
    commit_files(place.copy, ["people.txt"], "A list")
    assert [one.name for one in choose_volunteers(place.copy, "faces")] == ["F0002/D", "F0002/M"]


def test_whose_name_is_part_of_anothers_is_not_chosen(place: Place) -> None:
    path: Path = place.copy / "work" / "faces" / "prepared" / "manifest.csv"
    before = path.read_bytes()
    try:
        rows = read_manifest(path)
        rows.loc[(rows["family"] == "F0002") & (rows["person"] == "D"), ["family", "person"]] = ["F0001", "M2"]
        write_manifest(path, rows)
        assert [one.name for one in choose_volunteers(place.copy, "faces")] == ["F0001/M2", "F0002/M"]
    finally:
        path.write_bytes(before)


def test_nobody_to_show_it_with_is_said(place: Place) -> None:
    path: Path = place.copy / "work" / "faces" / "prepared" / "manifest.csv"
    before = path.read_bytes()
    try:
        rows = read_manifest(path)
        rows.loc[rows["role"] == "retain", "role"] = "unseen"
        write_manifest(path, rows)
        with pytest.raises(InputError, match="faces has no two people with at least 3 photos each"):
            choose_volunteers(place.copy, "faces")
    finally:
        path.write_bytes(before)
