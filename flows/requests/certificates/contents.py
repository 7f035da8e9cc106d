"""What a certificate says, field by field, and the in-toto statement that holds it.

A statement (https://in-toto.io/Statement/v1) names the files that it speaks of by their digests. Its predicate is a test
result (https://in-toto.io/attestation/test-result/v0.1), which any reader of that type understands: whether the audit passed,
and which criteria did. All that goes beyond it is in one extension field, `EXTENSION`, which other readers pass over. The two
formats are a dozen keys of JSON; a test holds what is written here to the parser of the package in-toto-attestation.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from aru.core.errors import InputError
from aru.core.file_digest import file_sha256
from flows.requests.certificates.merkle import AbsenceProof, Neighbour

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "aru_erasure"
THRESHOLDS = "thresholds"
"""The name of the audit's limits among the predicate's configuration."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Text = Annotated[str, StringConstraints(max_length=4000)]
Verdict = Literal["pass", "inconclusive", "fail"]
_RESULTS: dict[Verdict, str] = {"pass": "PASSED", "inconclusive": "WARNED", "fail": "FAILED"}


class Part(BaseModel):
    """A group of fields: frozen, and no field is taken that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Asked(Part):
    """The request: when it came and until when it was due, and who checked that the person is who they say."""

    id: RequestId
    kind: Literal["subject", "photos", "uploaded"]
    received: AwareDatetime
    due: AwareDatetime
    extended_because: Text = ""
    identity_checked_by: Text


class Match(Part):
    """One thing that the request was matched to, by a keyed hash alone."""

    kind: Literal["digest", "pixels", "perceptual", "subject"]
    keyed_hash: Text
    how: Text = Field(description="named by the request, a copy of a named photo, another filing of the person, ...")


class Place(Part):
    """A place that was looked at, or that the operator states, and what was done there."""

    name: Text
    kind: Literal["archive", "derived", "model", "tracking", "scheduler", "cache", "remote", "git", "backup", "recipient"]
    found: int | None = Field(ge=0, description="files or rows with the person's data; None where nobody could look")
    done: Text
    stated_by: Literal["program", "operator"]


class Side(Part):
    """A leaf beside an absent hash."""

    value: Sha256
    path: tuple[Sha256, ...]


class Proof(Part):
    """That a hash is not among a data version's photos (flows.requests.certificates.merkle)."""

    leaves: int
    index: int
    left: Side
    right: Side

    def plain(self) -> AbsenceProof:
        """The proof as its verifier takes it."""
        left, right = (Neighbour(value=side.value, path=list(side.path)) for side in (self.left, self.right))
        return AbsenceProof(leaves=self.leaves, index=self.index, left=left, right=right)


class DataVersions(Part):
    """The data version that had the person and the one that has not, with proofs for the matched hashes."""

    before: Text
    after: Text
    keys: Text = Field(description="id of the keys of all keyed hashes")
    photo_root: Sha256 = Field(description="root of the tree over the new version's photo hashes")
    absent: dict[Sha256, Proof]


class Code(Part):
    """What computed: the version of the package, the git commit, and whether files differed from it."""

    version: Text
    commit: Text
    changed: bool


class Unlearning(Part):
    """How the model was made to forget, and why it was not trained again."""

    method: Text
    why_not_retraining: Text
    parameters: dict[str, Any]
    batch: Text


class Figure(Part):
    """A criterion of the audit: its figure with a 95 % interval, its limit, and the verdict."""

    criterion: Text
    value: float | None
    low: float | None
    high: float | None
    limit: Text
    verdict: Literal["pass", "inconclusive", "fail", "not tested"]
    required: bool


class Audit(Part):
    """The audit of the released model, and the limits that were fixed before it."""

    verdict: Verdict
    level: Text
    thresholds: Sha256 = Field(description="of the file of limits that the verdict used")
    thresholds_scheduled: Sha256 = Field(description="of that file when the batch was scheduled")
    thresholds_fixed_at: AwareDatetime
    criteria: tuple[Figure, ...]
    worst_person: Figure = Field(description="the exposure of whoever of the forgotten stands out most, without a name")
    bystanders: Figure = Field(description="what became of the people who stay")


class Withdrawal(Part):
    """A model version that was taken out of use."""

    version: Text
    at: AwareDatetime


class ModelVersions(Part):
    """The models by their weights' digests; those that the person was in were withdrawn."""

    before: Sha256
    after: Sha256
    released_as: Text
    withdrawn: tuple[Withdrawal, ...]
    effective_from: AwareDatetime | None = Field(
        description="from then on the served model no longer knows the person; None where no server has reported it yet"
    )


class Cost(Part):
    """What the answer cost."""

    seconds: float = Field(ge=0)
    device: Text
    energy_kwh: float | None = Field(None, ge=0)


class File(Part):
    """A file that the certificate speaks of: its path in the project, and its SHA-256."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=400)]
    sha256: Sha256


class BatchEvidence(Part):
    """What a certificate says of its batch, gathered when the audit has passed: later runs write over the files it is from.

    The ledger's history keeps it. photos: the list of the data's photo hashes; weights: of the model that is released.
    """

    data_before: Text
    data_after: Text
    keys: Text
    photos: File
    photo_root: Sha256
    code: Code
    unlearning: Unlearning
    model_before: Sha256
    weights: File
    audit: Audit
    cost: Cost


class Certificate(Part):
    """The answer to one request. No field holds a name, a file name of the archive, or a photo."""

    number: int = Field(ge=1, description="of the certificate in its chain, from 1")
    previous: Sha256 | None = Field(description="digest of the statement before it; None for the first")
    supersedes: Sha256 | None = Field(
        description="digest of the statement about the same request in whose place this one stands; None for its first"
    )
    ledger: Sha256 = Field(description="hash of the newest row of the ledger's history when it was issued")
    issued: AwareDatetime
    request: Asked
    matched: tuple[Match, ...]
    places: tuple[Place, ...]
    data: DataVersions
    code: Code
    unlearning: Unlearning
    models: ModelVersions
    audit: Audit
    cost: Cost
    proves_not: tuple[Text, ...] = Field(min_length=1)
    files: tuple[File, ...] = Field(min_length=1)


PROVES_NOT = (
    "That no trace of the person is in the model: an audit finds what its attacks can find, at the power that it states.",
    "Anything about copies in places that are not listed, or about what recipients did with data that they had received.",
    "What stands in the history of version control, which a tool cannot rewrite.",
    "That another training seed, another audit or a later attack would come to the same figures.",
)
"""What every certificate leaves open; an operator may add to it."""


def statement_of(certificate: Certificate) -> dict[str, Any]:
    """The in-toto statement of a certificate, as JSON values."""
    audit = certificate.audit
    by_verdict = {
        verdict: [figure.criterion for figure in audit.criteria if figure.verdict == verdict]
        for verdict in ("pass", "inconclusive", "fail")
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": file.name, "digest": {"sha256": file.sha256}} for file in certificate.files],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": _RESULTS[audit.verdict],
            "configuration": [{"name": THRESHOLDS, "digest": {"sha256": audit.thresholds}}],
            "passedTests": by_verdict["pass"],
            "warnedTests": by_verdict["inconclusive"],
            "failedTests": by_verdict["fail"],
            EXTENSION: certificate.model_dump(mode="json", exclude={"files"}),
        },
    }


def certificate_of(statement: Any) -> Certificate:
    """The certificate of a statement. Raises InputError for any other, and where the two layers contradict each other."""
    try:
        predicate = statement["predicate"]
        files = [{"name": subject["name"], "sha256": subject["digest"]["sha256"]} for subject in statement["subject"]]
        certificate = Certificate.model_validate(predicate[EXTENSION] | {"files": files})
    except (KeyError, TypeError) as error:
        raise InputError(f"this is no statement of an erasure: it lacks {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"this is no statement of an erasure: {where}: {first['msg']}") from None
    if statement_of(certificate) != statement:
        raise InputError("the statement contradicts its own fields: the test result, the subjects or the types differ")
    return certificate


def encoded(statement: dict[str, Any]) -> bytes:
    """The bytes that are signed: JSON of one form, keys sorted, no blanks, UTF-8."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def file_of(root: Path, name: str) -> File:
    """A file of a project, as a certificate names it."""
    return File(name=name, sha256=file_sha256(Path(root) / name))


def utc(time: datetime) -> datetime:
    """A time with a zone, to the second. Raises ValueError without one."""
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return time.replace(microsecond=0)
