"""The command `aru`: its groups of commands put together, and how errors end it."""

import errno
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from aru.core.errors import InputError, TrainingError, explained
from flows.cli.options import expand_lists

GROUPS = (
    "project",
    "run",
    "benchmark",
    "audit",
    "ui",
    "production",
    "data",
    "model",
    "shadows",
    "job_store",
    "request",
    "certificate",
    "suppression",
    "batch",
    "erase",
    "demo",
    "method_table",
)
"""The files of this package that hold commands, in the order of the help; each offers them as `commands`."""
BAD_INPUT = 2

app = typer.Typer(
    help="Make an image model forget people, prove how far it did, and keep a trail of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for _group in GROUPS:
    app.add_typer(import_module(f"flows.cli.{_group}").commands)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point. Bad input ends with one message and exit code 2; a fault of ours keeps its traceback."""
    try:
        app(args=expand_lists(list(sys.argv[1:] if arguments is None else arguments)), prog_name="aru")
    except (InputError, TrainingError) as error:
        _fail(explained(error))
    except Exception as error:
        if not _disk_is_full(error):
            raise
        _fail(
            f"the disk is full ({error}). Finished stages are kept. Free some space, for example with `dvc gc -w` "
            "(old versions in .dvc/cache) or by removing old runs in mlruns/, and run the same command again"
        )


def _disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or its cause, is a full disk; SQLite and PyTorch say so in the message alone."""
    if error is None:
        return False
    in_message = "No space left on device" in str(error) or "disk is full" in str(error)
    return getattr(error, "errno", None) == errno.ENOSPC or in_message or _disk_is_full(error.__cause__)


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(BAD_INPUT)
