"""Archives as they were received, read member by member and never unpacked."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from aru.errors import InputError

MAX_MEMBERS = 500_000
MAX_MEMBER_BYTES = 64 << 20
MAX_TOTAL_BYTES = 64 << 30
MAX_RATIO = 200  # images hardly compress; a text of one repeated letter reaches about 1000


class Source(Protocol):
    """Files by name, of a zip or of a folder."""

    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes: ...


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a zip file or a folder for reading; every member is checked before the first is read."""
    path = Path(path)
    if path.is_dir():
        yield Folder(path)
        return
    if not path.is_file():
        raise InputError(f"archive {path} does not exist: `dvc pull data.dvc` fetches the embedded one, `aru data import` "
                         "brings in your own")
    try:
        with zipfile.ZipFile(path) as archive:
            yield Zip(archive, path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is not a whole zip file ({error}): fetch it again") from error


class Zip:
    """The members of a zip file."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive, self._path = archive, path
        self._members = _checked(archive, path)

    def names(self) -> list[str]:
        """All members, folders left out, in the archive's order."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of one member, not one byte more than its header promised."""
        member = self._members[name]
        try:
            with self._archive.open(member) as file:
                content = file.read(member.file_size + 1)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, zlib.error) as error:
            raise InputError(f"{self._path}: {name} is damaged ({error}): fetch the archive again") from error
        if len(content) > member.file_size:
            raise InputError(f"{self._path}: {name} is larger than its header says: do not trust this archive")
        return content


class Folder:
    """The files below a folder; links out of it are refused."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._files = {file.relative_to(self._path).as_posix(): file for file in sorted(self._path.rglob("*"))
                       if file.is_file()}
        for name, file in self._files.items():
            if not file.resolve().is_relative_to(self._path):
                raise InputError(f"{self._path}: {name} is a link out of the folder: replace it by the file")

    def names(self) -> list[str]:
        """All files, by their path below the folder."""
        return list(self._files)

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        file = self._files[name]
        if file.stat().st_size > MAX_MEMBER_BYTES:
            raise InputError(f"{file} has {file.stat().st_size} bytes, the limit is {MAX_MEMBER_BYTES}: it is no image")
        return file.read_bytes()


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{path} has {len(members)} members, the limit is {MAX_MEMBERS}: this is no image archive")
    if total > MAX_TOTAL_BYTES:
        raise InputError(f"{path} unpacks to {total} bytes, the limit is {MAX_TOTAL_BYTES}: this is no image archive")
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        _check(member, path)
        if member.is_dir():
            continue
        if member.filename in found:
            raise InputError(f"{path} has two members named {member.filename!r}: make the archive again")
        found[member.filename] = member
    return found


def _check(member: zipfile.ZipInfo, path: Path) -> None:
    name = member.filename
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        raise InputError(f"{path}: member {name!r} points out of the archive: do not trust this archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(f"{path}: member {name!r} is a link: put the file itself into the archive")
    if member.flag_bits & 0x1:
        raise InputError(f"{path}: member {name!r} is encrypted: make the archive without a password")
    if member.file_size > MAX_MEMBER_BYTES:
        raise InputError(f"{path}: member {name!r} has {member.file_size} bytes, the limit is {MAX_MEMBER_BYTES}: "
                         "it is no image")
    if member.file_size > MAX_RATIO * max(member.compress_size, 1024):
        raise InputError(f"{path}: member {name!r} unpacks to {member.file_size} bytes from {member.compress_size}, more "
                         f"than {MAX_RATIO} times: do not trust this archive")
