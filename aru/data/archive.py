"""Archives as they were received, read member by member and never unpacked."""

import lzma
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from aru.core.errors import InputError
from aru.data.faults import Fault, Faults

MAX_MEMBERS = 500_000
MAX_MEMBER_BYTES = 64 << 20
MAX_TOTAL_BYTES = 64 << 30
MAX_RATIO = 200  # images hardly compress; a text of one repeated letter reaches about 1000
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_UTF8 = 0x800  # the flag of a member whose name is in UTF-8
_UNTRUSTED = "do not trust this archive"


class Archive(Protocol):
    """Files by name, of a zip or of a folder."""

    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes: ...


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a zip file or a folder for reading; every member is checked before the first is read."""
    path = Path(path)
    if path.is_dir():
        yield FolderArchive(path)
        return
    if not path.is_file():
        raise InputError(
            f"archive {path} does not exist: `dvc pull data.dvc` fetches the embedded one, `aru data import` "
            "brings in your own"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            yield ZipArchive(archive, path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is not a complete zip file ({error}): fetch it again") from error


class ZipArchive:
    """The members of a zip file."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self._members = _checked(archive, path)

    def names(self) -> list[str]:
        """All members by `normalized_path` of their names, folders left out, in the archive's order."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of one member, not one byte more than its header promised."""
        member = self._members[name]
        try:
            with self._archive.open(member) as file:
                content = file.read(member.file_size + 1)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, zlib.error, lzma.LZMAError) as error:
            raise Fault("is damaged inside the archive", "fetch the archive again", str(error)) from error
        if len(content) > member.file_size:
            raise Fault("is larger than its header says", _UNTRUSTED)
        return content


class FolderArchive:
    """The files below a folder; links out of it are refused."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._files = {
            normalized_path(file.relative_to(self._path).as_posix()): file
            for file in sorted(self._path.rglob("*"))
            if file.is_file()
        }
        faults = Faults(str(path))
        for name, file in self._files.items():
            if not file.resolve().is_relative_to(self._path):
                faults.add(name, "is a link out of the folder", "replace it by the file")
        faults.raise_if_any()

    def names(self) -> list[str]:
        """All files, by their path below the folder."""
        return list(self._files)

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        file = self._files[name]
        if file.stat().st_size > MAX_MEMBER_BYTES:
            raise Fault(f"has more than {MAX_MEMBER_BYTES} bytes", "it is no image, leave it out")
        return file.read_bytes()


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{path} has {len(members)} members, the limit is {MAX_MEMBERS}: this is no image archive")
    if total > MAX_TOTAL_BYTES:
        raise InputError(f"{path} unpacks to {total} bytes, the limit is {MAX_TOTAL_BYTES}: this is no image archive")
    found: dict[str, zipfile.ZipInfo] = {}
    faults = Faults(str(path))
    encoding = _encoding_of_names(members)
    for member in members:
        name = normalized_path(_name(member, encoding))
        with faults.collected(repr(name)):
            _check(name, member)
            if member.is_dir() or name.endswith("/"):
                continue
            if name in found:
                raise Fault("is in the archive twice, two members with one name", "make the archive again")
            found[name] = member
    faults.raise_if_any()
    return found


def _check(name: str, member: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        raise Fault("points out of the archive", _UNTRUSTED)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Fault("is a link", "put the file itself into the archive")
    if member.flag_bits & 0x1:
        raise Fault("is encrypted", "make the archive without a password")
    if member.compress_type not in _METHODS:
        method = getattr(zipfile, "compressor_names", {}).get(member.compress_type, str(member.compress_type))
        raise Fault(
            f"is compressed by the method {method!r}, which Python does not read",
            "make the archive again with the "
            "method deflate or store; Windows' Explorer takes deflate64 for large files, `zip -0` and 7-Zip do not",
        )
    if member.file_size > MAX_MEMBER_BYTES:
        raise Fault(f"has more bytes than the limit is, {MAX_MEMBER_BYTES}", "it is no image, leave it out")
    if member.file_size > MAX_RATIO * max(member.compress_size, 1024):
        raise Fault(f"unpacks to more than {MAX_RATIO} times its size in the archive", _UNTRUSTED)


def normalized_path(path: str) -> str:
    """A path of a table or an archive in the form in which both are compared: slashes, and NFC (accents and Hangul composed).

    macOS stores names decomposed, and old Windows programs wrote backslashes into archives.
    """
    return unicodedata.normalize("NFC", path.replace("\\", "/"))


def _encoding_of_names(members: list[zipfile.ZipInfo]) -> str:
    """The encoding of the names that are not marked as UTF-8: the first one in which all of them can be decoded.

    The zip format says cp437, but programs wrote the machine's own encoding: UTF-8, or cp949 on Korean Windows.
    """
    raw = [member.orig_filename.encode("cp437") for member in members if not _has_unicode_name(member)]
    for encoding in ("utf-8", "cp949"):
        try:
            for name in raw:
                name.decode(encoding)
            return encoding
        except UnicodeDecodeError:
            continue
    return "cp437"


def _name(member: zipfile.ZipInfo, encoding: str) -> str:
    if _has_unicode_name(member):
        return member.filename
    return member.orig_filename.encode("cp437").decode(encoding)


def _has_unicode_name(member: zipfile.ZipInfo) -> bool:
    """Whether the name is marked as UTF-8, or zipfile used another field than the header's (Info-ZIP's Unicode field)."""
    return bool(member.flag_bits & _UTF8) or member.filename != member.orig_filename
