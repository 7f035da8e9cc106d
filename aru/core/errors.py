"""The errors that a user can do something about."""

from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """Bad input, found before work starts: the message names the value, the limit and the remedy.

    The message may be recorded (in Prefect's states, in logs), so that no file, family or person of an archive stands in
    it. The lines of `detail` name them: they are for the console of the machine that has the data (`explained`), and a
    pickled error leaves them behind.
    """

    def __init__(self, message: str, *, detail: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.detail = tuple(detail)

    def __reduce__(self) -> tuple[type["InputError"], tuple[Any, ...]]:
        return type(self), self.args


class LeakError(InputError):
    """A protocol's promise is broken: a person or a photo stands on both sides of a cut."""


class TrainingError(RuntimeError):
    """Training cannot go on (a loss that is not finite); nothing was written over."""


def explained(error: Exception) -> str:
    """The message with the names that a record must not hold: for a console only."""
    return "\n".join([str(error), *(f"  {line}" for line in getattr(error, "detail", ()))])
