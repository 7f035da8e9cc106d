"""Which requests make a batch, and which effects go to a person first."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aru.core.errors import InputError
from flows.project.shipped import project_files
from flows.requests.ledger import service
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import find_request
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.records import RequestRecord
from flows.requests.ledger.states import State
from flows.requests.processing.effects import predicted_effect
from flows.requests.processing.forming import next_batch
from flows.requests.processing.policy import Batching, Policy, Suspicion, read_policy
from tests.helpers import ledgers
from tests.helpers.ledgers import CLERK, NOON, evidence

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def approved(number: int, *, due: float, waited: float = 0.0) -> RequestRecord:
    """An approved request that is due in so many days and was approved so many days ago."""
    end = NOW + due * DAY
    since = NOW - waited * DAY
    return RequestRecord(
        f"R-{number:06d}", "subject", "faces", end - 30 * DAY, end, end, None, State.APPROVED, since, "x", None, None
    )


def test_one_waits_until_the_oldest_has_waited_long_enough() -> None:
    policy = Batching(at_least=1, wait_days=7, before_due_days=5)
    assert next_batch([], policy, NOW) == []
    assert next_batch([approved(1, due=25, waited=6.9)], policy, NOW) == []
    assert next_batch([approved(1, due=23, waited=7)], policy, NOW) == ["R-000001"]


def test_what_is_done_to_an_approved_request_does_not_begin_its_waiting_anew(ledger: Ledger) -> None:
    approval, sixth = NOON + timedelta(hours=3), NOON + 6 * DAY
    requests = [ledgers.approved(ledger, name) for name in ("a", "b")]
    service.extend(ledger, requests[0], Reason.COMPLEXITY, actor=CLERK, at=sixth)
    service.record_resolution(ledger, requests[1], evidence("b"), actor=CLERK, at=sixth)
    for request in requests:
        found = find_request(ledger, request)
        assert found.changed == approval
        assert next_batch([found], Batching(), approval + 7 * DAY) == [request]
        assert next_batch([found], Batching(), approval + 6.9 * DAY) == []


def test_fewer_than_at_least_wait_but_not_beyond_their_time_limit() -> None:
    policy = Batching(at_least=3, wait_days=1, before_due_days=5)
    two = [approved(1, due=5.1, waited=20), approved(2, due=20, waited=3)]
    assert next_batch(two, policy, NOW) == []
    assert next_batch([*two, approved(3, due=29)], policy, NOW) == ["R-000001", "R-000002", "R-000003"]
    assert next_batch([approved(1, due=5, waited=20), two[1]], policy, NOW) == ["R-000001", "R-000002"]


def test_full_batch_is_made_at_once_and_takes_those_due_first() -> None:
    requests = [approved(number, due=30 - number) for number in range(1, 6)]
    assert next_batch(requests, Batching(at_most=3), NOW) == ["R-000005", "R-000004", "R-000003"]


@given(
    st.lists(st.tuples(st.floats(-5, 40), st.floats(0, 40)), max_size=12),
    st.integers(1, 5),
    st.integers(1, 8),
    st.floats(0, 20),
    st.floats(0, 20),
)
def test_nobody_near_a_limit_is_left_waiting_and_no_batch_is_larger_than_allowed(
    times: list[tuple[float, float]], at_least: int, at_most: int, wait: float, before: float
) -> None:
    requests = [approved(number, due=due, waited=waited) for number, (due, waited) in enumerate(times)]
    policy = Batching(at_least=min(at_least, at_most), at_most=at_most, wait_days=wait, before_due_days=before)
    chosen = next_batch(requests, policy, NOW)
    assert len(chosen) == len(set(chosen)) <= at_most
    urgent = [request for request in requests if request.due - before * DAY <= NOW]
    if urgent:
        assert min(urgent, key=lambda request: (request.due, request.id)).id in chosen
    elif chosen:
        assert len(chosen) >= policy.at_least


def rows(labels: list[int], split: str = "train") -> pd.DataFrame:
    """Photos of a split with these classes."""
    return pd.DataFrame({"split": split, "digest": [f"{split}{row}" for row in range(len(labels))], "age": labels})


def test_effect_on_those_who_stay_is_predicted_from_the_training_photos() -> None:
    data = pd.concat([rows([0] * 90 + [1] * 10), rows([1] * 50, "test")], ignore_index=True)
    going = [f"train{row}" for row in (0, *range(90, 95))] + ["test3", "unknown"]
    found = predicted_effect(data, going, "age")
    assert (found.photos, found.of_training, found.of_class, found.one_sided) == (6, 0.06, 0.5, pytest.approx(5 / 6))
    assert found.suspicious(Suspicion(of_class=0.5)) == []
    assert found.suspicious(Suspicion(of_class=0.49, of_training=0.05)) == ["of_class", "of_training"]
    assert found.suspicious(Suspicion(one_sided=0.8, photos=7)) == []
    assert found.suspicious(Suspicion(one_sided=0.8, photos=6)) == ["one_sided"]
    assert predicted_effect(data, ["test3"], "age").suspicious(Suspicion(one_sided=0.1, photos=1)) == []


def test_policy_is_read_or_refused_with_the_name_of_what_is_wrong(tmp_path: Path) -> None:
    assert read_policy(tmp_path) == Policy()
    path = tmp_path / "requests.yaml"
    path.write_text(
        "batching: {at_least: 3}\nescalation:\n- {set: {finetune.epochs: 8}}\n- {set: {method: retrain}, audit: full}\n"
    )
    policy = read_policy(tmp_path)
    assert (policy.batching.at_least, policy.batching.at_most) == (3, 50)
    assert [step.audit for step in policy.escalation] == ["quick", "full"]
    for text, message in (
        ("batching: {at_least: 0}", "batching.at_least"),
        ("batching: {at_least: 60, at_most: 50}", "batching: .*at_least = 60 is never reached by at_most = 50"),
        ("batching: {at_least: 51}", "at_least = 51 is never reached by at_most = 50"),
        ("batching: {at_most: 1001}", "batching.at_most: .* less than or equal to 1000"),
        ("batching: {before_due_days: 1000000}", "batching.before_due_days: .* less than or equal to 366"),
        ("batching: {wait_days: 1000000}", "batching.wait_days: .* less than or equal to 366"),
        ("batch: {}", "batch: Extra inputs"),
        ("escalation: [{set: {finetune.epoch: 8}}]", "finetune.epoch"),
        ("escalation: [{audit: thorough}]", "escalation.0.audit"),
        ("{", "is not YAML"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_policy(tmp_path)


def test_policy_of_a_new_project_shows_the_defaults(tmp_path: Path) -> None:
    """Each line that is commented out is the default."""
    text = project_files(tmp_path)["requests.yaml"]
    (tmp_path / "requests.yaml").write_text(text)
    assert read_policy(tmp_path) == Policy()
    shown = yaml.safe_load("".join(line[2:] for line in text.splitlines(keepends=True)[2:]))
    assert shown == Policy().model_dump(mode="json")
