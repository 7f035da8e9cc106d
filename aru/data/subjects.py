"""Identity resolution: which filings are one person, by shared photos and by the user's own pairs; and who is only suspected.

A *filing* is a (family, person) key of the archive; a *subject* is a person after filings are merged. docs/protocol.md,
"People", has the rules in words; their constants are `data.merge` of params.yaml (`MergeConfig`).
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from aru.core.config import MergeConfig
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from aru.data.ids import UNKNOWN_PERSON, filing_key, folded_id, normalized_key, similar_keys
from aru.data.photos import CONSTANT, DisjointSets

DEFAULT_MERGE = MergeConfig()


@dataclass(frozen=True)
class Link:
    """The evidence that two filings, or two subjects, are one person: shared photos, or ids with one folded form ("ids").

    `smaller` is the number of photos of the one that has fewer.
    """

    one: str
    other: str
    photos: tuple[str, ...]
    smaller: int
    reason: Literal["photos", "ids"] = "photos"


def filings(manifest: pd.DataFrame) -> list[str]:
    """The filing of every row, by its key: FAMILY/PERSON."""
    return [filing_key(*pair) for pair in zip(manifest["family"], manifest["person"], strict=True)]


def subjects_by_name(manifest: pd.DataFrame) -> dict[str, str]:
    """The subject of every valid name in a request: the keys of the filings, and the subject ids.

    A key comes before an id that is written alike: people who are filed as S00001, S00002 and so on keep their names.
    """
    subjects = manifest["subject"].tolist()
    return dict(zip(subjects, subjects, strict=True)) | dict(zip(filings(manifest), subjects, strict=True))


def subject_ids(manifest: pd.DataFrame, merge: MergeConfig = DEFAULT_MERGE, progress: Progress = silent) -> list[str]:
    """A subject id for every row, numbered by first appearance.

    Filings are merged where they share more than `merge.share` of the smaller one's photos, the strongest link first;
    merged filings count as one from then on. `merge.same` and `merge.different` take precedence over photos.
    """
    keys = filings(manifest)
    merging = _Merging(keys, _informative_photos(manifest), merge, progress)
    subjects = merging.ids(keys)
    if merge.suspects != "join":
        return subjects
    filed = dict(zip(subjects, keys, strict=True))
    for link in suspects(manifest.assign(subject=subjects), merge):
        merging.join(filed[link.one], filed[link.other])
    return merging.ids(keys)


def suspects(manifest: pd.DataFrame, merge: MergeConfig = DEFAULT_MERGE) -> list[Link]:
    """Pairs of different subjects who may be one person, in order of their ids.

    Either some photos stand under just these two of all subjects, or they have filings whose ids differ only in case,
    blanks, punctuation or leading zeros. Pairs in `merge.different` are no suspects.
    """
    rows = manifest[["subject", "person"]].assign(key=filings(manifest), photo=_informative_photos(manifest))
    photos = rows.groupby("subject")["photo"].nunique()
    different = _declared_different(rows, merge)
    found: dict[tuple[str, str], Link] = {}
    homes = rows.groupby("photo")[["key", "subject"]].nunique()
    informative = homes.index[(homes["key"] <= merge.filings) & (homes["subject"] == 2)]
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for photo, owners in rows[rows["photo"].isin(informative)].groupby("photo")["subject"]:
        shared[_pair(*set(owners))].append(str(photo))
    for pair, common in shared.items():
        found[pair] = Link(*pair, tuple(sorted(common)), int(photos[list(pair)].min()))
    for pair in _similar_ids(rows):
        found.setdefault(pair, Link(*pair, (), int(photos[list(pair)].min()), "ids"))
    return [found[pair] for pair in sorted(found) if pair not in different]


def split_groups(
    manifest: pd.DataFrame, merge: MergeConfig = DEFAULT_MERGE, links: Sequence[Link] | None = None
) -> np.ndarray:
    """The split group of every row, named by its first subject: all who are linked as suspects, and must not be separated.

    As the groups of scikit-learn's GroupKFold: a group is in one set as a whole. `links`: what `suspects` found, where known.
    """
    subjects = manifest["subject"].tolist()
    groups = DisjointSets[str]()
    if merge.suspects != "ignore":
        for link in suspects(manifest, merge) if links is None else links:
            groups.union(link.other, link.one)
    first: dict[str, str] = {}
    for subject in sorted(set(subjects)):
        first.setdefault(groups.find(subject), subject)
    return np.array([first[groups.find(subject)] for subject in subjects], dtype=object)


def ambiguous_rows(manifest: pd.DataFrame, groups: np.ndarray) -> np.ndarray:
    """Whether the photo of a row is filed under several of `split_groups`: a placeholder, a group photo, a wrong filing."""
    number = pd.Series(pd.factorize(groups)[0]).groupby(pd.factorize(manifest["photo"])[0])
    return (number.transform("min") != number.transform("max")).to_numpy()


def links_within_people(manifest: pd.DataFrame) -> dict[str, list[Link]]:
    """For every subject of several filings, the pairs of these that share photos, and how many."""
    rows = manifest.assign(key=filings(manifest))
    several = rows.groupby("subject")["key"].nunique()
    found = {}
    for subject, own in rows[rows["subject"].isin(several.index[several > 1])].groupby("subject"):
        photos = own.groupby("key", sort=False)["photo"].agg(set)
        pairs = ((one, other, photos[one] & photos[other]) for one, other in combinations(photos.index, 2))
        found[str(subject)] = [
            Link(one, other, tuple(sorted(shared)), min(len(photos[one]), len(photos[other])))
            for one, other, shared in pairs
            if shared
        ]
    return found


def _informative_photos(manifest: pd.DataFrame) -> list[str]:
    """The photo of every row; each row of a constant picture, which shows nobody, gets a photo id of its own."""
    return [
        f"{photo}@{row}" if note == CONSTANT else photo
        for row, (photo, note) in enumerate(zip(manifest["photo"], manifest["note"], strict=True))
    ]


class _Merging:
    """Agglomerative merging of filings: the strongest link first, until none exceeds the limit."""

    def __init__(self, keys: list[str], photos: list[str], merge: MergeConfig, progress: Progress) -> None:
        self._keys, self._merge = list(dict.fromkeys(keys)), merge
        self._place = {key: place for place, key in enumerate(self._keys)}
        self._root = list(range(len(self._keys)))
        self._version = [0] * len(self._keys)
        self._photos: list[set[str]] = [set() for _ in self._keys]
        self._shared: list[dict[int, set[str]]] = [{} for _ in self._keys]
        self._different: list[set[int]] = [set() for _ in self._keys]
        self._homes = self._file(keys, photos)
        for photo, places in self._homes.items():
            for one, other in combinations(places, 2):
                self._shared[one].setdefault(other, set()).add(photo)
                self._shared[other].setdefault(one, set()).add(photo)
        self._apply_declared()
        self._merge_by_photos(progress)

    def ids(self, keys: list[str]) -> list[str]:
        """A subject id for every key, numbered by first appearance."""
        numbers: dict[int, int] = {}
        return [f"S{numbers.setdefault(self._find(self._place[key]), len(numbers)):05d}" for key in keys]

    def join(self, one: str, other: str) -> None:
        """Merge two filings, unless `merge.different` separates them or filings that are merged with them."""
        first, second = self._find(self._place[one]), self._find(self._place[other])
        if second not in self._different[first]:
            self._join(first, second)

    def _file(self, keys: list[str], photos: list[str]) -> dict[str, set[int]]:
        """Put the photos into their filings; returns the filings of those photos that are in several.

        A photo in more than `merge.filings` of them is no evidence and is in none.
        """
        first: dict[str, int] = {}
        homes: dict[str, set[int]] = {}
        for key, photo in zip(keys, photos, strict=True):
            place = self._place[key]
            if first.setdefault(photo, place) != place:
                homes.setdefault(photo, {first[photo]}).add(place)
        for photo, place in first.items():
            places = homes.get(photo, {place})
            for home in places if len(places) <= self._merge.filings else ():
                self._photos[home].add(photo)
        return {photo: places for photo, places in homes.items() if len(places) <= self._merge.filings}

    def _apply_declared(self) -> None:
        """Apply the user's own pairs: who is different, and who is the same."""
        for one, other in _pairs(self._merge.different, self._place, "different"):
            self._different[one].add(other)
            self._different[other].add(one)
        for pair, (one, other) in zip(self._merge.same, _pairs(self._merge.same, self._place, "same"), strict=True):
            if self._find(other) in self._different[self._find(one)] or one == other:
                raise InputError(
                    f"data.merge.same joins {' and '.join(pair)}, which data.merge.different separates, or "
                    "which are one filing: remove the pair"
                )
            self._join(self._find(one), self._find(other))

    def _merge_by_photos(self, progress: Progress) -> None:
        """Merge by shared photos, the strongest link first."""
        roots = {self._find(place) for place in range(len(self._keys))}
        links = [self._link(one, other) for one in roots for other in self._shared[one] if one < other]
        heapq.heapify(links)
        progress(0, total := max(1, len(links)), "merge people")
        done = 0
        while links:
            done += 1
            if done % 256 == 0:
                progress(min(done, total), total, "merge people")  # merging adds links to those of the beginning
            _, _, one, other, *versions = heapq.heappop(links)
            if versions == [self._version[one], self._version[other]] and self._is_one_person(one, other):
                for near in self._join(one, other):
                    heapq.heappush(links, self._link(min(one, near), max(one, near)))
        progress(total, total, "merge people")

    def _find(self, place: int) -> int:
        while self._root[place] != place:
            place = self._root[place]
        return place

    def _link(self, one: int, other: int) -> tuple[float, int, int, int, int, int]:
        shared = len(self._shared[one][other])
        smaller = min(len(self._photos[one]), len(self._photos[other]))
        return -shared / smaller, -shared, one, other, self._version[one], self._version[other]

    def _is_one_person(self, one: int, other: int) -> bool:
        """Whether two groups are one person; a single photo that is filed under a third one, too, is no evidence."""
        shared = self._shared[one][other]
        if other in self._different[one] or (len(shared) == 1 and len(self._people_of(next(iter(shared)))) > 2):
            return False
        return len(shared) > self._merge.share * min(len(self._photos[one]), len(self._photos[other]))

    def _people_of(self, photo: str) -> set[int]:
        return {self._find(place) for place in self._homes[photo]}

    def _join(self, one: int, other: int) -> list[int]:
        """Merge two groups under the first one's number; returns its neighbours."""
        if one == other:
            return []
        self._root[other] = one
        self._photos[one] |= self._photos[other]
        for near, photos in self._shared[other].items():
            del self._shared[near][other]
            if near != one:
                self._shared[one][near] = self._shared[near][one] = self._shared[one].get(near, set()) | photos
        for far in self._different[other]:
            self._different[far] = self._different[far] - {other} | {one}
        self._different[one] |= self._different[other]
        self._version[one] += 1
        self._version[other] = -1
        return list(self._shared[one])


def _pairs(pairs: Iterable[tuple[str, str]], number: dict[str, int], name: str) -> list[tuple[int, int]]:
    """The user's pairs of keys as numbers; an unknown key is an InputError."""
    found = []
    for pair in pairs:
        for key in pair:
            if normalized_key(key) not in number:
                near = "".join(f"; did you mean {other!r}?" for other in similar_keys(normalized_key(key), number))
                raise InputError(
                    f"unknown person {key!r} in data.merge.{name}: give pairs of FAMILY/PERSON as in the "
                    f"archive's tables{near}"
                )
        found.append((number[normalized_key(pair[0])], number[normalized_key(pair[1])]))
    return found


def _declared_different(rows: pd.DataFrame, merge: MergeConfig) -> set[tuple[str, str]]:
    """Pairs of subjects with filings that `merge.different` separates."""
    subject = dict(zip(rows["key"], rows["subject"], strict=True))
    pairs = ((normalized_key(one), normalized_key(other)) for one, other in merge.different)
    return {_pair(subject[one], subject[other]) for one, other in pairs if one in subject and other in subject}


def _similar_ids(rows: pd.DataFrame) -> set[tuple[str, str]]:
    """Pairs of subjects with filings whose ids have one folded form."""
    variants: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    known = rows[~rows["person"].str.startswith(UNKNOWN_PERSON)]  # the names of files say nothing of people
    for key, subject in dict(zip(known["key"], known["subject"], strict=True)).items():
        variants[tuple(folded_id(part) for part in key.split("/"))][subject] = None
    return {_pair(*pair) for people in variants.values() for pair in combinations(people, 2)}


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)
