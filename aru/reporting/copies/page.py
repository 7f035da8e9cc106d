"""The page of copies under other names: each pair of photos side by side.

It shows people: whoever makes it keeps it on the machine that has the photos, and out of every record.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from aru.data.copy_pairs import CopyOf, CopyPair, CopyPairs, similarity_text
from aru.reporting.rendering import render

KINDS = {
    "bytes": "the same file",
    "encoding": "another encoding or size",
    "edit": "an edit: mirrored, turned, cropped, brighter or darker",
    "chain": "each is a copy of a third file",
}


@dataclass(frozen=True)
class Side:
    """One photo of a pair, as a data URI, with its file, whose it is said to be, and the set that it is in."""

    picture: str
    path: str
    filing: str
    subject: str
    role: str


@dataclass(frozen=True)
class Pair:
    """Two photos, how they are copies, how similar they are, and whether the two names are counted as one person."""

    sides: tuple[Side, Side]
    kind: str
    similarity: str
    merged: bool


@dataclass(frozen=True)
class CopiesPage:
    """All that copies/page.html.j2 shows."""

    benchmark: str
    in_all: int
    pairs: tuple[Pair, ...]


def copies_page(benchmark: str, found: CopyPairs, pictures: Mapping[str, bytes]) -> str:
    """The page; `pictures` has a JPEG of each file that a pair names."""
    pairs = tuple(_pair(pair, pictures) for pair in found["pairs"])
    return render("copies/page.html.j2", CopiesPage(benchmark, found["in_all"], pairs), style="copies/page.css")


def _pair(pair: CopyPair, pictures: Mapping[str, bytes]) -> Pair:
    sides = (_side(pair["one"], pictures), _side(pair["other"], pictures))
    return Pair(sides, KINDS[pair["kind"]], similarity_text(pair), pair["one"]["subject"] == pair["other"]["subject"])


def _side(copy: CopyOf, pictures: Mapping[str, bytes]) -> Side:
    picture = "data:image/jpeg;base64," + base64.b64encode(pictures[copy["path"]]).decode("ascii")
    return Side(picture, copy["path"], copy["filing"], copy["subject"], copy["role"] or "no set")
