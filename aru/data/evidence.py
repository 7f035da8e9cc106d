"""The merged people with their evidence, and the suspects, for the console of the machine that has the archive.

The text names filings: it goes into no log, metric or artifact.
"""

from typing import Literal, NotRequired, TypedDict

import pandas as pd

from aru.core.config import MergeConfig
from aru.data.census import Census
from aru.data.copy_pairs import CopyOf, CopyPairs, similarity_text
from aru.data.subjects import DEFAULT_MERGE, filings, links_within_people, suspects

SHOWN = 20
"""Pairs of copies that the text lists."""


class SharedPhotos(TypedDict):
    """How many photos two filings share, of those of the smaller one (`of`)."""

    filings: list[str]
    shared_photos: int
    of: int


class MergedPerson(TypedDict):
    """A person with several filings; `filings` maps each to its number of photos."""

    subject: str
    photos: int
    filings: dict[str, int]
    evidence: list[SharedPhotos]


class SuspectPair(TypedDict):
    """Two people who may be one; `subjects` maps each to its filings with their numbers of photos."""

    subjects: dict[str, dict[str, int]]
    reason: Literal["photos", "ids"]
    shared_photos: int
    of: int


class Evidence(TypedDict):
    """Who was merged, largest first, and who may be one person."""

    merges: list[MergedPerson]
    suspects: list[SuspectPair]


class DataAudit(Census):
    """What `aru data audit` shows: the census, the people by name, the forget set, and notes of the layout (`cut`).

    `same_photo`: copies of a photo under other names, by pairs of files.
    """

    people: Evidence
    same_photo: CopyPairs
    selection: list[str]
    cut: NotRequired[str]


def merge_evidence(manifest: pd.DataFrame, merge: MergeConfig = DEFAULT_MERGE) -> Evidence:
    """The merged people with their filings and the photos that these share, and the suspects."""
    rows = manifest.assign(key=filings(manifest))
    photos = rows.groupby("key")["photo"].nunique().to_dict()
    keys = rows.groupby("subject", sort=False)["key"].agg(lambda values: list(dict.fromkeys(values))).to_dict()
    sizes = rows.groupby("subject")["photo"].nunique().to_dict()
    named = {subject: {key: photos[key] for key in own} for subject, own in keys.items()}
    merged: list[MergedPerson] = [
        {
            "subject": subject,
            "photos": sizes[subject],
            "filings": named[subject],
            "evidence": [
                {"filings": [link.one, link.other], "shared_photos": len(link.photos), "of": link.smaller} for link in links
            ],
        }
        for subject, links in links_within_people(manifest).items()
    ]
    return {
        "merges": sorted(merged, key=lambda entry: -entry["photos"]),
        "suspects": [
            {
                "subjects": {subject: named[subject] for subject in (link.one, link.other)},
                "reason": link.reason,
                "shared_photos": len(link.photos),
                "of": link.smaller,
            }
            for link in suspects(manifest, merge)
        ],
    }


def format_evidence(content: Evidence) -> str:
    """The lists as Markdown tables, with the number of photos after each filing."""
    merges, pairs = content["merges"], content["suspects"]
    several = "1 person has" if len(merges) == 1 else f"{len(merges)} people have"
    lines = [f"{several} several filings" + (", merged by photos they share:" if merges else "."), ""]
    if merges:
        lines += ["| person | photos | filings | shared photos, of the smaller filing's |", "| --- | ---: | --- | --- |"]
        lines += [
            f"| {entry['subject']} | {entry['photos']} | {_filings(entry['filings'])} | {_evidence(entry)} |"
            for entry in merges
        ]
    lines += [
        "",
        f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of people may be one"
        + (" (settle them in data.merge.same or data.merge.different):" if pairs else "."),
        "",
    ]
    if pairs:
        lines += ["| one | other | evidence |", "| --- | --- | --- |"]
        lines += [
            f"| {' | '.join(f'{name}: {_filings(own)}' for name, own in pair['subjects'].items())} | {_reason(pair)} |"
            for pair in pairs
        ]
    return "\n".join(lines) + "\n"


def format_copies(found: CopyPairs) -> str:
    """The first pairs of copies under other names as a Markdown table."""
    pairs, in_all = found["pairs"], found["in_all"]
    lines = [f"Pairs of files that show one photo under two names: {in_all}" + (":" if pairs else ".")]
    if pairs:
        lines += [
            "",
            "| one file | whose | other file | whose | copy | similarity |",
            "| --- | --- | --- | --- | --- | ---: |",
        ]
        lines += [
            f"| {_side(pair['one'])} | {_side(pair['other'])} | {pair['kind']} | {similarity_text(pair)} |"
            for pair in pairs[:SHOWN]
        ]
    if in_all > SHOWN:
        lines += ["", f"... and {in_all - SHOWN} more pairs"]
    return "\n".join(lines) + "\n"


def _side(copy: CopyOf) -> str:
    return f"{copy['path']} | {copy['filing']} ({copy['subject']})"


def _filings(counts: dict[str, int]) -> str:
    return ", ".join(f"{key} ({count})" for key, count in counts.items())


def _evidence(entry: MergedPerson) -> str:
    shared = [f"{' and '.join(link['filings'])}: {link['shared_photos']} of {link['of']}" for link in entry["evidence"]]
    return "; ".join(shared) or "none: merged by data.merge"


def _reason(pair: SuspectPair) -> str:
    if pair["reason"] == "ids":
        return "their ids are nearly the same"
    return f"{pair['shared_photos']} of {pair['of']} photos are shared"
