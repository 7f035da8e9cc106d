"""Copies of a photo under other names: pairs of files for the owner of the photos to look at.

The pairs name files and people: they are for the machine that has the archive, and go into no log, metric or artifact.
"""

import io
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd

from aru.data.copies import find_copies
from aru.data.photos import CONSTANT, thumbnail
from aru.data.prepare import read_images
from aru.data.subjects import filings

MOST_PAIRS = 200
"""Pairs whose similarity is measured; of more, the number is told."""
PICTURE_SIDE = 264


class CopyOf(TypedDict):
    """One file of a pair, whose photo it is by the archive, as which person that counts, and in which set."""

    path: str
    filing: str
    subject: str
    role: str


class CopyPair(TypedDict):
    """Two files of one photo under two names.

    `kind`: same bytes, another encoding, an edit (mirrored, turned, cropped, brighter), or "chain" where each is a copy of a
    third file; `similarity`: the part of the variance that is the same after one is laid on the other, None for a chain.
    """

    photo: str
    one: CopyOf
    other: CopyOf
    kind: str
    similarity: float | None


class CopyPairs(TypedDict):
    """The first `MOST_PAIRS` pairs in the order of the manifest, and how many there are."""

    pairs: list[CopyPair]
    in_all: int


def copies_under_other_names(manifest: pd.DataFrame, archive: Path) -> CopyPairs:
    """The photos that are filed under several people, by pairs of files: the first of each further filing with the first.

    `archive`: the files of the manifest's paths; at most twice `MOST_PAIRS` of them are read.
    """
    rows = manifest.assign(key=filings(manifest))
    rows = rows[rows["note"] != CONSTANT].drop_duplicates(["photo", "key"])
    rows = rows[rows.groupby("photo")["key"].transform("size") > 1]
    first = rows.groupby("photo", sort=False).head(1).set_index("photo")
    others = rows[rows.groupby("photo").cumcount() > 0]
    chosen = others.head(MOST_PAIRS)
    pairs = [(first.loc[row["photo"]], row) for _, row in chosen.iterrows()]
    paths = list(dict.fromkeys(row["path"] for pair in pairs for row in pair if pair[0]["digest"] != pair[1]["digest"]))
    found = _measured(archive, paths)
    return {"pairs": [_pair(one, other, found) for one, other in pairs], "in_all": len(others)}


def pictures(pairs: CopyPairs, archive: Path) -> dict[str, bytes]:
    """A JPEG of every file of the pairs by its path, at most `PICTURE_SIDE` pixels a side."""
    paths = list(dict.fromkeys(pair[side]["path"] for pair in pairs["pairs"] for side in ("one", "other")))
    found = {}
    for path, photo in zip(paths, read_images(archive, paths), strict=True):
        photo.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        buffer = io.BytesIO()
        photo.save(buffer, "JPEG", quality=85)
        found[path] = buffer.getvalue()
    return found


def similarity_text(pair: CopyPair) -> str:
    """The similarity of a pair, from 0 to 1, as text."""
    return "–" if pair["similarity"] is None else f"{pair['similarity']:.4f}"


def _measured(archive: Path, paths: list[str]) -> dict[frozenset[str], tuple[str, float]]:
    """Kind and similarity of the copies among these files, by pairs of paths."""
    if not paths:
        return {}
    thumbnails = np.stack([thumbnail(photo) for photo in read_images(archive, paths)])
    return {frozenset((paths[copy.one], paths[copy.other])): (copy.kind, copy.explained) for copy in find_copies(thumbnails)}


def _pair(one: pd.Series, other: pd.Series, found: dict[frozenset[str], tuple[str, float]]) -> CopyPair:
    same = one["digest"] == other["digest"]
    kind, similarity = ("bytes", 1.0) if same else found.get(frozenset((one["path"], other["path"])), ("chain", None))
    return {
        "photo": str(other["photo"]),
        "one": _copy(one),
        "other": _copy(other),
        "kind": kind,
        "similarity": similarity,
    }


def _copy(row: pd.Series) -> CopyOf:
    return {"path": row["path"], "filing": row["key"], "subject": row["subject"], "role": row["role"]}
