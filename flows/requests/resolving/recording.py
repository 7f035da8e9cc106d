"""A search for what a request means, put on record; a checked request of which nothing is found is closed by it."""

from pathlib import Path

from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from flows.requests.ledger import service
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import find_request, request_particulars
from flows.requests.ledger.records import Actor, RequestRecord
from flows.requests.ledger.states import Action, State, next_state
from flows.requests.resolving.resolution import Resolution, resolve


def resolve_on_record(
    root: Path, ledger: Ledger, request: str, *, actor: Actor, close_anyway: bool = False, progress: Progress = silent
) -> tuple[Resolution, RequestRecord]:
    """Look for a request's photos and put the finding on record.

    A checked request of which nothing is found is closed; not where a similar name is there, a slip of the keyboard maybe, or
    where nobody has looked through the look-alikes of a photo that was sent, unless `close_anyway`.
    """
    found = resolve(ledger, root, request, progress=progress)
    done = service.record_resolution(ledger, request, found.evidence, actor=actor)
    if not found.evidence.files and done.state is State.PENDING and (close_anyway or not found.doubtful):
        done = service.answer_not_found(ledger, request, found.evidence, actor=actor)
    return found, done


def refresh_on_record(root: Path, ledger: Ledger, request: str, *, actor: Actor) -> bool:
    """Look for an approved request's photos again, and put the finding on record where other files are found than before.

    So photos that were imported since the approval are forgotten, too. Where nothing is found any more the finding on record
    stays, by which it was approved. Returns whether the finding has changed.
    """
    found = resolve(ledger, root, request)
    known = {match["digest"] for match in request_particulars(ledger, request).get(service.EVIDENCE, {}).get("matches", ())}
    if not found.evidence.files or known == {*found.evidence.files}:
        return False
    service.record_resolution(ledger, request, found.evidence, actor=actor)
    return True


def approve_on_record(
    root: Path, ledger: Ledger, request: str, *, actor: Actor, remark: str = "", progress: Progress = silent
) -> tuple[Resolution, RequestRecord]:
    """Decide that a request is carried out, on what a search finds now. InputError where there is doubt."""
    next_state(Action.APPROVE, find_request(ledger, request).state, actor.role)  # before the search, which takes time
    found, done = resolve_on_record(root, ledger, request, actor=actor, progress=progress)
    if found.evidence.files:
        done = service.approve(ledger, request, actor=actor, remark=remark)
    elif found.doubtful:
        why = "its photo is no copy, and nobody has looked at the look-alikes" if found.unseen else "a similar name is there"
        raise InputError(f"nothing was found for {request}, and {why}: see `aru request resolve {request}`")
    return found, done
