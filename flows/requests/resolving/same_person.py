"""Requests that are about the same people or photos as another one, searched or not: by what was submitted and found."""

from collections.abc import Collection
from typing import Any

from aru.core.files import bytes_md5
from aru.data.forget_request import fitting_paths
from aru.data.ids import normalized_key
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import each_request, find_request, naming_particulars, request_particulars
from flows.requests.ledger.service import CONFIRMED, EVIDENCE
from flows.requests.ledger.states import State
from flows.requests.ledger.submission import PHOTO, SUBMITTED


def requests_about(
    ledger: Ledger,
    request: str,
    *,
    people: Collection[str],
    paths: Collection[str] = (),
    digests: Collection[str] = (),
    states: Collection[State] = (),
) -> set[str]:
    """Other requests of the benchmark of `request`, by id, whose particulars name one of these people or photos.

    A person of another benchmark may have the same name. people: filings; paths, digests: of photos in the archive, and MD5 of
    their files; states: only requests in these. Of erased requests nothing is known here: `searches_that_found`.
    """
    benchmark, names, known = find_request(ledger, request).benchmark, {normalized_key(name) for name in people}, {*paths}
    others = (one.id for one in each_request(ledger, states=states, benchmark=benchmark) if one.id != request)
    return {
        other
        for other, parts in naming_particulars(ledger, others)
        if not names.isdisjoint(map(normalized_key, _people(parts)))
        or any(fitting_paths(path, known) for path in parts.get(SUBMITTED, {}).get("photos", ()))
        or not {*digests}.isdisjoint(_digests(ledger, other, parts) if digests else ())
    }


def _people(parts: dict[str, Any]) -> list[str]:
    found = [name for person in parts.get(EVIDENCE, {}).get("people", ()) for name in person["names"]]
    return [*parts.get(SUBMITTED, {}).get("subjects", ()), *parts.get(CONFIRMED, ()), *found]


def _digests(ledger: Ledger, request: str, parts: dict[str, Any]) -> list[str]:
    """Of the photos that a search has found; before any search that of the photo that was sent."""
    if EVIDENCE in parts:
        return [match["digest"] for match in parts[EVIDENCE].get("matches", ())]
    sent = parts.get(SUBMITTED, {}).get("upload") is not None
    return [bytes_md5(request_particulars(ledger, request)[PHOTO])] if sent else []
