"""The embedded benchmark: layout, plants, heredity, ageing, and the same bytes from the same seed."""

import hashlib
import io
import re
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aru.__main__ import main
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.faces.ageing import STYLES_F, STYLES_M, look_at
from aru.faces.canvas import cover, enlarge, noise_bank, smooth
from aru.faces.contents import FORGET_ROWS, forget_rows, plan
from aru.faces.families import GENES, child, family, founder
from aru.faces.generate import generate
from aru.faces.planted_faults import planted
from aru.faces.render import render
from aru.faces.rows import CLASSES
from aru.faces.shot import draw_shot

SMALL = {"families": 6, "photos": 4}
NAME = re.compile(r"(F\d{4})_AGE_([DSMFG]+\d?)_(\d+)_([a-h])(\d+)\.(jpg|JPG)")
FULL = Path(__file__).resolve().parents[2] / "data" / "faces.zip"


class Archive:
    """What an importer can see of an archive: its names, its rows, the digest of each file."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.entries = archive.namelist()
            self.dates = {entry.date_time for entry in archive.infolist()}
            self.content = {name: archive.read(name) for name in self.entries if not name.endswith("/")}
        self.rows = {split: self._rows(split) for split in ("train", "val", "test")}
        self.digests = {split: [self.digest(split, row) for row in rows] for split, rows in self.rows.items()}

    def _rows(self, split: str) -> list[list[str]]:
        header, *lines = self.content[f"custom_{split}_dataset.csv"].decode().splitlines()
        assert header == "family_id,person_id,age_class,image_path"
        return [line.split(",") for line in lines]

    def digest(self, split: str, row: list[str]) -> str:
        return hashlib.md5(self.content[f"{split}_images/{row[3]}"]).hexdigest()

    def planted(self, cut: int) -> dict[str, int]:
        """The plants as the bytes show them, found without the plan."""
        homes, classes = defaultdict(set), defaultdict(set)
        for split, rows in self.rows.items():
            for row, digest in zip(rows, self.digests[split], strict=True):
                homes[digest].add(row[0])
                classes[digest].add(row[2])
        train = set(self.digests["train"])
        keys = [(row[0], row[1]) for row in self.rows["train"]]
        return {
            "rows": sum(map(len, self.rows.values())),
            "files": len(homes),
            "keys": len({(row[0], row[1]) for rows in self.rows.values() for row in rows}),
            "files_under_two_families": sum(len(names) > 1 for names in homes.values()),
            "files_with_two_classes": sum(len(names) > 1 for names in classes.values()),
            "files_on_both_sides_of_the_cut": len(set(self.digests["train"][:cut]) & set(self.digests["train"][cut:])),
            "keys_on_both_sides_of_the_cut": len(set(keys[:cut]) & set(keys[cut:])),
            "test_rows_in_train": sum(digest in train for digest in self.digests["val"]),
            "unseen_rows_in_train": sum(digest in train for digest in self.digests["test"]),
        }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "faces.zip"
    generate(path, **SMALL)
    return path


@pytest.fixture(scope="module")
def archive(path: Path) -> Archive:
    return Archive(path)


def test_layout_is_mufacs(archive: Archive) -> None:
    tables = [f"custom_{split}_dataset.csv" for split in ("train", "val", "test")]
    folders = [f"{split}_images/" for split in ("train", "val", "test")]
    files = [f"{split}_images/{row[3]}" for split, rows in archive.rows.items() for row in rows]
    assert archive.entries == tables + folders + files
    assert len(set(files)) == len(files)
    assert archive.dates == {(2024, 1, 1, 0, 0, 0)}


def test_rows_agree_with_their_file_names(archive: Archive) -> None:
    first = {"train": range(1, 800), "val": range(801, 851), "test": range(851, 901)}
    for split, rows in archive.rows.items():
        assert rows == sorted(rows, key=lambda row: row[:3])
        for family_id, person_id, age_class, image_path in rows:
            name = NAME.fullmatch(image_path)
            assert name and name.groups()[:2] == (family_id, person_id) and name[4] == age_class
            assert int(name[3]) >= CLASSES[age_class][0], "nobody is photographed older than when collected"
            assert int(family_id[1:]) in first[split]


def test_images_are_small_rgb_jpegs_of_different_faces(archive: Archive) -> None:
    for name in archive.entries[6:]:
        image = Image.open(io.BytesIO(archive.content[name]))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 128))
        assert np.asarray(image).std() > 15


def test_the_bytes_show_what_was_planted(archive: Archive) -> None:
    cut = forget_rows(**SMALL)
    seen, truth = archive.planted(cut), planted(plan(**SMALL), cut=cut)
    assert seen == {name: truth[name] for name in seen}
    assert min(truth.values()) > 0


def test_reencoded_copies_show_the_same_picture_in_other_bytes(archive: Archive) -> None:
    rows = [row for row in plan(**SMALL) if row.split == "train"]
    pixels = {row.path: np.asarray(Image.open(io.BytesIO(archive.content[f"train_images/{row.path}"])), float) for row in rows}
    copies = [row for row in rows if row.copy == "reencoded"]
    for copy in copies:
        (photo,) = {row.path for row in rows if row.photo is copy.photo and not row.copy}
        assert archive.content[f"train_images/{photo}"] != archive.content[f"train_images/{copy.path}"]
        assert np.abs(pixels[photo] - pixels[copy.path]).mean() < 5
        others = [np.abs(pixels[copy.path] - pixels[row.path]).mean() for row in rows if row.photo is not copy.photo]
        assert min(others) > 5
    assert copies


def test_same_seed_same_bytes(path: Path, tmp_path: Path) -> None:
    main_path = tmp_path / "again.zip"
    main(["faces", str(main_path), "--seed", "0", "--families", "6", "--photos", "4"])
    assert file_md5(main_path) == file_md5(path)


def test_other_seed_other_photos() -> None:
    first, second = plan(**SMALL), plan(**SMALL, seed=1)
    assert [row.photo.age for row in first] != [row.photo.age for row in second][: len(first)]


@pytest.mark.parametrize("wrong", [{"families": 5}, {"photos": 3}])
def test_too_small_an_archive_is_refused_before_work(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 6 families and 4 photos"):
        generate(tmp_path / "faces.zip", **SMALL | wrong)
    assert not list(tmp_path.iterdir())


def test_cancelled_generation_leaves_nothing(tmp_path: Path) -> None:
    def cancel(done: int, total: int, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "faces.zip", **SMALL, progress=cancel)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(4))
def test_full_plan_has_the_documented_counts(seed: int) -> None:
    rows = plan(seed=seed)
    splits = Counter(row.split for row in rows)
    assert 3000 <= len(rows) <= 4000
    assert 0.70 <= splits["train"] / len(rows) <= 0.77
    assert splits["val"] >= 400 and splits["test"] >= 400
    truth = planted(rows, cut=FORGET_ROWS)
    expected = {
        "files_under_two_families": 64,
        "files_with_two_classes": 8,
        "reencoded": 48,
        "test_rows_in_train": 8,
        "unseen_rows_in_train": 8,
        "files_on_both_sides_of_the_cut": 8,
        "keys_on_both_sides_of_the_cut": 1,
    }
    assert {name: truth[name] for name in expected} == expected
    assert truth["rows"] - truth["files"] == 64 + 16
    assert truth["keys"] - truth["people"] == 16


@pytest.mark.parametrize("families,photos", [(6, 4), (8, 6), (20, 11), (50, 5)])
def test_one_person_lies_on_both_sides_of_every_cut(families: int, photos: int) -> None:
    rows = [row.key for row in plan(families=families, photos=photos) if row.split == "train"]
    cut = forget_rows(families, photos)
    assert len(set(rows[:cut]) & set(rows[cut:])) == 1
    straddling = rows[cut]
    assert rows[cut - 1] == straddling
    after = rows[len(rows) - rows[::-1].index(straddling)]
    assert after[0] != straddling[0], "all other people of the family lie before the cut"


def test_relatives_resemble_one_another() -> None:
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(200):
        mother = founder(rng, role="M", female=True, collected=40)
        father = founder(rng, role="F", female=False, collected=42)
        own = child(rng, mother, father, role="D", female=True, collected=12)
        pairs.append([[person.traits[name] for name in GENES] for person in (mother, father, own)])
    mother, father, own = np.moveaxis(np.array(pairs), 1, 0).reshape(3, -1)
    assert np.corrcoef(mother, own)[0, 1] > 0.4
    assert np.corrcoef(father, own)[0, 1] > 0.4
    assert abs(np.corrcoef(mother, father)[0, 1]) < 0.05


@pytest.mark.parametrize("members", [2, 3, 4, 5])
def test_families_have_so_many_members_with_different_names(members: int) -> None:
    rng = np.random.default_rng(members)
    for _ in range(40):
        people = family(rng, members=members)
        roles = [person.role for person in people]
        assert len(people) == members == len(set(roles))
        assert all(person.female == (person.role[0] in "DM" or person.role == "GM") for person in people)


def test_age_shows() -> None:
    rng = np.random.default_rng(0)
    for person in (person for _ in range(10) for person in family(rng, members=3)):
        baby, child_, adult, old = (look_at(person, age, np.random.default_rng(1)) for age in (1, 9, 30, 75))
        assert baby.shape.chin < child_.shape.chin < adult.shape.chin
        assert baby.shape.eye_open > adult.shape.eye_open > old.shape.eye_open
        assert child_.skin.wrinkles <= adult.skin.wrinkles < old.skin.wrinkles
        assert child_.hair.recede == 0 <= adult.hair.recede <= old.hair.recede
        assert child_.hair.beard == "none"


def test_a_person_is_nearer_to_themselves_than_to_others() -> None:
    """In the same light and pose, ten years later: the own face is nearer than most strangers'."""
    bank, rng = noise_bank(0), np.random.default_rng(3)
    people = [person for _ in range(8) for person in family(rng, members=2)[:1]]
    shot = draw_shot(np.random.default_rng(4), 30, 1.0)

    def face(person: int, age: float) -> np.ndarray:
        own = np.random.default_rng(person)
        return render(look_at(people[person], age, own), shot, bank, own, size=64).astype(float)[8:56, 12:52]

    young, older = ([face(index, age) for index in range(8)] for age in (25, 35))
    ranks = [sorted(range(8), key=lambda other: np.abs(young[index] - older[other]).mean()).index(index) for index in range(8)]
    assert np.mean(ranks) < 1.2  # by chance 3.5


@pytest.mark.parametrize("style", sorted({*STYLES_F, *STYLES_M, "down", "pigtails"}))
def test_every_hair_style_covers_the_crown_and_not_the_face(style: str) -> None:
    from dataclasses import replace

    rng = np.random.default_rng(0)
    person = founder(rng, role="S", female=False, collected=30)
    look = look_at(person, 30, rng)
    dark = replace(
        look.hair,
        style=style,
        colour=np.array([0.05, 0.05, 0.05]),
        recede=0.0,
        thin=0.0,
        curl=0.0,
        beard="none",
    )
    shot = replace(draw_shot(rng, 30, 1.0), roll=0.0, yaw=0.0, pitch=0.0, shift=(0.0, 0.0), monochrome=0.0, exposure=1.0)
    picture = render(replace(look, hair=dark, glasses=0), shot, noise_bank(0), rng, size=64).astype(float).mean(-1)
    assert picture[7:10, 28:36].mean() < 0.6 * picture[38:44, 22:42].mean()


def test_drawing_helpers() -> None:
    assert cover(np.array([-9.0, 0.0, 9.0]), 1.0).tolist() == [1, 0.5, 0]
    assert smooth(0, 2, np.array([-1.0, 1.0, 3.0])).tolist() == [0, 0.5, 1]
    ramp = enlarge(np.tile(np.arange(4.0), (4, 1)), 8)
    np.testing.assert_allclose(ramp[3], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    bank = noise_bank(1)
    for texture in (bank.fine, bank.soft, bank.broad):
        assert abs(texture.mean()) < 1e-3 and abs(texture.std() - 1) < 1e-3
        np.testing.assert_array_equal(
            bank.look_up(texture, np.array([3.0]), np.array([5.0])),
            bank.look_up(texture, np.array([259.0]), np.array([261.0])),
        )


@pytest.mark.skipif(not FULL.is_file(), reason="data/faces.zip has not been pulled")
def test_the_full_archive_holds_what_the_document_says() -> None:
    seen, truth = Archive(FULL).planted(FORGET_ROWS), planted(plan(), cut=FORGET_ROWS)
    assert seen == {name: truth[name] for name in seen}
    assert FULL.stat().st_size < 11_000_000
    document = (FULL.parent.parent / "docs" / "faces.md").read_text(encoding="utf-8")
    assert file_md5(FULL) in document
    assert f"{truth['rows']:,} rows" in document
