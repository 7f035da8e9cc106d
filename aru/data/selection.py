"""Whom a choice of people to forget resolved to, said before it is acted on.

Names of filings stand here: none of this goes into a log, a metric or an artifact.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from aru.core.config import MergeConfig
from aru.data.ids import normalized_key
from aru.data.subjects import DEFAULT_MERGE, filings, subjects_by_name, suspects

SHOWN = 20  # people of a draw that are listed one by one


@dataclass(frozen=True)
class Selection:
    """What is forgotten, a line each; `added`: the filings among it that nobody asked for by name, with their photos."""

    lines: tuple[str, ...]
    added: dict[str, int]


def describe_selection(manifest: pd.DataFrame, forget: dict[str, Any], merge: MergeConfig = DEFAULT_MERGE) -> Selection:
    """Whom `data.forget` means in a manifest whose roles are assigned."""
    rows = manifest.assign(key=filings(manifest))
    chosen = rows[rows["role"] == "forget"]
    total = (
        f"forget: {len(chosen)} images of {chosen['photo'].nunique()} photos, {chosen['subject'].nunique()} people, "
        f"{chosen['key'].nunique()} filings"
    )
    if "subjects" in forget:
        lines, added = _named(rows, chosen, forget["subjects"])
    elif "draw" in forget:
        lines, added = _drawn(chosen), {}
    else:
        lines, added = [], {}
    return Selection((total, *lines, *_left(rows, chosen, merge)), added)


def _named(rows: pd.DataFrame, chosen: pd.DataFrame, wanted: list[str] | tuple[str, ...]) -> tuple[list[str], dict[str, int]]:
    """A line for every name that was given, one for those who come along, and who these are."""
    subject_of, photos = subjects_by_name(rows), _photos(chosen)
    asked = {normalized_key(name): subject_of[normalized_key(name)] for name in wanted}
    whole = {name for name, subject in asked.items() if name == subject}
    lines = []
    for name, subject in asked.items():
        counts = photos.get(subject, {})
        own = {key: count for key, count in counts.items() if name in (key, subject)}
        others = {key: count for key, count in counts.items() if key not in own}
        joined = f"; the same person, and not asked for by this name: {_count(others)}" if others else ""
        lines.append(f"forget: {name} is {subject}: {_count(own) or 'no photo'}{joined}")
    added = {
        key: count
        for subject, counts in photos.items()
        for key, count in counts.items()
        if subject not in whole and key not in asked
    }
    beside = {
        key: count for subject, counts in photos.items() if subject not in asked.values() for key, count in counts.items()
    }
    if beside:
        lines.append(f"forget: suspected to be one of them, and so on the same side: {_count(beside)}")
    return lines, added


def _drawn(chosen: pd.DataFrame) -> list[str]:
    people = _photos(chosen)
    lines = [f"forget: {subject}: {_count(counts)}" for subject, counts in list(people.items())[:SHOWN]]
    return lines + ([f"forget: and {len(people) - SHOWN} people more"] if len(people) > SHOWN else [])


def _left(rows: pd.DataFrame, chosen: pd.DataFrame, merge: MergeConfig) -> list[str]:
    """Those who may be a forgotten person and are trained on all the same."""
    forgotten = set(chosen["subject"])
    near = {
        link.other if link.one in forgotten else link.one
        for link in suspects(rows, merge)
        if (link.one in forgotten) != (link.other in forgotten)
    }
    kept = _photos(rows[rows["subject"].isin(near) & (rows["role"] == "retain")])
    counts = {key: count for own in kept.values() for key, count in own.items()}
    return [f"retain: may be one of the forgotten (data.merge settles it): {_count(counts)}"] if counts else []


def _photos(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """{subject: {filing: its photos}} of some rows."""
    found: dict[str, dict[str, int]] = {}
    for (subject, key), count in rows.groupby(["subject", "key"], sort=False)["photo"].nunique().items():
        found.setdefault(subject, {})[key] = int(count)
    return found


def _count(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} photo{'s' * (count != 1)} of {key}" for key, count in counts.items())
