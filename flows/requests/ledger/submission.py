"""A new request: taken once for one idempotency key, however often and from how many sides it is sent."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from aru.core.errors import InputError
from flows.requests.ledger.chain import canonical
from flows.requests.ledger.changing import MAX_TEXT, changing, check_text
from flows.requests.ledger.deadlines import DAYS, due_date
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.records import Actor, RequestRecord, request_record
from flows.requests.ledger.states import Action
from flows.requests.ledger.tables import NAME, Request

MAX_NAMES, MAX_NAME, MAX_PHOTO = 10_000, 1_000, 30_000_000
"""People or photos of one request, characters of one name, bytes of an uploaded photo."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No request is older: an earlier receipt is a slip."""
SUBMITTED, PHOTO, REMARK = "submitted", "photo", "remark"
"""The particulars that hold what was submitted, the uploaded photo, and what the operator remarks."""


@dataclass(frozen=True)
class Submission:
    """What somebody asks for: people by name, photos by path, a photo that they sent, in one benchmark.

    remark: what else they wrote, erased with the rest.
    """

    benchmark: str
    subjects: tuple[str, ...] = ()
    photos: tuple[str, ...] = ()
    upload: bytes | None = None
    remark: str = ""

    @property
    def kind(self) -> str:
        """subject, photos or uploaded: the strongest thing that is named."""
        return "subject" if self.subjects else "photos" if self.photos else "uploaded"


@dataclass(frozen=True)
class Submitted:
    """The request, and whether this call made it; otherwise an earlier one with the same key did."""

    request: RequestRecord
    created: bool


def submit(
    ledger: Ledger,
    submission: Submission,
    *,
    actor: Actor,
    key: str | None = None,
    received: datetime | None = None,
    days: int = DAYS,
    at: datetime | None = None,
) -> Submitted:
    """Enter a request; with a key that is known, return the one that is there.

    key: chosen by who sends, the same whenever it is sent again; without one every call makes a request. received: when it
    came in, now by default. days: the time limit. Raises InputError for a submission that names nothing, for a key that was
    used for something else, and for a receipt in the future.
    """
    _check(submission)
    if key is not None:
        check_text("the idempotency key", key, MAX_NAME)
    content = ledger.digest("submission", [canonical(_content(submission)), days])
    name = ledger.digest("key", key) if key is not None else secrets.token_hex(32)
    with changing(ledger, actor, at) as change:
        known = change.session.execute(select(Request).where(Request.key == name)).scalar_one_or_none()
        if known is not None:
            if known.content != content:
                raise InputError(
                    f"this idempotency key was used for another request ({known.id}): send the same content, or a new key"
                )
            return Submitted(request_record(known), created=False)
        came = received or change.at
        if came.tzinfo is None or not EARLIEST <= came <= change.at:
            raise InputError(f"received {came}: give a time with its zone, from {EARLIEST.year} on and not in the future")
        due = due_date(came, days)
        change.head.requests += 1
        request = Request(id=f"R-{change.head.requests:06d}")
        change.step(
            Action.SUBMIT,
            request,
            sets={
                "key": name,
                "content": content,
                "kind": submission.kind,
                "benchmark": submission.benchmark,
                "received": came,
                "first_due": due,
                "due": due,
            },
            particulars=_particulars(submission),
        )
        return Submitted(request_record(request), created=True)


def _check(submission: Submission) -> None:
    names = (*submission.subjects, *submission.photos)
    check_text("the benchmark's name", submission.benchmark, NAME)
    if not names and submission.upload is None:
        raise InputError("the request names nobody: give people, photos, or a photo that was sent")
    if len(names) > MAX_NAMES:
        raise InputError(f"the request has {len(names)} names: at most {MAX_NAMES} in one; divide it")
    for name in names:
        check_text("a name", name, MAX_NAME)
    if submission.remark:
        check_text("the remark", submission.remark, MAX_TEXT)
    if submission.upload is not None and not 0 < len(submission.upload) <= MAX_PHOTO:
        raise InputError(f"the photo has {len(submission.upload)} bytes: give one of 1 to {MAX_PHOTO}")


def _content(submission: Submission) -> dict[str, object]:
    """The submission as JSON content; of the photo its digest."""
    photo = submission.upload
    return {
        "benchmark": submission.benchmark,
        "subjects": list(submission.subjects),
        "photos": list(submission.photos),
        "upload": hashlib.sha256(photo).hexdigest() if photo is not None else None,
        "remark": submission.remark,
    }


def _particulars(submission: Submission) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {SUBMITTED: canonical(_content(submission))}
    if submission.upload is not None:
        found[PHOTO] = submission.upload
    return found
