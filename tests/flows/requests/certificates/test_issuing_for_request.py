"""Certificates of requests: one for each release, and one in its place when the served model or the places are otherwise."""

import zipfile
from pathlib import Path

import pytest

from aru.core.errors import InputError
from flows.prediction.served_log import log_served
from flows.project.params import PARAMS_FILE, propose
from flows.requests.certificates.contents import Place
from flows.requests.certificates.issuing_for_request import certify
from flows.requests.ledger.verification import verify_ledger
from flows.tracking.production import in_production
from tests.helpers.batches import NAME, OPERATOR, PRESENT, Project, manifest, verified

pytest_plugins = ["tests.helpers.tracking_fixtures", "tests.helpers.batch_fixtures"]
ERASED = Place(name="data/faces.zip", kind="archive", found=1, done="erased", stated_by="program")


@pytest.mark.parametrize(
    "verdict, why",
    [("pass", "found no more of the forgotten than they allow"), ("inconclusive", "neither found more of the forgotten")],
)
def test_certificate_says_why_the_model_was_released(batch_project: Project, verdict: str, why: str) -> None:
    propose(batch_project.root / PARAMS_FILE, "faces", [("audit.release", "not-failed")]).write()
    batch_project.ask(0)
    batch_project.verdicts = [verdict]
    batch_project.carry_out()
    [certificate] = verified(batch_project)
    assert (certificate.audit.verdict, why in certificate.unlearning.why_not_retraining) == (verdict, True)


def take_out(root: Path, path: str) -> None:
    """Write the archive again without a photo."""
    archive = root / "data" / "faces.zip"
    with zipfile.ZipFile(archive) as opened:
        kept = {name: opened.read(name) for name in opened.namelist() if name != path}
    with zipfile.ZipFile(archive, "w") as written:
        for name, content in kept.items():
            written.writestr(name, content)


def test_certificate_says_what_was_done_and_is_replaced_when_that_changes(batch_project: Project) -> None:
    project, [path] = batch_project, list(manifest(batch_project.root)["path"][:1])
    request, other = project.ask(0), project.ask(5)
    with pytest.raises(InputError, match="is approved: a certificate is the answer to a fulfilled request"):
        certify(project.root, project.ledger, request, [], actor=OPERATOR)
    project.verdicts = ["pass"]
    project.carry_out()
    first, _ = verified(project)
    assert [(match.kind, match.how) for match in first.matched] == [
        ("digest", "named"),
        ("pixels", "its pixels, in any lossless file"),
    ]
    assert (first.request.kind, first.request.identity_checked_by) == ("photos", "operator")
    assert first.places == (PRESENT,)
    assert first.unlearning.method == "aru" and first.unlearning.parameters["finetune"]["epochs"] == 5
    assert (first.models.released_as, first.models.withdrawn, first.models.effective_from) == (f"{NAME}, version 2", (), None)
    assert first.audit.verdict == "pass" and first.cost.seconds == 50.0  # five stages of 10 s beside the original's training
    names = [file.name for file in first.files]
    assert names[0].startswith("mlruns/") and names[1].startswith("certificates/photos/faces-")

    places = list(first.places)
    again = certify(project.root, project.ledger, request, places, actor=OPERATOR)
    assert again.name == "000001-R-000001.json" and len(verified(project)) == 2
    production = in_production(project.root, NAME)
    assert production is not None
    served = log_served(project.root, NAME, production.version, production.weights_md5, production.batch)
    second = certify(project.root, project.ledger, request, places, actor=OPERATOR)
    assert second.name == "000003-R-000001.json" and project.certificate(request) == second.name
    effective = verified(project)[-1].models.effective_from
    assert effective is not None and effective.isoformat(timespec="seconds") == served["at"][:19] + "+00:00"

    with pytest.raises(InputError, match="2 photo hashes of R-000001 are still among the data"):
        certify(project.root, project.ledger, request, [ERASED], actor=OPERATOR, erased=True)
    take_out(project.root, path)
    (project.root / "work" / "faces" / "audit" / "audit.json").unlink()  # the ledger has what is needed
    for _ in range(2):
        third = certify(project.root, project.ledger, request, [ERASED], actor=OPERATOR, erased=True)
        assert third.name == "000004-R-000001.json"
    last = verified(project)[-1]
    assert last.places == (ERASED,) and last.data.before == first.data.before != last.data.after
    assert last.matched == first.matched
    assert last.models.effective_from == effective
    assert [project.certificate(one) for one in (request, other)] == [third.name, "000002-R-000002.json"]
    assert verify_ledger(project.ledger).faults == []


def test_photo_that_the_run_has_kept_keeps_the_batch_from_its_release(
    batch_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = batch_project
    request, run = project.ask(0), project.run
    project.verdicts = ["pass", "pass"]

    def forgetful(root: Path, benchmark: str) -> object:
        done = run(root, benchmark)
        manifest(root).to_csv(root / "work" / "faces" / "prepared" / "manifest.csv", index=False)  # nobody is left out
        rows = root / "work" / "faces" / "prepared" / "manifest.csv"
        rows.write_text(rows.read_text().replace(",forget,", ",retain,"))
        return done

    with monkeypatch.context() as patch, pytest.raises(InputError, match="2 photo hashes of R-000001 are still among"):
        patch.setattr(project, "run", forgetful)
        project.carry_out()
    assert in_production(project.root, NAME) is None and project.state(request) == "error"
    project.carry_out()
    assert project.state(request) == "fulfilled" and len(verified(project)) == 1
