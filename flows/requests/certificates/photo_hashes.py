"""The photos of a released data version as keyed hashes: what an auditor can hold a request against without seeing a photo."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aru.core.errors import InputError
from aru.core.files import bytes_md5, write_json
from aru.data.archive import open_archive
from aru.data.decoding import decode_photo
from aru.data.sources.canonical import ignores_exif
from aru.data.suppression.keyed_hashes import Keys
from flows.requests.certificates.merkle import AbsenceProof, Tree, is_absent


class PhotoHashes(BaseModel):
    """Keyed hashes of all files and pixels of an archive, sorted, and the root of the tree over them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["aru-photo-hashes/1"] = "aru-photo-hashes/1"
    benchmark: str
    data_version: str = Field(pattern=r"^[0-9a-f]{32}(\.dir)?$", description="MD5 of the archive, as DVC names it")
    keys: str = Field(description="id of the keys, aru.data.suppression.keyed_hashes.Keys.id")
    hashes: tuple[str, ...]
    root: str

    def check(self) -> None:
        """Raise InputError where the hashes are not sorted, or the root is not theirs."""
        if list(self.hashes) != sorted(set(self.hashes)):
            raise InputError("the hashes are not in ascending order: this list of photos was changed")
        try:
            root = Tree.of(self.hashes).root
        except ValueError as error:
            raise InputError(f"{error}: this list of photos was changed") from None
        if root != self.root:
            raise InputError(f"the root is {self.root}, that of the hashes is {root}: this list of photos was changed")


@dataclass(frozen=True)
class Absence:
    """Of the hashes of a request: those that are absent, each with its proof, and those that are there."""

    proofs: dict[str, AbsenceProof]
    present: tuple[str, ...]


def hash_photos(benchmark: str, archive: Path, paths: Iterable[str], data_version: str, keys: Keys) -> PhotoHashes:
    """The keyed hashes of these photos of an archive, by file and by pixels."""
    found: set[str] = set()
    with open_archive(archive) as opened:
        ignore_exif = ignores_exif(opened)
        for path in paths:
            content = opened.read(path)
            found |= {keys.digest(bytes_md5(content)), keys.pixels(decode_photo(content, ignore_exif=ignore_exif))}
    hashes = tuple(sorted(found))
    return PhotoHashes(benchmark=benchmark, data_version=data_version, keys=keys.id, hashes=hashes, root=Tree.of(hashes).root)


def write_photo_hashes(path: Path, photos: PhotoHashes) -> None:
    """Write the list as JSON, the same bytes for the same photos and keys."""
    write_json(path, photos.model_dump(mode="json"))


def read_photo_hashes(path: Path) -> PhotoHashes:
    """Read and check a list. Raises InputError for anything else than what `write_photo_hashes` wrote."""
    try:
        photos = PhotoHashes.model_validate_json(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: name the list of a released data version's photos") from None
    except ValidationError as error:
        raise InputError(f"{path} is no list of a data version's photos ({error.error_count()} faults)") from None
    try:
        photos.check()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return photos


def absence(hashes: Sequence[str], photos: PhotoHashes) -> Absence:
    """Which of a request's keyed hashes are not among the photos, each proven."""
    tree, there = Tree.of(photos.hashes), set(photos.hashes)
    wanted = list(dict.fromkeys(hashes))
    return Absence(
        {value: tree.absence(value) for value in wanted if value not in there},
        tuple(value for value in wanted if value in there),
    )


def proven_absent(proofs: dict[str, AbsenceProof], root: str) -> bool:
    """Whether every proof holds for its hash and this root."""
    return all(is_absent(value, proof, root) for value, proof in proofs.items())
