"""Certificates verified by whoever has the public keys: signature, chain, limits, proofs, and the files that are left."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from aru.core.errors import InputError
from aru.core.file_digest import file_sha256
from flows.requests.certificates.contents import Certificate, certificate_of, encoded
from flows.requests.certificates.envelope import read_envelope, signer
from flows.requests.certificates.issuing import (
    certificate_name,
    certificate_paths,
    certificates_of,
    number_of,
    statement_digest,
)
from flows.requests.certificates.photo_hashes import proven_absent


@dataclass(frozen=True)
class Check:
    """One thing that was verified: `holds` is None where it could not be, and `text` says what was found."""

    name: str
    holds: bool | None
    text: str


@dataclass
class Verification:
    """All checks of one certificate; `certificate` is None where it could not be read."""

    path: Path
    checks: list[Check] = field(default_factory=list)
    certificate: Certificate | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing that could be checked is wrong."""
        return self.certificate is not None and all(check.holds is not False for check in self.checks)

    def add(self, name: str, holds: bool | None, text: str) -> None:
        """Add a check."""
        self.checks.append(Check(name, holds, text))


def verify_certificate(
    path: Path, keys: Iterable[Ed25519PublicKey], *, root: Path | None = None, chain: bool = True, whole: bool = False
) -> Verification:
    """Verify one certificate by trusted public keys.

    root: the project whose files are held against their digests; files that are gone are no fault, as models are withdrawn.
    chain: hold it against the one before it in its folder, too. whole: the folder has all certificates of the chain, so that
    it is a fault where the one before is not there; whoever holds a single one need not have it.
    """
    done, trusted = Verification(Path(path)), list(keys)
    try:
        payload, name = signer(read_envelope(path), trusted)
        done.add("signature", True, f"Ed25519, key {name}")
    except InputError as error:
        done.add("signature", False, str(error))
        return done
    try:
        statement = json.loads(payload)
        certificate = certificate_of(statement)
        if encoded(statement) != payload:
            raise InputError("the signed bytes are not in their one form")
    except (ValueError, RecursionError) as error:
        done.add("content", False, str(error))
        return done
    done.certificate = certificate
    done.add("content", True, f"certificate {certificate.number} of request {certificate.request.id}")
    _check_audit(done, certificate)
    _check_absence(done, certificate)
    if chain:
        _check_chain(done, certificate, trusted, whole)
        _check_others(done, certificate, trusted)
    if root is not None:
        _check_files(done, certificate, Path(root))
    return done


def verify_folder(folder: Path, keys: Iterable[Ed25519PublicKey], *, root: Path | None = None) -> list[Verification]:
    """Verify all certificates of a folder, in their order; one that is missing before others is a fault of the next."""
    trusted = list(keys)
    return [verify_certificate(path, trusted, root=root, whole=True) for _, path in sorted(certificate_paths(folder).items())]


def _check_audit(done: Verification, certificate: Certificate) -> None:
    audit = certificate.audit
    fixed = audit.thresholds == audit.thresholds_scheduled and audit.thresholds_fixed_at <= certificate.issued
    said = f"fixed {audit.thresholds_fixed_at.isoformat()}, SHA-256 {audit.thresholds}"
    done.add("limits", fixed, said if fixed else f"the verdict used other limits than those {said}")


def _check_absence(done: Verification, certificate: Certificate) -> None:
    wanted = {match.keyed_hash for match in certificate.matched if match.kind in ("digest", "pixels")}
    proofs = {value: proof.plain() for value, proof in certificate.data.absent.items()}
    root = certificate.data.photo_root
    if missing := wanted - proofs.keys():
        done.add("absence", False, f"{len(missing)} of {len(wanted)} matched photo hashes have no proof of absence")
    elif not proven_absent(proofs, root):
        done.add("absence", False, f"a proof of absence does not hold for the tree {root}")
    else:
        done.add("absence", True, f"{len(proofs)} photo hashes are not in the data version's tree {root}")


def _check_chain(done: Verification, certificate: Certificate, keys: Sequence[Ed25519PublicKey], whole: bool) -> None:
    number, previous = certificate.number, certificate.previous
    try:
        known = certificate_paths(done.path.parent)
        if done.path.name != certificate_name(number, certificate.request.id):
            done.add("chain", False, f"the file's name is not that of certificate {number} of {certificate.request.id}")
        elif (number == 1) != (previous is None):
            done.add("chain", False, "the first certificate names none before it, every other one does")
        elif number == 1:
            done.add("chain", True, "the first of its chain")
        elif number - 1 not in known:
            done.add(
                "chain",
                False if whole else None,
                f"certificate {number - 1} is not here; its statement's digest is {previous}",
            )
        else:
            before = statement_digest(signer(read_envelope(known[number - 1]), keys)[0])
            said = f"certificate {number - 1} is the one that was signed before"
            done.add("chain", before == previous, said if before == previous else f"certificate {number - 1} is another one")
    except InputError as error:
        done.add("chain", False, str(error))


def _check_others(done: Verification, certificate: Certificate, keys: Sequence[Ed25519PublicKey]) -> None:
    """That it stands in the place of the one before of its request; one that a later one has replaced says so."""
    try:
        same = certificates_of(done.path.parent, certificate.request.id)
        earlier, later = (
            [path for path in same if number_of(path) < certificate.number],
            [path for path in same if number_of(path) > certificate.number],
        )
        if certificate.supersedes is not None or earlier:
            before = statement_digest(signer(read_envelope(earlier[-1]), keys)[0]) if earlier else None
            if before is None:
                done.add("supersedes", None, f"the certificate that it replaces is not here: {certificate.supersedes}")
            else:
                said = f"stands in the place of {earlier[-1].name}"
                holds = certificate.supersedes == before
                done.add("supersedes", holds, said if holds else f"does not name {earlier[-1].name}, of the same request")
        if later:
            done.add("superseded", True, f"{later[-1].name} stands in its place")
    except InputError as error:
        done.add("supersedes", False, str(error))


def _check_files(done: Verification, certificate: Certificate, root: Path) -> None:
    for file in certificate.files:
        path = root / file.name
        if not path.resolve().is_relative_to(root.resolve()):
            done.add(file.name, False, "points out of the project")
        elif not path.is_file():
            done.add(file.name, None, "is not here any more")
        else:
            same = file_sha256(path) == file.sha256
            done.add(file.name, same, "has the digest of the certificate" if same else "has another digest")
