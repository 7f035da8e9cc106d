"""Requests by name and by file: what is found, what is refused, and what stays the same whatever is requested."""

import numpy as np
import pytest

from aru.core.errors import InputError
from aru.data.forget_request import requested_photos
from aru.data.selection import describe_selection
from aru.data.splits import assign_roles
from aru.data.subjects import subject_ids
from tests.helpers.filings import with_others

FOLDERS = {"/Ann": "abcd", "/Bob": "efgh", "/Christine": "ijkl", "/img12": "mn"}


def manifest():
    rows = with_others(FOLDERS).sort_values("row", kind="stable")
    rows["person"] = rows["person"].where(rows["family"].isin(["", "V", "T"]), rows["person"])
    rows["path"] = "photos/" + rows["person"] + "/" + rows["photo"] + ".jpg"
    return rows.assign(subject=subject_ids(rows))


def roles(forget, protocol="official"):
    return assign_roles(manifest(), layout="table", protocol=protocol, forget=forget, seed=0)


@pytest.mark.parametrize("name", ["Ann/a.jpg", "./Ann/a.jpg", "photos/Ann/a.jpg", "Ann\\a.jpg", " Ann/a.jpg "])
def test_a_photo_is_found_by_its_path_as_imported_or_in_the_archive(name):
    rows = roles({"files": [name]})
    assert rows["path"][rows["role"] == "forget"].tolist() == ["photos/Ann/a.jpg"]


def test_copies_go_with_a_photo_also_under_another_name():
    rows = manifest()
    rows.loc[rows["path"] == "photos/Bob/e.jpg", "photo"] = "a"
    rows = assign_roles(
        rows.assign(subject=subject_ids(rows)), layout="table", protocol="official", forget={"files": ["Ann/a.jpg"]}, seed=0
    )
    assert rows["path"][rows["role"] == "forget"].tolist() == ["photos/Ann/a.jpg", "photos/Bob/e.jpg"]


def test_all_unknown_photos_are_refused_at_once_with_those_of_the_same_name():
    with pytest.raises(InputError) as refused:
        requested_photos(manifest(), ["Ann/a.jpg", "Anne/b.jpg", "nothing.jpg"])
    text = str(refused.value)
    assert "'Anne/b.jpg' (is it 'photos/Ann/b.jpg'?), 'nothing.jpg' in data.forget.files" in text and "'Ann/a.jpg'" not in text
    with pytest.raises(InputError, match=r"no training photo is 'A/ä.jpg'"):
        requested_photos(manifest(), ["A/ä.jpg"])
    with pytest.raises(InputError, match=r"unknown photo '0.jpg', .* and 5 more in data.forget.files"):
        requested_photos(manifest(), [f"{number}.jpg" for number in range(25)])


def test_a_path_that_fits_two_photos_is_refused():
    rows = manifest()
    rows.loc[0, "path"], rows.loc[1, "path"] = "photos/x.jpg", "photos/photos/x.jpg"
    with pytest.raises(InputError, match="is it 'photos/x.jpg' or 'photos/photos/x.jpg'"):
        requested_photos(rows, ["photos/x.jpg"])
    assert requested_photos(rows, ["x.jpg"]) == {"a"}


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("Anm", " (nearest: 'Ann')"),
        ("Christin", " (nearest: 'Christine')"),
        ("ann", " (did you mean 'Ann'?)"),
        ("img13", ""),
        ("Zoltan", ""),
    ],
)
def test_a_slip_of_the_keyboard_is_answered_with_the_nearest_name(typed, hint):
    with pytest.raises(InputError) as refused:
        roles({"subjects": ["Bob", typed]})
    assert str(refused.value).startswith(f"unknown subject {typed!r}{hint} in data.forget.subjects")


@pytest.mark.parametrize("protocol", ["official", "clean"])
def test_whoever_is_forgotten_the_same_rows_are_trained_on(protocol):
    requests = [{"subjects": ["Ann"]}, {"subjects": ["Bob", "img12"]}, {"files": ["Christine/i.jpg"]}, {"draw": 2}]
    requests += [{"subjects": ["Ann"], "files": ["Bob/e.jpg"]}]
    trained = [roles(forget, protocol)["role"].isin(["forget", "retain"]).to_numpy() for forget in requests]
    assert trained[0].sum() == 14 and all(np.array_equal(trained[0], other) for other in trained)


def test_what_comes_along_with_a_photo_is_said_and_counts_as_added():
    forget = {"files": ["Ann/a.jpg", "Bob/e.jpg"]}
    official = describe_selection(roles(forget), forget)
    assert official.added == {} and official.lines == (
        "forget: 2 images of 2 photos, 2 people, 2 filings",
        "forget: by file 1 photo of Ann, 1 photo of Bob, 2 images with their copies",
        "retain: other photos of the same people stay and are trained on: 3 photos of Ann, 3 photos of Bob",
    )
    clean = describe_selection(roles(forget, "clean"), forget)
    assert clean.added == {"Ann": 3, "Bob": 3}
    assert clean.lines[-1] == "forget: of the same people, not named in the request: 3 photos of Ann, 3 photos of Bob"
    both = {"subjects": ["Ann"], "files": ["Bob/e.jpg"]}
    assert describe_selection(roles(both, "clean"), both).added == {"Bob": 3}
