"""Record the code of each stage, on which it depends in dvc.yaml."""

import argparse
from pathlib import Path

from aru.stages.code_record import write_code_records


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none: the records are of all stages."""


def run(options: argparse.Namespace) -> int:
    """Bring work/code/ in the present folder up to date; returns the exit code."""
    write_code_records(Path("."))
    return 0
