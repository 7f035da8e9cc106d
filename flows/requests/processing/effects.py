"""What a batch would take from those who stay, predicted before anything is unlearned: who asks may want to do harm."""

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from aru.core.label_columns import label_columns
from flows.requests.processing.policy import Suspicion


@dataclass(frozen=True)
class Effect:
    """Shares in [0, 1]: `of_training`: of all training photos that would go; `of_class`: the highest of any class;
    `one_sided`: of the batch's photos that are of its most frequent class; `photos`: training photos of the batch."""

    photos: int
    of_training: float
    of_class: float
    one_sided: float

    def suspicious(self, limits: Suspicion) -> list[str]:
        """The names of the limits that the effect exceeds."""
        exceeded = [name for name in ("of_class", "of_training") if getattr(self, name) > getattr(limits, name)]
        if self.photos >= limits.photos and self.one_sided > limits.one_sided:
            exceeded.append("one_sided")
        return exceeded


def predicted_effect(rows: pd.DataFrame, digests: Collection[str], task: str) -> Effect:
    """The effect of taking the training photos with these MD5 digests out.

    rows: the manifest, or the archive's rows, with the columns split, digest and the labels of `task`; of a task of several
    labels each value of each label is a class.
    """
    train = rows[rows["split"] == "train"]
    going = train["digest"].isin(set(digests))
    if not len(train) or not going.any():
        return Effect(0, 0.0, 0.0, 0.0)
    of_class, one_sided = 0.0, 1.0
    for column in label_columns(task):
        before, gone = train[column].value_counts(), train[column][going].value_counts()
        of_class = max(of_class, float((gone / before).max()))
        one_sided = min(one_sided, float(gone.max() / going.sum()))
    return Effect(int(going.sum()), float(going.mean()), of_class, one_sided)
