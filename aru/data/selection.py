"""The people that `data.forget` resolves to, as text for the user before work starts.

The text names filings: it is for the console, and goes into no log, metric or artifact.
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
    if "subjects" in forget:
        lines, added = _named(rows, chosen, forget["subjects"])
    elif "draw" in forget:
        lines, added = _drawn(chosen), {}
    else:
        lines, added = [], {}
    return Selection((total, *lines, *_suspects_retained(rows, chosen, merge)), added)


def _named(rows: pd.DataFrame, chosen: pd.DataFrame, wanted: list[str] | tuple[str, ...]) -> tuple[list[str], dict[str, int]]:
    """A line for each requested name and one for people linked to them; and the filings that the request does not name."""
    subject_of, photos = subjects_by_name(rows), _photos(chosen)
    requested = {normalized_key(name): subject_of[normalized_key(name)] for name in wanted}
    whole = {name for name, subject in requested.items() if name == subject}
    lines = []
    for name, subject in requested.items():
        counts = photos.get(subject, {})
        own = {key: count for key, count in counts.items() if name in (key, subject)}
        others = {key: count for key, count in counts.items() if key not in own}
        joined = f"; the same person, not named in the request: {_count(others)}" if others else ""
        lines.append(f"forget: {name} is {subject}: {_count(own) or 'no photo'}{joined}")
    added = {
        key: count
        for subject, counts in photos.items()
        for key, count in counts.items()
        if subject not in whole and key not in requested
    }
    beside = {
        key: count for subject, counts in photos.items() if subject not in requested.values() for key, count in counts.items()
    }
    if beside:
        lines.append(f"forget: suspected to be one of them, and so on the same side: {_count(beside)}")
    return lines, added


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


def _photos(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """{subject: {filing: its photos}} of some rows."""
    found: dict[str, dict[str, int]] = {}
    counts = rows.groupby(["subject", "key"], sort=False)["photo"].nunique().reset_index()
    for subject, key, count in zip(counts["subject"], counts["key"], counts["photo"], strict=True):
        found.setdefault(subject, {})[key] = int(count)
    return found


def _count(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} photo{'s' * (count != 1)} of {key}" for key, count in counts.items())
