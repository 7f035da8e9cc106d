"""What Prefect's records say of a failure: its type, never its message, which may name a photo, a family or a person.

States, logs and stored results of flows and tasks outlive the run and are read by whoever may see its server. So functions
under Prefect are `discreet`: what they raise is replaced by `Withheld`; the caller in this process gets the error itself
(`disclosed`), and the newest failure lies, with its traceback, in `.aru/failure.txt`.
"""

import functools
import inspect
import multiprocessing
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from aru.core.errors import TrainingError
from flows.project.private import private_folder, write_private

FAILURE = "failure.txt"
_HARMLESS = (TrainingError,)
"""Errors whose messages hold figures and parameters only."""
_originals: dict[str, Exception] = {}
P = ParamSpec("P")
R = TypeVar("R")


class Withheld(RuntimeError):
    """Stands for an error of this kind; `token` finds the error itself, in the process that raised it."""

    def __init__(self, kind: str, token: str) -> None:
        super().__init__(kind, token)
        self.kind, self.token = kind, token

    def __str__(self) -> str:
        return (
            f"{self.kind}; its message may name people and is not recorded: it is in the terminal and in .aru/{FAILURE} "
            "of the project"
        )


def discreet(function: Callable[P, R]) -> Callable[P, R]:
    """For a function that Prefect runs, below `@flow` or `@task`: its errors reach Prefect as `Withheld`.

    A flow, which has the project's folder among its parameters as `root`, writes the newest one to `.aru/failure.txt`.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def withholding(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except Exception as error:
            if "root" in signature.parameters:
                _write_failure(signature.bind(*arguments, **options).arguments.get("root", "."), error)
            if isinstance(error, (Withheld, *_HARMLESS)):
                raise
            if multiprocessing.parent_process() is not None:  # a task runner's process, whose memory the caller does not see
                traceback.print_exception(error)
            withheld = Withheld(type(error).__name__, uuid.uuid4().hex)
            _originals[withheld.token] = error
            raise withheld from None

    return withholding


def original(error: Any) -> Any:
    """The error that a `Withheld` stands for; anything else as it is."""
    return _originals.get(error.token, error) if isinstance(error, Withheld) else error


@contextmanager
def disclosed() -> Iterator[None]:
    """For the caller of flows: errors that were withheld from Prefect come up as themselves."""
    try:
        yield
    except Withheld as error:
        raise original(error) from None


def _write_failure(root: Any, error: Exception) -> None:
    """Write the failure to a file for the owner; a folder that cannot be written to must not hide the failure."""
    text = "".join(
        [*traceback.format_exception(original(error)), *(f"  {line}\n" for line in getattr(original(error), "detail", ()))]
    )
    try:
        if (Path(root) / "dvc.yaml").is_file():
            write_private(
                private_folder(Path(root)) / FAILURE,
                f"{datetime.now().astimezone().isoformat(timespec='seconds')}\n{text}".encode(),
            )
    except OSError:
        return
