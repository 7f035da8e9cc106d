"""Two people of the data for whom the demonstration sends requests: the same ones each time."""

from dataclasses import dataclass
from itertools import combinations, islice
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
_SHORTEST_NAME, _SHORTEST_FILE = 6, 10
"""Signs of a person's name, and of a photo's file name, below which bytes of models would have them by chance."""
_ASKED = 40
"""Among how many, those with the most photos, the two are looked for."""


@dataclass(frozen=True)
class Volunteer:
    """Somebody by the name of their photos' filing, with the photos' paths in the archive and their rows in the manifest."""

    name: str
    paths: tuple[str, ...]
    rows: tuple[int, ...]

    @property
    def texts(self) -> list[str]:
        """What names them: their own name, and the paths and file names of their photos, as far as they are long enough."""
        names = [name for path in self.paths for name in (path, path.rpartition("/")[2])]
        return [
            *([self.name] if len(self.name) >= _SHORTEST_NAME else []),
            *(name for name in names if len(name) >= _SHORTEST_FILE),
        ]


def choose_volunteers(root: Path, benchmark: str) -> tuple[Volunteer, Volunteer]:
    """The two people with the most photos of whom the project's model keeps all that it was trained on.

    All photos of each are in `retain`, filed under one name and shared with nobody; what names them is no part of what names
    others (F1-D of F1-D2), no file under git names them, and a batch of the two exceeds no limit of the policy's `suspicion`.
    Raises InputError where there are no two such people.
    """
    manifest = read_manifest(root / "work" / benchmark / "prepared" / "manifest.csv")
    rows = manifest.assign(filed=filings(manifest), owners=manifest.groupby("photo")["subject"].transform("nunique"))
    found = []
    for _, photos in rows.groupby("subject"):
        alone = set(photos["role"]) == {"retain"} and photos["filed"].nunique() == 1 and photos["owners"].max() == 1
        if alone and len(photos) >= _PHOTOS:
            found.append(Volunteer(photos["filed"].iloc[0], tuple(photos["path"]), tuple(photos["row"])))
    found.sort(key=lambda one: (-len(one.paths), one.name))
    everybody = "\n".join([*rows["filed"].unique(), *manifest["path"]])
    versioned = [stored.content for stored in stored_objects(root)]
    unnamed = (
        one
        for one in found
        if _alone_in(everybody, one)
        and not any(text.encode() in content for text in (one.name, *one.paths) for content in versioned)
    )
    task, limits = configured(root / PARAMS_FILE, benchmark).data.task, read_policy(root).suspicion
    digests = dict(zip(manifest["path"], manifest["digest"], strict=True))
    for pair in combinations(islice(unnamed, _ASKED), 2):
        effect = predicted_effect(manifest, [digests[path] for one in pair for path in one.paths], task)
        if not effect.suspicious(limits):
            return pair
    raise InputError(
        f"{benchmark} has no two people with at least {_PHOTOS} photos each, all of them trained on and under no other name, "
        "whom no file under git names and whom a batch may forget unasked: show it with other data"
    )


def _alone_in(everybody: str, one: Volunteer) -> bool:
    """Whether none of their texts stands in these names and paths but in their own."""
    own = "\n".join([one.name, *one.paths])
    return all(everybody.count(text) == own.count(text) for text in dict.fromkeys(one.texts))
