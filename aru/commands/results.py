"""Write a comparison's results.html and results.md again from the records.json beside them; nothing is computed anew."""

import argparse
from pathlib import Path

from aru.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which folder, and a title other than the one that its pages have."""
    parser.add_argument("folder", type=Path, help="a folder with records.json, such as docs/mufac-32px-clean")
    parser.add_argument("--title", help="default: the title of the folder's results.html")
    parser.add_argument(
        "--add", type=Path, action="append", default=[], metavar="OTHER", help="take the records of this folder in, too"
    )


def run(options: argparse.Namespace) -> int:
    """Write both files and print their paths; the plots are inside the page. With --add the folder may be a new one."""
    from aru.comparison.records import merged_records
    from aru.core.files import read_json
    from aru.reporting.comparison.page import read_title, rewrite_results, write_records

    folder = options.folder
    title = options.title or read_title(folder / "results.html")
    if title is None:
        raise InputError(f"{folder / 'results.html'} has no title to take over: give one with --title")
    records = folder / "records.json"
    parts = [read_json(path) for path in (records,) if path.is_file() or not options.add]
    content = merged_records(*parts, *(read_json(other / "records.json") for other in options.add))
    pages = rewrite_results(content, folder, title=title)
    if options.add:
        pages.append(write_records(content, folder))
    for path in pages:
        print(path)
    return 0
