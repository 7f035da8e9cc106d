"""A place for what travels between machines: objects named by the SHA-256 of their bytes, and lists of what a job has made.

It is a folder or a bucket of an S3 protocol, below an address that the owner of the data names:

    URL/aru-store/BENCHMARK/objects/AB/SHA256     the bytes of a file
    URL/aru-store/BENCHMARK/results/NAME.json     the files of a finished job: {path: SHA-256}, written last

Every object is checked against its name when it is read. Nothing that is read is a program or a pickle to this module.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from aru.core.errors import InputError
from aru.core.file_digest import file_sha256
from aru.core.files import atomic_path
from aru.core.name_rules import check_name, is_inside

FOLDER = "aru-store"
"""What everything lies in below the address: nothing else there is read, written or removed."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]+")
_S3 = "s3://"


def check_store_url(url: str) -> str:
    """The address of a store with a folder's path made absolute.

    Raises InputError where it is neither a folder nor s3://BUCKET/PREFIX, or holds a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        if not url.strip():
            raise InputError("the store has an empty address: give a folder, or s3://BUCKET/PREFIX")
        return str(Path(url).expanduser().resolve())
    if scheme == "file":
        return check_store_url(rest)
    parts = rest.rstrip("/").split("/")
    if scheme != "s3" or not all(parts) or {".", ".."} & {*parts} or not re.fullmatch(r"[\w./-]+", rest):
        raise InputError(
            f"the store {_without_password(url)!r} is no address of one: give a folder, or s3://BUCKET/PREFIX with "
            "the keys and the endpoint in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
        )
    return url.rstrip("/")


class ObjectStore:
    """The objects and lists of one benchmark at an address; InputError, which names it, where it cannot be reached."""

    def __init__(self, url: str, benchmark: str) -> None:
        self.url, self.benchmark = check_store_url(url), check_name(benchmark, where="the store")
        with self._reached("opened"):
            self._files = _file_system(self.url)
        self._place = f"{self.url.removeprefix(_S3)}/{FOLDER}/{self.benchmark}"

    def check(self) -> None:
        """Raise InputError unless the store can be reached; a folder is made where it is not there."""
        with self._reached("reached"):
            if isinstance(self._files, LocalFileSystem):
                Path(self._place).mkdir(parents=True, exist_ok=True)
            elif not self._files.exists(bucket := self._place.partition("/")[0]):
                raise InputError(f"the store {self.url}: there is no bucket {bucket!r}, or your keys do not let you see it")

    def put(self, path: Path) -> str:
        """Store a file's bytes, unless they are there, and return their digest."""
        digest = file_sha256(path)
        place = self._object(digest)
        with self._reached("written"):
            # Another size: an upload to a folder was cut off by other means than this module's.
            if self._size(place) != path.stat().st_size:
                self._upload(path, place)
        return digest

    def get(self, digest: str, target: Path) -> None:
        """Write an object to a file, whole or not at all; InputError where it is missing or is not what its name says."""
        place = self._object(digest)
        with atomic_path(target) as temporary:
            try:
                with self._reached("read", may_miss=True):
                    self._files.get_file(place, str(temporary))
            except FileNotFoundError:
                raise InputError(
                    f"{self.url}: the object {digest} is not there any more: it was removed meanwhile; run again, and what "
                    "is missing is uploaded or computed"
                ) from None
            if (found := file_sha256(temporary)) != digest:
                raise InputError(
                    f"{self.url}: the object {digest} is damaged, its bytes have the digest {found}: "
                    f"remove {place} and run again"
                )

    def write_result(self, name: str, files: Mapping[str, str]) -> None:
        """Store the list of what a job has made: the digests of its files by their paths. Its objects have to be there."""
        content = json.dumps(dict(files), sort_keys=True).encode()
        place = self._result(name)
        with self._reached("written"):
            if isinstance(self._files, LocalFileSystem):
                with atomic_path(Path(place)) as temporary:
                    temporary.write_bytes(content)
            else:
                self._files.pipe_file(place, content)

    def result(self, name: str) -> dict[str, str] | None:
        """What `write_result` stored; None where there is no such list, or an object of it is gone.

        InputError where it is something else.
        """
        place = self._result(name)
        try:
            with self._reached("read", may_miss=True):
                content = self._files.cat_file(place)
        except FileNotFoundError:
            return None
        where = f"{self.url}: the list of results {place}, to be removed"
        try:
            files = check_files(json.loads(content), where)
        except ValueError as error:  # not JSON, or not UTF-8
            raise error if isinstance(error, InputError) else InputError(f"{where}: {error}") from None
        with self._reached("read"):
            return files if all(self._size(self._object(digest)) is not None for digest in files.values()) else None

    def size(self) -> tuple[int, int]:
        """How many files are there, and how many bytes they have."""
        with self._reached("read"):
            found = self._files.find(self._place, detail=True)
        return len(found), sum(int(file["size"]) for file in found.values())

    def clear(self) -> int:
        """Remove everything of the benchmark, and return how many files that were."""
        count, _ = self.size()
        if count:
            with self._reached("cleared"):
                self._files.rm(self._place, recursive=True)
        return count

    def _object(self, digest: str) -> str:
        if not _SHA256.fullmatch(digest):
            raise InputError(f"{digest[:80]!r} is no name of an object: it is 64 hex digits")
        return f"{self._place}/objects/{digest[:2]}/{digest}"

    def _result(self, name: str) -> str:
        if not _HEX.fullmatch(name):
            raise InputError(f"{name[:80]!r} is no name of a result: it is made of hex digits")
        return f"{self._place}/results/{name}.json"

    def _size(self, place: str) -> int | None:
        try:
            return int(self._files.info(place)["size"])
        except FileNotFoundError:
            return None

    def _upload(self, path: Path, place: str) -> None:
        """Whole or not at all: of S3 that holds for any upload, in a folder a file is moved in."""
        if not isinstance(self._files, LocalFileSystem):
            self._files.put_file(str(path), place)
            return
        with atomic_path(Path(place)) as temporary:
            shutil.copyfile(path, temporary)

    @contextmanager
    def _reached(self, what: str, *, may_miss: bool = False) -> Iterator[None]:
        """Say which store it was of which something failed; with `may_miss` a file that is not there stays what it is."""
        try:
            yield
        except Exception as error:  # whatever the client of the protocol raises: wrong keys, no such host, no right to it
            if isinstance(error, InputError) or (may_miss and isinstance(error, FileNotFoundError)):
                raise
            raise InputError(
                f"the store {self.url} cannot be {what} ({type(error).__name__}: {error}): look whether the address, its "
                "endpoint (AWS_ENDPOINT_URL) and your keys for it are right"
            ) from error


def check_files(files: object, where: str) -> dict[str, str]:
    """Digests by paths inside a folder as they are; for anything else an InputError that begins with `where`."""
    if not isinstance(files, dict):
        raise InputError(f"{where}: it is no mapping of paths to digests")
    for path, digest in files.items():
        if not is_inside(path):
            raise InputError(f"{where}: {str(path)[:80]!r} is no path inside a folder")
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise InputError(f"{where}: {str(digest)[:80]!r} is no SHA-256")
    return files


def _file_system(url: str) -> fsspec.AbstractFileSystem:
    if not url.startswith(_S3):
        return LocalFileSystem()
    try:
        return fsspec.filesystem("s3", use_listings_cache=False)  # others write there, too
    except ImportError:
        raise InputError(f"the store {url} needs the extra of S3: pip install 'aru[s3]', or name a folder") from None


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", url)
