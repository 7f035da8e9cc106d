"""Small archives of MUFAC's and MUCAC's exact layouts, whole or with chosen faults."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

AGES = "abcdefgh"


def jpeg(seed: int, *, side: int = 32, quality: int = 90, like: int | None = None) -> bytes:
    """A smooth random picture; `like` and another quality give a re-encoded copy of it."""
    rng = np.random.default_rng(seed if like is None else like)
    rough = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    rough.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def mufac_members(
    *, families: int = 8, people: int = 2, photos: int = 4, side: int = 32, splits: tuple[float, float] = (0.6, 0.8)
) -> dict[str, bytes]:
    """The members of a whole archive: families F0001 ... cut into train, val and test."""
    rows: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    members: dict[str, bytes] = {}
    seed = 0
    for family in range(families):
        split = "train" if family < splits[0] * families else "val" if family < splits[1] * families else "test"
        for person in "DMSF"[:people]:
            for photo in range(photos):
                age = AGES[seed % 8]
                name = f"F{family + 1:04d}_AGE_{person}_18_{age}{photo}" + (".JPG" if seed % 9 == 0 else ".jpg")
                members[f"{split}_images/{name}"] = jpeg(seed, side=side)
                rows[split].append(f"F{family + 1:04d},{person},{age},{name}")
                seed += 1
    tables = {
        f"custom_{split}_dataset.csv": "\n".join(["family_id,person_id,age_class,image_path", *lines, ""]).encode()
        for split, lines in rows.items()
    }
    return tables | members


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    """A zip file of these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return path


def mufac_archive(path: Path, **options) -> Path:
    """A whole MUFAC archive."""
    return write_zip(path, mufac_members(**options))


AT_THE_CUTS = [0, 0, 189, 189, 190, 190, 1249, 1249, 1250, 1250, 4854, 4854, 4855, 4855, 6216, 6216]


def mucac_files(*, side: int = 32, numbers: list[int] = AT_THE_CUTS) -> dict[str, bytes]:
    """The files of a MUCAC folder with one photo for each identity number of the list."""
    files, identities, attributes = {}, [], []
    for photo, person in enumerate(numbers):
        files[f"CelebA-HQ-img/{photo}.jpg"] = jpeg(photo, side=side)
        identities.append(f"{photo}.jpg {person}")
        values = ["-1"] * 40
        values[20], values[31], values[39] = "1" if photo % 2 else "-1", "1" if photo % 3 else "-1", "1"
        attributes.append(f"{photo}.jpg " + " ".join(values))
    files["CelebA-HQ-identity.txt"] = "\n".join(identities).encode()
    files["CelebA-HQ-attribute.txt"] = "\n".join(attributes).encode()
    return files


def mucac_folder(path: Path, files: dict[str, bytes] | None = None) -> Path:
    """A MUCAC folder."""
    for name, content in (files or mucac_files()).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path
