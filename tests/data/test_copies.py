"""Copies of a photo are found however they were made, and other photos are not: drawn faces, where the truth is known."""

import numpy as np
import pytest
from PIL import Image

from aru.core.progress import silent
from aru.data import copies, hashed_pairs, thumbnails
from aru.data.alignment import Window, align, cell_means, reoriented
from aru.data.copies import SIDE, constant_pictures, find_copies
from aru.data.decoding import decode_photo
from aru.data.descriptors import MIN_CORRELATION, VIEWS, descriptors
from aru.data.hashed_pairs import Hashing
from aru.data.photos import photo_ids, thumbnail
from tests.helpers.archives import jpeg
from tests.helpers.copied import EDITS, found, images_of, saved

COUNT = 12
SELDOM = ("a sticker on 1/32 of it", "a black border of 1/16", "turned by 5 degrees", "cropped by 15 % on all sides")
MOST = (
    "brightness 1.2",
    "cropped by 5 % on one side",
    "cropped by 10 % on all sides",
    "turned by 2 degrees",
    "cropped by 5 %, brightness 1.15, half",
)  # 56 or more of 60 were found of each
ALL = [name for name in EDITS if name not in (*MOST, *SELDOM)]


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    """Some photos of the embedded benchmark, no two of one photo."""
    contents = images_of("data/faces.zip")
    return [decode_photo(contents[place]) for place in np.random.default_rng(1).choice(len(contents), COUNT, replace=False)]


@pytest.mark.parametrize("name", ALL)
def test_every_copy_of_this_kind_is_found_and_nothing_else(drawn, name):
    assert found(drawn, EDITS[name]) == (COUNT, 0)


@pytest.mark.parametrize("name", MOST)
def test_most_copies_of_this_kind_are_found_and_nothing_else(drawn, name):
    right, other = found(drawn, EDITS[name])
    assert right >= COUNT - 2 and other == 0


def test_other_photos_of_the_same_people_are_no_copies():
    contents = images_of("data/faces.zip")[:300]  # 8 families, their people 11 times each, some copies among them
    pictures = np.stack([thumbnail(decode_photo(content)) for content in contents])
    for copy in find_copies(pictures):
        difference = pictures[copy.one].astype(float) - pictures[copy.other]
        assert copy.kind == "encoding" and copy.explained > 0.99 and np.abs(difference).mean() < 4


def test_the_note_says_how_a_copy_is_known(drawn):
    files = [saved(drawn[0]), saved(drawn[0]), saved(drawn[0], quality=50), EDITS["mirrored"](drawn[0]), saved(drawn[1])]
    pictures = np.stack([thumbnail(decode_photo(content)) for content in files[1:]])
    assert photo_ids([0, 0, 1, 2, 3], pictures) == (["P000000"] * 4 + ["P000001"], ["", "bytes", "encoding", "edit", ""])


def test_what_shows_nothing_is_constant_and_no_copy_of_anything():
    grey, nearly = (np.full((SIDE, SIDE), level, dtype=np.uint8) for level in (0, 200))
    nearly[0, 0] += 2
    ramp = np.tile(np.linspace(100, 106, SIDE).astype(np.uint8), (SIDE, 1))
    assert constant_pictures(np.stack([grey, nearly, ramp])).tolist() == [True, True, False]
    assert find_copies(np.stack([grey, nearly, ramp, ramp + 1])) == []
    assert photo_ids([0, 0, 1], np.stack([grey, nearly])) == (["P000000", "P000000", "P000001"], ["constant"] * 3)


def test_alignment_undoes_a_shift_a_turn_and_a_bent_brightness():
    picture = np.asarray(decode_photo(jpeg(3, side=96)).convert("L"))
    image = Image.fromarray(picture)
    moved = image.rotate(3, Image.Resampling.BICUBIC, translate=(2, -3)).crop((12, 12, 84, 84))
    bent = moved.point([round(255 * (level / 255) ** 1.4) for level in range(256)])
    pair = [np.asarray(one.resize((SIDE, SIDE), Image.Resampling.BOX))[None] for one in (image, bent)]
    explained, overlap = align(*pair, Window(scale=0.75))
    assert explained[0] > 0.995 and overlap[0] > 0.95
    other = thumbnail(decode_photo(jpeg(4, side=96)))[None]
    assert align(pair[0], other, Window(scale=0.75))[0][0] < 0.9


def test_alignment_of_many_pairs_is_that_of_each():
    pictures = np.stack([thumbnail(decode_photo(jpeg(seed))) for seed in range(150)])
    others = np.stack([thumbnail(decode_photo(jpeg(0, like=seed, quality=40))) for seed in range(150)])
    together = align(pictures, others, Window())
    alone = align(pictures[140:141], others[140:141], Window())
    np.testing.assert_allclose([part[140] for part in together], [part[0] for part in alone], rtol=1e-4)


def test_cells_are_the_means_of_a_window():
    picture = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    np.testing.assert_allclose(cell_means(picture, Window(), 2)[0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_allclose(cell_means(picture, Window(scale=0.5), 2)[0], [[5, 6], [9, 10]])
    np.testing.assert_allclose(cell_means(picture, Window(scale=0.5, right=0.5, down=-0.5), 2)[0], [[2, 3], [6, 7]])
    assert cell_means(picture, Window(turn=1), 4)[0, 0].tolist() == [3, 2, 1, 0]
    assert reoriented(picture, 4)[0, 0].tolist() == [0, 4, 8, 12] and reoriented(picture, 2)[0, 0].tolist() == [12, 13, 14, 15]


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    """Smooth random pictures, and of every tenth a mirrored, a cropped or a noisy copy."""
    random = np.random.default_rng(3)
    fields = random.normal(size=(300, 8, 8))
    pictures = [np.asarray(Image.fromarray(128 + 45 * field.astype(np.float32)).resize((96, 96))) for field in fields]
    edits = (lambda picture: picture[:, ::-1], lambda picture: picture[3:-3, 3:-3], lambda picture: picture + 3)
    pictures += [edits[number % 3](picture) for number, picture in enumerate(pictures[::10])]
    return np.stack([thumbnail(Image.fromarray(picture.clip(0, 255).astype(np.uint8))) for picture in pictures])


def test_blocks_find_the_pairs_that_a_comparison_of_all_finds(many, monkeypatch):
    of_all = find_copies(many)
    assert {(copy.one, copy.other) for copy in of_all} == {(10 * number, 300 + number) for number in range(30)}
    monkeypatch.setattr(copies, "ALL_PAIRS", 0)
    assert find_copies(many) == of_all
    monkeypatch.setattr(hashed_pairs, "TABLE_BYTES", 1)  # one table at a time
    monkeypatch.setattr(hashed_pairs, "_PAIRS", 7)
    steps: list[tuple[int, int]] = []
    assert find_copies(many, lambda done, total, text: steps.append((done, total))) == of_all
    assert all(done <= total for done, total in steps) and max(steps)[0] == max(steps)[1] > len(many) * 20


@pytest.mark.parametrize("alike", [1.0, 0.1], ids=["unlike", "nearly the same"])
def test_the_bound_of_a_correlation_misses_no_pair(many, alike):
    pictures = (128 + alike * (many.astype(float) - 128) + (1 - alike) * (many[0].astype(float) - 128)).astype(np.uint8)
    plain, expected = descriptors(pictures, VIEWS[0]), set()
    for view, window in enumerate(VIEWS):
        correlation = descriptors(pictures, window) @ plain.T
        np.fill_diagonal(correlation, 0)
        near = np.abs(correlation - MIN_CORRELATION) < 1e-5  # there the order of the additions decides
        expected |= {(first, second, view) for first, second in np.argwhere((correlation > MIN_CORRELATION) & ~near)}
    found = {tuple(row) for rows in copies._correlated_of_all(pictures, silent) for row in rows[:, :3].astype(int)}
    assert expected <= found and len(found) < len(expected) + 3
    assert len(expected) > (30 if alike == 1 else pictures.shape[0] ** 2)


def test_keys_are_as_many_as_the_limit_needs_and_longer_where_pictures_are_alike():
    for count in (10_000, 1_000_000):
        different, alike = (Hashing.of(count, np.full(3, part)) for part in (0.5, 0.7))
        assert alike.signs > different.signs and alike.keys > different.keys
        for hashing in (different, alike):
            agreeing = (1 - np.arccos(0.93) / np.pi) ** hashing.signs
            assert (1 - agreeing) ** hashing.keys <= 1e-3 < (1 - agreeing) ** (hashing.keys - 1)


def test_thumbnails_are_the_same_from_memory_and_from_a_file(many, monkeypatch):
    for limit in (10, 1 << 30):
        monkeypatch.setattr(thumbnails, "IN_MEMORY", limit)
        with thumbnails.Thumbnails(SIDE) as stored:
            for picture in many[:9]:
                stored.append(picture)
            for rows in (np.arange(2, 6), np.array([8, 0, 0, 3]), np.arange(0)):
                np.testing.assert_array_equal(stored[rows], many[rows])
