"""Perceptual bands: found again after what people do to photos, and seldom in other photos."""

import numpy as np
import pytest

from aru.data.suppression.keyed_hashes import new_keys
from aru.data.suppression.perceptual import BANDS, MIN_EQUAL, TURNS, VIEWS, BandIndex, bands_of
from aru.faces.generate import generate
from tools.replay_photos import CHANGES, Recall, photos_of, recall

PHOTOS = 24
LEAST = {"cropped by 10 %": 0.7}
"""Least part of the photos that is found again after a change; 0.95 for the others. docs/erasure.md has what was measured."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Recall:
    archive = tmp_path_factory.mktemp("drawn") / "faces.zip"
    generate(archive, families=6, photos=4)
    return recall(photos_of("mufac", archive, PHOTOS), keys=new_keys())


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_photo_is_found_again(measured, change):
    assert measured.found[change] >= LEAST.get(change, 0.95) * measured.photos


def test_other_peoples_photos_do_not_match(measured):
    assert measured.photos == PHOTOS and measured.pairs == PHOTOS * (PHOTOS - 1) and measured.false_pairs == 0


def test_views_lie_within_the_photo_and_bands_are_the_same_every_time():
    assert all(view.scale + abs(view.right) <= 1 and view.scale + abs(view.down) <= 1 for view in VIEWS)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    bands = bands_of(pictures, VIEWS)
    assert bands.shape == (3, len(VIEWS), BANDS) and bands.dtype == np.uint16
    np.testing.assert_array_equal(bands[1:2], bands_of(pictures[1:2], VIEWS))
    np.testing.assert_array_equal(bands_of(pictures[:, :, ::-1], TURNS)[:, 0], bands_of(pictures, TURNS)[:, 1])


def test_the_index_finds_the_views_that_a_count_of_equal_bands_finds():
    rng = np.random.default_rng(1)
    views = rng.integers(0, 3, (40, BANDS)).astype(np.uint32)
    query = rng.integers(0, 3, (5, BANDS)).astype(np.uint32)
    equal = (query[:, None] == views).sum(axis=2)
    level = int(np.median(equal))
    assert 0 < (equal >= level).sum() < equal.size
    wanted = set(np.flatnonzero((equal >= MIN_EQUAL).any(axis=0)).tolist())
    assert BandIndex(views).matches(query) == wanted
    sparse = views.copy()
    sparse[:, MIN_EQUAL - 1 :] += 10
    assert BandIndex(sparse).matches(views) == set(), "one band less than the least number is no match"
