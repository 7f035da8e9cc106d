"""What `prepare` wrote, as processes that outlive imports read it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from aru.core.errors import InputError
from aru.data.prepared import manifest_of, pixels_of, stamp_of
from tests.helpers.prepared_images import turn_images

pytest_plugins = ["tests.helpers.shadow_fixtures"]


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared / "work" / "small" / "prepared", tmp_path / "prepared"))


def test_rows_of_the_same_pixels_have_one_digest_and_others_have_others(folder):
    pixels, images = pixels_of(folder), np.load(folder / "images.npy")
    distinct = {image.tobytes() for image in images}
    assert len(pixels) == len(images) and len(set(pixels)) == len(distinct) < len(images)
    first = np.flatnonzero(pixels == pixels[0])
    assert all((images[row] == images[0]).all() for row in first)


def test_what_was_written_anew_is_read_anew_and_nothing_is_read_twice(folder):
    before, manifest = pixels_of(folder), manifest_of(folder)
    assert pixels_of(folder) is before and manifest_of(folder) is manifest
    state = (folder / "images.npy").stat()
    turn_images(folder, [1])
    os.utime(folder / "images.npy", ns=(state.st_atime_ns, state.st_mtime_ns))  # the size is the same, too
    assert np.flatnonzero(pixels_of(folder) != before).tolist() == [1]


def test_a_missing_file_changes_the_stamp_and_is_named_by_who_reads_it(folder):
    before = stamp_of(folder)
    (folder / "labels.json").unlink()
    assert stamp_of(folder) != before
    (folder / "manifest.csv").unlink()
    with pytest.raises(InputError, match="manifest.csv does not exist: run the stage 'prepare'"):
        manifest_of(folder)
