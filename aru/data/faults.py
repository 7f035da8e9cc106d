"""The faults of an archive, collected so that one message reports all of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from aru.core.errors import InputError

_NAMED = 20  # faults of a kind whose files are named


class Fault(InputError):
    """One file or row that cannot be used.

    Args:
        what: the fault, as the end of a sentence about the file; it may be recorded and contains no name of a file or person.
        remedy: what the user can do against this fault.
        reason: the message of a decoder, for the console only.
    """

    def __init__(self, what: str, remedy: str, reason: str = "") -> None:
        super().__init__(f"a file of the archive {what}: {remedy}")
        self.what, self.remedy, self.reason = what, remedy, reason

    def __reduce__(self) -> tuple[type["Fault"], tuple[str, str]]:
        return type(self), (self.what, self.remedy)


class Faults:
    """The faults of one archive by kind; `raise_if_any` raises all of them as one InputError."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._places: dict[tuple[str, str], dict[str, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._places)

    def add(self, where: str, what: str, remedy: str, reason: str = "") -> None:
        """Add a fault, once: `where` names the file or the row, for the console only."""
        shown = where if where.isprintable() else repr(where)
        self._places.setdefault((what, remedy), {})[where] = f"{shown} {what}" + (f" ({reason})" if reason else "")

    @contextmanager
    def collected(self, where: str) -> Iterator[None]:
        """Add the fault that the block raises, and continue."""
        try:
            yield
        except Fault as fault:
            self.add(where, fault.what, fault.remedy, fault.reason)

    def raise_if_any(self) -> None:
        """Raise InputError if there are faults: a line for each kind, and the names of files as its detail."""
        if not self._places:
            return
        kinds = [f"{len(places)} x {what}: {remedy}" for (what, remedy), places in self._places.items()]
        detail = []
        for places in self._places.values():
            detail += list(places.values())[:_NAMED]
            if len(places) > _NAMED:
                detail.append(f"... and {len(places) - _NAMED} more of this kind")
        raise InputError(
            f"{self._archive} cannot be used (`aru data import` and `aru data audit` name the files):\n" + "\n".join(kinds),
            detail=detail,
        )
