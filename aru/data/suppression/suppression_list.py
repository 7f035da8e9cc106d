"""suppression.jsonl: the people and photos that no archive may bring back, as keyed hashes.

The first line names the format, the keys, by their id, and the number of entries, so that a file that was cut short is found.
Every further line is one entry: its kind (`digest` of a file, `pixels`, `perceptual`, `subject`), its keyed hash, and the
request that it stands for. No name, path or photo is in it.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.names import SUPPRESSION_FILE
from aru.data.photos import thumbnail
from aru.data.suppression.keyed_hashes import Keys
from aru.data.suppression.perceptual import BANDS, VIEWS, bands_of, informative

Kind = Literal["digest", "pixels", "perceptual", "subject"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_FORMAT = "aru-suppression/1"
_HEX = re.compile(r"[0-9a-f]{64}")
_SIZE = 4 * BANDS * len(VIEWS)
_REMEDY = "bring the file back from version control"


class Entry(BaseModel):
    """One keyed hash: 64 hex digits, or base64 of the bands of all views; `request` is an id without personal data."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Kind
    value: str
    request: str = Field("", pattern=r"^[A-Za-z0-9_.:-]{0,64}$")

    @model_validator(mode="after")
    def _of_its_kind(self) -> "Entry":
        if not (_is_bands(self.value) if self.kind == "perceptual" else _HEX.fullmatch(self.value)):
            raise ValueError(f"the value is not that of the kind {self.kind}")
        return self

    def bands(self) -> np.ndarray:
        """The bands (len(VIEWS), BANDS) uint32 of a perceptual entry."""
        return np.frombuffer(base64.b64decode(self.value), ">u4").astype(np.uint32).reshape(len(VIEWS), BANDS)


@dataclass(frozen=True)
class SuppressionList:
    """All entries, in the order of their addition, and the id of the keys that made them ("" where there are none)."""

    entries: tuple[Entry, ...] = ()
    keys: str = ""

    def with_entries(self, entries: Iterable[Entry], keys: Keys) -> "SuppressionList":
        """The list and those of the entries that it lacks. Raises InputError where it was made under other keys."""
        self.check(keys)
        merged = tuple(dict.fromkeys((*self.entries, *entries)))
        return SuppressionList(merged, keys.id if merged else "")

    def without_request(self, request: str) -> "SuppressionList":
        """The list without the entries of a request, as when a person gives a new consent."""
        left = tuple(entry for entry in self.entries if entry.request != request)
        return SuppressionList(left, self.keys if left else "")

    def rotated(self, before: Keys, after: Keys) -> "SuppressionList":
        """Every entry under `after`, which is `before.rotated()`; the photos and ids are not needed."""
        self.check(before)
        if after.keys[:-1] != before.keys:
            raise InputError("these keys do not follow the list's: rotate by the keys that made it")
        return SuppressionList(tuple(_wrapped(entry, after) for entry in self.entries), after.id if self.entries else "")

    def check(self, keys: Keys) -> None:
        """Raise InputError where the entries were made under other keys: nothing would be found, without a sign of it."""
        if self.entries and self.keys != keys.id:
            raise InputError(
                f"{SUPPRESSION_FILE} was made under the keys {self.keys}, the key file holds {keys.id}: bring back the "
                "key file that belongs to the list"
            )


def photo_entries(md5: str, photo: Image.Image, keys: Keys, request: str = "") -> list[Entry]:
    """The entries of one photo: its file, its pixels, and, where it varies enough, its perceptual bands.

    photo: as `aru.data.decoding.decode_photo` gives it.
    """
    entries = [
        Entry(kind="digest", value=keys.digest(md5), request=request),
        Entry(kind="pixels", value=keys.pixels(photo), request=request),
    ]
    picture = thumbnail(photo)
    if informative(picture):
        bands = keys.bands(bands_of(picture[None], VIEWS)[0])
        entries.append(Entry(kind="perceptual", value=_packed(bands), request=request))
    return entries


def subject_entry(name: str, keys: Keys, request: str = "", *, scope: str = "") -> Entry:
    """The entry of one id of a person: FAMILY/PERSON, or the person alone, in one benchmark or (scope "") in all."""
    return Entry(kind="subject", value=keys.subject(name, scope), request=request)


def read_list(path: Path) -> SuppressionList:
    """Read a list; a missing file is an empty list. Raises InputError with the line for anything else than a whole list."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return SuppressionList()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): {_REMEDY}") from None
    header = _line(path, 1, lines[0] if lines else "")
    if header.keys() != {"format", "keys", "entries"} or header["format"] != _FORMAT:
        raise InputError(f"{path}, line 1: this is no suppression list of the format {_FORMAT}: {_REMEDY}")
    if header["entries"] != len(lines) - 1:
        raise InputError(f"{path} has {len(lines) - 1} entries, its first line says {header['entries']}: {_REMEDY}")
    return SuppressionList(
        tuple(_entry(path, number, line) for number, line in enumerate(lines[1:], start=2)), str(header["keys"])
    )


def write_list(path: Path, suppressed: SuppressionList) -> None:
    """Write a list, the same bytes for the same entries."""
    with atomic_path(path) as temporary:
        temporary.write_text(list_text(suppressed), encoding="utf-8")


def list_text(suppressed: SuppressionList) -> str:
    """What `write_list` writes."""
    header = {"format": _FORMAT, "keys": suppressed.keys, "entries": len(suppressed.entries)}
    lines = [header, *(entry.model_dump() for entry in suppressed.entries)]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def _line(path: Path, number: int, line: str) -> dict[str, object]:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path}, line {number}: this is no JSON object: {_REMEDY}")
    return content


def _entry(path: Path, number: int, line: str) -> Entry:
    try:
        return Entry.model_validate(_line(path, number, line))
    except ValidationError as error:
        why = "; ".join(item["msg"] for item in error.errors(include_input=False))
        raise InputError(f"{path}, line {number}: this is no entry of a suppression list ({why}): {_REMEDY}") from None


def _is_bands(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _SIZE
    except ValueError:
        return False


def _packed(bands: np.ndarray) -> str:
    return base64.b64encode(bands.astype(">u4").tobytes()).decode()


def _wrapped(entry: Entry, keys: Keys) -> Entry:
    perceptual = entry.kind == "perceptual"
    value = _packed(keys.wrapped_bands(entry.bands())) if perceptual else keys.wrapped(entry.value)
    return Entry(kind=entry.kind, value=value, request=entry.request)
