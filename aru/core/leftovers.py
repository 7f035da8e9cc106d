"""Temporary files: how they are named, the lock of a folder, and what becomes of those that a kill leaves."""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aru.core.errors import InputError

_NAME = re.compile(r"\..+\.[0-9a-f]+\.tmp")


def temporary_beside(path: Path) -> Path:
    """A new name beside `path`, drawn at random: process ids come again, in containers always the same."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


@contextmanager
def locked_folder(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of `folder` among this machine's processes for the length of a block.

    The operating system drops the lock when its process ends, however that happens. Raises InputError where another has it,
    or waits for it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is writing {folder}: wait until it ends, or stop it") from None
        yield
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, of: str = "*") -> None:
    """Remove what kills left half written under `folder`, of files named `of` (a glob); its lock has to be held."""
    for path in sorted(Path(folder).rglob(f".{of}.tmp")):
        if is_leftover(path):
            remove_path(path)


def is_leftover(path: Path) -> bool:
    """Whether a file or folder has the name of one that was to be moved into its place."""
    return _NAME.fullmatch(path.name) is not None


def remove_path(path: Path) -> None:
    """Remove a file or a folder, there or not; another process may be at the same."""
    while path.is_dir() and not path.is_symlink():
        try:
            shutil.rmtree(path)
        except FileNotFoundError:  # a part of it was gone already: go on with the rest
            continue
    path.unlink(missing_ok=True)
