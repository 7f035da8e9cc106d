"""What is in a manifest, and what is wrong with it."""

from typing import Any

import pandas as pd

from aru.core.config import MergeConfig
from aru.core.names import SETS
from aru.data.manifest import labels_of
from aru.data.photos import CONSTANT, COPIES
from aru.data.subjects import DEFAULT_MERGE, ambiguous_rows, filings, split_groups, suspects

_COUNTS = ("rows", "distinct_files", "distinct_photos", "families", "family_person_keys", "people", "unused_rows")


def census(manifest: pd.DataFrame, merge: MergeConfig = DEFAULT_MERGE) -> dict[str, Any]:
    """Counts of copies, people, leaks and labels, as JSON content; who the people are is for `aru.data.evidence` to say."""
    roles = {role: manifest[manifest["role"] == role] for role in SETS}
    keys = manifest["family"] + "/" + manifest["person"]
    return {
        "counts": {
            "rows": len(manifest),
            "distinct_files": int(manifest["digest"].nunique()),
            "distinct_photos": int(manifest["photo"].nunique()),
            "families": int(manifest["family"].nunique()),
            "family_person_keys": int(keys.nunique()),
            "people": int(manifest["subject"].nunique()),
            "unused_rows": int((manifest["role"] == "").sum()),
        },
        "sets": {
            role: {
                "images": len(part),
                "photos": int(part["photo"].nunique()),
                "people": int(part["subject"].nunique()),
                "families": int(part["family"].nunique()),
                "family_person_keys": int((part["family"] + "/" + part["person"]).nunique()),
            }
            for role, part in roles.items()
        },
        "copies": {
            **{f"by_{note}": int((manifest["note"] == note).sum()) for note in COPIES},
            "constant_images": int((manifest["note"] == CONSTANT).sum()),
        },
        "merges": _merges(manifest),
        "suspects": _suspects(manifest, merge),
        "both_sides_of_forget_and_retain": {
            "people": _shared(roles, "forget", "retain", "subject"),
            "photos": _shared(roles, "forget", "retain", "photo"),
            "family_person_keys": sorted(set(keys[roles["forget"].index]) & set(keys[roles["retain"].index])),
            "forget_rows_byte_identical_to_retain": _rows_in(roles["forget"], roles["retain"], "digest"),
            "forget_rows_of_a_retain_photo": _rows_in(roles["forget"], roles["retain"], "photo"),
        },
        "leaks_into": {
            name: {
                "rows_byte_identical_to_train": _rows_in(roles[name], _train(roles), "digest"),
                "rows_of_a_train_photo": _rows_in(roles[name], _train(roles), "photo"),
                "people_of_train": int(
                    roles[name]["subject"].isin(_train(roles)["subject"]).groupby(roles[name]["subject"]).any().sum()
                ),
            }
            for name in ("test", "unseen")
        },
        "photos_with_conflicting_labels": int(
            (manifest.groupby("photo")[labels_of(manifest)].nunique() > 1).any(axis=1).sum()
        ),
        "labels": {label: _labels(roles, label) for label in labels_of(manifest)},
    }


def format_census(content: dict[str, Any]) -> str:
    """The audit as Markdown tables."""
    lines = ["| what | count |", "| --- | ---: |"]
    lines += [f"| {_words(name)} | {content['counts'][name]} |" for name in _COUNTS]
    for part in ("copies", "merges", "suspects"):
        lines += [f"| {part}: {_words(name)} | {count} |" for name, count in content[part].items()]
    both = content["both_sides_of_forget_and_retain"]
    lines += [f"| both sides of forget and retain: {_words(name)} | {_cell(value)} |" for name, value in both.items()]
    for name, part in content["leaks_into"].items():
        lines += [f"| leaks into {name}: {_words(what)} | {value} |" for what, value in part.items()]
    lines.append(f"| photos with conflicting labels | {content['photos_with_conflicting_labels']} |")
    lines += ["", "| set | images | photos | people | families |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {role} | {part['images']} | {part['photos']} | {part['people']} | {part['families']} |"
        for role, part in content["sets"].items()
    ]
    for label, part in content["labels"].items():
        classes = sorted({name for counts in part["counts"].values() for name in counts}, key=int)
        lines += ["", f"| {label} | " + " | ".join(classes) + " |", "| --- |" + " ---: |" * len(classes)]
        lines += [
            f"| {role} | " + " | ".join(str(counts.get(name, 0)) for name in classes) + " |"
            for role, counts in part["counts"].items()
        ]
        lines += [
            "",
            f"Label shift of {label}, forget against unseen: total variation {part['total_variation']:.3f}; an "
            f"attack that sees the label alone reaches {part['label_only_attack']:.3f}.",
        ]
    return "\n".join(lines) + "\n"


def _merges(manifest: pd.DataFrame) -> dict[str, int]:
    """How many people have several filings, and how large the largest of them is."""
    people = manifest.assign(key=filings(manifest)).groupby("subject")[["key", "photo"]].nunique()
    several = people[people["key"] > 1]
    return {
        "people": len(several),
        "filings": int(several["key"].sum()),
        "most_filings_of_one": int(several["key"].max()) if len(several) else 0,
        "most_photos_of_one": int(several["photo"].max()) if len(several) else 0,
    }


def _suspects(manifest: pd.DataFrame, merge: MergeConfig) -> dict[str, int]:
    """How many pairs may be one person, why, and how the sets treat them."""
    links = suspects(manifest, merge)
    roles = manifest[manifest["role"] != ""].groupby("subject")["role"].agg(set)
    parted = [link for link in links if len(roles.get(link.one, set()) | roles.get(link.other, set())) > 1]
    groups = pd.Series(manifest["subject"].to_numpy()).groupby(split_groups(manifest, merge)).nunique()
    return {
        "pairs": len(links),
        "pairs_by_photos": sum(link.reason == "photos" for link in links),
        "pairs_by_ids": sum(link.reason == "ids" for link in links),
        "pairs_in_several_sets": len(parted),
        "people": len({subject for link in links for subject in (link.one, link.other)}),
        "most_people_on_one_side": int(groups.max()) if links else 0,
        "photos_of_people_on_several_sides": int(manifest.loc[ambiguous_rows(manifest, merge), "photo"].nunique()),
    }


def _train(roles: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([roles["forget"], roles["retain"]])


def _shared(roles: dict[str, pd.DataFrame], one: str, other: str, unit: str) -> int:
    return len(set(roles[one][unit]) & set(roles[other][unit]))


def _rows_in(rows: pd.DataFrame, others: pd.DataFrame, unit: str) -> int:
    return int(rows[unit].isin(others[unit]).sum())


def _labels(roles: dict[str, pd.DataFrame], label: str) -> dict[str, Any]:
    counts = {
        role: {str(name): int(count) for name, count in part[label].value_counts().sort_index().items()}
        for role, part in roles.items()
    }
    shares = [part[label].value_counts(normalize=True) for part in (roles["forget"], roles["unseen"])]
    variation = float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
    return {"counts": counts, "total_variation": round(variation, 6), "label_only_attack": round(0.5 + variation / 2, 6)}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: Any) -> str:
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)
