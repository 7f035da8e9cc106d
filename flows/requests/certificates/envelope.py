"""DSSE envelopes (https://github.com/secure-systems-lab/dsse, version 1.0.2) signed with Ed25519."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aru.core.errors import InputError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PRIVATE_KEY = ".aru/certificates.key"
"""Where the key that signs is in a project, of mode 600."""
PRIVATE_KEY_VARIABLE = "ARU_CERTIFICATE_KEY_FILE"
_READABLE_BY_OTHERS = 0o077


class Signature(TypedDict):
    """A signature in base64, and the id of its key."""

    keyid: str
    sig: str


class Envelope(TypedDict):
    """A payload in base64 with its type and its signatures."""

    payloadType: str
    payload: str
    signatures: list[Signature]


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a signature covers (DSSE's PAE): type and payload, each with its length."""
    name = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def sign(payload: bytes, key: Ed25519PrivateKey) -> Envelope:
    """The envelope of a payload."""
    signature = key.sign(pre_authentication(PAYLOAD_TYPE, payload))
    return Envelope(
        payloadType=PAYLOAD_TYPE,
        payload=base64.b64encode(payload).decode(),
        signatures=[Signature(keyid=key_id(key.public_key()), sig=base64.b64encode(signature).decode())],
    )


def signer(envelope: Any, keys: Iterable[Ed25519PublicKey]) -> tuple[bytes, str]:
    """The payload and the id of the trusted key that signed it.

    Raises InputError where the envelope is of another form or type, or none of the keys signed it.
    """
    try:
        if envelope.keys() != Envelope.__required_keys__ or envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError(f"its payload is not of the type {PAYLOAD_TYPE}")
        payload = base64.b64decode(envelope["payload"], validate=True)
        given = [(str(one["keyid"]), base64.b64decode(one["sig"], validate=True)) for one in envelope["signatures"]]
        if base64.b64encode(payload).decode() != envelope["payload"] or len(given) != 1:
            raise ValueError("it has other than one signature, or a payload that is not in its one form")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"this is no signed envelope ({error})") from None
    trusted = {key_id(key): key for key in keys}
    [(name, signature)] = given
    if name not in trusted:
        raise InputError(f"it is signed by the key {name}, which is not among those that are trusted: {', '.join(trusted)}")
    try:
        trusted[name].verify(signature, pre_authentication(PAYLOAD_TYPE, payload))
    except InvalidSignature:
        raise InputError(f"the signature is not that of the key {name}: the content was changed after it was signed") from None
    return payload, name


def key_id(key: Ed25519PublicKey) -> str:
    """The SHA-256 of a public key's DER form, in hex."""
    content = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(content).hexdigest()


def new_key(path: Path) -> Ed25519PrivateKey:
    """Make a private key in a file of mode 600. Raises InputError where a file is there: what it signed stands by it."""
    if path.exists():
        raise InputError(f"{path} is there already: move it away first, and keep its public key for what it signed")
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        os.link(temporary, path)  # never over a key that came meanwhile
    except FileExistsError:
        raise InputError(f"{path} is there already: another process has just made it") from None
    finally:
        temporary.unlink(missing_ok=True)
    return key


def private_key_path(root: Path) -> Path:
    """Where the key that signs a project's certificates is."""
    other = os.environ.get(PRIVATE_KEY_VARIABLE)
    return Path(other).expanduser() if other else Path(root) / PRIVATE_KEY


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read the key that signs. Raises InputError where it is missing, readable by others, or no Ed25519 key in PEM."""
    try:
        with open(path, "rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: `aru certificate keys` makes a pair of keys") from None
    if mode & _READABLE_BY_OTHERS:
        raise InputError(f"{path} can be read by others (mode {mode & 0o777:03o}): chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} holds no Ed25519 private key in PEM: bring the right file back")
    return key


def write_public_key(path: Path, key: Ed25519PublicKey) -> None:
    """Write a public key in PEM, for whoever verifies."""
    content = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key. Raises InputError where it is missing or no Ed25519 key in PEM."""
    try:
        key = serialization.load_pem_public_key(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: name the public key of whoever signed") from None
    except (ValueError, TypeError, UnsupportedAlgorithm, OSError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} holds no Ed25519 public key in PEM")
    return key


def read_public_keys(folder: Path) -> list[Ed25519PublicKey]:
    """The public keys of a folder's .pem files."""
    return [read_public_key(path) for path in sorted(Path(folder).glob("*.pem"))]


def read_envelope(path: Path) -> Any:
    """The JSON of a file. Raises InputError where there is none; `signer` judges what it holds."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({type(error).__name__})") from None
