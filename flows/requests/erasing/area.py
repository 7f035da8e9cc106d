"""A place as an erasure works with it: looked through, and cleared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["archive", "derived", "model", "tracking", "scheduler", "cache", "remote", "git", "backup", "recipient"]
"""The kinds of places that a certificate knows (`flows.requests.certificates.contents.Place`)."""


@dataclass(frozen=True)
class Area:
    """One place.

    look: how many files or rows of it have the person's data or were made from it now; None where nobody can look from here.
    clear: removes them; what is gone already is passed over, so that it can be done again. None where nothing is removed.
    done: what is said of the place once it was cleared, or of why it is not. names: what was found, for the terminal alone.
    """

    name: str
    kind: Kind
    look: Callable[[], int | None]
    clear: Callable[[], object] | None
    done: str
    names: Callable[[], list[str]] = list
