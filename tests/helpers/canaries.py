"""A person whose name and pixels are unlike all others', planted wherever a project keeps something; and a search for them."""

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

FAMILY = "F4711"
PERSON = f"{FAMILY}/D"
FILES = tuple(f"{FAMILY}_CANARY_D_18_a{number}.png" for number in range(3))
SIDE = 32


def pixels(number: int = 0) -> np.ndarray:
    """The picture of a canary: noise that no other photo has. (SIDE, SIDE, 3) uint8."""
    return np.random.default_rng(4711 + number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def photo(number: int = 0) -> bytes:
    """A canary's picture as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(number)).save(buffer, "PNG")
    return buffer.getvalue()


MARKS = {
    "name": FAMILY.encode(),
    **{f"pixels {number}": pixels(number)[5].tobytes() for number in range(len(FILES))},
    **{f"photo {number}": photo(number)[1000:1064] for number in range(len(FILES))},
}
"""What is searched for: a name, a row of each picture as arrays hold it, a part of each file as archives hold it."""


def members(others: dict[str, bytes]) -> dict[str, bytes]:
    """The members of a MUFAC archive with the canary's photos among those of training."""
    table = "custom_train_dataset.csv"
    rows = "".join(f"{FAMILY},D,a,{name}\n" for name in FILES)
    canaries = {f"train_images/{name}": photo(number) for number, name in enumerate(FILES)}
    return {**others, table: others[table] + rows.encode(), **canaries}


def found(root: Path) -> dict[str, set[str]]:
    """{path: marks} of every file of a folder that has one, in its name, its bytes, or what is compressed in it."""
    return {path: marks for path, marks in _searched(root) if marks}


def _searched(root: Path) -> Iterator[tuple[str, set[str]]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(".git/") and (path.is_file() or path.is_dir()):
            marks = {mark for mark, text in MARKS.items() if text in name.encode()}
            yield name, marks | (_marks(path.read_bytes()) if path.is_file() else set())


def _marks(content: bytes) -> set[str]:
    marks = {mark for mark, text in MARKS.items() if text in content}
    if content.startswith(b"\x1f\x8b"):
        marks |= _marks(gzip.decompress(content))
    elif content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                marks |= _marks(name.encode()) | _marks(archive.read(name))
    return marks


def plant(folder: Path) -> None:
    """Files as trainings, audits, kills and caches leave them: plain, packed and compressed."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "scores.npz", pixels())
    (folder / "rows.csv.gz").write_bytes(gzip.compress(f"{FILES[0]},0.5\n".encode()))
    (folder / "checkpoint.bin").write_bytes(b"weights" + pixels(1).tobytes())
    (folder / ".images.npy.0123456789abcdef.tmp").write_bytes(pixels(2).tobytes())


def plant_database(path: Path) -> None:
    """A database with a canary in a row, and another one in the pages of rows that were deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE log (message TEXT)")
        database.executemany("INSERT INTO log VALUES (?)", [(f"{FILES[0]} {'x' * 500}",)] * 50)
        database.execute("DELETE FROM log WHERE rowid > 1")
