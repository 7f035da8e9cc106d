"""Who is on each image of a caller's sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aru.core.errors import InputError
from aru.core.names import FORGET, SETS
from aru.core.suggestions import did_you_mean
from aru.data.images import Sets

People = Mapping[str, Sequence[Any]] | Sequence[Any]
"""An id for each image: by set, or of the forget set alone. Where no ids are known every image is a person of its own."""


def people_of(people: People | None, sets: Sets) -> dict[str, np.ndarray]:
    """The person of every image of each set, as text. Shape of each: (M,).

    Raises InputError for an unknown set and for another number of ids than of images.
    """
    given: Mapping[str, Sequence[Any]]
    given = people if isinstance(people, Mapping) else {} if people is None else {FORGET: people}
    for name in given:
        if name not in SETS:
            raise InputError(f"people has the set {name!r}{did_you_mean(name, SETS)}; the sets are {', '.join(SETS)}")
    found: dict[str, np.ndarray] = {}
    for name in SETS:
        count = len(getattr(sets, name))
        ids = [str(one) for one in given[name]] if name in given else [f"{name} {row}" for row in range(count)]
        if len(ids) != count:
            raise InputError(f"people has {len(ids)} ids for the {name} set, which has {count} images: one an image is needed")
        found[name] = np.array(ids, dtype=str)
    return found


def manifest_of(people: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The rows that an audit reads of the manifest: set, person and photo of every image; no family is known."""
    return pd.concat(
        [
            pd.DataFrame({"role": name, "subject": ids, "family": "", "photo": [f"{name} {row}" for row in range(len(ids))]})
            for name, ids in people.items()
        ],
        ignore_index=True,
    )
