"""A folder of certificates, each signed and chained to the one before it."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from filelock import FileLock

from aru.core.errors import InputError
from aru.core.files import write_json
from flows.requests.certificates.contents import Certificate, encoded, statement_of
from flows.requests.certificates.envelope import key_id, read_envelope, read_public_keys, sign, signer, write_public_key

CERTIFICATES = "certificates"
"""The folder of a project that holds them."""
PUBLIC_KEYS = "keys"
"""The folder beside them that holds the public keys of those that signed."""
_NAME = re.compile(r"(\d{6})-([A-Za-z0-9_.-]{1,64})\.json")


def certificate_paths(folder: Path) -> dict[int, Path]:
    """The certificates of a folder by the numbers in their names. Raises InputError where two have one number."""
    found: dict[int, Path] = {}
    for path in sorted(Path(folder).glob("*.json")):
        if match := _NAME.fullmatch(path.name):
            number = int(match[1])
            if number in found:
                raise InputError(f"{path.name} and {found[number].name} have one number: one of them does not belong here")
            found[number] = path
    return found


def issue(folder: Path, make: Callable[[int, str | None], Certificate], key: Ed25519PrivateKey) -> Path:
    """Sign the next certificate of a folder and write it; returns its path.

    make: the certificate for a number and the digest of the statement before it. Two processes get two numbers. The public
    key is written beside the certificates. Raises InputError where the newest certificate is not signed by this key or by one
    whose public key is in the folder, or where its request has a certificate already that it does not name in `supersedes`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        keys = {key_id(one): one for one in (*read_public_keys(folder / PUBLIC_KEYS), key.public_key())}
        known = certificate_paths(folder)
        number, previous = max(known, default=0) + 1, None
        if known:
            payload, _ = signer(read_envelope(known[number - 1]), keys.values())
            previous = statement_digest(payload)
        certificate = make(number, previous)
        if (certificate.number, certificate.previous) != (number, previous):
            raise InputError(f"the certificate has number {certificate.number}, the next one of {folder} has {number}")
        if taken := certificates_of(folder, certificate.request.id):
            payload, _ = signer(read_envelope(taken[-1]), keys.values())
            if certificate.supersedes != statement_digest(payload):
                raise InputError(f"request {certificate.request.id} has a certificate already, {taken[-1].name}")
        path = folder / certificate_name(number, certificate.request.id)
        write_public_key(folder / PUBLIC_KEYS / f"{key_id(key.public_key())[:16]}.pem", key.public_key())
        write_json(path, sign(encoded(statement_of(certificate)), key))
    return path


def certificate_name(number: int, request: str) -> str:
    """The name of a certificate's file in its folder."""
    return f"{number:06d}-{_file_name(request)}.json"


def certificates_of(folder: Path, request: str) -> list[Path]:
    """The certificates of one request, the newest last."""
    return [path for _, path in sorted(certificate_paths(folder).items()) if path.stem[7:] == _file_name(request)]


def number_of(path: Path) -> int:
    """The number in a certificate's name."""
    return int(path.name[:6])


def _file_name(request: str) -> str:
    return request.replace(":", "-")


def statement_digest(payload: bytes) -> str:
    """What the next certificate names: the SHA-256 of the signed statement."""
    return hashlib.sha256(payload).hexdigest()
