"""Identity resolution: filings that are one person, suspects, and what both protocols make of them."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from aru.core.config import MergeConfig
from aru.core.errors import InputError, explained
from aru.data.census import census
from aru.data.prepare import build_manifest
from aru.data.splits import assign_roles
from aru.data.subjects import DEFAULT_MERGE, split_groups, suspects
from tests.helpers.archives import mufac_members, write_zip
from tests.helpers.filings import table, with_others

TRAIN = "custom_train_dataset.csv"


def archive(path: Path, *edits: tuple[str, str, int], **options: int) -> Path:
    """An archive of eight families in whose training table some texts are replaced, each so many times."""
    members = mufac_members(**options)
    for old, new, times in edits:
        assert members[TRAIN].count(old.encode()) >= times
        members[TRAIN] = members[TRAIN].replace(old.encode(), new.encode(), times)
    return write_zip(path / "a.zip", members)


def build(path, protocol="official", forget=None, **options):
    return build_manifest("mufac", path, protocol=protocol, forget=forget or {"rows": 8}, **options)


@pytest.mark.parametrize("typed", ["F0001 ", "\u00a0F0001", "F0001\u200b", "\ufeffF0001\t"])
def test_blanks_and_invisible_marks_make_no_second_person(tmp_path, typed):
    manifest = build(
        archive(tmp_path, ("\nF0001,D", f"\n{typed},D", 2), ("F0001,M", "F0001,M ", 1)), forget={"subjects": ["F0001/D"]}
    )
    assert manifest["role"].tolist()[:8] == ["forget"] * 4 + ["retain"] * 4
    assert manifest["subject"].nunique() == 16 and set(manifest["person"]) == {"D", "M"}


def test_a_composed_and_a_decomposed_name_are_one(tmp_path):
    name = "\uae40\uc601\uc218"
    apart = unicodedata.normalize("NFD", name)
    manifest = build(
        archive(tmp_path, ("F0001,D", f"{name},D", 2), ("F0001,D", f"{apart},D", 2)), forget={"subjects": [f" {apart} / D "]}
    )
    assert apart != name and (manifest["role"] == "forget").sum() == 4 and manifest["family"][3] == name


def test_an_id_of_blanks_is_empty(tmp_path):
    with pytest.raises(InputError, match="person_id is empty") as caught:
        build(archive(tmp_path, ("F0001,D", "F0001, \u200b", 1)))
    assert f"{TRAIN}, line 2: person_id is empty" in explained(caught.value)


@pytest.mark.parametrize(
    "asked, hints",
    [("F0001/d", ["F0001/D"]), ("f-1/D", ["F0001/D"]), ("F0001/X", []), ("F0001/DD", []), ("F0099/D", []), ("D", [])],
)
def test_the_hint_is_another_spelling_and_never_another_person(tmp_path, asked, hints):
    with pytest.raises(InputError) as refused:
        build(archive(tmp_path), forget={"subjects": ["F0002/M", asked]})
    message = str(refused.value)
    assert message.startswith(f"unknown subject {asked!r}") and "F0002" not in message
    assert [
        f"F000{family}/{person}"
        for family in range(1, 9)
        for person in "DM"
        if f"did you mean 'F000{family}/{person}'" in message
    ] == hints


def test_all_unknown_subjects_are_named_at_once(tmp_path):
    with pytest.raises(InputError, match=r"unknown subject 'F0001/d' \(did you mean 'F0001/D'\?\), 'F0777/M' in data"):
        build(archive(tmp_path), forget={"subjects": ["F0001/d", "F0001/M", "F0777/M"]})


def groups(folders: dict[str, str], merge: MergeConfig = DEFAULT_MERGE) -> list[set[str]]:
    """Which filings are one person."""
    manifest = table(folders, merge)
    keys = manifest["family"] + "/" + manifest["person"]
    return [set(own) for _, own in keys.groupby(manifest["subject"])]


def pairs(folders: dict[str, str], merge: MergeConfig = DEFAULT_MERGE) -> list[tuple[str, str]]:
    return [(link.one, link.other) for link in suspects(table(folders, merge), merge)]


MIXED = {"F1/A": "abcdefghij", "F2/B": "klmnopqrst", "F3/C": "ABCDEFGHIJ", "F4/D": "KLMNOPQRST", "F5/M": "abklABKL01"}
"""The photos of four people, and a folder with two of each."""
PLACEHOLDER = {"F1/A": "ab.", "F2/B": "cd.", "F3/C": "ef.", "F4/D": "gh.", "F5/E": "ij.", "F6/F": "kl"}
"""Five folders that hold one and the same file beside two photos of their own."""


@pytest.mark.parametrize(
    "folders, people",
    {
        "filed again whole": ({"F1/A": "abcd", "F2/B": "abcd"}, 1),
        "filed again in part": ({"F1/A": "abcdefgh", "F2/B": "ab"}, 1),
        "two of three": ({"F1/A": "abc", "F2/B": "bcd"}, 1),
        "half is not enough": ({"F1/A": "ab", "F2/B": "bc"}, 2),
        "its only photo": ({"F1/A": "abc", "F2/B": "c"}, 1),
        "three times over": ({"F1/A": "abcd", "F2/B": "abcd", "F3/C": "abcd", "F4/D": "cd"}, 1),
        "in two halves": ({"F1/A": "abcd", "F2/B": "cd", "F3/C": "ab"}, 1),
        "a mixed folder": (MIXED, 5),
        "a placeholder": (PLACEHOLDER, 6),
        "folders of a placeholder alone": ({"F1/A": "ab.", "F2/B": "cd.", "F3/C": ".", "F4/D": "."}, 4),
        "two placeholders in nine folders": ({f"F{n}/A": f"{n}.:" for n in range(9)}, 9),
        "none in common": ({"F1/A": "ab", "F2/B": "cd"}, 2),
    }.values(),
)
def test_filings_are_one_person_by_more_than_half_of_the_smaller_ones_photos(folders, people):
    assert len(groups(folders)) == people


def test_the_limits_are_parameters():
    assert len(groups({f"F{n}/A": f"{n}.:" for n in range(9)}, MergeConfig(filings=9))) == 1
    assert len(groups({"F1/A": "ab", "F2/B": "bc"}, MergeConfig(share=0.4))) == 1
    assert len(groups({"F1/A": "abc", "F2/B": "bcd"}, MergeConfig(share=0.7))) == 2


def test_no_pair_is_left_that_the_rule_would_join():
    """Against the rule written down once more, for drawn folders."""
    rng = np.random.default_rng(0)
    joined = 0
    for _ in range(60):
        drawn = [rng.choice(list("abcdefghijklmnop"), rng.integers(1, 6), replace=False) for _ in range(8)]
        folders = {f"F{n}/A": "".join(photos) for n, photos in enumerate(drawn)}
        found = groups(folders)
        photos = [set("".join(folders[key] for key in own)) for own in found]
        joined += len(found) < 8
        for one in range(len(found)):
            for other in range(one):
                shared = photos[one] & photos[other]
                owners = sum(bool(shared & own) for own in photos)
                assert 2 * len(shared) <= min(len(photos[one]), len(photos[other])) or (len(shared) == 1 and owners > 2)
    assert joined > 30


def test_few_shared_photos_make_suspects_and_a_photo_of_many_makes_none():
    assert pairs(MIXED) == [(f"S0000{n}", "S00004") for n in range(4)] and pairs(PLACEHOLDER) == []
    assert set(split_groups(table(MIXED))) == {"S00000"} and len(set(split_groups(table(PLACEHOLDER)))) == 6
    links = suspects(table({"F1/A": "abcd", "F2/B": "dxyzuv"}))
    assert [(link.photos, link.smaller, link.reason) for link in links] == [(("d",), 4, "photos")]


def test_nearly_equal_ids_are_suspects():
    folders = {"F01/D": "ab", "F1/d": "cd", "F1/D2": "ef", "F-1/ D": "gh"}
    assert pairs(folders) == [("S00000", "S00001"), ("S00000", "S00003"), ("S00001", "S00003")]
    assert {link.reason for link in suspects(table(folders))} == {"ids"}


def test_the_switch_joins_suspects_or_passes_over_them():
    join, ignore = MergeConfig(suspects="join"), MergeConfig(suspects="ignore")
    assert len(groups(MIXED, join)) == 1 and pairs(MIXED, join) == [] and len(groups(PLACEHOLDER, join)) == 6
    assert len(groups({"F1/D": "ab", "F1/d": "cd"}, join)) == 1
    assert len(pairs(MIXED, ignore)) == 4 and len(set(split_groups(table(MIXED), ignore))) == 5


def test_exceptions_come_before_photos():
    apart = MergeConfig(different=[["F1/A", "F2/B"]])
    assert len(groups({"F1/A": "abcd", "F2/B": "abcd"}, apart)) == 2 and pairs({"F1/A": "abcd", "F2/B": "abcd"}, apart) == []
    third = {"F1/A": "abcd", "F2/B": "abcd", "F3/C": "abcd"}
    assert groups(third, apart) == [{"F1/A", "F3/C"}, {"F2/B"}], "nobody is joined with both"
    assert groups(MIXED, MergeConfig(same=[["F1/A", " F5/M"]]))[0] == {"F1/A", "F5/M"}
    assert pairs(MIXED, MergeConfig(different=[["F5/M", f"F{n}/{name}"] for n, name in enumerate("ABC", 1)])) == [
        ("S00003", "S00004")
    ]
    assert len(groups(MIXED, MergeConfig(suspects="join", different=[["F1/A", "F5/M"]]))) == 2


@pytest.mark.parametrize(
    "merge, message",
    [
        ({"same": [["F1/a", "F2/B"]]}, r"unknown person 'F1/a' in data.merge.same.*did you mean 'F1/A'"),
        ({"different": [["F1/A", "F9/Z"]]}, "unknown person 'F9/Z' in data.merge.different"),
        ({"same": [["F1/A", "F2/B"], ["F2/B", "F3/C"]], "different": [["F1/A", "F3/C"]]}, "joins F2/B and F3/C, which"),
    ],
)
def test_exceptions_that_cannot_be_are_refused(merge, message):
    with pytest.raises(InputError, match=message):
        table(MIXED, MergeConfig(**merge))


def clean(manifest, merge=DEFAULT_MERGE, **forget):
    return assign_roles(manifest, layout="mufac", protocol="clean", forget=forget, seed=0, merge=merge)


def test_the_clean_protocol_keeps_suspects_on_one_side_and_says_how_many():
    manifest = clean(with_others(MIXED | {"F6/F": "uvw"}), subjects=["F1/A"])
    assert (manifest["role"] == "forget").sum() == 42 and not manifest["photo"][manifest["role"] != ""].duplicated().any()
    assert census(manifest)["suspects"] == {
        "pairs": 4,
        "pairs_by_photos": 4,
        "pairs_by_ids": 0,
        "pairs_in_several_sets": 0,
        "people": 5,
        "most_people_on_one_side": 5,
        "photos_of_people_on_several_sides": 0,
    }
    ignore = MergeConfig(suspects="ignore")
    alone = clean(with_others(MIXED | {"F6/F": "uvw"}, ignore), ignore, subjects=["F1/A"])
    assert "".join(alone["photo"][alone["role"] == "forget"]) == "cdefghij", "a photo of two groups is in no set"
    assert census(alone, ignore)["suspects"]["photos_of_people_on_several_sides"] == 8


@pytest.mark.parametrize("suspects", ["one-side", "join", "ignore"])
def test_who_is_trained_on_does_not_depend_on_who_is_forgotten(suspects):
    merge = MergeConfig(suspects=suspects)
    elsewhere = {f"P{key}": "".join(chr(0x3000 + ord(photo)) for photo in photos) for key, photos in PLACEHOLDER.items()}
    manifest = with_others(MIXED | elsewhere, merge)
    trained = [
        clean(manifest, merge, subjects=[name])["role"].isin(["forget", "retain"]).tolist()
        for name in ("F1/A", "F5/M", "PF1/A", "PF6/F")
    ]
    assert trained[0] == trained[1] == trained[2] == trained[3] and 30 < sum(trained[0]) < len(manifest)


def test_suspects_leave_the_other_sets():
    manifest = with_others({"F1/A": "abcd", "F2/B": "efg", "F3/C": "hij"} | {"U/A": "dxyz", "W/d": "12", "W/D": "34"})
    manifest.loc[manifest["family"] == "U", "split"] = "test"
    manifest.loc[manifest["person"] == "d", "split"] = "test"
    assigned = clean(manifest, subjects=["F1/A"])
    assert set(assigned["role"][assigned["family"] == "U"]) == {""} == set(assigned["role"][assigned["person"] == "d"])
    assert set(assigned["role"][assigned["family"] == "W"]) == {"", "retain"}


def test_a_placeholder_in_many_folders_makes_nobody_forgotten_who_did_not_ask(tmp_path):
    members = mufac_members(photos=3)
    train = [name for name in members if name.startswith("train_images")]
    for folder in range(1, 5):
        members[train[3 * folder]] = members[train[0]]
    path = write_zip(tmp_path / "a.zip", members)
    official = build(path, forget={"subjects": ["F0001/D"]})
    assert np.flatnonzero(official["role"] == "forget").tolist() == [0, 1, 2]
    cleaned = build(path, "clean", {"subjects": ["F0001/D"]})
    assert np.flatnonzero(cleaned["role"] == "forget").tolist() == [1, 2], "a picture of five people is nobody's"
    assert set(cleaned["role"][[0, 3, 6, 9, 12]]) == {""} and set(cleaned["role"][[4, 5, 7, 8]]) == {"retain"}


def test_someone_without_a_training_photo_is_not_passed_over(tmp_path):
    path = archive(tmp_path)
    with pytest.raises(InputError, match="no training photo of 'F0008/M': there is nothing to forget; leave it out of data"):
        build(path, forget={"subjects": ["F0001/D", "F0008/M", "F0002/D"]})
    with pytest.raises(InputError, match="no training photo of 'F0008/M', 'F0007/D': .* leave them out"):
        build(path, "clean", {"subjects": ["F0008/M", "F0001/D", "F0007/D"]})
