"""A search of a project for people's names and photos: in file names, in bytes, in what is compressed, in git's objects."""

import gzip
import io
import mmap
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aru.core.config import load_archive
from aru.data.archive import open_archive
from aru.data.images import load_images
from aru.data.manifest import read_manifest
from flows.project.git_history import stored_objects
from flows.project.params import PARAMS_FILE
from flows.requests.demo.volunteers import Volunteer

_FILE_BYTES = 64
_PIXEL_ROWS = 2


@dataclass(frozen=True)
class Marks:
    """What is looked for: names of people and files, bytes from the midst of photos' files, pixels of their prepared form."""

    texts: tuple[bytes, ...]
    files: tuple[bytes, ...]
    pixels: tuple[bytes, ...]

    def found_in(self, content: bytes | mmap.mmap) -> bool:
        """Whether any of them stands in these bytes."""
        return any(content.find(mark) >= 0 for mark in (*self.texts, *self.files, *self.pixels))

    def named_in(self, text: str) -> bool:
        """Whether a path has one of the names."""
        return any(name in os.fsencode(text) for name in self.texts)


def marks_of(root: Path, benchmark: str, people: Sequence[Volunteer]) -> Marks:
    """The marks of people whose photos are in the archive and the prepared arrays of the project `root`.

    Pixels that stand in anybody else's prepared photo, too, as those of a plain background, are left out.
    """
    prepared = root / "work" / benchmark / "prepared"
    images = load_images(prepared / "images.npy", len(read_manifest(prepared / "manifest.csv")))
    paths = [path for one in people for path in one.paths]
    with open_archive(root / load_archive(root / PARAMS_FILE, benchmark)) as archive:
        contents = [archive.read(path) for path in paths]
    middle = images.shape[1] // 2
    bands = [images[row, middle : middle + _PIXEL_ROWS].tobytes() for one in people for row in one.rows]
    everything = images.tobytes()
    return Marks(
        tuple(dict.fromkeys(text.encode() for one in people for text in one.texts)),
        tuple(_midst(content) for content in contents),
        tuple(band for band in bands if everything.count(band) == bands.count(band)),
    )


def search(root: Path, marks: Marks) -> list[str]:
    """The files of a project in which a mark stands, by their paths in it, and the objects of git by their ids."""
    found = [path.relative_to(root).as_posix() for path in _files(root) if _has(path, root, marks)]
    objects = [f"git object {stored.id[:10]}" for stored in stored_objects(root) if marks.found_in(stored.content)]
    return [*found, *objects]


def _midst(content: bytes) -> bytes:
    start = max(0, (len(content) - _FILE_BYTES) // 2)
    return content[start : start + _FILE_BYTES]


def _files(root: Path) -> Iterator[Path]:
    """All files but git's own, which are read as objects."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name != ".git")
        yield from (Path(folder, name) for name in sorted(files))


def _has(path: Path, root: Path, marks: Marks) -> bool:
    if marks.named_in(path.relative_to(root).as_posix()):
        return True
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return marks.found_in(content) or any(_found_within(part, marks) for part in _unpacked(content[:2], path))


def _found_within(part: bytes, marks: Marks) -> bool:
    """Whether what was compressed has a mark, also where it is compressed once more."""
    return marks.found_in(part) or any(_found_within(inner, marks) for inner in _unpacked(part[:2], io.BytesIO(part)))


def _unpacked(start: bytes, source: Path | io.BytesIO) -> Iterator[bytes]:
    """Names and contents of what a zip file holds, or the content of a gzip file; nothing of any other."""
    try:
        if start == b"PK":
            with zipfile.ZipFile(source) as archive:
                for name in archive.namelist():
                    yield name.encode()
                    yield archive.read(name)
        elif start == b"\x1f\x8b":
            with gzip.open(source) as file:
                yield file.read()
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error):  # it only begins like one
        return
