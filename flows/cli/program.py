"""The program `aru`: the command line, and a quick end."""

from aru.core.quick_end import run_to_a_quick_end
from flows.cli import app


def main() -> None:
    """Run the command line; the exit codes are its own. An error that nobody caught ends as Python ends it."""
    run_to_a_quick_end(app.main)
