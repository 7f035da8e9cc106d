"""Who was taken for one person and why, and who might be, for the terminal of whoever has the archive.

Names of filings stand here: none of this goes into a log, a metric or an artifact.
"""

from typing import Any

import pandas as pd

from aru.core.config import MergeConfig
from aru.data.subjects import DEFAULT_MERGE, filings, links_within_people, suspects


def merge_evidence(manifest: pd.DataFrame, merge: MergeConfig = DEFAULT_MERGE) -> dict[str, list[dict[str, Any]]]:
    """The merged people, largest first, with their filings and the photos that these share; and the suspects, as JSON."""
    rows = manifest.assign(key=filings(manifest))
    photos = rows.groupby("key")["photo"].nunique().to_dict()
    keys = rows.groupby("subject", sort=False)["key"].agg(lambda values: list(dict.fromkeys(values))).to_dict()
    sizes = rows.groupby("subject")["photo"].nunique().to_dict()
    named = {subject: {key: photos[key] for key in own} for subject, own in keys.items()}
    merged = [
        {
            "subject": subject,
            "photos": sizes[subject],
            "filings": named[subject],
            "evidence": [
                {"filings": [link.one, link.other], "shared_photos": len(link.photos), "of": link.of} for link in links
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
                "of": link.of,
            }
            for link in suspects(manifest, merge)
        ],
    }


def format_evidence(content: dict[str, list[dict[str, Any]]]) -> str:
    """The lists as Markdown tables; after a filing stands the number of its photos."""
    merges, pairs = content["merges"], content["suspects"]
    lines = [f"{len(merges)} people have several filings" + (", joined by photos they share:" if merges else "."), ""]
    if merges:
        lines += ["| person | photos | filings | shared photos, of the smaller filing's |", "| --- | ---: | --- | --- |"]
        lines += [
            f"| {entry['subject']} | {entry['photos']} | {_filings(entry['filings'])} | {_evidence(entry)} |"
            for entry in merges
        ]
    lines += [
        "",
        f"{len(pairs)} pairs of people may be one"
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


def _filings(counts: dict[str, int]) -> str:
    return ", ".join(f"{key} ({count})" for key, count in counts.items())


def _evidence(entry: dict[str, Any]) -> str:
    said = [f"{' and '.join(link['filings'])}: {link['shared_photos']} of {link['of']}" for link in entry["evidence"]]
    return "; ".join(said) or "none: joined by data.merge"


def _reason(pair: dict[str, Any]) -> str:
    if pair["reason"] == "ids":
        return "their ids are nearly the same"
    return f"{pair['shared_photos']} of {pair['of']} photos are shared"
