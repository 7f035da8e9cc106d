"""A benchmark's photos packed to be carried to another machine, and decoded there by the manifest that was carried along.

The other machine needs neither the archive's tables nor to look for copies again: the manifest names every row's file by its
MD5, and each distinct file travels once, as it was received, in zip files (stored, not compressed) whose members are named by
that MD5. The parts are photos of people and are to be treated as the archive is.
"""

import argparse
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
from PIL import Image

from aru.core.config import load_archive, load_config
from aru.core.errors import InputError
from aru.core.files import atomic_path, bytes_md5
from aru.data.archive import open_archive
from aru.data.decoding import decode_photo
from aru.data.images import write_images
from aru.data.manifest import read_manifest

_MEMBER_BYTES = 200  # what a zip file needs for a member beside its bytes, at most


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
                while waiting and (size < share or number == parts):
                    digest, path = waiting.pop(0)
                    size += sizes[digest]
                    part.writestr(zipfile.ZipInfo(digest), source.read(path))
    return targets


def decode_packed(parts: Sequence[Path], manifest: pd.DataFrame, resolution: int, target: Path) -> None:
    """What the stage `prepare` writes as images.npy, from packed files; each is held to its MD5 first."""
    with ExitStack() as opened:
        sources = [opened.enter_context(open_archive(part)) for part in parts]
        where = {name: source for source in sources for name in source.names()}
        missing = sorted(set(manifest["digest"]) - set(where))
        if missing:
            distinct = manifest["digest"].nunique()
            raise InputError(
                f"{len(missing)} of {distinct} files are in none of {len(parts)} parts: carry "
                "all parts of one packing, with the manifest that they were made for"
            )

        def photos() -> Iterator[Image.Image]:
            for digest in manifest["digest"]:
                content = where[digest].read(digest)
                if bytes_md5(content) != digest:
                    raise InputError(f"the packed file {digest} has other bytes than its name says: pack again")
                yield decode_photo(content)

        write_images(photos(), len(manifest), resolution, target)


def main(arguments: list[str] | None = None) -> int:
    """`pack` where the archive is, `decode` on the other machine, in a project folder with params.yaml and the manifest."""
    parser = argparse.ArgumentParser(prog="python -m aru.data.packing", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write part-1.zip, part-2.zip ... of a prepared benchmark into a folder")
    packing.add_argument("benchmark")
    packing.add_argument("folder", type=Path)
    packing.add_argument("--parts", type=int, default=2)
    packing.add_argument("--limit", type=int, default=60 << 20, metavar="BYTES", help="of a part; default 60 MiB")
    decoding = commands.add_parser("decode", help="write prepared/images.npy from all parts")
    decoding.add_argument("benchmark")
    decoding.add_argument("parts", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    prepared = Path("work") / options.benchmark / "prepared"
    try:
        manifest = read_manifest(prepared / "manifest.csv")
        if options.command == "pack":
            if options.parts < 1:
                raise InputError(f"--parts {options.parts}: at least one is needed")
            archive = load_archive(Path("params.yaml"), options.benchmark)
            for path in pack(archive, manifest, options.folder, parts=options.parts, limit=options.limit):
                print(f"{path}: {path.stat().st_size} bytes")
        else:
            config = load_config(Path("params.yaml"), options.benchmark)
            decode_packed(options.parts, manifest, config.data.resolution, prepared / "images.npy")
            print(f"{prepared / 'images.npy'}: {len(manifest)} rows")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
