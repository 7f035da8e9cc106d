"""Lists of hashed identifiers, as California's Delete Request and Opt-out Platform (DROP) sends them, matched with people.

Whoever hashes the same identifier in the same way gets the same digest; nobody on the list is told by name. The answer has a
line for each one on the list: deleted, exempted, not found, or that it is still open.
"""

import base64
import binascii
import csv
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import pandas as pd

from aru.core.errors import InputError
from aru.data.ids import UNKNOWN_PERSON, normalized_id
from aru.data.subjects import filings
from flows.requests.ledger.deadlines import DAYS
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import denial_reason, find_request, requests_by_key
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.records import Actor, RequestRecord
from flows.requests.ledger.service import identify
from flows.requests.ledger.states import State
from flows.requests.ledger.submission import Submission, submit

HASHES = ("sha256", "sha512", "sha1", "md5")
IDENTIFIERS: dict[str, Callable[[str], str]] = {
    "id": normalized_id,
    "email": lambda text: re.sub(r"\s+", "", text).lower(),
    "phone": lambda text: re.sub(r"\D", "", text)[-10:],
}
"""How an identifier is written before it is hashed: as in the data, or by DROP's rules for e-mail addresses and telephones."""
_EXEMPT = frozenset(
    {
        Reason.EXEMPT,
        Reason.FREEDOM_OF_EXPRESSION,
        Reason.LEGAL_OBLIGATION,
        Reason.PUBLIC_HEALTH,
        Reason.ARCHIVING_OR_RESEARCH,
        Reason.LEGAL_CLAIMS,
    }
)


class Outcome(StrEnum):
    """The answer for one on the list; the last three are for a person to finish and have no code of DROP's."""

    EXEMPTED = "exempted"
    DELETED = "deleted"
    NOT_FOUND = "not_found"
    OPEN = "open"
    SEVERAL = "several"
    REFUSED = "refused"


DROP_CODE = {Outcome.EXEMPTED: 2, Outcome.DELETED: 3, Outcome.NOT_FOUND: 5}
"""DROP's status codes; 4, opted out of sale, is nothing that a model can do."""


@dataclass(frozen=True)
class Item:
    """A line of a list: its id (the number of the line where the list has none) and the digest, in hexadecimal."""

    id: str
    digest: str


@dataclass(frozen=True)
class Answer:
    """What became of a line; `request`: the ledger's, where it matched somebody."""

    id: str
    outcome: Outcome
    code: int | None
    request: str | None


def read_hashed_list(path: Path, function: str) -> list[Item]:
    """The digests of a file: one a line, or a CSV with the columns ID and Hash; in hexadecimal or Base64.

    Raises InputError for an unknown function, and for a line that is no digest of it, with its number.
    """
    if function not in HASHES:
        raise InputError(f"unknown hash function {function!r}: name the one of the list, {', '.join(HASHES)}")
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): name a text file with one digest a line") from None
    try:
        lines = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text)), start=1) if any(row)]
    except csv.Error as error:
        raise InputError(f"{path} is no list of digests ({error}): name a text file with one digest a line") from None
    heading = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    if "hash" in heading:
        ids, column, lines = heading.index("id") if "id" in heading else None, heading.index("hash"), lines[1:]
    else:
        ids, column = None, 0
    size, items = hashlib.new(function, usedforsecurity=False).digest_size, []
    for number, row in lines:
        digest = _digest(row[column].strip(), size) if len(row) > max(column, ids or 0) else None
        if digest is None:
            raise InputError(f"{path}, line {number}: no digest of {function} ({size} bytes in hexadecimal or Base64)")
        items.append(Item(row[ids].strip() if ids is not None else str(number), digest.hex()))
    if len({item.id for item in items}) != len(items):
        raise InputError(f"{path}: an ID stands in it twice; each line needs its own")
    return items


def match_people(manifest: pd.DataFrame, items: Sequence[Item], function: str, kind: str) -> dict[str, set[str]]:
    """For every item the subjects with an identifier of this digest: a filing's key, or its person's id.

    kind: one of IDENTIFIERS. Photos of nobody known have no identifier. Raises InputError for an unknown kind.
    """
    if kind not in IDENTIFIERS:
        raise InputError(f"unknown kind of identifier {kind!r}: give one of {', '.join(IDENTIFIERS)}")
    owners: dict[str, set[str]] = defaultdict(set)
    named = manifest[~manifest["person"].str.startswith(UNKNOWN_PERSON)]
    for column in (pd.Series(filings(named), index=named.index), named["person"]):
        for identifier, subject in set(zip(column, named["subject"], strict=True)):
            written = IDENTIFIERS[kind](identifier)
            if written:
                owners[hashlib.new(function, written.encode(), usedforsecurity=False).hexdigest()].add(subject)
    return {item.id: owners.get(item.digest, set()) for item in items}


def answer_list(
    ledger: Ledger,
    benchmark: str,
    manifest: pd.DataFrame,
    items: Sequence[Item],
    function: str,
    kind: str,
    *,
    submit_as: Actor | None = None,
    verified_by: str | None = None,
    days: int = DAYS,
    at: datetime | None = None,
) -> list[Answer]:
    """The answer for every item as the ledger stands; asked again later, the same list gets its later answer.

    submit_as: who enters a request for each one who matches and has none. verified_by: who checked the identities, as the
    platform did; without it the requests wait for that. Where a digest fits several people, a person decides.
    """
    keys = {item.id: f"hashed/{benchmark}/{function}/{kind}/{item.digest}" for item in items}
    known = requests_by_key(ledger, list(keys.values()))
    matched = match_people(manifest, items, function, kind)
    name_of = dict(zip(manifest["subject"], filings(manifest), strict=True))
    answers = []
    for item in items:
        request, subjects = known.get(keys[item.id]), matched[item.id]
        if request is None and len(subjects) == 1 and submit_as is not None:
            wanted = Submission(benchmark, subjects=(name_of[next(iter(subjects))],))
            request = submit(ledger, wanted, actor=submit_as, key=keys[item.id], days=days, at=at).request
            if verified_by is not None and request.state is State.RECEIVED:
                request = identify(ledger, request.id, by=verified_by, actor=submit_as, at=at)
            known[keys[item.id]] = request
        outcome = _outcome(ledger, request, subjects)
        answers.append(Answer(item.id, outcome, DROP_CODE.get(outcome), request.id if request else None))
    return answers


def _outcome(ledger: Ledger, request: RequestRecord | None, subjects: set[str]) -> Outcome:
    """By the request where there is one: whoever is deleted is no longer in the data."""
    while request is not None and request.duplicate_of is not None:
        request = find_request(ledger, request.duplicate_of)
    if request is None:
        return Outcome.NOT_FOUND if not subjects else Outcome.SEVERAL if len(subjects) > 1 else Outcome.OPEN
    if request.state is State.DENIED:
        return Outcome.EXEMPTED if denial_reason(ledger, request.id) in _EXEMPT else Outcome.REFUSED
    closed = {State.FULFILLED: Outcome.DELETED, State.NOT_FOUND: Outcome.NOT_FOUND, State.CANCELED: Outcome.REFUSED}
    return closed.get(request.state, Outcome.OPEN)


def _digest(text: str, size: int) -> bytes | None:
    """A digest of so many bytes in hexadecimal or Base64, or None."""
    try:
        found = bytes.fromhex(text) if len(text) == 2 * size else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return found if len(found) == size else None
