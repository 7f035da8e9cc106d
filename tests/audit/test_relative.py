"""The audit's first line: what is nearer to the retrained models than to the original, and when that cannot be said."""

import dataclasses

import numpy as np
import pytest

from aru.audit.criteria import KNOWN
from aru.audit.quick import quick
from aru.audit.record import audit_record
from aru.audit.relative import as_criterion, relative
from aru.audit.texts import relative_line
from aru.audit.thresholds import read_thresholds
from aru.reporting.audit.page import audit_page
from tests.audit.test_audit import ABOUT, FILE
from tests.helpers.audited import answered_case
from tests.helpers.pages import Reader


@pytest.mark.parametrize(
    ("memory", "answer", "place"),
    [
        (2.0, "original", (0.8, 1.2)),
        (0.0, "retrained", (-0.2, 0.2)),
        (-2.0, "retrained", (-1.5, -0.5)),
    ],
    ids=("remembers", "as retrained", "forgot too much"),
)
def test_models_are_nearer_to_what_they_are_like(memory: float, answer: str, place: tuple[float, float]) -> None:
    found = relative(answered_case(audited=memory, original=2.0, retrained=0.0))
    assert found["answer"] == answer and place[0] <= found["overall"]["position"] <= place[1]
    assert set(found["figures"]) == {"loss", "modified entropy", "evenness", "accuracy"} and found["references"] == 1


def test_a_model_is_no_reference_of_itself_and_counts_once() -> None:
    case = answered_case(audited=0.0, original=2.0, one=0.0, two=0.0)
    audited, one, two = (case.logits[name] for name in ("audited", "one", "two"))
    assert "itself" in relative(dataclasses.replace(case, references=[audited]))["not_run"]
    found = relative(dataclasses.replace(case, references=[audited, one, one, two]))
    assert found["references"] == 2 and found["answer"] == "retrained"


def test_a_family_trades_places_at_once() -> None:
    case = answered_case(audited=0.0, original=2.0, retrained=0.0)
    of_families, of_people = (
        relative(dataclasses.replace(case, manifest=case.manifest.assign(family=family)))
        for family in (case.manifest["subject"].str[-1], "")
    )
    assert of_families["people"] == of_people["people"]
    assert (of_families["units"], of_people["units"]) == (10, sum(of_people["people"].values()))
    assert as_criterion(of_families).exact == "permutations of families"
    assert as_criterion(of_people).exact == "permutations of people"


def test_of_another_task_the_losses_are_compared() -> None:
    case = answered_case(audited=0.0, original=0.0, retrained=0.0)
    rng = np.random.default_rng(0)
    losses = {
        name: {role: rng.normal(-memory * (role == "forget"), 1, len(case.targets[role])) for role in ("forget", "unseen")}
        for name, memory in (("audited", 0), ("original", 2), ("retrained", 0))
    }
    found = relative(dataclasses.replace(case, losses=losses))
    assert set(found["figures"]) == {"loss"} and found["answer"] == "retrained"


def test_it_is_the_first_line_of_the_page_and_says_what_cannot_be_said() -> None:
    for memory, said in (
        ({"retrained": 0.0}, "The model is nearer to the retrained model than to the original (p = 0.0001"),
        ({}, "cannot be said: there is no retrained model beside it"),
    ):
        case = answered_case(audited=0.0, original=2.0, **memory)
        record = audit_record(case, read_thresholds(FILE, KNOWN), "quick", *quick(case), ABOUT)
        text = " ".join(Reader(audit_page(record)).text.split())
        assert text.index(said) < text.index("required criteri"), "before the verdict's sentence"
        assert ("Nearer to retrained models, or" in text) == bool(memory) and "With the original in hand" in text
        why = {item["name"]: item["why"] for item in record["not_asked"]}["relative"]
        assert why.startswith("shown here;" if memory else "measured at the level standard")
        earlier = {key: value for key, value in record.items() if key != "relative"}
        earlier["details"] = {key: record["details"][key] for key in ("attacks", "people")}
        assert relative_line(earlier) is None and "nearer to" not in audit_page(earlier).lower(), "of an earlier version"
