"""Keyed hashes: HMAC-SHA256 of what identifies a photo or a person, under a key that lies apart from the hashes.

A hash without a key could be tested by anybody who has a photo or guesses an id. The key file holds a key a line, and a hash
is nested: the HMAC under the second key of the HMAC under the first, and so on. A rotation appends a key and wraps each hash
once more. So it needs neither the photos nor the ids, which are erased by then, and nothing that could be decrypted has to be
kept for it; a copy of the key file from before the rotation says nothing about the hashes from after it.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from aru.core.errors import InputError
from aru.data.ids import normalized_key

KEY_BYTES = 32
KEY_FILE = ".aru/suppression.key"
KEY_VARIABLE = "ARU_SUPPRESSION_KEY_FILE"
"""The environment variable that names another place of the key file."""
DIGEST, PIXELS, SUBJECT, BAND = "digest", "pixels", "subject", "band"
_READABLE_BY_OTHERS = 0o077


@dataclass(frozen=True)
class Keys:
    """The keys of one key file, the oldest first."""

    keys: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Keys({self.id})"

    @property
    def id(self) -> str:
        """16 hex digits that tell one set of keys from another and say nothing about them."""
        return self._hash("id", b"").hex()[:16]

    def digest(self, md5: str) -> str:
        """The keyed hash, 64 hex digits, of a file by its MD5."""
        return self._hash(DIGEST, bytes.fromhex(md5)).hex()

    def pixels(self, photo: Image.Image) -> str:
        """The keyed hash, 64 hex digits, of a photo's decoded pixels, whatever its file's encoding."""
        content = hashlib.sha256(b"%d %d " % photo.size + photo.convert("RGB").tobytes()).digest()
        return self._hash(PIXELS, content).hex()

    def subject(self, name: str, scope: str = "") -> str:
        """The keyed hash, 64 hex digits, of a person's id: FAMILY/PERSON, or the person alone.

        scope: the benchmark in which the id means this person; empty where it does so everywhere, as an address does.
        """
        return self._hash(SUBJECT, f"{scope}\x1f{normalized_key(name)}".encode()).hex()

    def bands(self, bands: np.ndarray) -> np.ndarray:
        """Keyed hashes of perceptual bands, cut to 32 bits: (N, B) uint16 -> (N, B) uint32."""
        found = [
            int.from_bytes(self._hash(BAND, b"%d " % place + band, cut=4), "big")
            for row in bands.astype(">u2")
            for place, band in enumerate(row.tobytes()[begin : begin + 2] for begin in range(0, 2 * len(row), 2))
        ]
        return np.array(found, np.uint32).reshape(bands.shape)

    def wrapped(self, value: str) -> str:
        """A hash in hex under all keys but the last, put under the last one, too."""
        return _outer(self.keys[-1], bytes.fromhex(value), 32).hex()

    def wrapped_bands(self, bands: np.ndarray) -> np.ndarray:
        """Bands' hashes (N, B) uint32 under all keys but the last, put under the last one, too."""
        found = [
            _outer(self.keys[-1], content[begin : begin + 4], 4)
            for content in (row.tobytes() for row in bands.astype(">u4"))
            for begin in range(0, len(content), 4)
        ]
        return np.frombuffer(b"".join(found), ">u4").astype(np.uint32).reshape(bands.shape)

    def rotated(self) -> "Keys":
        """These keys and a new one."""
        return Keys((*self.keys, secrets.token_bytes(KEY_BYTES)))

    def _hash(self, kind: str, content: bytes, *, cut: int = 32) -> bytes:
        found = hmac.digest(self.keys[0], f"aru {kind}\0".encode() + content, "sha256")[:cut]
        for key in self.keys[1:]:
            found = _outer(key, found, cut)
        return found


def _outer(key: bytes, inner: bytes, cut: int) -> bytes:
    return hmac.digest(key, b"aru again\0" + inner, "sha256")[:cut]


def new_keys() -> Keys:
    """One new key of the system's random numbers."""
    return Keys((secrets.token_bytes(KEY_BYTES),))


def key_path(root: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the key file of a project is."""
    other = environment.get(KEY_VARIABLE)
    return Path(other).expanduser() if other else Path(root) / KEY_FILE


def read_keys(path: Path) -> Keys:
    """Read a key file. Raises InputError where it is missing, damaged, or readable by others than its owner."""
    try:
        with open(path, encoding="ascii") as file:
            mode, lines = os.fstat(file.fileno()).st_mode, file.read().split()
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist: the suppression list cannot be read without its key. Bring the file back from where you "
            f"keep it, or name its place in {KEY_VARIABLE}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): bring the key file back from where you keep it") from None
    if mode & _READABLE_BY_OTHERS:
        raise InputError(f"{path} can be read by others (mode {mode & 0o777:03o}): chmod 600 {path}")
    try:
        keys = tuple(base64.b16decode(line.upper()) for line in lines)
    except ValueError:
        keys = ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise InputError(
            f"{path} does not hold one key of {2 * KEY_BYTES} hex digits a line: bring the key file back from where you "
            "keep it"
        )
    return Keys(keys)


def write_keys(path: Path, keys: Keys) -> None:
    """Write a key file of mode 600, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write("".join(f"{key.hex()}\n" for key in keys.keys))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
