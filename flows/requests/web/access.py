"""Who may use the API and the pages: bearer tokens, of which only digests are kept, and sessions of a browser."""

import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from aru.core.errors import InputError
from flows.project.private import private_folder, write_private
from flows.requests.ledger.changing import check_text
from flows.requests.ledger.tables import NAME

_FILE = "request-tokens.json"
SESSION_SECONDS = 8 * 3600
"""How long a browser stays logged in."""


def create_token(root: Path, name: str) -> str:
    """A new token for a person or a program; what they do is on record under this name. It is shown once: only its SHA-256 is
    kept, of 256 random bits, which nobody can try out. Raises InputError for a name that has one."""
    check_text("the name of a token", name, NAME)
    token = secrets.token_urlsafe(32)
    with _locked(root) as path:
        known = _read(path)
        if name in known:
            raise InputError(f"{name!r} has a token: take it back first, or choose another name")
        write_private(path, json.dumps({**known, name: _digest(token)}, indent=1).encode())
    return token


def revoke_token(root: Path, name: str) -> None:
    """Take a token back: it, and the browsers that are logged in with it, are refused from the next request on.

    Raises InputError where nobody of this name has one.
    """
    with _locked(root) as path:
        known = _read(path)
        if name not in known:
            raise InputError(f"nobody named {name!r} has a token: {', '.join(known) or 'there are none'}")
        del known[name]
        write_private(path, json.dumps(known, indent=1).encode())


def name_of_token(root: Path, token: str) -> str | None:
    """Whose token it is; None where it is nobody's."""
    digest = _digest(token)
    names = {kept: name for name, kept in _tokens(root).items()}
    return names.get(digest)


@dataclass(frozen=True)
class Session:
    """A logged-in browser: whose, the digest of the token, the word that its forms must bring, when it ends (seconds of the
    monotonic clock)."""

    name: str
    token: str
    form_word: str
    ends: float


class Sessions:
    """The browsers that are logged in, in memory: a restart of the server logs all of them out."""

    def __init__(self) -> None:
        self._known: dict[str, Session] = {}

    def begin(self, name: str, token: str) -> str:
        """Log a browser in with somebody's token; returns the secret for its cookie."""
        now, secret = time.monotonic(), secrets.token_urlsafe(32)
        self._known = {key: session for key, session in self._known.items() if session.ends > now}
        self._known[_digest(secret)] = Session(name, _digest(token), secrets.token_urlsafe(16), now + SESSION_SECONDS)
        return secret

    def find(self, root: Path, secret: str | None) -> Session | None:
        """The session of a cookie; None where there is none, it has ended, or its token was taken back."""
        session = self._known.get(_digest(secret or ""))
        if session is None or session.ends <= time.monotonic() or session.token not in _tokens(root).values():
            return None
        return session

    def end(self, secret: str | None) -> None:
        """Log a browser out."""
        self._known.pop(_digest(secret or ""), None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _tokens(root: Path) -> dict[str, str]:
    return _read(private_folder(root) / _FILE)


def _read(path: Path) -> dict[str, str]:
    return json.loads(path.read_bytes()) if path.is_file() else {}


class _locked:
    """Holds the file of tokens against another command that changes it."""

    def __init__(self, root: Path) -> None:
        self._path = private_folder(root) / _FILE
        self._lock = FileLock(self._path.with_suffix(".lock"), mode=0o600)

    def __enter__(self) -> Path:
        self._lock.acquire()
        return self._path

    def __exit__(self, *error: object) -> None:
        self._lock.release()
