"""The project folder, and the lock that lets one flow at a time work in it."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout

from aru.core.errors import InputError
from aru.core.leftovers import locked_folder, remove_leftovers, temporary_beside

_HELD: ContextVar[Path | None] = ContextVar("project_lock_held", default=None)


class ProjectBusy(InputError):
    """Another flow works in this project."""


def find_project(start: Path) -> Path:
    """The nearest folder at or above `start` that holds a dvc.yaml, as an absolute path. Raises InputError without one."""
    found = project_at(start)
    if found is None:
        raise InputError(
            f"no dvc.yaml in {Path(start).resolve()} or above it: run inside the project folder; `aru init` makes one"
        )
    return found


def project_at(start: Path) -> Path | None:
    """What `find_project` finds, or None."""
    start = Path(start).resolve()
    return next((folder for folder in (start, *start.parents) if (folder / "dvc.yaml").is_file()), None)


def lock_holder(root: Path) -> str | None:
    """Who works in the project now, in words; None where nobody does."""
    folder = Path(root) / ".dvc" / "tmp" / "aru"
    if not (folder / "flow.lock").exists():
        return None
    try:
        with FileLock(folder / "flow.lock", timeout=0, thread_local=False):
            return None
    except Timeout:
        return _describe(folder / "flow.json")


@contextmanager
def project_lock(root: Path) -> Iterator[None]:
    """Hold the project for one flow; within the holder's own context taking it again does nothing.

    The operating system drops the lock when its process ends, however that happens; what such a process left half written in
    work/ is cleared by the next holder.
    Raises ProjectBusy, which names the holder, where another process or thread has it.
    """
    root = Path(root).resolve()
    if _HELD.get() == root:
        yield
        return
    folder = lock_folder(root)
    holder = folder / "flow.json"
    lock = FileLock(folder / "flow.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise ProjectBusy(f"{_describe(holder)} works in {root}: wait until it ends, or stop it") from None
    token = _HELD.set(root)
    try:
        _sign(holder)
        _clear(root)
        yield
    finally:
        _HELD.reset(token)
        holder.unlink(missing_ok=True)
        lock.release()


def lock_folder(root: Path) -> Path:
    """A folder for this machine's working state: beside DVC's own, never versioned."""
    folder = Path(root) / ".dvc" / "tmp" / "aru"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _clear(root: Path) -> None:
    """Remove what killed processes left half written, where nobody without the project's lock, as `dvc repro`, works now."""
    for folder in (root / "work").glob("*/*/"):
        with suppress(InputError), locked_folder(folder):
            remove_leftovers(folder)


def _sign(holder: Path) -> None:
    content = {
        "pid": os.getpid(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *takewhile(lambda word: word[:1] != "-", sys.argv[1:])]),  # no names
    }
    temporary = temporary_beside(holder)
    temporary.write_text(json.dumps(content), encoding="utf-8")
    os.replace(temporary, holder)


def _describe(holder: Path) -> str:
    try:
        content = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {content['pid']} ({content['command']}), started {content['started']},"
    except (OSError, ValueError, KeyError):  # it has the lock and has not signed yet, or is just leaving
        return "another flow"
