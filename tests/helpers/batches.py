"""A project with a ledger and an archive whose batches are carried out by stand-ins for the main flow and the audit."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import yaml

from aru.audit.audit_file import AuditRecord
from aru.core.config import load_config
from aru.core.files import bytes_md5, file_md5, read_json, write_json
from aru.data.manifest import write_manifest
from flows.requests.certificates.contents import Certificate, Place
from flows.requests.certificates.envelope import read_public_keys
from flows.requests.certificates.verifying import verify_folder
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import certificate_on_record, find_request, request_history
from flows.requests.ledger.records import Actor
from flows.requests.ledger.service import Evidence, approve, identify, record_resolution
from flows.requests.ledger.states import State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.processing.carrying_out import Done, Tools, carry_out
from flows.requests.processing.certifying import certify_at_fulfilment, gather_evidence
from flows.requests.processing.rechecking import BatchFigures, Earlier
from flows.requests.processing.suppressing import suppress_requests
from flows.tracking import registry, store
from tests.helpers import tracked

NAME = "aru-faces"
OPERATOR = Actor("operator")
PRESENT = Place(name="data/faces.zip", kind="archive", found=1, done="present, not erased", stated_by="program")


@dataclass
class Version:
    """A registered version and its audit's verdict."""

    version: str
    verdict: str


@dataclass
class Ran:
    """What the main flow returns."""

    published: Version


def figures(
    root: Path, benchmark: str, ledger: Ledger, batch: str, *, retain: float = 0.7, reversed_: bool = False
) -> BatchFigures:
    """Made-up figures of a batch."""
    earlier = Earlier(
        people=1, photos=1, erased=0, auc=0.5, low=0.4, high=0.6, limit=0.6, batches={"B-000001": 0.5}, reversed=reversed_
    )
    return BatchFigures(accuracy={"retain": retain, "test": 0.6, "unseen": 0.6}, retained_auc=0.6, earlier=earlier)


@dataclass
class Project:
    """A project with a ledger, and a main flow that registers a version with the next of `verdicts`."""

    root: Path
    ledger: Ledger
    verdicts: list[str] = field(default_factory=list)
    runs: list[dict] = field(default_factory=list)
    suppressed: list[tuple[str, ...]] = field(default_factory=list)
    found: list[BatchFigures] = field(default_factory=list)
    broken: BaseException | None = None

    def ask(self, *rows: int, split: str = "train") -> str:
        """An approved request for the photos of these rows of the manifest."""
        photos = manifest(self.root).iloc[list(rows)]
        request = submit(self.ledger, Submission("faces", photos=tuple(photos["path"])), actor=OPERATOR).request.id
        matches = [{"path": row.path, "digest": row.digest, "split": split, "how": "named"} for row in photos.itertuples()]
        details = {"people": [], "matches": matches}
        evidence = Evidence((), tuple(photos["digest"]), {"files": len(photos)}, "0" * 64, details)
        identify(self.ledger, request, actor=OPERATOR)
        record_resolution(self.ledger, request, evidence, actor=OPERATOR)
        approve(self.ledger, request, actor=OPERATOR)
        return request

    def carry_out(self) -> Done | None:
        """One turn of the schedule."""
        return carry_out(
            self.root,
            "faces",
            self.ledger,
            tools=Tools(self.run, self.audit, self.suppress, self.recheck, gather_evidence, certify_at_fulfilment),
        )

    def audit(self, root: Path, benchmark: str, level: str) -> AuditRecord:
        """Stands for an audit at a higher level, with the next verdict."""
        self.run(root, benchmark)
        return read_json(root / "work" / benchmark / "audit" / "audit.json")

    def recheck(self, root: Path, benchmark: str, ledger: Ledger, batch: str) -> BatchFigures:
        """Stands for the audit of those forgotten earlier: the next of `found`, or figures in which nothing is wrong."""
        return self.found.pop(0) if self.found else figures(root, benchmark, ledger, batch)

    def suppress(self, root: Path, benchmark: str, ledger: Ledger, requests: tuple[str, ...]) -> None:
        """Put them on the suppression list."""
        self.suppressed.append(tuple(requests))
        suppress_requests(root, benchmark, ledger, requests)

    def run(self, root: Path, benchmark: str) -> Ran:
        """Stands for the main flow: a version with files, the audit's record."""
        if self.broken is not None:
            raise self.broken
        verdict = self.verdicts.pop(0)
        self.runs.append(load_config(root / "params.yaml", benchmark).model_dump(mode="json"))
        prepared = manifest(root)
        prepared.loc[prepared["path"].isin(self.runs[-1]["data"]["forget"]["files"] or ()), "role"] = "forget"
        write_manifest(root / "work" / "faces" / "prepared" / "manifest.csv", prepared)
        client = store.client(root)
        first = client.get_model_version(NAME, "1")
        with registry.global_uri(store.tracking_uri(root)):
            made = client.create_model_version(NAME, first.source, first.run_id, tags=first.tags | {"audit.verdict": verdict})
        record = tracked.audit(verdict) | {"made_from": {"thresholds, MD5": file_md5(root / "thresholds.yaml")}}
        write_json(root / "work" / "faces" / "audit" / "audit.json", record)
        return Ran(Version(str(made.version), verdict))

    def state(self, request: str) -> State:
        """Where a request stands."""
        return find_request(self.ledger, request).state

    def certificate(self, request: str) -> str | None:
        """The name of its newest certificate on record."""
        return certificate_on_record(request_history(self.ledger, request))

    def set_policy(self, **sections: object) -> None:
        """Sections of requests.yaml, beside those that are there."""
        path = self.root / "requests.yaml"
        path.write_text(yaml.safe_dump((yaml.safe_load(path.read_text()) if path.is_file() else {}) | sections))


def manifest(root: Path) -> pd.DataFrame:
    """The rows of the manifest with the digests of the photos that are in the archive."""
    rows = tracked.manifest()
    with zipfile.ZipFile(root / "data" / "faces.zip") as archive:
        rows = rows[rows["path"].isin(archive.namelist())]
        return rows.assign(digest=[bytes_md5(archive.read(path)) for path in rows["path"]])


def verified(project: Project) -> list[Certificate]:
    """The project's certificates, each of which verifies, in their order."""
    folder = project.root / "certificates"
    done = verify_folder(folder, read_public_keys(folder / "keys"), root=project.root)
    assert [[check for check in one.checks if check.holds is not True] for one in done] == [[]] * len(done)
    return [one.certificate for one in done if one.certificate is not None]
