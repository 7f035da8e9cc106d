"""A benchmark's photos packed for transfer to another machine, and decoded there by the manifest.

The other machine needs neither the archive's tables nor the search for copies: the manifest names every row's file by its MD5.
The parts are zip files (stored, not compressed) with each distinct file once, as it was received, under its MD5. They contain
photos of people: treat them as the archive. The commands are `python -m aru pack` and `python -m aru unpack`.
"""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
from PIL import Image

from aru.core.errors import InputError
from aru.core.files import atomic_path, bytes_md5
from aru.data.archive import open_archive
from aru.data.decoding import decode_photo
from aru.data.images import write_images
from aru.data.sources.canonical import EXIF_FILE, EXIF_TEXT, ignores_exif

_MEMBER_BYTES = 200  # at most: the headers of a member in a zip file


def pack(archive: Path, manifest: pd.DataFrame, folder: Path, *, parts: int, limit: int) -> list[Path]:
    """Write every distinct file of the manifest once into `parts` zip files of at most `limit` bytes, of about equal size.

    Raises InputError where they do not fit, with the number of parts that do.
    """
    distinct = manifest.drop_duplicates("digest")
    with open_archive(archive) as source:
        contents = {digest: path for digest, path in zip(distinct["digest"], distinct["path"], strict=True)}
        sizes = {digest: len(source.read(path)) + _MEMBER_BYTES for digest, path in contents.items()}
        share = sum(sizes.values()) / parts
        if share + max(sizes.values()) > limit:
            room = limit - max(sizes.values())
            needed = f"at least {-(-sum(sizes.values()) // room)} parts" if room > 0 else "larger parts"
            raise InputError(f"{sum(sizes.values())} bytes do not fit into {parts} parts of {limit}: {needed} are needed")
        targets = [folder / f"part-{number}.zip" for number in range(1, parts + 1)]
        waiting = list(contents.items())
        for number, target in enumerate(targets, start=1):
            size = 0
            with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as part:
                if ignores_exif(source):
                    part.writestr(zipfile.ZipInfo(EXIF_FILE), EXIF_TEXT)
                while waiting and (size < share or number == parts):
                    digest, path = waiting.pop(0)
                    size += sizes[digest]
                    part.writestr(zipfile.ZipInfo(digest), source.read(path))
    return targets


def decode_packed(parts: Sequence[Path], manifest: pd.DataFrame, resolution: int, target: Path) -> None:
    """Write images.npy as the stage `prepare` does, from packed files; the MD5 of each is checked first."""
    with ExitStack() as opened:
        sources = [opened.enter_context(open_archive(part)) for part in parts]
        where = {name: source for source in sources for name in source.names()}
        ignore_exif = any(map(ignores_exif, sources))
        missing = sorted(set(manifest["digest"]) - set(where))
        if missing:
            distinct = manifest["digest"].nunique()
            raise InputError(
                f"{len(missing)} of {distinct} files are in none of {len(parts)} parts: transfer "
                "all parts of one packing, with the manifest of the same archive"
            )

        def photos() -> Iterator[Image.Image]:
            for digest in manifest["digest"]:
                content = where[digest].read(digest)
                if bytes_md5(content) != digest:
                    raise InputError(f"the packed file {digest} is damaged, its MD5 is another one: pack again")
                yield decode_photo(content, ignore_exif=ignore_exif)

        write_images(photos(), len(manifest), resolution, target)
