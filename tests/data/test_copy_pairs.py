"""Copies of a photo under other names: who shows which file, how it is a copy, and how similar; no other pair."""

import io

import pytest
from PIL import Image, ImageOps

from aru.data import copy_pairs
from aru.data.copy_pairs import PICTURE_SIDE, copies_under_other_names, pictures
from aru.data.evidence import format_copies
from aru.data.own_photos import convert
from aru.data.prepare import assign_people_and_roles
from aru.data.sources.found import Columns
from tests.helpers.archives import jpeg
from tests.helpers.own_photos import folder, photos


def mirrored(content: bytes) -> bytes:
    buffer = io.BytesIO()
    ImageOps.mirror(Image.open(io.BytesIO(content))).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def filed(tmp_path):
    """Own photos of which three stand under two names each, one of them also twice under one name; and their archive."""
    files = photos()
    files["Zed/cat_7.jpg"] = files["Ann/cat_0.jpg"]
    files["Zed/dog_8.jpg"] = jpeg(99, like=1, quality=60)  # Ann/dog_1.jpg
    files["Yan/cat_9.jpg"] = mirrored(files["Bo/cat_0.jpg"])
    files["Cy/cat_9.jpg"] = files["Cy/cat_0.jpg"]
    files |= {f"{name}/dog_{number}.jpg": jpeg(200 + number) for name, number in (("Zed", 4), ("Yan", 5), ("Yan", 6))}
    archive = tmp_path / "out.zip"
    rows = convert("folder", folder(tmp_path / "own", files), archive, Columns(pattern="{person}/{label}_{n}.jpg")).rows
    return assign_people_and_roles(rows, layout="table", protocol="official", forget={"draw": 1}), archive


def test_pairs_have_files_names_subjects_and_similarity(filed):
    found = copies_under_other_names(*filed)
    assert found["in_all"] == 3
    seen = [(pair["one"]["path"], pair["other"]["path"], pair["kind"]) for pair in found["pairs"]]
    assert seen == [
        ("photos/Bo/cat_0.jpg", "photos/Yan/cat_9.jpg", "edit"),
        ("photos/Ann/cat_0.jpg", "photos/Zed/cat_7.jpg", "bytes"),
        ("photos/Ann/dog_1.jpg", "photos/Zed/dog_8.jpg", "encoding"),
    ]
    assert [(pair["one"]["filing"], pair["other"]["filing"]) for pair in found["pairs"]] == [
        ("Bo", "Yan"), ("Ann", "Zed"), ("Ann", "Zed"),
    ]  # fmt: skip
    assert all(0.98 <= pair["similarity"] <= 1 for pair in found["pairs"]) and found["pairs"][1]["similarity"] == 1
    same = [pair["one"]["subject"] == pair["other"]["subject"] for pair in found["pairs"]]
    assert same == [False, True, True], "Zed shares two of his three photos with Ann, Yan one of three with Bo"
    assert {pair[side]["role"] for pair in found["pairs"] for side in ("one", "other")} <= {
        "forget",
        "retain",
        "test",
        "unseen",
    }
    text = format_copies(found)
    assert "two names: 3:" in text and "| photos/Bo/cat_0.jpg | Bo (S00001) | photos/Yan/cat_9.jpg | Yan (" in text


def test_of_many_pairs_the_first_are_measured_and_all_are_counted(filed, monkeypatch):
    monkeypatch.setattr(copy_pairs, "MOST_PAIRS", 1)
    monkeypatch.setattr("aru.data.evidence.SHOWN", 1)
    found = copies_under_other_names(*filed)
    assert len(found["pairs"]) == 1 and found["in_all"] == 3
    assert "... and 2 more pairs" in format_copies(found)


def test_copies_of_a_third_file_alone_are_a_chain(filed):
    manifest, archive = filed
    manifest.loc[manifest["path"] == "photos/Dee/cat_0.jpg", "photo"] = manifest["photo"][
        manifest["path"] == "photos/Cy/dog_1.jpg"
    ].iloc[0]
    chain = [pair for pair in copies_under_other_names(manifest, archive)["pairs"] if pair["other"]["filing"] == "Dee"]
    assert [(pair["kind"], pair["similarity"]) for pair in chain] == [("chain", None)]


def test_photos_without_people_and_constant_pictures_are_no_pairs(filed, tmp_path):
    files = {f"{kind}/{number}.jpg": jpeg(10 * place + number) for place, kind in enumerate("ab") for number in range(4)}
    files["b/copy.jpg"] = files["a/0.jpg"]
    archive = tmp_path / "unknown.zip"
    rows = convert("folder", folder(tmp_path / "unknown", files), archive, Columns()).rows
    manifest = assign_people_and_roles(rows, layout="table", protocol="official", forget={"draw": 1})
    found = copies_under_other_names(manifest, archive)
    assert found == {"pairs": [], "in_all": 0} and format_copies(found).endswith("two names: 0.\n")
    manifest, archive = filed
    assert copies_under_other_names(manifest.assign(note="constant"), archive)["in_all"] == 0


def test_pictures_are_small_jpegs_of_every_file(filed):
    manifest, archive = filed
    found = copies_under_other_names(manifest, archive)
    seen = pictures(found, archive)
    assert set(seen) == {pair[side]["path"] for pair in found["pairs"] for side in ("one", "other")}
    sizes = [Image.open(io.BytesIO(content)) for content in seen.values()]
    assert all(image.format == "JPEG" and max(image.size) <= PICTURE_SIDE and not image.getexif() for image in sizes)
