"""Pack the photos of a prepared benchmark, each once, to carry them to another machine."""

import argparse
from pathlib import Path

from aru.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, in how many parts, of what size."""
    parser.add_argument("benchmark")
    parser.add_argument("folder", type=Path, help="for part-1.zip, part-2.zip ...")
    parser.add_argument("--parts", type=int, default=2)
    parser.add_argument("--limit", type=int, default=60 << 20, metavar="BYTES", help="of a part; default 60 MiB")


def run(options: argparse.Namespace) -> int:
    """Write the parts."""
    from aru.core.config import load_archive
    from aru.data.manifest import read_manifest
    from aru.data.packing import pack

    if options.parts < 1:
        raise InputError(f"--parts {options.parts}: at least one is needed")
    manifest = read_manifest(Path("work") / options.benchmark / "prepared" / "manifest.csv")
    archive = load_archive(Path("params.yaml"), options.benchmark)
    for path in pack(archive, manifest, options.folder, parts=options.parts, limit=options.limit):
        print(f"{path}: {path.stat().st_size} bytes")
    return 0
