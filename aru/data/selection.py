"""The people that `data.forget` resolves to, as text for the user before work starts.

The text names filings: it is for the console, and goes into no log, metric or artifact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aru.core.config import MergeConfig
from aru.data.forget_request import requested_photos
from aru.data.ids import normalized_key
from aru.data.subjects import DEFAULT_MERGE, filings, subjects_by_name, suspects

SHOWN = 20  # people of a draw or a request that are listed one by one
Photos = dict[str, dict[str, int]]
"""{subject: {filing: the number of its photos}}."""


@dataclass(frozen=True)
class Selection:
    """Lines that describe the forget set; `added`: its filings that the request does not name, with their number of photos."""

    lines: tuple[str, ...]
    added: dict[str, int]


def describe_selection(manifest: pd.DataFrame, forget: dict[str, Any], merge: MergeConfig = DEFAULT_MERGE) -> Selection:
    """The people of the forget set in a manifest whose roles are assigned."""
    rows = manifest.assign(key=filings(manifest))
    chosen = rows[rows["role"] == "forget"]
    total = (
        f"forget: {len(chosen)} images of {chosen['photo'].nunique()} photos, {chosen['subject'].nunique()} people, "
        f"{chosen['key'].nunique()} filings"
    )
    if "subjects" in forget or "files" in forget:
        lines, added = _named(rows, chosen, forget.get("subjects", ()), requested_photos(rows, forget.get("files", ())))
    elif "draw" in forget:
        lines, added = _drawn(chosen), {}
    else:
        lines, added = [], {}
    return Selection((total, *lines, *_suspects_retained(rows, chosen, merge)), added)


def _named(
    rows: pd.DataFrame, chosen: pd.DataFrame, wanted: Sequence[str], files: set[str]
) -> tuple[list[str], dict[str, int]]:
    """A line for each requested name, lines for photos and for people linked to them; and the filings that nobody named.

    `files`: the photos that were requested by their paths.
    """
    subject_of, photos = subjects_by_name(rows), _photos(chosen)
    requested = {normalized_key(name): subject_of[normalized_key(name)] for name in wanted}
    keys = set(rows["key"])
    whole = {name for name, subject in requested.items() if name == subject and name not in keys}  # named by their ids
    lines: list[str] = []
    joined: list[str] = []
    for name, subject in requested.items():
        counts = photos.get(subject, {})
        own = counts if name in whole else {key: count for key, count in counts.items() if key == name}
        others = {key: count for key, count in counts.items() if key not in own}
        lines.append(f"forget: {name} is {subject}: {_count(own) or 'no photo'}")
        if others:
            lines[-1] += f"; the same person, not named in the request: {_count(others)}"
            joined.append(lines[-1])
    if len(lines) > SHOWN:  # who comes along is always said
        lines = [*lines[:SHOWN], *(line for line in joined if line not in lines[:SHOWN]), f"forget: {len(lines)} names in all"]
    by_file = chosen[chosen["photo"].isin(files)]
    unnamed = _photos(chosen[~chosen["photo"].isin(files)])
    added = {
        key: count
        for subject, counts in unnamed.items()
        for key, count in counts.items()
        if subject not in whole and key not in requested
    }
    return [*lines, *_of_files(rows, by_file, unnamed, set(requested.values())), *_beside(unnamed, requested, by_file)], added


def _of_files(rows: pd.DataFrame, by_file: pd.DataFrame, unnamed: Photos, named: set[str]) -> list[str]:
    """Lines for the photos that were requested by their paths, and for the other photos of the same people."""
    if by_file.empty:
        return []
    people = [subject for subject in dict.fromkeys(by_file["subject"]) if subject not in named]
    more = {key: count for subject in people for key, count in unnamed.get(subject, {}).items()}
    left = _photos(rows[rows["subject"].isin(people) & (rows["role"] == "retain")])
    kept = {key: count for counts in left.values() for key, count in counts.items()}
    shown = {key: count for counts in _photos(by_file).values() for key, count in counts.items()}
    return [
        f"forget: by file {_count(shown)}, {len(by_file)} images with their copies",
        *([f"forget: of the same people, not named in the request: {_count(more)}"] if more else []),
        *([f"retain: other photos of the same people stay and are trained on: {_count(kept)}"] if kept else []),
    ]


def _beside(unnamed: Photos, requested: dict[str, str], by_file: pd.DataFrame) -> list[str]:
    """A line for the people who are on the side of the forgotten because they may be one of them."""
    known = {*requested.values(), *by_file["subject"]}
    counts = {key: count for subject, own in unnamed.items() if subject not in known for key, count in own.items()}
    return [f"forget: suspected to be one of them, and so on the same side: {_count(counts)}"] if counts else []


def _drawn(chosen: pd.DataFrame) -> list[str]:
    people = _photos(chosen)
    lines = [f"forget: {subject}: {_count(counts)}" for subject, counts in list(people.items())[:SHOWN]]
    return lines + ([f"forget: and {len(people) - SHOWN} people more"] if len(people) > SHOWN else [])


def _suspects_retained(rows: pd.DataFrame, chosen: pd.DataFrame, merge: MergeConfig) -> list[str]:
    """People who may be one of the forgotten and are still trained on."""
    forgotten = set(chosen["subject"])
    near = {
        link.other if link.one in forgotten else link.one
        for link in suspects(rows, merge)
        if (link.one in forgotten) != (link.other in forgotten)
    }
    kept = _photos(rows[rows["subject"].isin(near) & (rows["role"] == "retain")])
    counts = {key: count for own in kept.values() for key, count in own.items()}
    return [f"retain: may be one of the forgotten (data.merge settles it): {_count(counts)}"] if counts else []


def _photos(rows: pd.DataFrame) -> Photos:
    """The photos of some rows."""
    found: Photos = {}
    counts = rows.groupby(["subject", "key"], sort=False)["photo"].nunique().reset_index()
    for subject, key, count in zip(counts["subject"], counts["key"], counts["photo"], strict=True):
        found.setdefault(subject, {})[key] = int(count)
    return found


def _count(counts: dict[str, int]) -> str:
    shown = [f"{count} photo{'s' * (count != 1)} of {key}" for key, count in list(counts.items())[:SHOWN]]
    return ", ".join(shown) + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")
