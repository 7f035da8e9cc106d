"""The embedded benchmark `faces`: invented people drawn at several ages, in exactly MUFAC's archive layout.

    python -m aru faces data/faces.zip --seed 0

The same seed gives the same bytes on the same kind of machine. docs/faces.md says what is planted in it.
The labels, a part mask of each photo and a table of boxes for each split, go into an archive of their own: that of the photos
has the same bytes with and without.
"""

import io
import zipfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.progress import Progress, silent
from aru.faces.ageing import look_at
from aru.faces.canvas import NoiseBank, noise_bank
from aru.faces.contents import FORGET_ROWS, PHOTOS, plan
from aru.faces.parts import COLOURS, Parts
from aru.faces.render import render
from aru.faces.rows import FAMILIES, SPLITS, Photo, Row
from aru.faces.shot import draw_shot

__all__ = ["FORGET_ROWS", "generate"]

SIZE = 128
QUALITY = (70, 78)  # of the photos, chosen so that the full archive stays below 11 MB
REENCODED_QUALITY = (50, 66)  # of the copies that are compressed again
_DATE = (2024, 1, 1, 0, 0, 0)
LABELS = ("parts", "boxes")
_BOXES_HEADER = "image_path,part,left,top,right,bottom\n"
_HEADER = "family_id,person_id,age_class,image_path\n"


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=2, optimize=True)
    return buffer.getvalue()


def _photograph(photo: Photo, bank: NoiseBank, seed: int, parts: Parts) -> bytes:
    rng = np.random.default_rng([seed, 2, photo.number])
    look, shot = look_at(photo.person, photo.apparent, rng), draw_shot(rng, photo.apparent, photo.year)
    return _jpeg(Image.fromarray(render(look, shot, bank, rng, size=SIZE, parts=parts)), int(rng.integers(*QUALITY)))


def _indexed_png(mask: np.ndarray) -> bytes:
    picture = Image.fromarray(mask).convert("P")
    picture.putdata(mask.flatten().tolist())
    picture.putpalette([value for colour in COLOURS for value in colour])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _reencode(content: bytes, rng: np.random.Generator) -> bytes:
    """The same photo compressed again, half of the time after shrinking and enlarging it."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    if rng.random() < 0.5:
        small = int(rng.integers(104, 122))
        picture = picture.resize((small, small), Image.Resampling.BICUBIC).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return _jpeg(picture, int(rng.integers(*REENCODED_QUALITY)))


def _labels(drawn: Parts, labels: Collection[str]) -> tuple[bytes, list[str]]:
    """The labels of one photo: its part mask as a file, its boxes as lines of a table."""
    mask = _indexed_png(drawn.mask()) if "parts" in labels else b""
    return mask, [",".join(map(str, box)) for box in drawn.boxes()] if "boxes" in labels else []


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=_DATE)
    entry.create_system = 3
    entry.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o100644 << 16
    archive.writestr(entry, content)


def _add_tables(archive: zipfile.ZipFile, rows: list[Row]) -> None:
    for split in SPLITS:
        lines = [f"{row.family},{row.role},{row.age_class},{row.path}\n" for row in rows if row.split == split]
        _add(archive, f"custom_{split}_dataset.csv", (_HEADER + "".join(lines)).encode())
    for split in SPLITS:
        _add(archive, f"{split}_images/", b"")


def _add_photos(
    archive: zipfile.ZipFile,
    beside: zipfile.ZipFile | None,
    rows: list[Row],
    seed: int,
    labels: Collection[str],
    progress: Progress,
) -> None:
    bank = noise_bank(seed)
    photos: dict[int, bytes] = {}
    masks: dict[int, bytes] = {}
    boxed: dict[int, list[str]] = {}
    boxes = {split: [_BOXES_HEADER] for split in SPLITS}
    for done, row in enumerate(rows, 1):
        number = row.photo.number
        if number not in photos:
            drawn = Parts(SIZE)
            photos[number] = _photograph(row.photo, bank, seed, drawn)
            masks[number], boxed[number] = _labels(drawn, labels)
        content = photos[number]
        if row.copy == "reencoded":
            content = _reencode(content, np.random.default_rng([seed, 3, number]))
        _add(archive, f"{row.split}_images/{row.path}", content)
        if beside and "parts" in labels:
            _add(beside, f"{row.split}_parts/{Path(row.path).stem}.png", masks[number])
        boxes[row.split] += [f"{row.path},{line}\n" for line in boxed[number]]
        progress(done, len(rows), "faces")
    if beside and "boxes" in labels:
        for split in SPLITS:
            _add(beside, f"custom_{split}_boxes.csv", "".join(boxes[split]).encode())


def generate(
    path: Path,
    *,
    seed: int = 0,
    families: int = FAMILIES,
    photos: int = PHOTOS,
    labels: Collection[str] = (),
    progress: Progress = silent,
) -> None:
    """Write the archive to `path`, atomically: about 35 images a family of `photos` a person; labels to `labels_path(path)`.

    `labels`: of "parts" (SPLIT_parts/NAME.png, indexed by aru.faces.parts.PARTS) and "boxes" (custom_SPLIT_boxes.csv, in
    pixels of the photo). Raises InputError for another name, and where the archive would be too small
    for what is planted in it.
    """
    for label in labels:
        if label not in LABELS:
            raise InputError(f"labels: {label!r} is not drawn: {' and '.join(LABELS)} are")
    rows = plan(seed=seed, families=families, photos=photos)
    with ExitStack() as stack:
        archive, *beside = (
            stack.enter_context(zipfile.ZipFile(stack.enter_context(atomic_path(target)), "w", zipfile.ZIP_STORED))
            for target in ([path, labels_path(path)] if labels else [path])
        )
        _add_tables(archive, rows)
        _add_photos(archive, beside[0] if beside else None, rows, seed, labels, progress)


def labels_path(path: Path) -> Path:
    """Where the labels of an archive's photos are: faces-labels.zip for faces.zip."""
    return path.with_name(f"{path.stem}-labels{path.suffix}")
