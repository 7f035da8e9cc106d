"""Print all audits of a benchmark in one Markdown table, without the ids of people."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which benchmark, at which level."""
    from aru.audit.thresholds import LEVELS

    parser.add_argument("benchmark")
    parser.add_argument("--level", choices=LEVELS, default="full")


def run(options: argparse.Namespace) -> int:
    """Print the table."""
    from aru.reporting.audit.side_by_side import read_audits, side_by_side

    print(side_by_side(read_audits(Path("work") / options.benchmark, options.level)), end="")
    return 0
