"""Who belongs together: photos of one person, and of one family, on whom two trainings may differ alike."""

import numpy as np
import pandas as pd

from aru.data.photos import DisjointSets


def kin(rows: pd.DataFrame) -> np.ndarray:
    """A number of every row of a manifest, (M,); rows of one subject, or of one family where it is known, have the same.

    A person whose filings stand in two families joins them.
    """
    sets = DisjointSets[tuple[str, str]]()
    subjects = [("subject", subject) for subject in rows["subject"]]
    families = rows["family"] if "family" in rows else [""] * len(rows)
    for subject, family in dict.fromkeys(zip(subjects, families, strict=True)):
        if family:
            sets.union(subject, ("family", family))
    return pd.factorize(pd.Series([sets.find(subject) for subject in subjects], dtype=object))[0]
