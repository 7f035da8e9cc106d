"""A folder, and all below it, as an archive."""

import os
from collections.abc import Iterator
from pathlib import Path

from aru.data.archive_names import is_junk, junk_note, normalized_path
from aru.data.faults import Fault, Faults

MAX_FILE_BYTES = 64 << 20


def not_there(name: str) -> Fault:
    """The fault of an archive without a file that is needed."""
    return Fault("lacks a file that its layout has", "is it the right folder or zip file, and the right source?", name)


class FolderArchive:
    """The files below a folder; links that lead out of it, to folders or to nothing are refused. `notes` as in ZipArchive.

    A `project` in it, the folder of the project that imports, is passed over: its files are not the photos' neighbours.
    """

    def __init__(self, path: Path, faults: Faults | None = None, *, project: Path | None = None) -> None:
        self._path = path.resolve()
        self._project = project.resolve() if project is not None else None
        self._files: dict[str, str] = {}
        self._faulty: dict[str, Fault] = {}
        self._junk = 0
        found = Faults(str(path)) if faults is None else faults
        for file in sorted(self._walk(found), key=lambda name: name.replace("/", "\0")):  # folder by folder
            name = normalized_path(file)
            try:
                if name in self._files:
                    raise Fault("is there twice, in two forms of Unicode or with a backslash", "rename or remove one")
                self._check(file)
            except Fault as fault:
                found.add(name, fault.what, fault.remedy)
                self._faulty[name] = fault
            self._files[name] = file
        if faults is None:
            found.raise_if_any()
        self.notes = junk_note(self._junk)

    def names(self) -> list[str]:
        """All files, by their path below the folder, without `is_junk`."""
        return list(self._files)

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises Fault, also where there is none."""
        if name in self._faulty:
            raise self._faulty[name]
        if name not in self._files:
            raise not_there(name)
        try:
            with open(self._place(self._files[name]), "rb") as file:
                if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                    raise Fault(f"has more than {MAX_FILE_BYTES} bytes", "it is no image, leave it out")
                return file.read()
        except OSError as error:
            raise Fault("cannot be opened", "give yourself the right to read it", str(error.strerror)) from error

    def _walk(self, faults: Faults) -> Iterator[str]:
        """The files and links below the folder, as paths with slashes."""

        def unreadable(error: OSError) -> None:
            name = os.path.relpath(str(error.filename), self._path)
            faults.add(name, "cannot be opened", "give yourself the right to read it")

        for folder, folders, files in os.walk(self._path, onerror=unreadable):
            below = os.path.relpath(folder, self._path).replace(os.sep, "/")
            prefix = "" if below == "." else f"{below}/"
            folders[:] = [name for name in folders if Path(folder, name) != self._project]
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in [*files, *links]:
                if is_junk(prefix + name):
                    self._junk += 1
                elif name in links or os.path.isfile(os.path.join(folder, name)) or os.path.islink(os.path.join(folder, name)):
                    yield prefix + name

    def _place(self, file: str) -> str:
        """A path as text: `pathlib` keeps every name that it has seen, 200 bytes each of a million photos."""
        return os.path.join(self._path, file)

    def _check(self, file: str) -> None:
        if any(0xD800 <= ord(sign) <= 0xDFFF for sign in file):  # how Python has bytes that are no UTF-8
            raise Fault("has a name that is not UTF-8", "rename it")
        if not os.path.islink(self._place(file)):
            return
        place = self._path / file
        if not place.exists():
            raise Fault("is a link to nothing", "remove it, or put the file there")
        if not place.resolve().is_relative_to(self._path):
            raise Fault("is a link out of the folder", "replace it by the file")
        if place.is_dir():
            raise Fault("is a link to a folder", "remove it, or put the folder itself there")
