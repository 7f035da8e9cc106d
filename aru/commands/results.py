"""Write a comparison's results.html and results.md again from the records.json beside them; nothing is computed anew."""

import argparse
from pathlib import Path

from aru.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which folder, and a title other than the one that its pages have."""
    parser.add_argument("folder", type=Path, help="a folder with records.json, such as docs/mufac-32px-clean")
    parser.add_argument("--title", help="default: the title of the folder's results.html")


def run(options: argparse.Namespace) -> int:
    """Write both files and print their paths; the plots are inside the page."""
    from aru.core.files import read_json
    from aru.reporting.comparison.page import read_title, rewrite_results

    folder = options.folder
    title = options.title or read_title(folder / "results.html")
    if title is None:
        raise InputError(f"{folder / 'results.html'} has no title to take over: give one with --title")
    for path in rewrite_results(read_json(folder / "records.json"), folder, title=title):
        print(path)
    return 0
