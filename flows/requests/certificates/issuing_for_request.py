"""The certificate of a fulfilled request, or one that stands in the place of its last: issued, and put on record."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aru.core.errors import InputError
from aru.core.names import SUPPRESSION_FILE
from aru.data.suppression.keyed_hashes import key_path, read_keys
from aru.data.suppression.suppression_list import read_list
from flows.prediction.served_log import forgotten_since
from flows.project.private import private_folder
from flows.requests.certificates.batch_evidence import check_absent, photos_without, write_list
from flows.requests.certificates.contents import (
    PROVES_NOT,
    Asked,
    BatchEvidence,
    Certificate,
    DataVersions,
    File,
    Match,
    ModelVersions,
    Place,
    Proof,
    Withdrawal,
    certificate_of,
    utc,
)
from flows.requests.certificates.envelope import (
    new_key,
    private_key_path,
    read_envelope,
    read_private_key,
    read_public_keys,
    signer,
)
from flows.requests.certificates.issuing import CERTIFICATES, PUBLIC_KEYS, certificates_of, issue, statement_digest
from flows.requests.certificates.photo_hashes import PhotoHashes, absence, read_photo_hashes
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import (
    CERTIFICATE,
    batch_history,
    certificate_on_record,
    find_batch,
    find_request,
    head_hash,
    request_history,
    request_particulars,
)
from flows.requests.ledger.records import Actor, RequestRecord
from flows.requests.ledger.service import EVIDENCE, record
from flows.requests.ledger.states import Action, State
from flows.tracking.registry import model_name

BATCH_EVIDENCE = "evidence"
"""What the history of a batch names the evidence for certificates by, where its audit has passed."""
_NONE = "none"
_HOW = {"digest": "a file of the request", "pixels": "its pixels, in any lossless file", "subject": "a name of the person"}
log = logging.getLogger("aru")


def signing_key(root: Path) -> Ed25519PrivateKey:
    """The key that signs the project's certificates; made, and said so, where there is none.

    Raises InputError where the file that is there cannot be used.
    """
    path = private_key_path(root)
    if path.exists():
        return read_private_key(path)
    private_folder(root)
    made = new_key(path)
    log.warning("a key that signs certificates was made, %s: keep a copy of it elsewhere", path)
    return made


def certify(root: Path, ledger: Ledger, request: str, places: Sequence[Place], *, actor: Actor, erased: bool = False) -> Path:
    """The newest certificate of a fulfilled request, issued where there is none or something is otherwise now.

    Where the request has one already, of the same release, the new one stands in its place (`supersedes`), with the places as
    they are now and the time from which the served model no longer knows the person, once a server has reported it. erased:
    the photos were taken out of the archive, which is looked through anew; else the data are those of the one before. Again
    with the same facts nothing is issued. The history has every certificate (`record`). Raises InputError where the request
    is not fulfilled, its batch kept no evidence, or a photo of it is still among the data that are kept.
    """
    root, found = Path(root), find_request(ledger, request)
    if found.state != State.FULFILLED or found.batch is None:
        raise InputError(f"{request} is {found.state}: a certificate is the answer to a fulfilled request")
    key, known = signing_key(root), _newest(root, request)
    release = _release(ledger, found)
    if known is not None and _same_release(known.certificate, release):
        content = _renewed(root, found, known.certificate, release, places, erased=erased)
    else:
        content = _first(root, ledger, found, release, places, erased=erased)
    if known is not None and _alike(known.certificate, content):
        path, digest = known.path, known.digest
    else:
        content = content.model_copy(update={"supersedes": known.digest if known is not None else None})

        def make(number: int, previous: str | None) -> Certificate:
            now = utc(datetime.now(UTC))
            newest = head_hash(ledger)
            return content.model_copy(update={"number": number, "previous": previous, "issued": now, "ledger": newest})

        path = issue(root / CERTIFICATES, make, key)
        issued = _newest(root, request)
        assert issued is not None
        digest = issued.digest
    if certificate_on_record(request_history(ledger, request)) != path.name:
        record(ledger, request, {CERTIFICATE: path.name, "sha256": digest}, actor=actor)
    return path


def stated_places(root: Path, ledger: Ledger, request: str) -> tuple[Place, ...] | None:
    """The places of a request's certificate; None where its last release has none yet."""
    known, found = _newest(Path(root), request), find_request(ledger, request)
    if known is None or found.batch is None or not _same_release(known.certificate, _release(ledger, found)):
        return None
    return known.certificate.places


@dataclass(frozen=True)
class _Issued:
    """A certificate that is there, and the digest of its statement."""

    path: Path
    certificate: Certificate
    digest: str


@dataclass(frozen=True)
class _Release:
    """How a request's batch ended: its evidence, the version, the number of the release, and since when."""

    batch: str
    model: str
    before: str
    after: str
    evidence: BatchEvidence
    number: int | None
    at: datetime


def _newest(root: Path, request: str) -> _Issued | None:
    paths = certificates_of(root / CERTIFICATES, request)
    if not paths:
        return None
    payload, _ = signer(read_envelope(paths[-1]), read_public_keys(root / CERTIFICATES / PUBLIC_KEYS))
    return _Issued(paths[-1], certificate_of(json.loads(payload)), statement_digest(payload))


def _release(ledger: Ledger, request: RequestRecord) -> _Release:
    assert request.batch is not None
    batch, history = find_batch(ledger, request.batch), batch_history(ledger, request.batch)
    [verified, fulfilled] = [
        [event for event in history if event.action == action][-1] for action in (Action.VERIFY, Action.FULFILL)
    ]
    if BATCH_EVIDENCE not in verified.data:
        raise InputError(f"{batch.id} was released by an earlier version of aru, which kept no evidence for certificates")
    since = fulfilled.data.get("since")
    return _Release(
        batch=batch.id,
        model=model_name(batch.benchmark),
        before=batch.model_before or _NONE,
        after=batch.model_after or _NONE,
        evidence=BatchEvidence.model_validate(verified.data[BATCH_EVIDENCE]),
        number=fulfilled.data.get("release"),
        at=datetime.fromisoformat(since) if since else fulfilled.at,
    )


def _released_as(release: _Release) -> str:
    return f"{release.model}, version {release.after}"


def _same_release(certificate: Certificate, release: _Release) -> bool:
    return (certificate.unlearning.batch, certificate.models.released_as) == (release.batch, _released_as(release))


def _first(
    root: Path, ledger: Ledger, request: RequestRecord, release: _Release, places: Sequence[Place], *, erased: bool
) -> Certificate:
    """A certificate from the evidence of the batch; number and time are set when it is issued."""
    evidence = release.evidence
    particulars = request_particulars(ledger, request.id).get(EVIDENCE, {})
    how = {match["digest"]: match["how"] for match in particulars.get("matches", ())}
    matched, data, photos = _data(root, request, evidence.data_before, evidence, how, erased=erased)
    return Certificate(
        number=1,
        previous=None,
        supersedes=None,
        ledger=head_hash(ledger),
        issued=utc(datetime.now(UTC)),
        request=_asked(request),
        matched=matched,
        places=tuple(places),
        data=data,
        code=evidence.code,
        unlearning=evidence.unlearning,
        models=ModelVersions(
            before=evidence.model_before,
            after=evidence.weights.sha256,
            released_as=_released_as(release),
            withdrawn=_withdrawn(release),
            effective_from=_effective_from(root, release),
        ),
        audit=evidence.audit,
        cost=evidence.cost,
        proves_not=PROVES_NOT,
        files=(evidence.weights, photos),
    )


def _withdrawn(release: _Release) -> tuple[Withdrawal, ...]:
    if release.before in (_NONE, release.after):
        return ()
    return (Withdrawal(version=f"{release.model}, version {release.before}", at=utc(release.at)),)


def _asked(request: RequestRecord) -> Asked:
    return Asked(
        id=request.id,
        kind=request.kind,
        received=utc(request.received),
        due=utc(request.due),
        extended_because=request.extended_because or "",
        identity_checked_by=request.verified_by or "",
    )


def _renewed(
    root: Path, request: RequestRecord, known: Certificate, release: _Release, places: Sequence[Place], *, erased: bool
) -> Certificate:
    """The certificate before with what is otherwise now."""
    models = known.models.model_copy(update={"effective_from": known.models.effective_from or _effective_from(root, release)})
    content = known.model_copy(update={"places": tuple(places), "models": models, "request": _asked(request)})
    if not erased:
        return content
    matched, data, photos = _data(root, request, known.data.before, release.evidence, {}, erased=True)
    if data.keys == known.data.keys:
        matched = known.matched  # how each was found may be erased by now
    return content.model_copy(update={"matched": matched, "data": data, "files": (known.files[0], photos)})


def _data(
    root: Path, request: RequestRecord, before: str, evidence: BatchEvidence, how: dict[str, str], *, erased: bool
) -> tuple[tuple[Match, ...], DataVersions, File]:
    """What the request was matched to, and that none of it is in the data that are kept."""
    keys, suppressed = read_keys(key_path(root)), read_list(root / SUPPRESSION_FILE)
    suppressed.check(keys)
    own = [entry for entry in suppressed.entries if entry.request == request.id]
    if not any(entry.kind == "digest" for entry in own):
        raise InputError(f"{SUPPRESSION_FILE} has no photo of {request.id}: what was matched is not known any more")
    if erased:
        photos = photos_without(
            root, request.benchmark, keys, [one for one in suppressed.entries if one.request != request.id]
        )
        check_absent(request.id, own, photos)
        file, after = write_list(root, photos), photos.data_version
    elif evidence.keys != keys.id:  # the keys were replaced since
        photos = photos_without(root, request.benchmark, keys, suppressed.entries)
        check_absent(request.id, own, photos)
        file, after = write_list(root, photos), evidence.data_after
    else:
        photos, file, after = _listed(root, evidence), evidence.photos, evidence.data_after
    by_hash = {keys.digest(md5): found for md5, found in how.items()}
    matched = tuple(
        Match(kind=entry.kind, keyed_hash=entry.value, how=by_hash.get(entry.value, _HOW[entry.kind]))
        for entry in own
        if entry.kind in _HOW  # not how a photo looks: ten thousand signs each
    )
    proofs = absence([match.keyed_hash for match in matched if match.kind != "subject"], photos).proofs
    absent = {value: Proof.model_validate(proof, from_attributes=True) for value, proof in proofs.items()}
    data = DataVersions(before=before, after=after, keys=keys.id, photo_root=photos.root, absent=absent)
    return matched, data, file


def _listed(root: Path, evidence: BatchEvidence) -> PhotoHashes:
    photos = read_photo_hashes(root / evidence.photos.name)
    if photos.root != evidence.photo_root:
        raise InputError(f"{evidence.photos.name} is another list than the batch's: bring the file back from version control")
    return photos


def _effective_from(root: Path, release: _Release) -> datetime | None:
    """When a server of this project took up a version without the person; where none ever had them, since the fulfilment."""
    if release.number is None:
        return utc(release.at)
    since = forgotten_since(root, release.model, release.number)
    return utc(datetime.fromisoformat(since)) if since is not None else None


def _alike(known: Certificate, content: Certificate) -> bool:
    """Whether two say the same, apart from what every issuing changes."""
    apart = {"number", "previous", "supersedes", "ledger", "issued"}
    return known.model_dump(exclude=apart) == content.model_dump(exclude=apart)
