"""An attacker with both models: exact retraining is found by the original; where nothing changed only the original tells."""

import dataclasses

import numpy as np
import pytest

from aru.audit.before_and_after import ALONE, LEARNED, both_models
from tests.helpers.audited import answered_case

RISE, APART = "rise of the loss", "divergence of the answers"


def test_exact_retraining_gives_the_forgotten_away_to_whoever_kept_the_original() -> None:
    found = both_models(answered_case(audited=0.0, original=2.0, retrained=0.0))
    assert set(found) == {"audited", "retrained", "original"} and set(found["original"]) == {ALONE}
    for name in ("audited", "retrained"):
        assert set(found[name]) == {RISE, APART, LEARNED}
        assert found[name][RISE]["photos"]["interval"][0] > 0.75 and found[name][RISE]["people"]["figure"] > 0.8
        assert found[name][LEARNED]["photos"]["figure"] > found["original"][ALONE]["photos"]["figure"] > 0.8


def test_a_model_that_did_not_change_adds_nothing() -> None:
    case = answered_case(audited=2.0, original=2.0)
    case = dataclasses.replace(case, logits=case.logits | {"audited": case.logits["original"]})
    found = both_models(case)
    assert set(found) == {"audited", "original"}
    for signal in (RISE, APART):
        assert found["audited"][signal]["photos"]["figure"] == pytest.approx(0.5)


def test_where_nobody_was_remembered_nobody_is_found() -> None:
    found = both_models(answered_case(audited=0.0, original=0.0, resamples=200))["audited"]
    for signal in (RISE, APART):
        low, high = found[signal]["photos"]["interval"]
        assert low < 0.5 < high, signal


def test_of_another_task_the_loss_tells() -> None:
    case = answered_case(audited=0.0, original=0.0)
    rng = np.random.default_rng(0)
    losses = {
        name: {role: rng.normal(-memory * (role == "forget"), 1, len(case.targets[role])) for role in ("forget", "unseen")}
        for name, memory in (("audited", 0), ("original", 2))
    }
    found = both_models(dataclasses.replace(case, losses=losses))["audited"]
    assert set(found) == {RISE, LEARNED} and found[RISE]["photos"]["figure"] > 0.85
