"""Every photo of a person by the manifest: all filings that are the same person, and the copies of their photos.

The manifest has merged people who share photos, and found copies by digest, encoding and picture (docs/protocol.md, "People").
Nobody is found by a guess: a similar name and a suspected second identity are told to a person, who decides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from aru.core.config import MergeConfig
from aru.data.archive_names import normalized_path
from aru.data.ids import nearest_keys, normalized_key, similar_keys
from aru.data.sources.canonical import PHOTOS
from aru.data.subjects import DEFAULT_MERGE, Link, filings, subjects_by_name, suspects

_COPY = {"bytes": "copy: same bytes", "encoding": "copy: other encoding", "edit": "copy: edited"}
_SENT = "copy: of the photo that was sent"
_CONFIRMED = "person: confirmed among look-alikes"


@dataclass(frozen=True)
class Person:
    """A subject: its names (filings), and those of others who may be the same person, which somebody has to decide."""

    subject: str
    names: tuple[str, ...]
    suspected: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """A file that shows what the request is about. `how`: named, by its person, or as which kind of copy; `filed`: its filing.

    digest: the MD5 of its bytes, as in the manifest. shared: whether it is filed under somebody else.
    """

    path: str
    digest: str
    photo: str
    filed: str
    split: str
    how: str
    shared: bool


@dataclass(frozen=True)
class Found:
    """What a search has found. `unknown`: each name that is nobody's, with spellings that may have been meant."""

    people: tuple[Person, ...]
    matches: tuple[Match, ...]
    unknown: dict[str, tuple[str, ...]]
    searched_files: int
    searched_people: int


def find_photos(
    manifest: pd.DataFrame,
    *,
    subjects: Sequence[str] = (),
    photos: Sequence[str] = (),
    same_photo: Sequence[str] = (),
    sent: str | None = None,
    confirmed: Sequence[str] = (),
    merge: MergeConfig = DEFAULT_MERGE,
) -> Found:
    """Every file of people by name, of photos by path, and of a photo that was sent.

    A person's photos are those of all filings of the subject; a photo asked for by path stands for itself and its copies,
    and not for the person. Names are those of `data.forget.subjects` and `data.forget.files`. same_photo: the ids of the
    photos of which the one that was sent is a copy; sent: its MD5. confirmed: names of those whom somebody has recognized in
    it.
    """
    known, keys = subjects_by_name(manifest), filings(manifest)
    paths = dict(zip(manifest["path"], manifest["photo"], strict=True))
    recognized = {known[normalized_key(name)] for name in confirmed if normalized_key(name) in known}
    asked = [known[normalized_key(name)] for name in subjects if normalized_key(name) in known]
    wanted = dict.fromkeys([*asked, *sorted(recognized)])
    named = {name: path for name in photos if (path := _path(name, paths))}
    unknown = {name: _meant(name, known) for name in (*subjects, *confirmed) if normalized_key(name) not in known}
    unknown |= {name: _same_name(name, paths) for name in photos if name not in named}
    rows = manifest.assign(filed=keys)
    owned = rows["subject"].isin(list(wanted))
    shown = set(rows["photo"][owned]) | {paths[path] for path in named.values()} | set(same_photo)
    hits = rows[rows["photo"].isin(shown)]
    links = suspects(manifest, merge) if wanted else []
    people = tuple(_person(subject, rows, links) for subject in wanted)
    return Found(
        people,
        tuple(_matches(hits, set(wanted), recognized - set(asked), set(named.values()), set(same_photo), sent)),
        unknown,
        len(manifest),
        int(manifest["subject"].nunique()),
    )


def _person(subject: str, rows: pd.DataFrame, links: Sequence[Link]) -> Person:
    names = tuple(sorted(set(rows["filed"][rows["subject"] == subject])))
    others = {link.other if link.one == subject else link.one for link in links if subject in (link.one, link.other)}
    return Person(subject, names, tuple(sorted(set(rows["filed"][rows["subject"].isin(others)]))))


def _matches(
    hits: pd.DataFrame, people: set[str], recognized: set[str], named: set[str], same_photo: set[str], sent: str | None
) -> Iterator[Match]:
    """The files with how each was found; a copy is compared by bytes with those that were asked for directly."""
    direct = hits["subject"].isin(people) | hits["path"].isin(named)
    digests = {*hits["digest"][direct], sent}
    owners = hits.groupby("photo")["subject"].transform("nunique")
    for row, is_direct, several in zip(hits.to_dict("records"), direct, owners > 1, strict=True):
        if is_direct:
            how = "named" if row["path"] in named else _CONFIRMED if row["subject"] in recognized else "person"
        elif row["digest"] in digests:
            how = _COPY["bytes"]
        else:
            how = _SENT if row["photo"] in same_photo else _COPY.get(row["note"], _COPY["edit"])
        yield Match(row["path"], row["digest"], row["photo"], row["filed"], row["split"], how, bool(several))


def _path(name: str, paths: dict[str, str]) -> str | None:
    """The path of the manifest that a path as imported means."""
    path = normalized_path(name.strip()).removeprefix("./")
    return next((fit for fit in (path, PHOTOS + path) if fit in paths), None)


def _same_name(name: str, paths: dict[str, str]) -> tuple[str, ...]:
    file = normalized_path(name.strip()).rpartition("/")[2]
    return tuple(path for path in paths if path.rpartition("/")[2] == file)[:3]


def _meant(name: str, known: dict[str, str]) -> tuple[str, ...]:
    key = normalized_key(name)
    return tuple(similar_keys(key, known) or nearest_keys(key, known))[:3]
