"""Two people of the data for whom the demonstration sends requests: the same ones each time."""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from aru.core.errors import InputError
from aru.data.manifest import read_manifest
from aru.data.subjects import filings
from flows.project.git_history import stored_objects
from flows.project.params import PARAMS_FILE, configured
from flows.requests.processing.effects import predicted_effect
from flows.requests.processing.policy import read_policy

_PHOTOS = 3
"""The fewest photos of somebody who is chosen."""
_ASKED = 40
"""Among how many, those with the most photos, the two are looked for."""


@dataclass(frozen=True)
class Volunteer:
    """Somebody by the name of their photos' filing, with the photos' paths in the archive and their rows in the manifest."""

    name: str
    paths: tuple[str, ...]
    rows: tuple[int, ...]


def choose_volunteers(root: Path, benchmark: str) -> tuple[Volunteer, Volunteer]:
    """The two people with the most photos of whom the project's model keeps all that it was trained on.

    All photos of each are in `retain`, filed under one name and shared with nobody; no file under git names them, and a batch
    of the two exceeds no limit of the policy's `suspicion`. Raises InputError where there are no two such people.
    """
    manifest = read_manifest(root / "work" / benchmark / "prepared" / "manifest.csv")
    rows = manifest.assign(filed=filings(manifest), owners=manifest.groupby("photo")["subject"].transform("nunique"))
    found = []
    for _, photos in rows.groupby("subject"):
        alone = set(photos["role"]) == {"retain"} and photos["filed"].nunique() == 1 and photos["owners"].max() == 1
        if alone and len(photos) >= _PHOTOS:
            found.append(Volunteer(photos["filed"].iloc[0], tuple(photos["path"]), tuple(photos["row"])))
    found.sort(key=lambda one: (-len(one.paths), one.name))
    versioned = [stored.content for stored in stored_objects(root)]
    unnamed = [
        one for one in found if not any(text.encode() in content for text in (one.name, *one.paths) for content in versioned)
    ]
    task, limits = configured(root / PARAMS_FILE, benchmark).data.task, read_policy(root).suspicion
    digests = dict(zip(manifest["path"], manifest["digest"], strict=True))
    for pair in combinations(unnamed[:_ASKED], 2):
        effect = predicted_effect(manifest, [digests[path] for one in pair for path in one.paths], task)
        if not effect.suspicious(limits):
            return pair
    raise InputError(
        f"{benchmark} has no two people with at least {_PHOTOS} photos each, all of them trained on and under no other name, "
        "whom no file under git names and whom a batch may forget unasked: show it with other data"
    )
