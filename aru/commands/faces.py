"""Draw the embedded benchmark `faces`: an archive of invented people, such as data/faces.zip."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and how many of whom."""
    from aru.faces.contents import PHOTOS
    from aru.faces.rows import FAMILIES

    parser.add_argument("out", type=Path, help="the archive to write, such as data/faces.zip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--families", type=int, default=FAMILIES)
    parser.add_argument("--photos", type=int, default=PHOTOS, help="photos of each person, on average")
    parser.add_argument(
        "--labels",
        type=lambda text: text.split(","),
        default=[],
        metavar="parts,boxes",
        help="write part masks (PNG) and boxes (CSV), too, to faces-labels.zip beside faces.zip",
    )


def run(options: argparse.Namespace) -> int:
    """Write the archive."""
    from aru.faces.generate import generate

    generate(options.out, seed=options.seed, families=options.families, photos=options.photos, labels=options.labels)
    return 0
