"""A person's word on the look-alikes of a photo that was sent: who of them it is, or that it is nobody of them."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from flows.requests.ledger import service
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import find_request, request_particulars
from flows.requests.ledger.records import Actor, RequestRecord
from flows.requests.ledger.service import CONFIRMED, Confirmation
from flows.requests.ledger.states import Action, next_state
from flows.requests.ledger.submission import PHOTO
from flows.requests.resolving.recording import resolve_on_record
from flows.requests.resolving.resolution import Resolution

if TYPE_CHECKING:
    from flows.requests.resolving.lookalikes import Lookalike, Lookalikes, LookalikeSearch


def sent_photo(ledger: Ledger, request: str) -> bytes:
    """The photo that came with a request. Raises InputError where none did, or it is erased."""
    photo = request_particulars(ledger, request).get(PHOTO)
    if not isinstance(photo, bytes):
        raise InputError(f"{request} has no photo that was sent: look-alikes are of one that `--upload` brought")
    return photo


def look_alikes(search: "LookalikeSearch", ledger: Ledger, request: str, *, progress: Progress = silent) -> "Lookalikes":
    """Everybody in the data, those most like the photo of a request first. Nothing is changed, or put on record."""
    return search.find(find_request(ledger, request).benchmark, sent_photo(ledger, request), progress=progress)


def confirmed_names(ledger: Ledger, request: str) -> tuple[str, ...]:
    """Whom a person has confirmed for a request; nobody where none has."""
    return tuple(request_particulars(ledger, request).get(CONFIRMED, ()))


def confirm(
    root: Path,
    ledger: Ledger,
    request: str,
    found: "Lookalikes",
    names: Collection[str],
    *,
    shown: int,
    actor: Actor,
    remark: str = "",
    progress: Progress = silent,
) -> tuple[Resolution, RequestRecord]:
    """Put on record whom `actor` recognises among the look-alikes, in place of an earlier word, and look for all their photos.

    names: filings of these people; empty for nobody. shown: how many people were looked at. Raises InputError where a name is
    nobody's, and where the request is decided already.
    """
    next_state(Action.CONFIRM, find_request(ledger, request).state, actor.role)  # before the search, which takes time
    chosen = _people(found, names)
    confirmation = Confirmation(
        tuple(name for person in chosen for name in person.names),
        tuple(person.rank for person in chosen),
        max([shown, *(person.rank for person in chosen)]),
        found.weights_md5,
        found.searched,
    )
    service.confirm(ledger, request, confirmation, actor=actor, remark=remark)
    return resolve_on_record(root, ledger, request, actor=actor, progress=progress)


def _people(found: "Lookalikes", names: Collection[str]) -> "list[Lookalike]":
    wanted = set(names)
    unknown = sorted(wanted - {name for person in found.people for name in person.names})
    if unknown:
        raise InputError(f"nobody in the data is called {unknown[0]!r}: give FAMILY/PERSON as the list of look-alikes has it")
    return [person for person in found.people if wanted & set(person.names)]
