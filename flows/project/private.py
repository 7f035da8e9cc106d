"""`.aru/`: what belongs to this copy of the project alone. Never versioned, readable by its owner only."""

import os
import secrets
from pathlib import Path


def private_folder(root: Path) -> Path:
    """The folder, made where it is not there yet; git sees nothing of it, whatever the project's own .gitignore says."""
    folder = Path(root) / ".aru"
    folder.mkdir(mode=0o700, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.is_file():
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 600, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
