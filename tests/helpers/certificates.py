"""A certificate with every field filled, of nobody."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.requests.certificates.contents import (
    PROVES_NOT,
    Asked,
    Audit,
    Certificate,
    Code,
    Cost,
    DataVersions,
    Figure,
    File,
    Match,
    ModelVersions,
    Place,
    Unlearning,
    Withdrawal,
)
from flows.requests.certificates.merkle import Tree

TIME = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WEIGHTS = "work/faces/unlearned/model.safetensors"


def sha256(text: str) -> str:
    """The SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_certificate(
    number: int = 1, previous: str | None = None, *, request: str | None = None, supersedes: str | None = None
) -> Certificate:
    """A certificate; the file that it names has the content "weights"."""
    tree = Tree.of(sha256(f"photo {place}") for place in range(20))
    matched = (sha256("file of the person"), sha256("pixels of the person"))

    def figure(criterion: str, verdict: str = "pass") -> Figure:
        return Figure(
            criterion=criterion, value=0.51, low=0.48, high=0.54, limit="at most 0.55", verdict=verdict, required=True
        )

    return Certificate(
        number=number,
        previous=previous,
        supersedes=supersedes,
        ledger=sha256("ledger"),
        issued=TIME + timedelta(days=9),
        request=Asked(
            id=request or f"R-{number:06d}",
            kind="subject",
            received=TIME,
            due=TIME + timedelta(days=30),
            identity_checked_by="the operator, by the account's address",
        ),
        matched=(
            Match(kind="digest", keyed_hash=matched[0], how="a photo of the subject"),
            Match(kind="pixels", keyed_hash=matched[1], how="the same photo, whatever its encoding"),
            Match(kind="subject", keyed_hash=sha256("id"), how="named by the request"),
        ),
        places=(
            Place(name="data/faces.zip", kind="archive", found=11, done="written again without them", stated_by="program"),
            Place(name="yearly backup", kind="backup", found=None, done="overwritten in 30 days", stated_by="operator"),
        ),
        data=DataVersions(
            before="ab" * 16,
            after="cd" * 16,
            keys="0123456789abcdef",
            photo_root=tree.root,
            absent={value: tree.absence(value) for value in matched},
        ),
        code=Code(version="0.2.0", commit="ef" * 20, changed=False),
        unlearning=Unlearning(
            method="aru",
            why_not_retraining="retraining takes 20 times as long",
            parameters={"mask": {"ratio": 0.5}, "finetune": {"epochs": 4}},
            batch="B-000001",
        ),
        models=ModelVersions(
            before=sha256("old weights"),
            after=sha256("weights"),
            released_as="faces, version 3",
            withdrawn=(Withdrawal(version="faces, version 2", at=TIME + timedelta(days=8)),),
            effective_from=TIME + timedelta(days=8),
        ),
        audit=Audit(
            verdict="inconclusive",
            level="standard",
            thresholds=sha256("thresholds"),
            thresholds_scheduled=sha256("thresholds"),
            thresholds_fixed_at=TIME + timedelta(days=1),
            criteria=(figure("membership"), figure("relearning", "inconclusive"), figure("features", "not tested")),
            worst_person=figure("exposure of the most exposed person"),
            bystanders=figure("accuracy of those who stay"),
        ),
        cost=Cost(seconds=61.5, device="CPU, 2 cores", energy_kwh=0.01),
        proves_not=PROVES_NOT,
        files=(File(name=WEIGHTS, sha256=sha256("weights")),),
    )


def project_with_weights(root: Path) -> Path:
    """A folder with the file that the certificate names."""
    (root / WEIGHTS).parent.mkdir(parents=True, exist_ok=True)
    (root / WEIGHTS).write_text("weights")
    return root
