"""Audit known-bad models made of the original: does the quick level fail them all?"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark."""
    parser.add_argument("benchmark")


def run(options: argparse.Namespace) -> int:
    """Print a line a model; the exit code is 0 where all of them fail, 3 where one does not."""
    from aru.audit.known_bad import audits, format_row

    passed = []
    for name, record in audits(options.benchmark, Path(".")):
        print(format_row(name, record), flush=True)
        passed += [name] if record["verdict"] != "fail" else []
    print(f"not failed: {', '.join(passed)}" if passed else "all of them fail")
    return 3 if passed else 0
