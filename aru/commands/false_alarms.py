"""Measure how often the quick audit fails a retrained model, by numbers of people and photos."""

import argparse
import sys
from itertools import product
from pathlib import Path

from aru.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sizes, and the trials of each."""
    from aru.audit.false_alarms import PEOPLE, PHOTOS

    parser.add_argument("--trials", type=int, default=400, help="of each number of people and photos")
    parser.add_argument("--people", type=int, nargs="+", default=PEOPLE)
    parser.add_argument("--photos", type=int, nargs="+", default=PHOTOS)


def run(options: argparse.Namespace) -> int:
    """Print the table."""
    from aru.audit.criteria import KNOWN
    from aru.audit.false_alarms import CANDIDATES, format_table, rates
    from aru.audit.thresholds import THRESHOLDS_FILE, read_thresholds

    if min(options.trials, *options.people, *options.photos) < 1 or max(options.people) > CANDIDATES:
        raise InputError(f"trials, people and photos count from 1, and people up to {CANDIDATES}")
    criteria = read_thresholds(Path(THRESHOLDS_FILE), KNOWN).of("quick")
    table = {}
    for people, photos in product(options.people, options.photos):
        table[people, photos] = rates(people, photos, trials=options.trials, criteria=criteria)
        print(f"{people} people, {photos} photos of each: done", file=sys.stderr)
    print("\n".join(format_table(table)))
    return 0
