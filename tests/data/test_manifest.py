"""From archive to manifest: copies, people, protocols, the census, and the real MUFAC archive where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aru.core.errors import InputError, LeakError
from aru.data import splits
from aru.data.census import census, format_census
from aru.data.copies import SIDE, find_copies
from aru.data.decoding import decode_photo
from aru.data.manifest import read_manifest, write_manifest
from aru.data.photos import thumbnail
from aru.data.prepare import build_manifest
from aru.data.splits import check_leaks
from tests.helpers.archives import jpeg, mufac_archive, mufac_members, write_zip
from tests.helpers.copied import saved

REAL = Path(
    os.environ.get(
        "ARU_MUFAC_ARCHIVE",
        Path(__file__).resolve().parents[3] / "shared" / "data" / "custom_korean_family_dataset_resolution_128.zip",
    )
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """Eight families; copies planted across files, people and splits.

    Train is F0001 to F0005 (40 rows, 8 a family), val F0006 and F0007, test F0008.
    """
    members = mufac_members()
    images = {split: [name for name in members if name.startswith(f"{split}_images")] for split in ("train", "val", "test")}
    train = images["train"]
    for photo in range(3):
        members[train[16 + photo]] = members[train[photo]]  # three of F0003/D's four photos are F0001/D's: filed twice
    members[train[35]] = jpeg(0, like=9, quality=70)  # F0005/D's last is F0002/D's in row 9, compressed again: suspects
    members[images["test"][0]] = members[train[20]]  # an unseen row that is a training photo
    members[images["val"][1]] = members[images["val"][0]]  # twice in val, same person
    return write_zip(tmp_path_factory.mktemp("planted") / "mufac.zip", members)


def build(path, protocol="official", forget=None, **options):
    return build_manifest("mufac", path, protocol=protocol, forget=forget or {"rows": 8}, **options)


def test_the_official_protocol_is_kept_to_the_letter(planted):
    manifest = build(planted)
    assert manifest["role"].tolist() == ["forget"] * 8 + ["retain"] * 32 + ["test"] * 16 + ["unseen"] * 8
    assert manifest["row"].tolist() == list(range(64)) and manifest["age"].between(0, 7).all()
    assert manifest["path"][0] == "train_images/F0001_AGE_D_18_a0.JPG" and manifest["family"][63] == "F0008"


def test_copies_become_one_photo_and_their_people_one_subject(planted):
    manifest = build(planted)
    photo, subject = manifest["photo"], manifest["subject"]
    assert photo[16] == photo[0] and photo[35] == photo[9] and photo[40] == photo[41]
    assert manifest["digest"][35] != manifest["digest"][9], "the re-encoded copy has bytes of its own"
    assert photo.nunique() == 58 and manifest["digest"].nunique() == 59
    assert subject[16] == subject[0] and subject[4] != subject[0]
    assert subject[35] != subject[9], "one photo of four is no proof"
    assert set(subject[16:20]) == {subject[0]}, "all photos of the merged person, not the copied one alone"


def test_a_photo_and_its_recompressions_are_one_and_different_photos_are_not():
    contents = [jpeg(seed, side=128) for seed in range(40)]
    copies = [jpeg(0, like=seed, side=128, quality=quality) for seed, quality in ((3, 60), (7, 75), (11, 95))]
    thumbnails = np.stack([thumbnail(decode_photo(content)) for content in contents + copies])
    assert [(copy.one, copy.other) for copy in find_copies(thumbnails)] == [(3, 40), (7, 41), (11, 42)]
    assert find_copies(thumbnails[:40]) == [] and thumbnails.shape[1:] == (SIDE, SIDE)


def test_the_clean_protocol_has_everybody_on_one_side(planted):
    manifest = build(planted, "clean")
    check_leaks(manifest)
    used = manifest[manifest["role"] != ""]
    assert not used["photo"].duplicated().any()
    assert set(manifest["role"][16:20]) == {"forget", ""}, "the forgotten person's other filing goes along"
    assert manifest["role"][16] == "" and manifest["role"][19] == "forget"
    assert manifest["role"][56] == "", "an unseen row of a training person is not used"
    assert (manifest["role"] == "unseen").sum() <= (manifest["role"] == "forget").sum()


def test_unseen_has_no_more_of_a_class_than_forget(tmp_path, monkeypatch):
    path = mufac_archive(tmp_path / "a.zip", families=12, photos=6, splits=(0.4, 0.5))
    small = build(path, "clean", {"rows": 12})
    counts = {role: small[small["role"] == role]["age"].value_counts() for role in ("forget", "unseen")}
    times = counts["unseen"] / counts["forget"].reindex(counts["unseen"].index)
    assert 1 < times.max() <= 9, "of a few photos up to so many times as bring them to a hundred"
    monkeypatch.setattr(splits, "MIN_MATCHED", 1)
    manifest = build(path, "clean", {"rows": 12})
    counts = {role: manifest[manifest["role"] == role]["age"].value_counts() for role in ("forget", "unseen")}
    assert counts["unseen"].sub(counts["forget"], fill_value=0).max() <= 0
    again, other = (build(path, "clean", {"rows": 12}, seed=seed)["role"].tolist() for seed in (0, 1))
    assert manifest["role"].tolist() == again != other


def test_a_leak_is_named(planted):
    manifest = build(planted, "clean")
    row = manifest.index[manifest["role"] == "retain"][0]
    manifest.loc[row, "subject"] = manifest["subject"][0]
    with pytest.raises(LeakError, match="subject S00000 is in forget and retain"):
        check_leaks(manifest)


def test_people_can_be_asked_for_by_id_by_key_or_drawn(planted):
    by_key = build(planted, forget={"subjects": ["F0003/D"]})
    by_id = build(planted, forget={"subjects": [by_key["subject"][16]]})
    assert by_key["role"].tolist() == by_id["role"].tolist()
    assert set(by_key[by_key["role"] == "forget"]["family"]) == {"F0001", "F0003"}
    drawn, same, other = (build(planted, forget={"draw": 3, "draw_seed": seed}) for seed in (1, 1, 2))
    assert drawn[drawn["role"] == "forget"]["subject"].nunique() == 3
    assert drawn["role"].tolist() == same["role"].tolist() != other["role"].tolist()


@pytest.mark.parametrize(
    "forget, message",
    [
        ({"subjects": ["F0003/X"]}, r"unknown subject 'F0003/X' in data.forget.subjects: people are named FAMILY/PERSON"),
        ({"subjects": ["F0008/M"]}, "no training photo of 'F0008/M'"),
        ({"rows": 40}, "nothing is left to retain"),
        ({"draw": 10}, "nobody is left to retain"),
        ({}, "give rows, subjects, files or draw"),
    ],
)
def test_forget_sets_that_cannot_be_are_refused(planted, forget, message):
    with pytest.raises(InputError, match=message):
        build_manifest("mufac", planted, protocol="official", forget=forget)


def test_the_audit_finds_what_was_planted(planted):
    found = census(build(planted))
    assert found["counts"] == {
        "rows": 64,
        "distinct_files": 59,
        "distinct_photos": 58,
        "families": 8,
        "family_person_keys": 16,
        "people": 15,
        "unused_rows": 0,
    }
    assert found["merges"] == {"people": 1, "filings": 2, "most_filings_of_one": 2, "most_photos_of_one": 5}
    assert found["suspects"] == {
        "pairs": 2,
        "pairs_by_photos": 2,
        "pairs_by_ids": 0,
        "pairs_in_several_sets": 1,
        "people": 4,
        "most_people_on_one_side": 2,
        "photos_of_people_on_several_sides": 0,
    }
    both = found["both_sides_of_forget_and_retain"]
    assert (both["people"], both["photos"], both["family_person_keys"]) == (1, 3, [])
    assert both["forget_rows_byte_identical_to_retain"] == 3
    assert found["leaks_into"]["unseen"] == {
        "rows_byte_identical_to_train": 1,
        "rows_of_a_train_photo": 1,
        "people_of_train": 0,
    }
    assert found["leaks_into"]["test"]["rows_byte_identical_to_train"] == 0
    assert found["photos_with_conflicting_labels"] == 3
    assert found["copies"] == {"by_bytes": 5, "by_encoding": 1, "by_edit": 0, "constant_images": 0}
    assert "| distinct files | 59 |" in format_census(found)


def test_a_placeholder_is_counted_and_makes_no_two_people_one(tmp_path):
    members = mufac_members()
    blank = saved(Image.new("RGB", (32, 32), (90, 90, 90)))
    for name in [name for name in members if "F0001_AGE_M" in name or "F0002_AGE_D" in name]:
        members[name] = blank
    manifest = build(write_zip(tmp_path / "a.zip", members))
    assert census(manifest)["copies"] == {"by_bytes": 0, "by_encoding": 0, "by_edit": 0, "constant_images": 8}
    assert manifest["subject"].nunique() == 16 and census(manifest)["suspects"]["pairs"] == 0


def test_label_shift_in_closed_form(planted):
    manifest = build(planted)
    manifest["age"] = 0
    manifest.loc[manifest.index[manifest["role"] == "unseen"][:2], "age"] = 1
    shift = census(manifest)["labels"]["age"]
    assert shift["total_variation"] == 0.25 and shift["label_only_attack"] == 0.625


def test_a_manifest_comes_back_as_it_was_and_a_spoilt_one_is_refused(planted, tmp_path):
    manifest, path = build(planted), tmp_path / "manifest.csv"
    write_manifest(path, manifest)
    first = path.read_bytes()
    write_manifest(path, read_manifest(path))
    assert path.read_bytes() == first
    for old, new, message in (
        (b"forget", b"forgot", "unknown role"),
        (b"\n1,", b"\n7,", "rows are not numbered"),
        (b"subject", b"person2", "lacks the column 'subject'"),
    ):
        path.write_bytes(first.replace(old, new, 1))
        with pytest.raises(InputError, match=message):
            read_manifest(path)


@pytest.mark.skipif(not REAL.is_file(), reason="the real MUFAC archive is not at hand")
def test_the_real_archive_has_the_published_counts():
    found = census(build_manifest("mufac", REAL, protocol="official", forget={"rows": 1500}))
    assert (found["counts"]["rows"], found["counts"]["distinct_files"]) == (13068, 9119)
    sizes = {role: (part["images"], part["families"], part["family_person_keys"]) for role, part in found["sets"].items()}
    assert sizes == {"forget": (1500, 46, 136), "retain": (8525, 254, 761), "test": (1539, 50, 161), "unseen": (1504, 50, 159)}
    both = found["both_sides_of_forget_and_retain"]
    assert both["forget_rows_byte_identical_to_retain"] == 18 and both["family_person_keys"] == ["F0046/D"]
    assert found["leaks_into"]["unseen"]["rows_byte_identical_to_train"] == 27
    assert found["merges"] == {"people": 316, "filings": 712, "most_filings_of_one": 7, "most_photos_of_one": 24}
    assert found["suspects"]["pairs"] == 0, "every link between filings is by more than half of the smaller one's photos"
    assert found["labels"]["age"]["total_variation"] == pytest.approx(0.211, abs=5e-4)
    assert found["labels"]["age"]["label_only_attack"] == pytest.approx(0.605, abs=1e-3)
    assert [found["labels"]["age"]["counts"][role]["7"] for role in ("test", "unseen")] == [4, 5]
