"""An archive held against the suppression list: which of its photos show somebody who was forgotten."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
import pandas as pd
from PIL import Image

from aru.core.errors import InputError
from aru.core.names import SUPPRESSION_FILE
from aru.data.forget_request import fitting_paths
from aru.data.photos import thumbnail
from aru.data.subjects import filings
from aru.data.suppression.keyed_hashes import Keys, key_path, read_keys
from aru.data.suppression.perceptual import TURNS, BandIndex, bands_of, informative
from aru.data.suppression.suppression_list import KINDS, Kind, SuppressionList, read_list

Action = Literal["drop", "refuse"]
_SHOWN = 5
"""Digests of photos that a message names."""


class Suppressed(TypedDict):
    """What was left out: rows, photos, and files by the strongest way in which each was recognised."""

    rows: int
    photos: int
    files: dict[Kind, int]


class Screen:
    """A suppression list at work on one archive: it is shown every file once, then says which rows stay.

    Args:
        suppressed: the list, not empty.
        keys: those that made it.
        scope: the benchmark whose ids of people are looked up beside those that hold everywhere.
        action: what becomes of photos on the list: `drop` leaves them out and counts them, `refuse` is an InputError.
        forgetting: paths of photos that are being forgotten by this very run, as in data.forget.files: they stay, with their
            copies of the same split, because the model still knows them, and can be nothing but the forget set. A copy in
            another split, as among the test photos, goes: it would be kept.
    """

    def __init__(
        self, suppressed: SuppressionList, keys: Keys, *, scope: str, action: Action, forgetting: Iterable[str] = ()
    ) -> None:
        suppressed.check(keys)
        self._forgetting = tuple(forgetting)
        self._keys, self._scope, self._action = keys, scope, action
        self._values = {kind: {entry.value for entry in suppressed.entries if entry.kind == kind} for kind in KINDS}
        views = [entry.bands() for entry in suppressed.entries if entry.kind == "perceptual"]
        self._bands = BandIndex(np.concatenate(views)) if views else None
        self._files: list[Kind | None] = []
        self.found: Suppressed | None = None
        """What the last call of `kept` left out."""

    def see(self, md5: str, photo: Image.Image) -> None:
        """Look a file up, by its bytes, its pixels, and what it looks like. Files are numbered in the order of the calls."""
        self._files.append(self._recognised(md5, photo))

    def kept(self, rows: pd.DataFrame, files: Sequence[int]) -> pd.DataFrame:
        """The rows whose photo shows nobody of the list, with their own index; `found` then has the counts of the others.

        A photo goes with all its copies in the archive, as soon as one of them, or one of the people it is filed under, is
        on the list. files: the number of each row's file. Raises InputError where the action is `refuse`.
        """
        kinds = [self._files[file] for file in files]
        keys = filings(rows)
        listed = {key for key in dict.fromkeys(keys) if self._is_listed(key)}
        kinds = [kind or ("subject" if key in listed else None) for kind, key in zip(kinds, keys, strict=True)]
        gone = rows["photo"].isin(rows["photo"][[kind is not None for kind in kinds]]) & ~self._is_being_forgotten(rows)
        first = {file: kind for file, kind, left in zip(files, kinds, gone, strict=True) if kind is not None and left}
        count = Counter(first.values())
        self.found = Suppressed(
            rows=int(gone.sum()),
            photos=int(rows["photo"][gone].nunique()),
            files={kind: count[kind] for kind in KINDS if count[kind]},
        )
        if self._action == "refuse" and gone.any():
            raise InputError(_refusal(rows["digest"][gone].unique().tolist(), self.found))
        return rows[~gone]

    def note(self) -> str:
        """A sentence about what was left out; empty where nothing was."""
        return _sentence(self.found) if self.found and self.found["rows"] else ""

    def _recognised(self, md5: str, photo: Image.Image) -> Kind | None:
        if self._keys.digest(md5) in self._values["digest"]:
            return "digest"
        if self._values["pixels"] and self._keys.pixels(photo) in self._values["pixels"]:
            return "pixels"
        if self._bands is not None:
            picture = thumbnail(photo)
            if informative(picture) and self._bands.matches(self._keys.bands(bands_of(picture[None], TURNS)[0])):
                return "perceptual"
        return None

    def _is_being_forgotten(self, rows: pd.DataFrame) -> pd.Series:
        known = set(rows["path"]) if self._forgetting else set()
        paths = [path for name in self._forgetting for path in fitting_paths(name, known)]
        if not paths:
            return pd.Series(False, index=rows.index)
        filed = pd.MultiIndex.from_frame(rows[["photo", "split"]])
        return pd.Series(filed.isin(filed[rows["path"].isin(paths)]), index=rows.index)

    def _is_listed(self, key: str) -> bool:
        subjects = self._values["subject"]
        return bool(subjects) and any(self._keys.subject(key, scope) in subjects for scope in {"", self._scope})


def open_screen(
    root: Path,
    *,
    scope: str,
    action: Action,
    forgetting: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Screen | None:
    """The screen of a project, None where nobody is on its list; arguments as of `Screen`.

    Raises InputError where the list or its key cannot be read, and where the list is gone though its key is there.
    """
    path, place = Path(root) / SUPPRESSION_FILE, key_path(root, environment)
    suppressed = read_list(path)
    if suppressed.entries:
        return Screen(suppressed, read_keys(place), scope=scope, action=action, forgetting=forgetting)
    if not path.exists() and place.exists():
        raise InputError(
            f"{path} is gone, and {place} says that there was a list: bring the file back from version control, or make an "
            "empty one where nobody is to be kept out"
        )
    return None


def _sentence(found: Suppressed) -> str:
    by = ", ".join(f"{count} by {kind}" for kind, count in found["files"].items())
    return f"On the suppression list, left out: {found['rows']} rows of {found['photos']} photos (files: {by})."


def _refusal(digests: list[str], found: Suppressed) -> str:
    more = f" and {len(digests) - _SHOWN} more" if len(digests) > _SHOWN else ""
    return (
        f"{found['photos']} photos ({found['rows']} rows) are on the suppression list; MD5 of their files: "
        f"{', '.join(digests[:_SHOWN])}{more}. Take them out, or set data.suppression=drop, which leaves them out"
    )
