"""`aru demo`: what the program does, shown from one end to the other without anybody's help."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Benchmark

commands = typer.Typer(name="demo", help="Show what the program does, in a copy of the project.", no_args_is_help=True)

_FAULTY = 1


@commands.callback()
def group() -> None:
    """Show what the program does, in a copy of the project."""


@commands.command("requests")
def requests_command(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Where the copy is made: new or empty; temporary if left out.")
    ] = None,
    benchmark: Benchmark = "",
) -> None:
    """Two deletion requests from receipt to erasure: released, certified, erased, and searched for (docs/erasure.md).

    After `aru run`. Exit code 0 only where every step held, 1 where one did not.
    """
    import sys

    from flows.project.folder import find_project
    from flows.requests.demo.story import StepFailed, demonstrate

    root = find_project(Path.cwd())
    try:
        demonstrate(root, benchmark, folder, say=_say)
    except StepFailed as error:
        print(f"the demonstration stopped: {error}", file=sys.stderr)
        raise typer.Exit(_FAULTY) from None


def _say(line: str) -> None:
    from flows.cli.request_console import printable

    head, text = ("\n", line[1:]) if line.startswith("\n") else ("", line)
    print(f"{head}{printable(text)}", flush=True)
