"""The people of a set who were not forgotten, and their subgroups: families of the forgotten, and labels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from aru.core.errors import InputError
from aru.data.classes import FIXED, Classes
from aru.data.manifest import labels_of

ALL, FAMILIES, OTHERS = "all", "families", "other families"


@dataclass(frozen=True)
class Bystanders:
    """The images of one set that show nobody who was forgotten.

    kept (M,) bool, which images of the set those are; person (B,), people numbered from 0; groups name -> (B,) bool.
    """

    kept: np.ndarray
    person: np.ndarray
    groups: dict[str, np.ndarray]

    def people(self, group: str) -> int:
        """How many people the group's images show."""
        return len(np.unique(self.person[self.groups[group]]))


def find_bystanders(manifest: pd.DataFrame, role: str) -> Bystanders:
    """The bystanders of the set `role`, and their subgroups.

    `all`; `families`, who share a family with a forgotten person; `other families`; and one group for each value of each
    label column, as `age=3` or `male=1`. A person with photos of several ages is in several groups, with those photos.
    The official protocol may retain photos of a forgotten person: they show no bystander and are not kept.
    """
    rows, forgotten = manifest[manifest["role"] == role], manifest[manifest["role"] == "forget"]
    kept = ~rows["subject"].isin(forgotten["subject"]).to_numpy()
    if not kept.any():
        raise InputError(f"the {role} set shows nobody but forgotten people: nobody there is a bystander; choose another set")
    rows = rows[kept]
    related = rows["family"].isin(set(forgotten["family"]) - {""}).to_numpy()
    groups = {ALL: np.ones(len(rows), dtype=bool), FAMILIES: related, OTHERS: ~related}
    for label in labels_of(manifest):
        values = rows[label].to_numpy()
        groups |= {f"{label}={value}": values == value for value in np.unique(values)}
    person = np.unique(rows["subject"].to_numpy(dtype=str), return_inverse=True)[1]
    return Bystanders(kept, person.reshape(-1), groups)


def named_group(group: str, classes: Classes) -> str:
    """The title of a subgroup: of labels of the user's own, `label=the class's name` for `label=its number`."""
    label, found, number = group.rpartition("=")
    if not found or label not in classes or FIXED.get(label) == classes[label]:
        return group
    return f"{label}={classes[label][int(number)]}"


def group_means(column: np.ndarray, found: Bystanders, draws: np.ndarray) -> np.ndarray:
    """Mean of a column over each group's images, in whole and in every resample of people; NaN without images.

    Shape: column (B,), draws (R, P), how often each person is drawn; result (1 + R, G), the whole first.
    """
    sums, sizes = (
        np.stack([np.bincount(found.person, values * chosen, draws.shape[1]) for chosen in found.groups.values()], axis=1)
        for values in (column, np.ones_like(column))
    )
    draws = np.vstack((np.ones(draws.shape[1]), draws))
    total, size = draws @ sums, draws @ sizes
    return np.divide(total, size, out=np.full_like(total, np.nan), where=size > 0)
