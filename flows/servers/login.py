"""The login of the project's own Prefect servers: made once, kept in a file that only its owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

_USER = "aru"
_OWNER_ONLY = 0o600


def login(root: Path) -> str:
    """``user:password``, as Prefect's basic authentication and the login of its pages take it; made where there is none.

    Two processes that are first at once agree: whoever puts the file in its place first has made it. A file that others may
    read, as a copy of the folder can leave it, is closed to them again.
    """
    path = login_file(root)
    with suppress(FileNotFoundError):
        return _read(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    made.touch(mode=_OWNER_ONLY)
    made.write_text(f"{_USER}:{secrets.token_urlsafe(32)}\n", encoding="utf-8")
    with suppress(FileExistsError):
        os.link(made, path)
    made.unlink()
    return _read(path)


def login_file(root: Path) -> Path:
    """Where it is kept; whoever deletes it gets a new one with the next server."""
    return Path(root) / ".prefect" / "login"


def _read(path: Path) -> str:
    content = path.read_text(encoding="utf-8").strip()
    if path.stat().st_mode & 0o077:
        path.chmod(_OWNER_ONLY)
    return content
