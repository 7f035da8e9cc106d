"""Archives as they were received, zip files and folders: read file by file and never unpacked."""

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from aru.core.errors import InputError
from aru.data.archive_names import encoding_of_names, is_junk, junk_note, name_of_member, normalized_path
from aru.data.faults import Fault, Faults
from aru.data.folder_archive import MAX_FILE_BYTES, FolderArchive, not_there

MAX_MEMBERS = 2_000_000
MAX_TOTAL_BYTES = 64 << 30  # or MAX_TOTAL_RATIO times the archive's own size, where that is more
MAX_TOTAL_RATIO = 4
MAX_RATIO = 200  # images hardly compress; a text of one repeated letter reaches about 1000
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_UNTRUSTED = "do not trust this archive"
_OTHER_KINDS = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR"}


class Archive(Protocol):
    """Files by name, of a zip or of a folder."""

    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes: ...


@contextmanager
def open_archive(
    path: Path,
    faults: Faults | None = None,
    *,
    name_encoding: str | None = None,
    named_only: bool = False,
    project: Path | None = None,
) -> "Iterator[ZipArchive | FolderArchive]":
    """Open a zip file or a folder for reading; every file's name and header is checked before the first is read.

    Their faults are one InputError; or they are added to `faults`, and reading such a file raises its Fault again.
    `name_encoding` is that of the names in a zip which are not marked as UTF-8; None guesses it. `named_only`: of a folder the
    faulty files are reported only when they are read, because it may hold much that nobody names. `project`: FolderArchive.
    """
    path = Path(path)
    if path.is_dir():
        yield FolderArchive(path, Faults(str(path)) if named_only else faults, project=project)
        return
    if not path.is_file():
        raise InputError(
            f"archive {path} does not exist: `dvc pull data.dvc` fetches the embedded one, `aru data import` "
            "brings in your own"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            yield ZipArchive(archive, path, faults, name_encoding=name_encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} has a name marked as UTF-8 that is none ({error}): make the zip file again") from None
    except NotImplementedError as error:
        raise InputError(f"{path} needs a newer program for zip files ({error}): make the zip file again") from None
    except zipfile.BadZipFile as error:
        if kind := _other_kind(path):
            raise InputError(f"{path} is a {kind} archive: unpack it and name the folder, or make a zip file of it") from None
        raise InputError(f"{path} is not a complete zip file ({error}): fetch it again") from error


class ZipArchive:
    """The members of a zip file; `notes` are sentences for the user about how it was opened."""

    def __init__(
        self, archive: zipfile.ZipFile, path: Path, faults: Faults | None = None, *, name_encoding: str | None = None
    ) -> None:
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._faulty: dict[str, Fault] = {}
        members = archive.infolist()
        _check_size(members, path)
        encoding, note = encoding_of_names(members, name_encoding)
        found = Faults(str(path)) if faults is None else faults
        junk = 0
        for member in members:
            name = normalized_path(name_of_member(member, encoding))
            if is_junk(name):
                junk += not name.endswith("/")
                continue
            try:
                _check(name, member)
                if name.endswith("/"):
                    continue
                if name in self._members:
                    raise Fault("is in the archive twice, two members with one name", "make the archive again")
            except Fault as fault:
                found.add(name, fault.what, fault.remedy)
                self._faulty[name] = fault
            self._members[name] = member
        if faults is None:
            found.raise_if_any()
        self.notes = (*note, *junk_note(junk))

    def names(self) -> list[str]:
        """All members by `normalized_path` of their names, in the archive's order; neither folders nor `is_junk`."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of one member, not one byte more than its header promised. Raises Fault, also where there is none."""
        if name in self._faulty:
            raise self._faulty[name]
        if name not in self._members:
            raise not_there(name)
        member = self._members[name]
        try:
            with self._archive.open(member) as file:
                content = file.read(member.file_size + 1)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, zlib.error, lzma.LZMAError) as error:
            raise Fault("is damaged inside the archive", "fetch the archive again", str(error)) from error
        if len(content) > member.file_size:
            raise Fault("is larger than its header says", _UNTRUSTED)
        return content


def _other_kind(path: Path) -> str | None:
    """The kind of an archive that is no zip file."""
    with path.open("rb") as file:
        begin = file.read(8)
    return next((kind for mark, kind in _OTHER_KINDS.items() if begin.startswith(mark)), None) or (
        "tar" if tarfile.is_tarfile(path) else None
    )


def _check_size(members: list[zipfile.ZipInfo], path: Path) -> None:
    total = sum(member.file_size for member in members)
    limit = max(MAX_TOTAL_BYTES, MAX_TOTAL_RATIO * path.stat().st_size)
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{path} has {len(members)} members, the limit is {MAX_MEMBERS}: this is no image archive")
    if total > limit:
        raise InputError(f"{path} unpacks to {total} bytes, the limit is {limit}: this is no image archive")


def _check(name: str, member: zipfile.ZipInfo) -> None:
    if not name:
        raise Fault("has a member without a name", "make the archive again")
    if name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:", name):
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
    if member.file_size > MAX_FILE_BYTES:
        raise Fault(f"has more bytes than the limit is, {MAX_FILE_BYTES}", "it is no image, leave it out")
    if member.file_size > MAX_RATIO * max(member.compress_size, 1024):
        raise Fault(f"unpacks to more than {MAX_RATIO} times its size in the archive", _UNTRUSTED)
