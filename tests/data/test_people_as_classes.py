"""Where people are the classes: forgotten people are in forget and unseen, all others in retain and test."""

import pandas as pd
import pytest

from aru.core.errors import InputError, LeakError
from aru.data.splits import assign_roles, check_leaks
from aru.data.subjects import subject_ids

PEOPLE = {"Ann": 0, "Bo": 1, "Cy": 2}
SPLITS = ("train", "train", "train", "val", "test")


def manifest(*, label="identity", **changes):
    """Five photos of each of three people; `changes`: photo ids by path."""
    paths = [(name, number) for name in PEOPLE for number in range(5)]
    rows = pd.DataFrame(
        {
            "row": range(len(paths)),
            "path": [f"{name}{number}" for name, number in paths],
            "photo": [changes.get(f"{name}{number}", f"{name}{number}") for name, number in paths],
            "note": "",
            "family": "",
            "person": [name for name, _ in paths],
            "split": [SPLITS[number] for _, number in paths],
            label: [PEOPLE[name] for name, _ in paths],
        }
    )
    return rows.assign(subject=subject_ids(rows))


def roles(rows, forget, protocol="clean"):
    return assign_roles(rows, layout="table", protocol=protocol, forget=forget, seed=0)


def sets(rows):
    return {role: "".join(part["path"]) for role, part in rows[rows["role"] != ""].groupby("role")}


def test_clean_unseen_are_other_photos_of_the_forgotten_and_test_of_all_others():
    assert sets(roles(manifest(), {"subjects": ["Bo"]})) == {
        "forget": "Bo0Bo1Bo2",
        "unseen": "Bo4",
        "retain": "Ann0Ann1Ann2Cy0Cy1Cy2",
        "test": "Ann3Cy3",
    }


def test_official_rows_are_as_they_are_split():
    assert sets(roles(manifest(), {"subjects": ["Bo"]}, "official")) == {
        "forget": "Bo0Bo1Bo2",
        "unseen": "Ann4Bo4Cy4",
        "retain": "Ann0Ann1Ann2Cy0Cy1Cy2",
        "test": "Ann3Bo3Cy3",
    }


def test_a_file_takes_its_person_along_and_whoever_is_forgotten_the_same_is_trained_on():
    assert sets(roles(manifest(), {"files": ["Bo0"]}))["forget"] == "Bo0Bo1Bo2"
    trained = {
        "".join(rows["path"][rows["role"].isin(["forget", "retain"])])
        for rows in (
            roles(manifest(Bo4="Bo0"), forget) for forget in ({"subjects": ["Ann"]}, {"subjects": ["Cy"]}, {"draw": 1})
        )
    }
    assert len(trained) == 1


def test_a_copy_apart_from_training_is_left_out_and_so_is_a_photo_of_two_people():
    three = dict.fromkeys(("Ann2", "Bo2", "Cy2"), "Ann2")
    assert sets(roles(manifest(Ann3="Ann0", **three), {"subjects": ["Bo"]})) == {
        "forget": "Bo0Bo1",
        "unseen": "Bo4",
        "retain": "Ann0Ann1Cy0Cy1",
        "test": "Cy3",
    }
    with pytest.raises(InputError, match="test set is empty: the people to retain have no photo apart from training"):
        roles(manifest(Ann3="Ann0", Cy3="Cy0"), {"subjects": ["Bo"]})
    with pytest.raises(InputError, match="unseen set is empty: the people to forget have no photo apart from training"):
        roles(manifest(Bo4="Bo0"), {"subjects": ["Bo"]})


def test_people_without_unseen_photos_are_not_drawn():
    rows = manifest()
    rows.loc[rows["path"].isin(["Ann4", "Cy4"]), "split"] = "val"
    for seed in range(6):
        assert sets(roles(rows, {"draw": 1, "draw_seed": seed}))["forget"] == "Bo0Bo1Bo2"
    with pytest.raises(InputError, match="draw is 2, 1 people have unseen photos: draw fewer"):
        roles(rows, {"draw": 2})


def test_a_person_who_is_both_forgotten_and_retained_is_a_leak():
    rows = roles(manifest(), {"subjects": ["Bo"]})
    check_leaks(rows)
    for path, role in (("Bo3", "test"), ("Ann4", "unseen")):
        with pytest.raises(LeakError, match="subject S0000. is in forget and retain"):
            check_leaks(rows.assign(role=rows["role"].where(rows["path"] != path, role)))


def test_under_another_label_nobody_may_be_on_two_sides():
    with pytest.raises(InputError, match="empty under the clean protocol, which leaves out whoever is in training"):
        roles(manifest(label="kind"), {"subjects": ["Bo"]})
    rows = roles(manifest(), {"subjects": ["Bo"]}).rename(columns={"identity": "kind"})
    with pytest.raises(LeakError):
        check_leaks(rows)
