"""Which unseen images an audit compares with: strangers', or where people are the classes, the forgotten people's."""

from pathlib import Path

import pandas as pd
import torch
from torch import nn

from aru.audit.case import AUDITED, make_case
from aru.audit.criteria import KNOWN, QUICK
from aru.audit.quick import PEOPLE_ARE_CLASSES, quick
from aru.audit.record import audit_record, judged
from aru.audit.thresholds import read_thresholds
from aru.audit.verdicts import NotRun
from aru.core.names import ORIGINAL
from tests.helpers.audited import CLASSES, PEOPLE, PHOTOS, manifest, network, sets
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


def test_criteria_that_ask_for_strangers_are_none_of_an_audit_where_people_are_the_classes() -> None:
    rows = manifest().drop(columns=["true"])
    unseen = rows["role"] == "unseen"
    rows["subject"] = rows["subject"].where(~unseen, rows["subject"].str.replace("unseen", "forget"))
    models = {AUDITED: network(0), ORIGINAL: network(1)}
    case = make_case(models, sets(), rows.rename(columns={"age": "identity"}), compute=CPU, resamples=10, seed=0)
    found = quick(case)[0]
    asked_of_strangers = {"people", "people_at_5pct", "individuals"}
    assert {name for name, one in found.items() if isinstance(one, NotRun) and not one.asked} == asked_of_strangers
    limits = read_thresholds(Path("thresholds.yaml"), KNOWN)
    assert {row["name"] for row in judged(limits, "quick", found)["criteria"]} == {*QUICK} - asked_of_strangers
    record = audit_record(case, limits, "quick", found, {"further": {}}, {})
    why = {item["name"]: item["why"] for item in record["not_asked"]}
    assert all(why[name] == PEOPLE_ARE_CLASSES for name in asked_of_strangers)
