"""The bytes that DVC keeps beside the working tree, by their digests: what refers to them, and removing them.

DVC cannot take one file out of its history. Its stores have one layout everywhere: an object lies at `AB/CDEF...` under its
MD5, that of a folder ends in `.dir` and lists its files, and the memory of stages, the run-cache, has a file for each run.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml import YAMLError

from aru.core.safe_yaml import parse_yaml
from flows.project.versioning import LOCK_FILE

_FOLDER = ".dir"
_HIDDEN = "."
_NOT_LOOKED_INTO = ("work", "mlruns", "__pycache__")


@dataclass(frozen=True)
class Reference:
    """That a file or folder, by its path in the project, had these bytes; `output`: a stage or a .dvc file keeps them."""

    path: str
    digest: str
    output: bool


@dataclass(frozen=True)
class Store:
    """A cache or a remote in a folder of this machine. `own`: no other project can have bytes in it."""

    objects: Path
    runs: Path
    own: bool

    def digests(self) -> set[str]:
        """All that is stored, by digest; files of other names, as an interrupted copy leaves them, come with theirs."""
        return {path.relative_to(self.objects).as_posix().replace("/", "") for path in self.objects.glob("*/*")}

    def members(self, digest: str) -> set[str]:
        """The digests of the files of a folder's object; none where it is no folder's, or not here."""
        try:
            content = json.loads(self.path(digest).read_bytes()) if digest.endswith(_FOLDER) else []
            return {str(entry["md5"]) for entry in content}
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    def path(self, digest: str) -> Path:
        """Where an object lies."""
        return self.objects / digest[:2] / digest[2:]

    def remove(self, digests: Iterable[str]) -> None:
        """Remove objects, there or not, and folders that are empty then."""
        for digest in digests:
            path = self.path(digest)
            path.unlink(missing_ok=True)
            if path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def runs_with(self, words: Iterable[str]) -> list[Path]:
        """The files of the run-cache in which one of the words stands, also where YAML has broken it at its blanks."""
        wanted = [_on_one_line(word.encode()) for word in words]
        return [
            path
            for path in sorted(self.runs.rglob("*"))
            if path.is_file() and any(word in text for text in [_on_one_line(path.read_bytes())] for word in wanted)
        ]


def _on_one_line(text: bytes) -> bytes:
    return b" ".join(text.split())


def references(text: str, file: str) -> Iterator[Reference]:
    """What a dvc.lock or a .dvc file refers to. `file`: its own path in the project; a text that is neither has nothing."""
    try:
        content = parse_yaml(text)
    except (YAMLError, RecursionError):
        return
    if not isinstance(content, dict):
        return
    if isinstance(content.get("stages"), dict):
        for stage in content["stages"].values():
            if isinstance(stage, dict):
                yield from _entries(stage.get("outs"), "", output=True)
                yield from _entries(stage.get("deps"), "", output=False)
    else:
        yield from _entries(content.get("outs"), Path(file).parent.as_posix(), output=True)


def workspace_references(root: Path) -> list[Reference]:
    """Those of dvc.lock and of all .dvc files as they are now."""
    files = [LOCK_FILE, *_dvc_files(root)]
    found: list[Reference] = []
    for file in files:
        if (root / file).is_file():
            found += references((root / file).read_text(encoding="utf-8"), file)
    return found


def _dvc_files(root: Path) -> Iterator[str]:
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(_HIDDEN) and name not in _NOT_LOOKED_INTO]
        yield from (Path(folder, name).relative_to(root).as_posix() for name in files if name.endswith(".dvc"))


def _entries(entries: Any, folder: str, *, output: bool) -> Iterator[Reference]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("md5"), str) and isinstance(entry.get("path"), str):
            yield Reference(os.path.normpath(os.path.join(folder, entry["path"])), entry["md5"], output)
