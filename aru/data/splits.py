"""The set of each row (its role), under the official protocol and under the clean one."""

from typing import Any

import numpy as np
import pandas as pd

from aru.core.config import MergeConfig
from aru.core.errors import InputError, LeakError
from aru.core.names import FORGET, RETAIN, SETS, TEST, UNSEEN
from aru.data.forget_request import requested_rows
from aru.data.manifest import labels_of, people_are_classes
from aru.data.subjects import DEFAULT_MERGE, ambiguous_rows, split_groups

MIN_MATCHED = 100
"""Below so many forget photos the clean protocol uses a multiple of them as unseen photos, class by class."""
_ROLE_OF_SPLIT = {"train": "retain", "val": "test", "test": "unseen"}
_SIDE_OF_PERSON = {FORGET: FORGET, UNSEEN: FORGET, RETAIN: RETAIN, TEST: RETAIN}
"""Where people are the classes: whose photos a set has, of the forgotten people or of all others."""


def assign_roles(
    manifest: pd.DataFrame,
    *,
    layout: str,
    protocol: str,
    forget: dict[str, Any],
    seed: int,
    merge: MergeConfig = DEFAULT_MERGE,
) -> pd.DataFrame:
    """The manifest with its column `role` filled; unused rows have "".

    Official, as published: the training rows chosen by `forget` (``{"rows": n}``, ``{"subjects": [...]}``,
    ``{"files": [...]}``, ``{"draw": n, "draw_seed": s}``, or where it is empty the layout's own forget set) are forget, the
    other training rows retain, the validation file test, the test file unseen. Clean: see `_clean`, and
    `_clean_within_people` where people are the classes.
    """
    official = manifest["split"].map(_ROLE_OF_SPLIT).to_numpy(dtype=object)
    official[requested_rows(manifest, layout, forget)] = "forget"
    clean = _clean_within_people if people_are_classes(manifest) else _clean
    role = official if protocol == "official" else clean(manifest, official, merge, seed)
    assigned = manifest.assign(role=role)
    for name in SETS:
        if not (assigned["role"] == name).any():
            raise InputError(_why_empty(manifest, name, protocol, forget))
    if protocol == "clean":
        check_leaks(assigned, merge)
    return assigned


def check_leaks(manifest: pd.DataFrame, merge: MergeConfig = DEFAULT_MERGE) -> None:
    """Raise LeakError where a photo, a person, or people who may be one person are in two sets.

    Where people are the classes, these may be in forget and unseen, or in retain and test.
    """
    used = manifest.assign(suspect=split_groups(manifest, merge))[manifest["role"] != ""]
    side = used["role"].map(_SIDE_OF_PERSON) if people_are_classes(manifest) else used["role"]
    for unit, sides in (("subject", side), ("photo", used["role"]), ("suspect", side)):
        pairs = used[[unit]].assign(side=sides).drop_duplicates()
        leaks = pairs[pairs.duplicated(unit, keep=False)].groupby(unit)["side"].agg(sorted)
        if len(leaks):
            raise LeakError(
                f"{unit} {leaks.index[0]} is in {' and '.join(leaks.iloc[0])} ({len(leaks)} such "
                f"{unit}s): a clean run needs each on one side; run 'prepare' again"
            )


def _clean(manifest: pd.DataFrame, official: np.ndarray, merge: MergeConfig, seed: int) -> np.ndarray:
    """Each photo once, each person and all who may be the same on one side, unseen matched to forget by class.

    A person with a training photo is forget (if any is to be) or retain and leaves the other sets; a person in
    both test and unseen is unseen. Of a photo's rows the first that agrees with its person's side is kept; a photo that
    stands under people of several sides is left out. Unseen keeps, per class, at most as many photos as forget has,
    or that number times what brings it to `MIN_MATCHED` in all; what is dropped is drawn by `seed`.
    """
    rank = pd.Series(official).map({"forget": 0, "retain": 1, "unseen": 2, "test": 3}).to_numpy()
    groups = split_groups(manifest, merge)
    side = pd.Series(rank).groupby(groups).transform("min").to_numpy()
    train = (manifest["split"] == "train").to_numpy()
    fits = np.where(side <= 1, train, rank == side)
    role = np.where(
        fits & ~ambiguous_rows(manifest, groups), np.array(["forget", "retain", "unseen", "test"], dtype=object)[side], ""
    )
    used = role != ""
    photos = manifest["photo"].reset_index(drop=True)[used]
    role[photos.index[photos.duplicated()]] = ""
    return _match_unseen(manifest, role, seed)


def _clean_within_people(manifest: pd.DataFrame, official: np.ndarray, merge: MergeConfig, seed: int) -> np.ndarray:
    """Where people are the classes, photos of one person are trained on and apart from training; each photo is in one set.

    Forgotten people are in forget and unseen, all others in retain and test: so unseen is matched to forget by class, and
    no set asks for a class that the unlearned model should not know. Of a photo's rows a training row is kept first.
    """
    groups = split_groups(manifest, merge)
    forgotten = pd.Series(official == FORGET).groupby(groups).transform("any").to_numpy()
    split = manifest["split"].map({"train": 0, "test": 1, "val": 1}).to_numpy()
    role = np.where(forgotten, np.where(split == 0, FORGET, UNSEEN), np.where(split == 0, RETAIN, TEST)).astype(object)
    role[(manifest["split"] == np.where(forgotten, "val", "test")).to_numpy() | ambiguous_rows(manifest, groups)] = ""
    used = np.flatnonzero(role != "")
    ordered = used[np.argsort(split[used], kind="stable")]
    role[ordered[manifest["photo"].iloc[ordered].duplicated().to_numpy()]] = ""
    return _match_unseen(manifest, role, seed)


def _why_empty(manifest: pd.DataFrame, name: str, protocol: str, forget: dict[str, Any]) -> str:
    """Which set is empty, why, and what helps."""
    if protocol == "clean" and name in (TEST, UNSEEN):
        if people_are_classes(manifest):
            whose = "the people to forget" if name == UNSEEN else "the people to retain"
            return (
                f"the {name} set is empty: {whose} have no photo apart from training; forget others by "
                "data.forget.subjects, or give more photos of each person"
            )
        return (
            f"the {name} set is empty under the clean protocol, which leaves out whoever is in training, and of unseen the "
            "classes that forget has not: forget more people, add photos of others, or set data.protocol to official"
        )
    return (
        f"the {name} set is empty: data.forget {forget} of {int((manifest['split'] == 'train').sum())} "
        "training rows leaves nothing for it; choose another data.forget"
    )


def _match_unseen(manifest: pd.DataFrame, role: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    classes = zip(*(manifest[name] for name in labels_of(manifest)), strict=True)
    strata = pd.Series(map(str, classes))
    forgotten = strata[role == "forget"].value_counts()
    multiple = -(-MIN_MATCHED // max(1, int((role == "forget").sum())))  # 1 from MIN_MATCHED photos on
    unseen_rows = np.flatnonzero(role == "unseen")
    for stratum, places in pd.Series(unseen_rows).groupby(strata.to_numpy()[unseen_rows], sort=True):
        unseen, kept = places.to_numpy(), multiple * int(forgotten.get(stratum, 0))
        if len(unseen) > kept:
            role[rng.choice(unseen, len(unseen) - kept, replace=False)] = ""
    return role
