"""Labels that the generator of faces draws with the photos: part masks and boxes."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.faces.canvas import WHOLE
from aru.faces.generate import generate, labels_path
from aru.faces.parts import BOXED, COLOURS, PARTS, Parts

SMALL = {"families": 6, "photos": 4}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "faces.zip"
    generate(path, **SMALL, labels=("parts", "boxes"))
    return path


def test_the_photos_keep_their_bytes(archive: Path, tmp_path: Path) -> None:
    generate(tmp_path / "faces.zip", **SMALL)
    assert file_md5(tmp_path / "faces.zip") == file_md5(archive)
    assert not labels_path(tmp_path / "faces.zip").exists()


def test_every_photo_has_a_mask_and_boxes_that_agree(archive: Path) -> None:
    seen: set[int] = set()
    with zipfile.ZipFile(archive) as photos, zipfile.ZipFile(labels_path(archive)) as labels:
        for split in ("train", "val", "test"):
            names = [line.split(",")[3] for line in photos.read(f"custom_{split}_dataset.csv").decode().splitlines()[1:]]
            boxes = [line.split(",") for line in labels.read(f"custom_{split}_boxes.csv").decode().splitlines()[1:]]
            assert {box[0] for box in boxes} == set(names) and {box[1] for box in boxes} == set(BOXED)
            for name in names:
                picture = Image.open(io.BytesIO(labels.read(f"{split}_parts/{Path(name).stem}.png")))
                mask = np.asarray(picture)
                assert picture.mode == "P" and picture.getpalette()[:6] == [*COLOURS[0], *COLOURS[1]]
                assert mask.shape == (128, 128)
                seen |= set(np.unique(mask).tolist())
                inside = np.zeros_like(mask, bool)
                for _, part, *corners in (box for box in boxes if box[0] == name):
                    left, top, right, bottom = map(int, corners)
                    assert 0 <= left < right <= 128 and 0 <= top < bottom <= 128
                    if part == "eye":
                        inside[top:bottom, left:right] = True
                eyes = mask == PARTS.index("eye")
                assert (eyes & ~inside).sum() <= 0.1 * eyes.sum() + 2
    assert seen == set(range(len(PARTS))), "each part is in some photo"


def test_what_is_drawn_later_covers_what_was_drawn_before() -> None:
    parts = Parts(2)
    parts.add("skin", (WHOLE, np.ones((4, 4), np.float32)))
    parts.add("eye", ((slice(0, 2), slice(0, 2)), np.full((2, 2), 0.9, np.float32)))
    parts.add("hair", ((slice(0, 2), slice(2, 4)), np.full((2, 2), 0.4, np.float32)))
    assert parts.mask().tolist() == [[PARTS.index("eye"), 1], [1, 1]]
    assert [tuple(box) for box in parts.boxes()] == [("face", 0, 0, 2, 2), ("eye", 0, 0, 1, 1)]


def test_unknown_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels: 'ages' is not drawn: parts and boxes are"):
        generate(tmp_path / "faces.zip", **SMALL, labels=("ages",))
