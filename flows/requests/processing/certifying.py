"""Certificates at the fulfilment of a batch, with the places where data still lie, and after an erasure."""

from collections.abc import Sequence
from pathlib import Path

from aru.audit.audit_file import AuditRecord
from aru.core.errors import InputError
from aru.core.names import SUPPRESSION_FILE
from aru.data.suppression.keyed_hashes import key_path, read_keys
from aru.data.suppression.suppression_list import read_list
from flows.requests.certificates.batch_evidence import gather
from flows.requests.certificates.contents import BatchEvidence, Place
from flows.requests.certificates.envelope import private_key_path, read_private_key
from flows.requests.certificates.issuing_for_request import BATCH_EVIDENCE, certify, signing_key, stated_places
from flows.requests.erasing.places import places_of
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import batch_history, find_request, request_particulars
from flows.requests.ledger.records import Actor, BatchRecord
from flows.requests.ledger.states import Action, Role


def gather_evidence(
    root: Path, batch: BatchRecord, requests: Sequence[str], version: str | None, record: AuditRecord | None
) -> BatchEvidence:
    """What certificates will say of a batch; a key that cannot sign is found before anything is released."""
    signing_key(root)
    return gather(root, batch, requests, version=version, record=record)


def certify_at_fulfilment(root: Path, ledger: Ledger, request: str) -> Path:
    """Issue the certificate of a request whose batch was released. Its data are still there, and the places say so."""
    stated = stated_places(root, ledger, request)  # of one that a kill has kept from being put on record
    places = places_of(root, ledger, request) if stated is None else stated
    return certify(root, ledger, request, places, actor=Actor("schedule", Role.SCHEDULE))


def places_now(root: Path, ledger: Ledger, request: str) -> Sequence[Place]:
    """The places as they are; after an erasure, when nothing is left to look for, as the newest certificate has them."""
    stated = stated_places(root, ledger, request)
    return places_of(root, ledger, request) if stated is None or request_particulars(ledger, request) else stated


def check_certifiable(root: Path, ledger: Ledger, request: str) -> bool:
    """Whether a certificate can stand at the end of an erasure: not where its batch kept no evidence for one.

    Raises InputError where the key that signs, or the suppression list with the request's photos, cannot be read: after the
    erasure nothing could bring the photos' hashes back.
    """
    batch = find_request(ledger, request).batch
    verified = [event for event in batch_history(ledger, batch) if event.action == Action.VERIFY] if batch else []
    if not verified or BATCH_EVIDENCE not in verified[-1].data:
        return False
    if private_key_path(root).exists():
        read_private_key(private_key_path(root))
    suppressed = read_list(root / SUPPRESSION_FILE)
    suppressed.check(read_keys(key_path(root)))
    if not any(entry.request == request and entry.kind == "digest" for entry in suppressed.entries):
        raise InputError(f"{SUPPRESSION_FILE} has no photo of {request}, by which its certificate would say what was erased")
    return True


def certify_erased(root: Path, ledger: Ledger, request: str, places: Sequence[Place], *, actor: Actor) -> Path | None:
    """Issue the certificate that says what was erased, in the place of the one of the fulfilment.

    None where the request's batch kept no evidence for certificates.
    """
    if not check_certifiable(root, ledger, request):
        return None
    return certify(root, ledger, request, places, actor=actor, erased=True)
