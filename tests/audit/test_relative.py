"""The audit's first line: what is nearer to the retrained models than to the original, and when that cannot be said."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from aru.audit.criteria import KNOWN
from aru.audit.quick import quick
from aru.audit.record import audit_record
from aru.audit.relative import relative
from aru.audit.texts import relative_line
from aru.audit.thresholds import read_thresholds
from aru.reporting.audit.page import audit_page
from aru.train.loop import predict_sets
from tests.audit.test_audit import ABOUT, FILE, record_of
from tests.helpers.audited import case_of, classifier_reset, original, retrained, sets, taught_again, uniform_on_forget
from tests.helpers.pages import Reader
from tests.helpers.toys import CPU


@pytest.mark.parametrize(
    ("make", "answer", "place"),
    [
        (original, "original", (1.0, 1.0)),
        (taught_again, "original", (0.9, 1.1)),
        (lambda: classifier_reset(refitted=True), "original", (0.9, 1.0)),
        (lambda: retrained(1), "retrained", (-0.1, 0.1)),
        (uniform_on_forget, "retrained", (-0.7, -0.2)),
    ],
    ids=("original", "taught again", "classifier refitted", "retrained", "forgot too much"),
)
def test_models_are_nearer_to_what_they_are(make, answer: str, place: tuple[float, float]) -> None:
    found = relative(case_of(make(), reference=retrained(0), resamples=20))
    assert found["answer"] == answer and place[0] <= found["overall"]["position"] <= place[1]
    assert set(found["figures"]) == {"loss", "modified entropy", "evenness", "accuracy"} and found["references"] == 1


def test_a_model_is_no_reference_of_itself_and_counts_once() -> None:
    other, case = sets(), case_of(retrained(0), reference=retrained(0), resamples=20)
    assert "itself" in relative(case)["not_run"]
    answers = [
        predict_sets(retrained(seed), {"forget": other.forget, "unseen": other.unseen}, compute=CPU) for seed in (0, 1, 1, 2)
    ]
    found = relative(dataclasses.replace(case, references=answers))
    assert found["references"] == 2 and found["answer"] == "retrained"


def test_of_another_task_the_losses_are_compared() -> None:
    case = case_of(original(), reference=retrained(0), resamples=20)
    rng = np.random.default_rng(0)
    losses = {
        name: {role: rng.normal(-memory * (role == "forget"), 1, len(case.targets[role])) for role in ("forget", "unseen")}
        for name, memory in (("audited", 0), ("original", 2), ("retrained", 0))
    }
    found = relative(dataclasses.replace(case, losses=losses))
    assert set(found["figures"]) == {"loss"} and found["answer"] == "retrained"


def test_it_is_the_first_line_of_the_page_and_says_what_cannot_be_said(tmp_path: Path) -> None:
    case, alone = case_of(retrained(1), reference=retrained(0), resamples=20), record_of("quick", retrained(1), tmp_path)
    beside = audit_record(case, read_thresholds(FILE, KNOWN), "quick", *quick(case), ABOUT)
    for record, said in (
        (beside, "The model is nearer to the retrained model than to the original (p = 0.0001"),
        (alone, "cannot be said: there is no retrained model beside it"),
    ):
        text = " ".join(Reader(audit_page(record)).text.split())
        assert text.index(said) < text.index("required criteri"), "before the verdict's sentence"


def test_a_record_of_an_earlier_version_has_a_page_without_it(tmp_path: Path) -> None:
    record = record_of("quick", retrained(1), tmp_path)
    del record["relative"]
    assert relative_line(record) is None and "nearer to" not in audit_page(record).lower()
