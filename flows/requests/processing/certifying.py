"""Certificates as the schedule issues them: at the fulfilment of a batch, with the places where data still lie."""

from collections.abc import Sequence
from pathlib import Path

from aru.audit.audit_file import AuditRecord
from flows.requests.certificates.batch_evidence import gather
from flows.requests.certificates.contents import BatchEvidence, Place
from flows.requests.certificates.issuing_for_request import certify, signing_key, stated_places
from flows.requests.erasing.places import places_of
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import request_particulars
from flows.requests.ledger.records import Actor, BatchRecord
from flows.requests.ledger.states import Role


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
