"""What the history may hold: digests, codes, counts, times, names of staff. Names of people and photos have no field.

All fields are in one model, and no other field is taken. Where a field is free text, as the places of an erasure and what was
done there, it must hold none of the names that the request's particulars have; short ones and words in small letters are not
looked for, because the program's own sentences have them by chance.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, StringConstraints, ValidationError, field_validator

from aru.methods.catalogue import MODULES
from flows.requests.certificates.contents import BatchEvidence, Place
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.tables import NAME, TIME

_FAULT = r"[A-Z][A-Za-z]{0,80}(Error|Exception|Unavailable|Busy|Timeout|Missing)"
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^R-[0-9]{6,12}$")]
BatchId = Annotated[str, StringConstraints(pattern=r"^B-[0-9]{6,12}$")]
Version = Annotated[str, StringConstraints(pattern=r"^([0-9]{1,9}|none)$")]
Fault = Annotated[str, StringConstraints(pattern=f"^{_FAULT}$")]
Staff = Annotated[str, StringConstraints(min_length=1, max_length=NAME)]
Instant = Annotated[str, StringConstraints(max_length=40)]
Verdict = Literal["pass", "inconclusive", "fail", "error", "missing"]
COUNTS = frozenset(
    {
        *("people", "photos", "files", "trained", "shared", "suspected", "unknown", "searched files", "searched people"),
        *("by named", "by person", "by person: confirmed among look-alikes"),
        *("by copy: same bytes", "by copy: other encoding", "by copy: edited", "by copy: of the photo that was sent"),
    }
)
"""The figures of a search: how many of what, and how many files were found in which way."""
_SHORTEST = 4
"""Shorter names, as a person's D in a family, would be found in any text."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Fields(_Part):
    """Fields of a request or a batch that a step sets."""

    key: Sha256 | None = None
    content: Sha256 | None = None
    kind: Literal["subject", "photos", "uploaded"] | None = None
    benchmark: Staff | None = None
    received: Instant | None = None
    first_due: Instant | None = None
    due: Instant | None = None
    created: Instant | None = None
    extended_because: Reason | None = None
    verified_by: Staff | None = None
    duplicate_of: RequestId | None = None
    batch: BatchId | None = None
    thresholds: Sha256 | None = None
    parameters: Sha256 | None = None
    model_before: Version | None = None
    model_after: Version | None = None

    @field_validator("extended_because", mode="before")
    @classmethod
    def _code(cls, value: Any) -> Any:
        return Reason(value) if isinstance(value, str) else value

    @field_validator("received", "first_due", "due", "created")
    @classmethod
    def _time(cls, value: str | None) -> str | None:
        if value is not None:
            datetime.strptime(value, TIME)
        return value


class Earlier(_Part):
    """Those forgotten before, audited again: `flows.requests.processing.rechecking.Earlier`."""

    people: NonNegativeInt
    photos: NonNegativeInt
    erased: NonNegativeInt
    auc: float | None
    low: float | None
    high: float | None
    limit: float | None
    batches: dict[BatchId, float | None]
    reversed: bool


class Figures(_Part):
    """The figures of a batch's model: `flows.requests.processing.rechecking.BatchFigures`."""

    accuracy: dict[Literal["retain", "test", "unseen"], float]
    retained_auc: float | None
    earlier: Earlier


class Record(_Part):
    """Something done for a request: a certificate that was issued, or an erasure with its places."""

    certificate: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,12}-R-[0-9]{6,12}\.json$")] | None = None
    sha256: Sha256 | None = None
    erasure: list[Place] | None = None


class EventContent(_Part):
    """All that a row of history may hold beside who, when, what and why."""

    set: Fields = Fields()
    particulars: dict[Literal["submitted", "photo", "remark", "evidence", "confirmed"], Sha256] = {}
    subjects: list[Sha256] = []
    files: list[Sha256] = []
    counts: dict[str, NonNegativeInt] = {}
    searched: Sha256 | None = None
    ranks: list[PositiveInt] = []
    shown: NonNegativeInt | None = None
    model: Md5 | None = None
    resolution: PositiveInt | None = None
    requests: list[RequestId] = []
    thresholds: Sha256 | None = None
    step: NonNegativeInt | None = None
    version: Version | None = None
    verdict: Verdict | None = None
    level: Literal["quick", "standard", "full"] | None = None
    method: str | None = None
    figures: Figures | None = None
    trained: NonNegativeInt | None = None
    limits: list[Literal["of_class", "of_training", "one_sided"]] = []
    kind: Fault | None = None
    weights_md5: Md5 | None = None
    since: Instant | None = None
    release: NonNegativeInt | None = None
    decision: Literal["carry out"] | None = None
    erased: NonNegativeInt | None = None
    evidence: dict[str, Any] | None = None
    record: Record | None = None

    @field_validator("counts")
    @classmethod
    def _known(cls, value: dict[str, int]) -> dict[str, int]:
        if not value.keys() <= COUNTS:
            raise ValueError("a figure that is not known")
        return value

    @field_validator("method")
    @classmethod
    def _of_the_catalogue(cls, value: str | None) -> str | None:
        if value is not None and value not in MODULES:
            raise ValueError("a method that is not known")
        return value

    @field_validator("since")
    @classmethod
    def _instant(cls, value: str | None) -> str | None:
        if value is not None:
            datetime.fromisoformat(value)
        return value

    @field_validator("evidence")
    @classmethod
    def _typed(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            BatchEvidence.model_validate(value)
        return value


def fault_kind(error: BaseException) -> str:
    """The kind of a fault as the history takes it: the name of its class, which is none of a person."""
    name = type(error).__name__
    return name if re.fullmatch(_FAULT, name) else "Exception"


def check_content(content: dict[str, Any], names: Iterable[str] = ()) -> None:
    """Raises ValueError where content is not what the history may hold, or its free texts have one of these names.

    The message has the field at most, never what is in it.
    """
    try:
        EventContent.model_validate(content)
    except ValidationError as error:
        known = {*EventContent.model_fields}
        fields = sorted({str(fault["loc"][0]) if fault["loc"][0] in known else "an unknown one" for fault in error.errors()})
        raise ValueError(f"the history takes no such content (field: {', '.join(fields)})") from None
    places = (content.get("record") or {}).get("erasure") or ()
    texts = [place[field] for place in places for field in ("name", "done")]
    if any(name.search(text) for text in texts for name in _looked_for(names).values()):
        raise ValueError("the history takes no names of people or photos (field: record)")


def without_names(text: str, names: Iterable[str], pseudonym: Callable[[str], str]) -> str:
    """A free text as the history takes it: in the place of each of these names its pseudonym."""
    for name, found in _looked_for(names).items():
        text = found.sub(pseudonym(name), text)
    return text


def _looked_for(names: Iterable[str]) -> dict[str, re.Pattern[str]]:
    """Those of the names that free texts are searched for, the longest first: a path before the file's name in it."""
    ordered = sorted(set(names), key=lambda name: (-len(name), name))
    return {name: _by_itself(name) for name in ordered if len(name) >= _SHORTEST and not _is_word(name)}


def named_in(particulars: Any) -> set[str]:
    """The names of people, and the paths of photos with their file names, in a particular's JSON content."""
    found: set[str] = set()
    if isinstance(particulars, list):  # those who were confirmed
        return set(map(str, particulars))
    for field in ("subjects", "photos"):
        found |= set(map(str, particulars.get(field) or ()))
    for person in particulars.get("people") or ():
        found |= set(person["names"]) if isinstance(person, dict) else {str(person)}
    for match in particulars.get("matches") or ():
        found |= {match["path"], match["path"].rpartition("/")[2]}
    return found


def _is_word(name: str) -> bool:
    """Whether a name is one word without a capital, which the program's own sentences may have by chance."""
    return name.isalpha() and name.islower()


def _by_itself(name: str) -> re.Pattern[str]:
    """The name where no letter or digit touches it; one word with its capitals, as Mark is in no "marked"."""
    return re.compile(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", 0 if name.isalpha() else re.IGNORECASE)
