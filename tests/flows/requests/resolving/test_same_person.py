"""Requests about the same people or photos: that name them, searched or not, in one benchmark, however many there are."""

import hashlib

import pytest

from flows.requests.ledger import queries, service
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import each_request, searches_that_found
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.service import Evidence
from flows.requests.ledger.states import OPEN, State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.resolving.same_person import requests_about
from tests.helpers.ledgers import CLERK, SHA, approved, evidence


def ask(
    ledger: Ledger, *people: str, benchmark: str = "faces", photos: tuple[str, ...] = (), upload: bytes | None = None
) -> str:
    return submit(ledger, Submission(benchmark, people, photos, upload), actor=CLERK).request.id


def test_they_are_known_by_what_they_name_before_any_search(ledger: Ledger) -> None:
    first, other = approved(ledger, "F1/D"), approved(ledger, "F2/D")
    named, photo, sent = ask(ledger, "F9/X", " F1 / D"), ask(ledger, photos=("./F1_D.jpg",)), ask(ledger, upload=b"a photo")
    service.deny(ledger, named, Reason.IDENTITY_NOT_PROVEN, actor=CLERK)
    same = {"people": ["F1/D"], "paths": ["photos/F1_D.jpg"], "digests": [hashlib.md5(b"a photo").hexdigest()]}
    assert requests_about(ledger, first, **same) == {named, photo, sent}
    assert requests_about(ledger, first, **same, states=OPEN) == {photo, sent}
    assert requests_about(ledger, other, people=["F2/D"]) == set()
    service.erase_particulars(ledger, named, actor=CLERK)
    assert requests_about(ledger, first, **same) == {photo, sent}


def test_they_are_known_by_what_their_searches_found(ledger: Ledger) -> None:
    first, second, third = approved(ledger, "F1/D"), ask(ledger, "else"), ask(ledger, upload=b"another photo")
    service.record_resolution(ledger, second, evidence("F1/D", "F9/X"), actor=CLERK)
    match = {"path": "a.jpg", "digest": "0a"}
    service.record_resolution(ledger, third, Evidence((), ("0a",), {}, SHA, {"people": [], "matches": [match]}), actor=CLERK)
    assert requests_about(ledger, first, people=["F1/D"]) == {second}
    assert requests_about(ledger, first, people=[], digests=["0a"]) == {third}
    assert searches_that_found(ledger, "faces", ["F1/D", "F9/X"]) == {first, second}
    service.cancel(ledger, second, actor=CLERK)
    service.erase_particulars(ledger, second, actor=CLERK)
    assert searches_that_found(ledger, "faces", ["F9/X"]) == {second}, "the history knows those that are erased"


def test_somebody_of_another_benchmark_is_somebody_else(ledger: Ledger) -> None:
    shop, mucac = ask(ledger, "12", benchmark="shop"), ask(ledger, "12", benchmark="mucac")
    for request in (shop, mucac):
        service.record_resolution(ledger, request, evidence("12"), actor=CLERK)
    assert requests_about(ledger, shop, people=["12"], digests=["d41d8cd9"]) == set()
    assert searches_that_found(ledger, "shop", ["12"]) == {shop}


def test_none_is_passed_over_because_there_are_many(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_PAGE", 2)
    requests = [ask(ledger, "F1/D") for _ in range(5)]
    service.cancel(ledger, requests[1], actor=CLERK)
    assert [one.id for one in each_request(ledger)] == requests
    assert [one.id for one in each_request(ledger, states=[State.CANCELED], benchmark="faces")] == [requests[1]]
    assert requests_about(ledger, requests[0], people=["F1/D"]) == {*requests[1:]}
