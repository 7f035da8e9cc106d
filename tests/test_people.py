"""Who is who: ids as they are typed, filings that are one person, suspects, and what is said of a selection."""

import unicodedata
from pathlib import Path

import pytest

from aru.data.ids import alike, normal_id, normal_key, skeleton
from aru.data.prepare import build_manifest
from aru.errors import InputError
from tests.archives import mufac_members, write_zip

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
    manifest = build(archive(tmp_path, ("\nF0001,D", f"\n{typed},D", 2), ("F0001,M", "F0001,M ", 1)),
                     forget={"subjects": ["F0001/D"]})
    assert manifest["role"].tolist()[:8] == ["forget"] * 4 + ["retain"] * 4
    assert manifest["subject"].nunique() == 16 and set(manifest["person"]) == {"D", "M"}


def test_a_composed_and_a_decomposed_name_are_one(tmp_path):
    name = "\uae40\uc601\uc218"
    apart = unicodedata.normalize("NFD", name)
    manifest = build(archive(tmp_path, ("F0001,D", f"{name},D", 2), ("F0001,D", f"{apart},D", 2)),
                     forget={"subjects": [f" {apart} / D "]})
    assert apart != name and (manifest["role"] == "forget").sum() == 4 and manifest["family"][3] == name


def test_an_id_of_blanks_is_empty(tmp_path):
    with pytest.raises(InputError, match=f"{TRAIN}, line 2: person_id is empty"):
        build(archive(tmp_path, ("F0001,D", "F0001, \u200b", 1)))


@pytest.mark.parametrize("asked, hints", [
    ("F0001/d", ["F0001/D"]), ("f-1/D", ["F0001/D"]), ("F0001/X", []), ("F0001/DD", []), ("F0099/D", []), ("D", [])])
def test_the_hint_is_another_spelling_and_never_another_person(tmp_path, asked, hints):
    with pytest.raises(InputError) as refused:
        build(archive(tmp_path), forget={"subjects": ["F0002/M", asked]})
    message = str(refused.value)
    assert message.startswith(f"unknown subject {asked!r}") and "F0002" not in message
    assert [f"F000{family}/{person}" for family in range(1, 9) for person in "DM"
            if f"did you mean 'F000{family}/{person}'" in message] == hints


def test_all_unknown_subjects_are_named_at_once(tmp_path):
    with pytest.raises(InputError, match=r"unknown subject 'F0001/d' \(did you mean 'F0001/D'\?\), 'F0777/M' in data"):
        build(archive(tmp_path), forget={"subjects": ["F0001/d", "F0001/M", "F0777/M"]})


def test_ids_are_normalised_and_compared():
    assert normal_id(" a\u00a0\u3000 b\u200d ") == "a b" and normal_id("d") != normal_id("D")
    assert normal_key(" F0001 / D ") == "F0001/D" and normal_key("/38") == "38"
    assert skeleton("F-0 01") == skeleton("\uff46\uff11") != skeleton("F10") and skeleton("*") != skeleton("-")
    assert alike("f1/d", ["F0001/D", "F0001/M", "F0010/D", "F01/D", "D"]) == ["F0001/D", "F01/D"]
