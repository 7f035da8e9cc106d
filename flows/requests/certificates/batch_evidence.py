"""What certificates will say of a batch, gathered when its audit has passed and while the files of its run are still there."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from aru.audit.audit_file import AuditRecord
from aru.audit.thresholds import THRESHOLDS_FILE
from aru.audit.verdicts import Verdict
from aru.core.config import load_archive, load_config
from aru.core.errors import InputError
from aru.core.file_digest import file_sha256
from aru.core.names import FORGET, SUPPRESSION_FILE
from aru.data.manifest import read_manifest
from aru.data.suppression.keyed_hashes import Keys, key_path, read_keys
from aru.data.suppression.suppression_list import Entry, read_list
from aru.methods.chosen import parameters
from aru.reporting.run.results import read_costs
from aru.stages.code_record import installed_code
from flows.project.digests import Digests
from flows.project.git import git_state
from flows.project.params import PARAMS_FILE
from flows.project.pseudonyms import load_pseudonyms
from flows.requests.certificates.audited import audit_of
from flows.requests.certificates.contents import (
    Audit,
    BatchEvidence,
    Code,
    Cost,
    Figure,
    File,
    Unlearning,
    file_of,
)
from flows.requests.certificates.issuing import CERTIFICATES
from flows.requests.certificates.photo_hashes import PhotoHashes, absence, hash_photos, write_photo_hashes
from flows.requests.ledger.records import BatchRecord
from flows.tracking.production import in_production
from flows.tracking.registry import fetch_weights, model_name, version_tags, weights_file

PHOTOS = "photos"
"""The folder beside the certificates that holds the lists of photo hashes."""
_RETRAIN = "retrain"
_WHY: dict[Verdict, str] = {
    "pass": "the audit, by limits fixed beforehand, found no more of the forgotten than they allow",
    "inconclusive": "the audit, by limits fixed beforehand, neither found more of the forgotten than they allow nor ruled it "
    "out; the project releases such models (audit.release: not-failed)",
}
"""Why a model that was not trained again was released; one that failed never is."""
_ASIDE = {"train"}
"""The stages whose cost is not the batch's."""


def gather(
    root: Path, batch: BatchRecord, requests: Iterable[str], *, version: str | None, record: AuditRecord | None
) -> BatchEvidence:
    """What is known of a batch of these requests, and the list of the photo hashes of the data that its model is left with.

    version, record: the registered version that passed, and its audit; both None where nothing of the requests was trained
    on. Raises InputError where a photo of a request is still among the data that are kept.
    """
    root, name = Path(root), model_name(batch.benchmark)
    keys, suppressed = read_keys(key_path(root)), read_list(root / SUPPRESSION_FILE)
    suppressed.check(keys)
    if version is not None:
        rows = read_manifest(root / "work" / batch.benchmark / "prepared" / "manifest.csv")
        photos = hashes_of(root, batch.benchmark, rows[rows["role"] != FORGET], keys)
    else:
        photos = photos_without(root, batch.benchmark, keys, suppressed.entries)
    for request in requests:
        check_absent(request, suppressed.entries, photos)
    weights, before = _weights(root, batch, name, version)
    return BatchEvidence(
        data_before=photos.data_version,
        data_after=f"{photos.data_version}, without what {SUPPRESSION_FILE} keeps out",
        keys=keys.id,
        photos=write_list(root, photos),
        photo_root=photos.root,
        code=_code(root, name, version),
        unlearning=_unlearning(root, batch, record),
        model_before=before,
        weights=weights,
        audit=_audit(root, batch, record),
        cost=_cost(root, batch.benchmark, version),
    )


def photos_without(root: Path, benchmark: str, keys: Keys, entries: Iterable[Entry]) -> PhotoHashes:
    """The photo hashes of the archive as it is now, without the files that these entries of the suppression list name."""
    from flows.requests.resolving.resolution import people_of

    rows, _ = people_of(root, benchmark)
    named = {entry.value for entry in entries if entry.kind == "digest"}
    return hashes_of(root, benchmark, rows[[keys.digest(md5) not in named for md5 in rows["digest"]]], keys)


def hashes_of(root: Path, benchmark: str, rows: pd.DataFrame, keys: Keys) -> PhotoHashes:
    """The photo hashes of these rows of a manifest."""
    archive = load_archive(root / PARAMS_FILE, benchmark)
    digest = Digests(root).of(archive.as_posix())
    if digest is None:
        raise InputError(f"{archive} does not exist: `dvc pull` brings it here, and its photos are hashed then")
    return hash_photos(benchmark, root / archive, rows["path"], digest, keys)


def write_list(root: Path, photos: PhotoHashes) -> File:
    """Write a list of photo hashes beside the certificates, named by the data version and the photos: none is written over."""
    name = f"{CERTIFICATES}/{PHOTOS}/{photos.benchmark}-{photos.data_version[:8]}-{photos.root[:16]}.json"
    write_photo_hashes(root / name, photos)
    return file_of(root, name)


def check_absent(request: str, entries: Iterable[Entry], photos: PhotoHashes) -> None:
    """Raise InputError where a photo that a request has on the suppression list is among the photos."""
    wanted = [entry.value for entry in entries if entry.request == request and entry.kind in ("digest", "pixels")]
    if present := absence(wanted, photos).present:
        raise InputError(
            f"{len(present)} photo hashes of {request} are still among the data that are kept: look for its photos anew, with "
            f"`aru request resolve {request}`, and begin again"
        )


def _weights(root: Path, batch: BatchRecord, name: str, version: str | None) -> tuple[File, str]:
    """The weights that answer from now on, and the digest of those that knew the people."""
    original = root / "work" / batch.benchmark / "original" / "model.safetensors"
    if version is not None:
        return _registered(root, name, version), file_sha256(original)
    production = in_production(root, name)
    if production is not None:
        kept = _registered(root, name, production.version)
    elif original.is_file():
        kept = file_of(root, original.relative_to(root).as_posix())
    else:
        raise InputError(f"{batch.benchmark} has no model yet: `aru run` makes one")
    return kept, kept.sha256


def _registered(root: Path, name: str, version: str) -> File:
    path = weights_file(root, name, version)
    if path is not None and path.resolve().is_relative_to(root.resolve()):
        return file_of(root, path.resolve().relative_to(root.resolve()).as_posix())
    with tempfile.TemporaryDirectory() as folder:
        weights = fetch_weights(root, name, version, Path(folder))[1]
        return File(name=f"{name}/versions/{version}/{weights.name}", sha256=file_sha256(weights))


def _code(root: Path, name: str, version: str | None) -> Code:
    tags = version_tags(root, name, version) if version is not None else {}
    git = git_state(root)
    commit, dirty = (tags.get(key, git[key]) for key in ("git_commit", "git_dirty"))
    installed = json.loads(installed_code())["version"]
    return Code(version=tags.get("aru_version", installed), commit=commit, changed=dirty == "true")


def _unlearning(root: Path, batch: BatchRecord, record: AuditRecord | None) -> Unlearning:
    if record is None:
        return Unlearning(
            method="none", why_not_retraining="no photo of the request was trained on", parameters={}, batch=batch.id
        )
    config = load_config(root / PARAMS_FILE, batch.benchmark)
    why = "it was trained again, without the forgotten" if config.method == _RETRAIN else _WHY[record["verdict"]]
    values = load_pseudonyms(root, batch.benchmark).content(parameters(config).model_dump(mode="json"))
    return Unlearning(method=config.method, why_not_retraining=why, parameters=values, batch=batch.id)


def _audit(root: Path, batch: BatchRecord, record: AuditRecord | None) -> Audit:
    if record is not None:
        return audit_of(record, thresholds=root / THRESHOLDS_FILE, scheduled=batch.thresholds, fixed_at=batch.created)
    # What was looked at where there is nothing to audit: that none of the photos was trained on.
    found = Figure(
        criterion="photos_trained_on", value=0.0, low=None, high=None, limit="at most 0", verdict="pass", required=True
    )
    nobody = found.model_copy(
        update={"criterion": "worst_people", "value": None, "limit": "", "verdict": "not tested", "required": False}
    )
    return Audit(
        verdict="pass",
        level="data alone",
        thresholds=batch.thresholds,
        thresholds_scheduled=batch.thresholds,
        thresholds_fixed_at=batch.created.replace(microsecond=0),
        criteria=(found,),
        worst_person=nobody,
        bystanders=nobody.model_copy(update={"criterion": "bystanders"}),
    )


def _cost(root: Path, benchmark: str, version: str | None) -> Cost:
    costs = read_costs(root / "work" / benchmark) if version is not None else {}
    own = [cost for stage, cost in costs.items() if stage not in _ASIDE]
    devices = sorted({cost["device"] for cost in own})
    return Cost(seconds=sum(cost["seconds"] for cost in own), device=", ".join(devices) or "none")
