"""Decode packed photos where they were carried to, by the manifest that came with them."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All parts of one packing."""
    parser.add_argument("benchmark")
    parser.add_argument("parts", type=Path, nargs="+", help="all files that `pack` wrote")


def run(options: argparse.Namespace) -> int:
    """Write prepared/images.npy, as the stage `prepare` does from an archive."""
    from aru.core.config import load_config
    from aru.data.manifest import read_manifest
    from aru.data.packing import decode_packed

    prepared = Path("work") / options.benchmark / "prepared"
    manifest = read_manifest(prepared / "manifest.csv")
    config = load_config(Path("params.yaml"), options.benchmark)
    decode_packed(options.parts, manifest, config.data.resolution, prepared / "images.npy")
    print(f"{prepared / 'images.npy'}: {len(manifest)} rows")
    return 0
