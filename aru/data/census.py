"""The census of a manifest: how many files, photos and people it has, and its copies, leaks and conflicting labels."""

from typing import NotRequired, TypedDict

import pandas as pd

from aru.core.config import MergeConfig
from aru.core.names import FORGET, RETAIN, SETS, TEST, UNSEEN, SetName
from aru.core.progress import Progress, silent
from aru.data.classes import FIXED, Classes
from aru.data.ids import UNKNOWN_PERSON
from aru.data.manifest import labels_of, people_are_classes
from aru.data.photos import CONSTANT, COPIES
from aru.data.subjects import DEFAULT_MERGE, ambiguous_rows, split_groups, suspects
from aru.data.suppression.screening import Suppressed

WITHOUT_PERSON = (
    "Where nobody knows whom an image shows, it counts as a person of its own, together with its copies: other photos of the "
    "same person may be on both sides. Membership attacks are then weaker than against whole people, and intervals narrower."
)
PEOPLE_ARE_CLASSES = (
    "People are the classes, so that photos of one person are trained on and apart from training. Under the clean protocol "
    "the unseen photos are of the forgotten people: membership attacks tell photos of theirs that were trained on from others "
    "of theirs, and nothing is said of people whom the model never knew."
)
MOST_CLASSES = 20
"""Classes of a label that the table shows; the others are one column."""
_COUNTS = ("rows", "distinct_files", "distinct_photos", "families", "family_person_keys", "people", "unused_rows")


class SetCounts(TypedDict):
    """The size of one set."""

    images: int
    photos: int
    people: int
    families: int
    family_person_keys: int


class Overlap(TypedDict):
    """What forget and retain have in common."""

    people: int
    photos: int
    family_person_keys: list[str]
    forget_rows_byte_identical_to_retain: int
    forget_rows_of_a_retain_photo: int


class Leak(TypedDict):
    """What test or unseen has in common with the training rows."""

    rows_byte_identical_to_train: int
    rows_of_a_train_photo: int
    people_of_train: int


class LabelCounts(TypedDict):
    """Images of each class by set, and how far forget and unseen differ in them."""

    counts: dict[SetName, dict[str, int]]
    total_variation: float
    label_only_attack: float


class Census(TypedDict):
    """The content of prepared/audit.json.

    Of the layout "table" it has the names of the `classes` by label column; where there are images of which nobody knows
    whom they show, how many (`images_without_person`): each counts as a person of its own; and `people_are_classes` where
    they are. `suppressed`, where the project has people on its suppression list, counts what that kept out.
    """

    counts: dict[str, int]
    sets: dict[SetName, SetCounts]
    copies: dict[str, int]
    merges: dict[str, int]
    suspects: dict[str, int]
    both_sides_of_forget_and_retain: Overlap
    leaks_into: dict[SetName, Leak]
    photos_with_conflicting_labels: int
    labels: dict[str, LabelCounts]
    classes: NotRequired[dict[str, list[str]]]
    suppressed: NotRequired[Suppressed]
    images_without_person: NotRequired[int]
    people_are_classes: NotRequired[bool]


def census(
    manifest: pd.DataFrame,
    merge: MergeConfig = DEFAULT_MERGE,
    classes: Classes | None = None,
    progress: Progress = silent,
) -> Census:
    """Counts of copies, people, leaks and labels, without names; `aru.data.evidence` names the people."""
    progress(0, 2, "census")
    suspected = _suspects(manifest, merge)
    progress(1, 2, "census")
    keys = manifest["family"] + "/" + manifest["person"]
    # Names are only counted and compared here, and numbers are so several times faster.
    numbers = {name: pd.factorize(manifest[name])[0] for name in ("digest", "photo", "subject")}
    counted = manifest[["role", "family", *labels_of(manifest)]].assign(**numbers, key=pd.factorize(keys)[0])
    roles: dict[SetName, pd.DataFrame] = {role: counted[counted["role"] == role] for role in SETS}
    found: Census = {
        "counts": {
            "rows": len(manifest),
            "distinct_files": int(manifest["digest"].nunique()),
            "distinct_photos": int(manifest["photo"].nunique()),
            "families": _families(manifest),
            "family_person_keys": int(keys.nunique()),
            "people": int(manifest["subject"].nunique()),
            "unused_rows": int((manifest["role"] == "").sum()),
        },
        "sets": {
            role: {
                "images": len(part),
                "photos": int(part["photo"].nunique()),
                "people": int(part["subject"].nunique()),
                "families": _families(part),
                "family_person_keys": int(part["key"].nunique()),
            }
            for role, part in roles.items()
        },
        "copies": {
            **{f"by_{note}": int((manifest["note"] == note).sum()) for note in COPIES},
            "constant_images": int((manifest["note"] == CONSTANT).sum()),
        },
        "merges": _merges(counted),
        "suspects": suspected,
        "both_sides_of_forget_and_retain": {
            "people": _shared(roles, FORGET, RETAIN, "subject"),
            "photos": _shared(roles, FORGET, RETAIN, "photo"),
            "family_person_keys": sorted(set(keys[roles[FORGET].index]) & set(keys[roles[RETAIN].index])),
            "forget_rows_byte_identical_to_retain": _rows_in(roles[FORGET], roles[RETAIN], "digest"),
            "forget_rows_of_a_retain_photo": _rows_in(roles[FORGET], roles[RETAIN], "photo"),
        },
        "leaks_into": {
            name: {
                "rows_byte_identical_to_train": _rows_in(roles[name], _train(roles), "digest"),
                "rows_of_a_train_photo": _rows_in(roles[name], _train(roles), "photo"),
                "people_of_train": int(
                    roles[name].loc[roles[name]["subject"].isin(_train(roles)["subject"]), "subject"].nunique()
                ),
            }
            for name in (TEST, UNSEEN)
        },
        "photos_with_conflicting_labels": int((counted.groupby("photo")[labels_of(manifest)].nunique() > 1).any(axis=1).sum()),
        "labels": {label: _labels(roles, label) for label in labels_of(manifest)},
    }
    if classes is not None and any(FIXED.get(label) != names for label, names in classes.items()):
        found["classes"] = {label: list(names) for label, names in classes.items()}
    if unknown := int(manifest["person"].str.startswith(UNKNOWN_PERSON).sum()):
        found["images_without_person"] = unknown
    if people_are_classes(manifest):
        found["people_are_classes"] = True
    progress(2, 2, "census")
    return found


def format_census(content: Census) -> str:
    """The census as Markdown tables."""
    lines = ["| what | count |", "| --- | ---: |"]
    lines += [f"| {_words(name)} | {content['counts'][name]} |" for name in _COUNTS]
    for part, counts in (("copies", content["copies"]), ("merges", content["merges"]), ("suspects", content["suspects"])):
        lines += [f"| {part}: {_words(name)} | {count} |" for name, count in counts.items()]
    both = content["both_sides_of_forget_and_retain"]
    lines += [f"| both sides of forget and retain: {_words(name)} | {_cell(value)} |" for name, value in both.items()]
    for role, leak in content["leaks_into"].items():
        lines += [f"| leaks into {role}: {_words(what)} | {value} |" for what, value in leak.items()]
    lines.append(f"| photos with conflicting labels | {content['photos_with_conflicting_labels']} |")
    if unknown := content.get("images_without_person"):
        lines += [f"| images without a person | {unknown} |", "", WITHOUT_PERSON]
    if content.get("people_are_classes"):
        lines += ["", PEOPLE_ARE_CLASSES]
    lines += ["", "| set | images | photos | people | families |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {role} | {size['images']} | {size['photos']} | {size['people']} | {size['families']} |"
        for role, size in content["sets"].items()
    ]
    for label, found in content["labels"].items():
        sums: dict[str, int] = {}
        for counts in found["counts"].values():
            for name, count in counts.items():
                sums[name] = sums.get(name, 0) + count
        largest = sorted(sums, key=lambda name: -sums[name])[:MOST_CLASSES]
        classes, others = sorted(largest, key=int), sums.keys() - set(largest)
        names = content.get("classes", {}).get(label)
        titles = [names[int(name)].replace("|", "\\|") if names else name for name in classes]
        titles += [f"{len(others):,} other classes"] if others else []
        lines += ["", f"| {label} | " + " | ".join(titles) + " |", "| --- |" + " ---: |" * len(titles)]
        for role, counts in found["counts"].items():
            cells = [counts.get(name, 0) for name in classes]
            cells += [sum(count for name, count in counts.items() if name in others)] if others else []
            lines.append(f"| {role} | " + " | ".join(map(str, cells)) + " |")
        lines += [
            "",
            f"Label shift of {label}, forget against unseen: total variation {found['total_variation']:.3f}; an "
            f"attack that sees the label alone reaches {found['label_only_attack']:.3f}.",
        ]
    return "\n".join(lines) + "\n"


def _families(rows: pd.DataFrame) -> int:
    """How many families there are; layouts without families have none."""
    return int(rows.loc[rows["family"] != "", "family"].nunique())


def _merges(counted: pd.DataFrame) -> dict[str, int]:
    """How many people have several filings, and the sizes of the largest of them."""
    people = counted.groupby("subject")[["key", "photo"]].nunique()
    several = people[people["key"] > 1]
    return {
        "people": len(several),
        "filings": int(several["key"].sum()),
        "most_filings_of_one": int(several["key"].max()) if len(several) else 0,
        "most_photos_of_one": int(several["photo"].max()) if len(several) else 0,
    }


def _suspects(manifest: pd.DataFrame, merge: MergeConfig) -> dict[str, int]:
    """How many pairs may be one person, on what evidence, and whether sets separate them."""
    links = suspects(manifest, merge)
    near = {subject for link in links for subject in (link.one, link.other)}
    roles = manifest[(manifest["role"] != "") & manifest["subject"].isin(near)].groupby("subject")["role"].agg(set)
    separated = [link for link in links if len(roles.get(link.one, set()) | roles.get(link.other, set())) > 1]
    sides = split_groups(manifest, merge, links)
    groups = pd.Series(manifest["subject"].to_numpy()).groupby(sides).nunique()
    return {
        "pairs": len(links),
        "pairs_by_photos": sum(link.reason == "photos" for link in links),
        "pairs_by_ids": sum(link.reason == "ids" for link in links),
        "pairs_in_several_sets": len(separated),
        "people": len(near),
        "most_people_on_one_side": int(groups.max()) if links else 0,
        "photos_of_people_on_several_sides": int(manifest.loc[ambiguous_rows(manifest, sides), "photo"].nunique()),
    }


def _train(roles: dict[SetName, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([roles[FORGET], roles[RETAIN]])


def _shared(roles: dict[SetName, pd.DataFrame], one: SetName, other: SetName, unit: str) -> int:
    return len(set(roles[one][unit]) & set(roles[other][unit]))


def _rows_in(rows: pd.DataFrame, others: pd.DataFrame, unit: str) -> int:
    return int(rows[unit].isin(others[unit]).sum())


def _labels(roles: dict[SetName, pd.DataFrame], label: str) -> LabelCounts:
    counts = {
        role: {str(name): int(count) for name, count in part[label].value_counts().sort_index().items()}
        for role, part in roles.items()
    }
    shares = [part[label].value_counts(normalize=True) for part in (roles[FORGET], roles[UNSEEN])]
    variation = float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
    return {"counts": counts, "total_variation": round(variation, 6), "label_only_attack": round(0.5 + variation / 2, 6)}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
