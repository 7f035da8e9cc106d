"""Which unseen images an audit compares with: strangers', or where people are the classes, the forgotten people's."""

import pandas as pd
import torch
from torch import nn

from aru.audit.case import AUDITED, make_case
from tests.helpers.audited import CLASSES, PEOPLE, PHOTOS, manifest, sets
from tests.helpers.toys import CPU


class Constant(nn.Module):
    """The same answer to every image."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.bias.expand(len(images), -1)


def unseen_of(rows: pd.DataFrame) -> tuple[int, int]:
    """How many unseen images a case keeps, and how many it leaves out."""
    case = make_case({AUDITED: Constant()}, sets(), rows, compute=CPU, resamples=10, seed=0, roles=("unseen",))
    return len(case.sets.unseen), case.acquainted


def test_where_people_are_the_classes_other_photos_of_the_forgotten_are_the_measure() -> None:
    rows = manifest().drop(columns=["true"])
    unseen = rows["role"] == "unseen"
    total = PEOPLE["unseen"] * PHOTOS
    assert unseen_of(rows) == (total, 0)
    forgotten = rows.assign(subject=rows["subject"].where(~unseen, rows["subject"].str.replace("unseen", "forget")))
    retained = rows.assign(subject=rows["subject"].where(~unseen, rows["subject"].str.replace("unseen", "retain")))
    assert unseen_of(forgotten) == unseen_of(retained) == (0, total), "of another task they were known to the original"
    assert unseen_of(forgotten.rename(columns={"age": "identity"})) == (total, 0)
    assert unseen_of(retained.rename(columns={"age": "identity"})) == (0, total), "nobody who stays is an outsider"
