"""Which of the approved requests make the next batch, by the policy alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from flows.requests.ledger.records import RequestRecord
from flows.requests.processing.policy import Batching


def next_batch(approved: Sequence[RequestRecord], policy: Batching, now: datetime) -> list[str]:
    """The ids of the requests that are carried out now, those due first at the top; empty while there is time to wait.

    approved: the requests of one benchmark in the state `approved`. A batch is made when `at_most` are there, when the one
    that was approved first has waited `wait_days`, or when a time limit is `before_due_days` away. Fewer than `at_least` wait
    on, but never beyond a time limit that is near: the law's limit goes before the privacy of the batch.
    """
    ordered = sorted(approved, key=lambda request: (request.due, request.id))[: policy.at_most]
    if not ordered:
        return []
    urgent = ordered[0].due - timedelta(days=policy.before_due_days) <= now
    waited = min(request.changed for request in approved) + timedelta(days=policy.wait_days) <= now
    full = len(approved) >= policy.at_most
    if urgent or ((waited or full) and len(ordered) >= policy.at_least):
        return [request.id for request in ordered]
    return []
