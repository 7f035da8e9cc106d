"""Digests of files and folders as DVC names them: the md5 that ties Prefect, DVC and MLflow together."""

import json
import os
from pathlib import Path

from aru.core.files import bytes_md5, file_md5


def folder_md5(files: dict[str, str]) -> str:
    """The digest of a folder from {relative path: md5}: the md5 of DVC's manifest of it, and ``.dir``."""
    return bytes_md5(folder_manifest(files)) + ".dir"


def folder_manifest(files: dict[str, str]) -> bytes:
    """The bytes of DVC's manifest of a folder."""
    entries = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    return json.dumps(entries, sort_keys=True).encode()


class Digests:
    """Digests of a project's paths; a file is read once as long as its inode, size and times stay.

    The memory lives only as long as the object, so that a file that decayed in place is noticed by the next flow.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}

    def of(self, path: str) -> str | None:
        """The digest of a file or folder named relative to the project; None where nothing is there."""
        full = self.root / path
        if full.is_dir():
            return folder_md5({name: self._file(full / name) for name in _files_below(full)})
        return self._file(full) if full.is_file() else None

    def of_all(self, paths: tuple[str, ...]) -> dict[str, str | None]:
        """The digests of several paths."""
        return {path: self.of(path) for path in paths}

    def _file(self, path: Path) -> str:
        status = os.stat(path)
        signature = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._known.get(str(path))
        if known is None or known[0] != signature:
            known = (signature, file_md5(path))
            self._known[str(path)] = known
        return known[1]


def _files_below(folder: Path) -> list[str]:
    """The files that DVC sees: .dvcignore leaves compiled code out."""
    found = sorted(path for path in folder.rglob("*") if "__pycache__" not in path.relative_to(folder).parts)
    return [path.relative_to(folder).as_posix() for path in found if path.is_file()]
